"""The desk: where one hint is answered. Each step may be done twice, and is known to be done once it is noted.

The order is that of safety: what was decided is written before anybody acts by it, an approval is taken back before it
is kept, logged, told and listed, so that nothing of that which fails leaves it standing, and what is undecided comes again
until its time is up. A crash between any two steps costs nothing:
the message comes again, and whoever takes it goes on behind what is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from msgspec import Struct

from modelwarden import gate, precedent
from modelwarden.collect import Collector
from modelwarden.errors import UserError
from modelwarden.evidence import Unknown
from modelwarden.finding import Verdict
from modelwarden.gate import House
from modelwarden.respond.case import Case, Nothing, case_of
from modelwarden.respond.claim import (
    KEPT,
    LEFT,
    LISTED,
    LOGGED,
    OVERTAKEN,
    RECORDED,
    REVERTED,
    TOLD,
    WAITS,
    Claim,
    Claims,
    key_of,
)
from modelwarden.respond.hint import Hint, again
from modelwarden.respond.word import Word, word_of
from modelwarden.run import Run
from modelwarden.store.records import MISSING, AlreadyThere, Records

_FIRST: Final = 30
_LONGEST: Final = 900
"""Seconds until what is undecided is judged again: twice as long each time, and SQS delays no message longer."""


class Outlets(Protocol):
    """What the desk sends. Each raises UserError where it was not taken, and then the whole message comes again."""

    def later(self, message: bytes, seconds: int) -> None:
        """Put a message into the queue that hints come from, visible after so many seconds."""
        ...

    def tell(self, word: Word) -> None:
        """Tell whoever listens."""
        ...


class Desk(Struct, frozen=True):
    """What answering needs."""

    house: House
    claims: Claims
    archive: Records
    """Where every run is written, also one that proves nothing."""
    enter: Callable[[Run], None]
    """Enters a run into the log of the organization, where there is one. It may be entered twice, and is never left out."""
    outlets: Outlets
    show: Callable[[Run, Run | None], None]
    """Shows Security Hub what is open by a run, and what is not any more of the run before it. Only asked where the settings
    say so. Raises UserError where it was not taken."""
    revert: Callable[[Run], str | None]
    """Takes an approval back; what was done, None where nothing was to do. Raises UserError where it was not."""
    collector: Callable[[str], Collector]
    """A collector that knows nothing yet, by the account whose packages it reads."""
    now: Callable[[], str]
    """UTC, to the second."""
    run_id: Callable[[], str]


class Answer(Struct, frozen=True):
    """What became of one hint about one package."""

    package: str
    state: Verdict | str
    """The verdict, or `gone`, `not approved`, `irrelevant`, `not read`."""
    run: str = ""
    why: str = ""
    """Why there is nothing to judge."""
    did: tuple[str, ...] = ()
    """Steps that were done this time; empty where everything had been done before."""


class NotRecorded(UserError):
    """A decision that could not be recorded, so that nobody acted by it."""

    help = "the message is tried again; let the function write below its archive"
    exit_code = 4


def answer(desk: Desk, hint: Hint) -> Answer:
    """Answer a hint about one package.

    Raises:
        UserError: a step failed. What was done is noted, and the same hint goes on behind it.
    """
    account = hint.package.split(":")[4]
    case = case_of(desk.house, desk.collector(account), hint)
    if isinstance(case, Nothing):
        return Answer(hint.package, case.state, why=case.why, did=_finish(desk, hint.package, case.why))
    run, claim = _recorded(desk, case)
    verdict = run.decision.verdict
    before = claim.done
    waits = verdict == "undecided" and case.approved and not _is_over(desk, hint, claim)
    if waits:
        claim = _once(desk, claim, f"again {hint.attempt}", lambda: _later(desk, hint, claim))
    elif verdict == "undecided" and case.approved and desk.house.settings.respond.leaves(run.decision.request.stage):
        claim = _once(desk, claim, LEFT, lambda: "left as it is, although it stays undecided")
    elif verdict == "block" and case.returned:
        claim = _once(desk, claim, LEFT, lambda: f"left as it is: run {case.returned} returned to it")
    elif verdict in ("block", "undecided") and case.approved:
        claim = _once(desk, claim, REVERTED, lambda: _take_back(desk, run))
    claim = _keep(desk, run, claim)
    if verdict != "allow":
        claim = _once(desk, claim, WAITS if waits else TOLD, lambda: _tell(desk, run, claim.said))
    claim = _list(desk, run, claim)
    did = claim.done[len(before) :]
    return Answer(hint.package, verdict, run.id, did=(*did, *_finish(desk, hint.package, "changed since", claim.key)))


def _finish(desk: Desk, package: str, why: str, but: str = "") -> tuple[str, ...]:
    """Go on with decisions that a crash left unfinished, and that the package is no longer about; `but` is the present one's key."""
    did: tuple[str, ...] = ()
    for claim in desk.claims.of(package):
        if claim.key != but and not claim.ended:
            after = _finished(desk, claim, why)
            did += after.done[len(claim.done) :]
    return did


