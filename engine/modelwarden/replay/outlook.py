"""What of a record turns worse by nothing but time: when, for which package and control, and why.

Everything but the clock stays as it was recorded. The days on which waivers end and controls begin to block stand in
the settings, so decisions are made at those moments. A control that reads the clock may change its mind at any other:
it is asked once a week, and where its answer is another one, between which seconds it changes is searched for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final, Literal

from msgspec import Struct

from modelwarden.audit.framework import Framework, framework, names
from modelwarden.catalog import Bundle
from modelwarden.finding import Decision, Effect, Ruling, Verdict
from modelwarden.gate import House
from modelwarden.period import utc
from modelwarden.replay.performing import decide_again
from modelwarden.replay.recorded import Case
from modelwarden.scope import subject_of
from modelwarden.settings import Settings
from modelwarden.settings.effective import instant
from modelwarden.settings.resolve import Holder
from modelwarden.waiver import LONGEST

CLOCK: Final = "/request/as_of"
_STEP: Final = timedelta(days=7)
_FACTS: Final = 3
"""That one turn names."""
_SECOND: Final = timedelta(seconds=1)
_RANK: Final[dict[Effect, int]] = {"none": 0, "flags": 1, "undecides": 2, "blocks": 3}

Kind = Literal["waiver", "block_from", "clock", "framework", "gap"]


class Cause(Struct, frozen=True):
    """Why something turns."""

    kind: Kind
    """`waiver`: one ends. `block_from`: a control begins to block. `clock`: a control that reads the clock says otherwise.
    `framework`: one comes into force whose obligations the control gives evidence for. `gap`: what an organization accepts
    not to be read is accepted no longer."""
    id: str
    """Of the waiver, the framework, or the control (with the day from which it blocks); of a gap its account, region and API."""
    why: str


class Turn(Struct, frozen=True):
    """One control of one package acts worse from a moment on; or it acts as before, and a framework comes into force."""

    when: str
    """UTC, to the second."""
    package: str
    stage: str
    moment: str
    control: str
    before: Effect
    after: Effect
    verdict_before: Verdict
    verdict_after: Verdict
    cause: Cause
    because: str = ""
    """What the control that reads the clock says by then; of a framework the obligations."""


class Window(Struct, frozen=True):
    """From when to when is looked; both are moments at which a decision is made."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether something that begins then begins after the start, and not after the end."""
        return self.start < moment <= self.end


class Course(Struct, frozen=True):
    """What becomes of one decision."""

    turns: tuple[Turn, ...]
    """By time and control."""
    first: Verdict
    last: Verdict


def window_of(case: Case, start: datetime | None, days: int) -> Window | None:
    """From the start, else from when the case was judged; None where that is no time, or there are not so many days after it."""
    begin = start or instant(case.decision.request.as_of)
    try:
        return None if begin is None else Window(_whole(begin), _whole(begin) + timedelta(days=days))
    except OverflowError:
        return None


def course_of(house: House, case: Case, window: Window) -> Course:
    """What becomes of a decision by time alone."""
    begins = {
        moment: one for one in _frameworks() if window.holds(moment := _day(date.fromisoformat(one.effective_from)))
    }
    fixed = {window.start, *begins, *_fixed(house.settings, case, window)}
    moments = sorted({*fixed, *_weekly(house.bundle, window)})
    at, before = moments[0], _decided(house, case, moments[0])
    first, turns = before.verdict, list[Turn]()
    for moment in moments[1:]:
        after = _decided(house, case, moment)
        for when, old, new in _steps(house, case, (at, before), (moment, after)):
            turns += _turned(case, utc(when), old, new)
        if moment in begins:
            turns += _in_force(case, utc(moment), after, begins[moment])
        at, before = moment, after
    return Course(tuple(turns), first, before.verdict)


def clock_readers(bundle: Bundle) -> list[str]:
    """Ids of the controls that read the clock; whatever all others say does not change by time."""
    cedar = {policy.id for policy in bundle.policies if any(one.pattern == CLOCK for one in policy.attributes)}
    return sorted(cedar | {id_ for id_, control in bundle.controls.items() if CLOCK in control.info.reads})


