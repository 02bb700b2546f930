"""Attestations: a run becomes two in-toto statements (v1) about the same subjects, in one file.

The file is an in-toto attestation bundle, JSON lines of DSSE envelopes (`<run>.intoto.jsonl`), which SLSA and in-toto
tools read as it is: first our own statement about the decision, then the SLSA verification summary, which everybody's
tools know. Two statements, since the summary has no room for flags and waivers; one file, so that nobody keeps half of
it. The summary names the digest of ours, so that parts of two attestations do not make a third.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from modelwarden.attest.envelope import pae, seal
from modelwarden.attest.refusal import NotSigned
from modelwarden.attest.signer import Signer
from modelwarden.evidence import Evidence, Present
from modelwarden.finding import Decision, Effect, Verdict
from modelwarden.request import Moment, Principal, Stage
from modelwarden.run import Run

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
DECISION: Final = "urn:modelwarden:decision:1"
VERIFIER: Final = "urn:modelwarden:gate"
BUNDLE: Final = "urn:modelwarden:bundle"
RUN: Final = "urn:modelwarden:run:"
MOST_BYTES: Final = 4_096
"""Of what is signed: KMS takes no more. Beyond it the lists of a decision stand in the run alone."""

_HEX: Final = "0123456789abcdef"
_DIGESTS: Final = (("artifact", "", "checksum_sha256"), ("container", "/image", "resolved_digest"))
"""Facts that name content by its sha256. An ETag is none: it may be an MD5, or of no content at all."""


class Descriptor(Struct, frozen=True):
    """An in-toto resource descriptor."""

    uri: str
    digest: dict[str, str]


class SubjectOf(Struct, frozen=True, forbid_unknown_fields=True):
    """An artifact or image, by content."""

    name: str
    """Where the evidence has it: `artifact/0`, `container/1/image`."""
    digest: dict[str, str]
    """`sha256` -> hex."""


class VerifierOf(Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class Summary(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The predicate of https://slsa.dev/verification_summary/v1."""

    verifier: VerifierOf
    time_verified: str
    """As of when was judged, UTC."""
    resource_uri: str
    """ARN of the model package."""
    policy: Descriptor
    input_attestations: tuple[Descriptor, ...]
    """Our own statement, and the recorded run."""
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: tuple[str, ...]
    slsa_version: str = "1.0"


class Asked(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The request."""

    stage: Stage
    moment: Moment
    as_of: str
    principal: str | None
    """ARN of who acted, proven; null where nobody could tell."""


class GivenWaiver(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A waiver that counted."""

    id: str
    controls: tuple[str, ...]
    expires: str
    break_glass: bool


class Uncovered(Struct, frozen=True, forbid_unknown_fields=True):
    """What the package would run and nobody knows the sha256 of: the attestation does not speak of its content."""

    name: str
    uri: str
    version: str
    """VersionId of the object that was judged; empty where there is none."""


class Coverage(Struct, frozen=True, forbid_unknown_fields=True):
    """What was read for the decision."""

    read: int
    """APIs that answered."""
    unread: tuple[str, ...]
    """`kms:DescribeKey denied` of every API that did not, and that no other one covered."""


class DecisionOf(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The predicate of `urn:modelwarden:decision:1`: what the verification summary has no room for."""

    run: str
    run_sha256: str
    """Hex, over the bytes of the recorded run: all details are there."""
    versions: dict[str, str]
    """Of modelwarden, cedarpy and Python."""
    package: str
    request: Asked
    verdict: Verdict
    counts: dict[str, int]
    controls: dict[str, tuple[str, ...]]
    """`blocks`, `flags`, `undecides`, `off` -> ids."""
    waivers: tuple[GivenWaiver, ...]
    rollback_to: str | None
    """The run that was returned to."""
    coverage: Coverage
    digests: dict[str, str]
    """`evidence`, `reference`, `bundle`, `settings`, `waivers`, `material` -> `sha256:<hex>`; material may be empty."""
    uncovered: tuple[Uncovered, ...]
    abridged: bool
    """Whether the lists were too long, and stand in the run alone."""


class SummaryStatement(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = field(name="_type", default=STATEMENT)
    subject: tuple[SubjectOf, ...]
    predicate_type: Literal["https://slsa.dev/verification_summary/v1"] = SUMMARY
    predicate: Summary


class DecisionStatement(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = field(name="_type", default=STATEMENT)
    subject: tuple[SubjectOf, ...]
    predicate_type: Literal["urn:modelwarden:decision:1"] = DECISION
    predicate: DecisionOf


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


def level(stage: Stage, moment: Moment) -> str:
    """What a package that passed is verified for, in words of our own as SLSA allows."""
    return f"MODELWARDEN_{stage}_{moment}".upper()


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
        controls=_controls(decision),
        waivers=_waivers(decision),
        rollback_to=decision.rollback.run if decision.rollback else None,
        coverage=_coverage(run),
        digests=msgspec.to_builtins(decision.digests),
        uncovered=without,
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


def _coverage(run: Run) -> Coverage:
    unread = {f"{row.api} {row.state}" for row in run.ledger if row.state != "read" and not row.covered_by}
    return Coverage(sum(row.state == "read" for row in run.ledger), tuple(sorted(unread)))