def _finished(desk: Desk, claim: Claim, why: str) -> Claim:
    found = desk.archive.get(claim.package, claim.run)
    if isinstance(found, Unknown):
        if claim.verdict or found.reason != MISSING:
            raise _unreadable(claim, found)
        return desk.claims.note(claim, OVERTAKEN)
    if not claim.verdict:
        claim = desk.claims.note(claim, RECORDED, verdict=found.decision.verdict)
    claim = _keep(desk, found, claim)
    if claim.verdict != "allow" and WAITS not in claim.done:
        claim = _once(desk, claim, TOLD, partial(_tell, desk, found, claim.said or (why,)))
    return _list(desk, found, claim)


def _recorded(desk: Desk, case: Case) -> tuple[Run, Claim]:
    """The run of a case: the one that is recorded, or one that is recorded now.

    Raises:
        NotRecorded: it is nowhere, and cannot be written.
    """
    now = desk.now()
    first = _judge(desk, case, now, desk.run_id())
    key = key_of(first.decision, case.modified)
    lists = desk.house.settings.respond.security_hub
    claim = desk.claims.claim(Claim(first.decision.package, key, first.id, now, lists=lists))
    if claim.verdict:
        return _read(desk, claim), claim
    run = first if claim.run == first.id else _judge(desk, case, claim.at, claim.run)
    try:
        desk.archive.keep(run)
    except AlreadyThere:
        # Somebody recorded it and could not note it any more: what stands there is what was decided.
        run = _read(desk, claim)
    return run, desk.claims.note(claim, RECORDED, verdict=run.decision.verdict)


def _keep(desk: Desk, run: Run, claim: Claim) -> Claim:
    """Keep a run where those lie that prove an approval, and enter it into the log."""
    return _once(desk, _once(desk, claim, KEPT, lambda: _kept(desk, run)), LOGGED, lambda: desk.enter(run))


def _kept(desk: Desk, run: Run) -> None:
    if precedent.counts(run):
        with suppress(AlreadyThere):
            gate.keep(desk.house, run)


def _judge(desk: Desk, case: Case, at: str, run_id: str) -> Run:
    """The case judged as of a time; where it is blocked, whoever approved may have returned to what was allowed once."""
    run = gate.judge(desk.house, case.question, case.observed, now=at, run_id=run_id)
    if run.decision.verdict != "block" or case.question.moment != "approve":
        return run
    account = run.decision.package.split(":")[4]
    returned = gate.roll_back(desk.collector(account), desk.house, case.question, case.observed)
    back = gate.judge(desk.house, *returned, now=at, run_id=run_id)
    return back if back.decision.rollback else run


def _read(desk: Desk, claim: Claim) -> Run:
    found = desk.archive.get(claim.package, claim.run)
    if isinstance(found, Unknown):
        raise _unreadable(claim, found)
    return found


def _unreadable(claim: Claim, found: Unknown) -> NotRecorded:
    return NotRecorded(f"run {claim.run} of {claim.package} cannot be read: {found.reason}: {found.detail}")


def _is_over(desk: Desk, hint: Hint, claim: Claim) -> bool:
    """Whether it was undecided for as long as the settings wait."""
    waited = datetime.fromisoformat(desk.now()) - datetime.fromisoformat(hint.since or claim.at)
    return waited >= timedelta(minutes=desk.house.settings.respond.wait_minutes)


def _later(desk: Desk, hint: Hint, claim: Claim) -> None:
    seconds = min(_LONGEST, _FIRST * 2**hint.attempt)
    desk.outlets.later(again(hint, hint.since or claim.at), seconds)


def _take_back(desk: Desk, run: Run) -> str | None:
    rules = desk.house.settings.respond
    if rules.mode != "enforce":
        return f"would be {rules.revert_to}: the mode is {rules.mode}"
    return desk.revert(run)


def _tell(desk: Desk, run: Run, did: tuple[str, ...]) -> None:
    if desk.house.settings.respond.mode != "observe":
        desk.outlets.tell(word_of(run, did))


def _list(desk: Desk, run: Run, claim: Claim) -> Claim:
    """Show it to Security Hub where it shall be, unless a later decision about the package stands there already."""
    if not claim.lists or LISTED in claim.done:
        return claim
    listed = [one for one in desk.claims.of(claim.package) if LISTED in one.done]
    newest = max(listed, key=lambda one: one.run, default=None)
    if newest is None or newest.run < claim.run:
        desk.show(run, _read(desk, newest) if newest else None)
    return desk.claims.note(claim, LISTED)


def _once(desk: Desk, claim: Claim, step: str, work: Callable[[], str | None]) -> Claim:
    """Do a step that is not noted, and note it."""
    return claim if step in claim.done else desk.claims.note(claim, step, said=work() or "")
