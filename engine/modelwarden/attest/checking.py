"""Checking an attestation, offline: by the public key and what the one who deploys knows. Nothing else is trusted."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from msgspec import Struct

from modelwarden.attest.envelope import open_
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused
from modelwarden.attest.statement import DECISION, RUN, DecisionOf, DecisionStatement, SummaryStatement, level
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.typed import decoder

MAX_BYTES: Final = 1_000_000
"""Of an attestation; one of 20 artifacts takes 10 KB."""
SKEW: Final = timedelta(minutes=5)
"""By how much the clock of whoever signed may be ahead."""

S = TypeVar("S")


class Wanted(Struct, frozen=True):
    """What the one who deploys demands; None: anything will do."""

    now: datetime
    subjects: tuple[str, ...] = ()
    """`sha256:<hex>` of everything that is about to be deployed: each must be a subject."""
    allow_uncovered: bool = False
    """Whether it may be silent about the content of something that the package would run."""
    max_age: timedelta | None = None
    bundle: str | None = None
    stage: str | None = None
    moment: str | None = None
    run_sha256: str | None = None
    """Hex; of the recorded run at hand."""


class Attested(Struct, frozen=True):
    """An attestation whose signatures and inner agreement were verified."""

    decision: DecisionStatement
    summary: SummaryStatement

    @property
    def subjects(self) -> dict[str, str]:
        """`sha256:<hex>` -> name."""
        return {f"sha256:{one.digest['sha256']}": one.name for one in self.summary.subject}


def opened(data: bytes, key: PublicKey, where: str) -> Attested:
    """The attestation in the bytes of a file.

    Raises:
        Refused: too large, not exactly our two envelopes, signed by another key, changed, or at odds with itself.
    """
    if len(data) > MAX_BYTES:
        raise Refused(f"{where}: larger than {MAX_BYTES} bytes")
    lines = data.split(b"\n")
    if len(lines) != 3 or lines[2]:
        raise Refused(f"{where}: not an attestation: exactly two lines are expected, each with an envelope")
    ours = open_(lines[0], key, f"{where}: line 1")
    summary = open_(lines[1], key, f"{where}: line 2")
    found = Attested(
        _statement(ours, DecisionStatement, f"{where}: line 1"),
        _statement(summary, SummaryStatement, f"{where}: line 2"),
    )
    _check_agreement(found, hashlib.sha256(ours).hexdigest(), where)
    return found


def check(found: Attested, wanted: Wanted, where: str) -> None:
    """Compare an attestation with what is demanded.

    Raises:
        Refused: the first demand that it does not meet.
    """
    summary, decision = found.summary.predicate, found.decision.predicate
    for subject in wanted.subjects:
        if subject not in found.subjects:
            raise Refused(
                f"{where}: wrong subject: it says nothing of `{subject}`", "deploy what was judged, or have this judged"
            )
    if wanted.subjects and decision.uncovered and not wanted.allow_uncovered:
        names = ", ".join(one.name for one in decision.uncovered)
        raise Refused(
            f"{where}: it does not cover {names}: no sha256 was known when it was judged",
            "upload it with a SHA-256 checksum and gate again, or compare its VersionId and say --allow-uncovered",
        )
    _check_age(summary.time_verified, wanted, where)
    _check_waivers(decision, wanted.now, where)
    demands = (
        ("bundle", wanted.bundle, decision.digests["bundle"], "judged by another bundle"),
        ("stage", wanted.stage, decision.request.stage, "for another stage"),
        ("moment", wanted.moment, decision.request.moment, "for another moment"),
        ("run", wanted.run_sha256, decision.run_sha256, "of another run, or the run was changed"),
    )
    for _, demanded, actual, problem in demands:
        if demanded is not None and demanded != actual:
            raise Refused(f"{where}: {problem}: it says `{actual}`, and `{demanded}` is demanded")
    if summary.verification_result != "PASSED":
        raise Refused(
            f"{where}: FAILED: the verdict is {decision.verdict} for {decision.request.stage}",
            f"`modelwarden explain` and the run {decision.run} say why",
        )


def _statement(payload: bytes, kind: type[S], where: str) -> S:
    try:
        statement: S = decoded(payload, decoder(kind))
    except NotJson as error:
        raise Refused(f"{where}: not the statement that belongs there: {' '.join(str(error).split())}") from error
    return statement


def _check_agreement(found: Attested, ours_sha256: str, where: str) -> None:
    """Both statements must be of one decision: parts of two attestations, each genuine, are none."""
    summary, decision = found.summary.predicate, found.decision.predicate
    inputs = {one.uri: one.digest.get("sha256") for one in summary.input_attestations}
    passed = decision.verdict in ("allow", "flag")
    request = decision.request
    agreed = (
        (inputs.get(DECISION), ours_sha256),
        (inputs.get(RUN + decision.run), decision.run_sha256),
        (found.summary.subject, found.decision.subject),
        (summary.resource_uri, decision.package),
        (summary.time_verified, request.as_of),
        ("sha256:" + summary.policy.digest.get("sha256", ""), decision.digests.get("bundle")),
        (summary.verification_result, "PASSED" if passed else "FAILED"),
        (summary.verified_levels, (level(request.stage, request.moment) if passed else "FAILED",)),
    )
    if any(one != other for one, other in agreed):
        raise Refused(f"{where}: its two statements are not of one decision")
    if not found.summary.subject or any(one.digest.keys() != {"sha256"} for one in found.summary.subject):
        raise Refused(f"{where}: it names no subject by sha256")


def _check_waivers(decision: DecisionOf, now: datetime, where: str) -> None:
    """INVARIANT: what was let through by an exception is let through no longer than the exception counts."""
    if decision.waived_until is not None and now >= _moment(decision.waived_until, where):
        raise Refused(
            f"{where}: a waiver that it rests on ended at {decision.waived_until}",
            "have it renewed, and gate the package again",
        )
    if decision.totals.waivers and decision.waived_until is None:
        raise Refused(f"{where}: it rests on waivers, and does not say until when they count")


def _moment(text: str, where: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused(f"{where}: its time `{text}` is none") from error


def _check_age(verified: str, wanted: Wanted, where: str) -> None:
    then = _moment(verified, where)
    if then > wanted.now + SKEW:
        raise Refused(f"{where}: from the future: it says {verified}", "correct the clock of this machine")
    if wanted.max_age is not None and wanted.now - then > wanted.max_age:
        raise Refused(f"{where}: too old: it is of {verified}", "gate the package again")
