"""Attestations: a run becomes two in-toto statements (v1) about the same subjects, in one file.

The file is an in-toto attestation bundle, JSON lines of DSSE envelopes (`<run>.intoto.jsonl`), which SLSA and in-toto
tools read as it is: first our own statement about the decision, then the SLSA verification summary, which everybody's
tools know. Two statements, since the summary has no room for flags and waivers; one file, so that nobody keeps half of
it. The summary names the digest of ours, so that parts of two attestations do not make a third.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from modelwarden.attest.envelope import pae, seal
from modelwarden.attest.refusal import NotSigned
from modelwarden.attest.signer import Signer
from modelwarden.attest.statement import (
    BUNDLE,
    DECISION,
    RUN,
    VERIFIER,
    Asked,
    Coverage,
    DecisionOf,
    DecisionStatement,
    Descriptor,
    GivenWaiver,
    SubjectOf,
    Summary,
    SummaryStatement,
    Totals,
    Uncovered,
    VerifierOf,
    level,
)
from modelwarden.evidence import Evidence, Present
from modelwarden.finding import Decision, Effect
from modelwarden.period import end_of
from modelwarden.request import Principal
from modelwarden.run import Run

MOST_BYTES: Final = 4_096
"""Of what is signed: KMS takes no more. Beyond it the lists of a decision stand in the run alone."""

_HEX: Final = "0123456789abcdef"
_DIGESTS: Final = (("artifact", "", "checksum_sha256"), ("container", "/image", "resolved_digest"))
"""Facts that name content by its sha256. An ETag is none: it may be an MD5, or of no content at all."""


def attest(run: Run, run_sha256: str, signer: Signer) -> bytes:
    """The attestation of a run: two envelopes, a line each. `run_sha256`: hex, of the bytes that were recorded.

    Raises:
        NotSigned: something of the run was only asserted, nothing has a digest, or the signer refuses.
    """
    if run.kind != "gate":
        raise NotSigned(f"signing refuses a run of the kind `{run.kind}`: only the gate's own decisions are signed")
    check_proven(run.decision)
    subjects, without = subjects_of(run.evidence)
    if not subjects:
        named = ", ".join(one.name for one in without) or "no artifact and no image"
        raise NotSigned(
            f"nothing that the package would run has a digest, so there is nothing to sign for: {named}",
            "upload the artifacts with a SHA-256 checksum, and let the images' digests be read",
        )
    ours = _ours(run, run_sha256, subjects, without)
    reference = Descriptor(DECISION, {"sha256": hashlib.sha256(ours).hexdigest()})
    summary = _summary(run, run_sha256, subjects, reference)
    return b"".join(seal(payload, signer) + b"\n" for payload in (ours, summary))


def check_proven(decision: Decision) -> None:
    """Raises NotSigned for what was asserted, and for rules that nobody pinned."""
    if decision.asserted:
        raise NotSigned(
            f"signing refuses what was asserted: {', '.join(decision.asserted)}",
            "gate the package by its ARN, as whom the credentials prove, and as of now",
        )
    if decision.advisory:
        raise NotSigned(
            "signing refuses an advisory decision: no pinned organization layer stands behind the settings",
            "name the policy pack with --organization and --organization-digest",
        )


def subjects_of(evidence: Evidence) -> tuple[tuple[SubjectOf, ...], tuple[Uncovered, ...]]:
    """(what is named by its digest, what the package would run besides). Equal content counts once."""
    found: dict[str, str] = {}
    without: list[Uncovered] = []
    for kind, below, digest in _DIGESTS:
        count, indices = evidence.listing(f"/{kind}")
        without += [] if isinstance(count, Present) else [Uncovered(f"{kind}/*", "", "")]
        for index in indices:
            name = f"{kind}/{index}{below}"
            value = _sha256(evidence, f"/{kind}/{index}{below}/{digest}")
            if value is None:
                without.append(Uncovered(name, _text(evidence, f"/{name}/uri"), _text(evidence, f"/{name}/version_id")))
            else:
                found.setdefault(value, name)
    return tuple(SubjectOf(name, {"sha256": value}) for value, name in found.items()), tuple(without)


def _text(evidence: Evidence, pointer: str) -> str:
    fact = evidence.get(pointer)
    return str(fact.value) if isinstance(fact, Present) else ""


def _sha256(evidence: Evidence, pointer: str) -> str | None:
    value = _text(evidence, pointer).removeprefix("sha256:")
    return value if len(value) == 64 and all(char in _HEX for char in value) else None


def _summary(run: Run, run_sha256: str, subjects: tuple[SubjectOf, ...], ours: Descriptor) -> bytes:
    decision = run.decision
    # INVARIANT: only what may be promoted passed. Undecided is no yes, and the summary knows no third word.
    passed = decision.verdict in ("allow", "flag")
    reached = level(decision.request.stage, decision.request.moment) if passed else "FAILED"
    predicate = Summary(
        verifier=VerifierOf(VERIFIER),
        time_verified=decision.request.as_of,
        resource_uri=decision.package,
        policy=Descriptor(BUNDLE, {"sha256": decision.digests.bundle.removeprefix("sha256:")}),
        input_attestations=(ours, Descriptor(RUN + run.id, {"sha256": run_sha256})),
        verification_result="PASSED" if passed else "FAILED",
        verified_levels=(reached,),
    )
    return msgspec.json.encode(SummaryStatement(subject=subjects, predicate=predicate))


def _ours(run: Run, run_sha256: str, subjects: tuple[SubjectOf, ...], without: tuple[Uncovered, ...]) -> bytes:
    decision = run.decision
    who = decision.request.principal
    controls, waivers, coverage = _controls(decision), _waivers(decision), _coverage(run)
    whole = DecisionOf(
        run=run.id,
        run_sha256=run_sha256,
        versions=run.versions,
        package=decision.package,
        request=Asked(
            decision.request.stage,
            decision.request.moment,
            decision.request.as_of,
            who.principal if isinstance(who, Principal) else None,
        ),
        verdict=decision.verdict,
        counts=dict(decision.count()),
        controls=controls,
        waivers=waivers,
        waived_until=_waived_until(waivers),
        rollback_to=decision.rollback.run if decision.rollback else None,
        coverage=coverage,
        digests=msgspec.to_builtins(decision.digests),
        uncovered=without,
        totals=Totals(
            **{effect: len(ids) for effect, ids in controls.items()},
            waivers=len(waivers),
            break_glass=sum(one.break_glass for one in waivers),
            unread=len(coverage.unread),
        ),
        abridged=False,
    )
    payload = msgspec.json.encode(DecisionStatement(subject=subjects, predicate=whole))
    if len(pae(payload)) <= MOST_BYTES:
        return payload
    short = msgspec.structs.replace(
        whole, controls={}, waivers=(), coverage=Coverage(whole.coverage.read, ()), abridged=True
    )
    return msgspec.json.encode(DecisionStatement(subject=subjects, predicate=short))


def _controls(decision: Decision) -> dict[str, tuple[str, ...]]:
    effects: tuple[Effect, ...] = ("blocks", "flags", "undecides")
    return {
        **{
            effect: tuple(one.finding.control for one in decision.rulings if one.effect == effect) for effect in effects
        },
        "off": decision.off,
    }


def _waivers(decision: Decision) -> tuple[GivenWaiver, ...]:
    applied = {one.waiver.id: one.waiver for one in decision.rulings if one.waiver}
    return tuple(
        GivenWaiver(
            id_,
            tuple(one.finding.control for one in decision.rulings if one.waiver and one.waiver.id == id_),
            waiver.expires,
            waiver.break_glass,
        )
        for id_, waiver in sorted(applied.items())
    )


def _waived_until(waivers: tuple[GivenWaiver, ...]) -> str | None:
    ends = [end_of(one.expires, f"waiver {one.id}") for one in waivers]
    return min(ends).strftime("%Y-%m-%dT%H:%M:%SZ") if ends else None


def _coverage(run: Run) -> Coverage:
    unread = {f"{row.api} {row.state}" for row in run.ledger if row.state != "read" and not row.covered_by}
    return Coverage(sum(row.state == "read" for row in run.ledger), tuple(sorted(unread)))