def _fixed(settings: Settings, case: Case, window: Window) -> Iterator[datetime]:
    """The moments inside the window at which settings say something else of the package."""
    subject = subject_of(case.observed.evidence, settings.units)
    for waiver in settings.waivers:
        if any(waiver.covers(subject, id_) for id_ in waiver.controls):
            ends = _whole(waiver.ends)
            counts = _whole(waiver.granted) if waiver.granted else ends - LONGEST - timedelta(days=1)
            yield from (moment for moment in (counts, ends) if window.holds(moment))
    for layer in settings.layers:
        holders: list[Holder] = [layer, *layer.scopes]
        days = {entry.block_from for holder in holders for entry in holder.enforcement.values() if entry.block_from}
        yield from (moment for moment in map(_day, days) if window.holds(moment))


def _weekly(bundle: Bundle, window: Window) -> Iterator[datetime]:
    if clock_readers(bundle):
        steps = range(1, (window.end - window.start) // _STEP + 1)
        yield from (window.start + number * _STEP for number in steps)
        yield window.end


def _steps(
    house: House, case: Case, one: tuple[datetime, Decision], other: tuple[datetime, Decision]
) -> Iterator[tuple[datetime, Decision, Decision]]:
    """(moment, decision before, decision from then on) of each change between two decisions."""
    (start, before), (end, after) = one, other
    if _effects(before) == _effects(after):
        return
    if end - start <= _SECOND or not clock_readers(house.bundle):
        yield end, before, after
        return
    last = end - _SECOND
    shortly = _decided(house, case, last)
    if _effects(shortly) != _effects(before):
        middle = start + timedelta(seconds=int((end - start).total_seconds()) // 2)
        half = shortly if middle == last else _decided(house, case, middle)
        yield from _steps(house, case, one, (middle, half))
        if middle != last:
            yield from _steps(house, case, (middle, half), (last, shortly))
    if _effects(shortly) != _effects(after):
        yield end, shortly, after


def _decided(house: House, case: Case, moment: datetime) -> Decision:
    return decide_again(house, case, utc(moment))


def _effects(decision: Decision) -> list[tuple[str, Effect]]:
    return [(ruling.finding.control, ruling.effect) for ruling in decision.rulings]


def _turned(case: Case, when: str, before: Decision, after: Decision) -> Iterator[Turn]:
    """The controls that act worse than before."""
    old = {ruling.finding.control: ruling for ruling in before.rulings}
    request = case.decision.request
    for ruling in after.rulings:
        control = ruling.finding.control
        was = old.get(control)
        effect: Effect = was.effect if was else "none"
        if _RANK[ruling.effect] > _RANK[effect]:
            yield Turn(
                when,
                case.decision.package,
                request.stage,
                request.moment,
                control,
                effect,
                ruling.effect,
                before.verdict,
                after.verdict,
                *_cause(when, was, ruling),
            )


def _in_force(case: Case, when: str, decision: Decision, framework: Framework) -> Iterator[Turn]:
    """The open findings of controls that give evidence for a framework that comes into force."""
    request, doubt = case.decision.request, "" if framework.verified else ", a date that nobody has verified"
    why = f"{framework.title} comes into force on {framework.effective_from}{doubt}"
    for ruling in decision.rulings:
        control, effect = ruling.finding.control, ruling.effect
        refs = [one.ref for one in framework.mappings if one.control == control]
        if refs and effect != "none":
            yield Turn(
                when,
                case.decision.package,
                request.stage,
                request.moment,
                control,
                effect,
                effect,
                decision.verdict,
                decision.verdict,
                Cause("framework", framework.framework, why),
                ", ".join(refs),
            )


def _cause(when: str, was: Ruling | None, now: Ruling) -> tuple[Cause, str]:
    """Why, and what the control says by then where it is the control that says otherwise."""
    control, finding = now.finding.control, now.finding
    if was is None or was.finding.outcome != finding.outcome:
        because = finding.reason or "; ".join(map(str, finding.observed[:_FACTS]))
        return Cause("clock", control, f"{control} reads the clock, and says otherwise by then"), because
    if was.waiver and not now.waiver:
        waiver = was.waiver
        return Cause(
            "waiver", waiver.id, f"waiver {waiver.id} expires {waiver.expires}; its owner is {waiver.owner}"
        ), ""
    day = f"{control} from {when[:10]}"
    return Cause("block_from", day, f"{control} is at {now.level} from {when[:10]} on: {now.why_level}"), ""


@cache
def _frameworks() -> tuple[Framework, ...]:
    return tuple(map(framework, names()))


def _day(day: date) -> datetime:
    """Its first moment."""
    return datetime.combine(day, time(), UTC)


def _whole(moment: datetime) -> datetime:
    """The first whole second that is not before it: requests know no parts of one."""
    return moment if not moment.microsecond else moment.replace(microsecond=0) + _SECOND
