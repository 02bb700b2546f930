"""The forecast of a whole record: what turns worse, by cause, soonest first; in memory that does not grow with the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import Struct, field

from modelwarden.gap import Gap
from modelwarden.period import utc
from modelwarden.replay.house import NotAgain
from modelwarden.replay.outlook import Cause, Turn, clock_readers, course_of, window_of
from modelwarden.replay.performing import Spec, in_parts, performer_of
from modelwarden.replay.recorded import Case, Part, Recorded, cases_of, manifest_of, rules_of
from modelwarden.replay.tally import NAMED, Named
from modelwarden.settings.effective import instant


class Turning(Struct):
    """What one cause brings about."""

    why: str
    first: str
    """When it begins, UTC."""
    decisions: int = 0
    count: int = 0
    """Turns; one for each control of each decision."""
    turns: list[Turn] = field(default_factory=list)
    """The soonest, at most NAMED."""

    def add(self, other: Turning) -> None:
        self.first = min(self.first, other.first)
        self.decisions += other.decisions
        self.count += other.count
        self.turns = sorted([*self.turns, *other.turns], key=_order)[:NAMED]


class Forecast(Struct):
    """Of a part, or of a whole record."""

    decisions: int = 0
    turning: int = 0
    """Decisions of which something turns worse."""
    not_judged: int = 0
    start: str = ""
    """Of the first window, UTC; empty where there is none."""
    end: str = ""
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(at the start, at the end) -> decisions."""
    readers: set[str] = field(default_factory=set)
    """Controls that read the clock."""
    causes: dict[tuple[str, str], Turning] = field(default_factory=dict)
    """(kind, id) -> what it brings about."""
    lost: list[Named] = field(default_factory=list)
    """What could not be judged."""

    def soonest(self) -> list[tuple[tuple[str, str], Turning]]:
        """Causes by the moment at which they begin."""
        return sorted(self.causes.items(), key=lambda item: (item[1].first, item[0]))

    def took(self, turns: Iterable[Turn]) -> None:
        """What one decision is subject to."""
        of_one: dict[tuple[str, str], Turning] = {}
        for turn in turns:
            key = (turn.cause.kind, turn.cause.id)
            one = of_one.setdefault(key, Turning(turn.cause.why, turn.when, decisions=1))
            one.add(Turning("", turn.when, count=1, turns=[turn]))
        self.turning += bool(of_one)
        self._join(of_one)

    def refused(self, case: Case, why: str) -> None:
        self.not_judged += 1
        request = case.decision.request
        named = Named(case.decision.package, case.run, request.stage, request.moment, why=why)
        self.lost += [named] if len(self.lost) < NAMED else []

    def looked(self, start: str, end: str) -> None:
        """A window was looked at."""
        self.start = min(filter(None, (self.start, start)), default="")
        self.end = max(self.end, end)

    def add(self, other: Forecast) -> None:
        """Of a further part."""
        self.decisions += other.decisions
        self.turning += other.turning
        self.not_judged += other.not_judged
        self.looked(other.start, other.end)
        self.verdicts.update(other.verdicts)
        self.readers |= other.readers
        self._join(other.causes)
        self.lost += other.lost[: NAMED - len(self.lost)]

    def _join(self, causes: dict[tuple[str, str], Turning]) -> None:
        for key, one in causes.items():
            if key in self.causes:
                self.causes[key].add(one)
            else:
                self.causes[key] = one


def forecast(recorded: Recorded, spec: Spec, start: datetime | None, days: int, judges: int | None) -> Forecast:
    """What of a record turns worse within some days, by the recorded rules.

    `start` None: from when each decision was made. `judges` as for `performing.perform`.

    Raises:
        UserError: the record was changed or cannot be read.
        Lost: a process was killed.
    """
    whole = Forecast()
    for one in in_parts(partial(_of_part, start, days), spec, recorded, judges):
        whole.add(one)
    if recorded.kind == "scan":
        _add_gaps(whole, recorded, spec, start, days)
    return whole


def _of_part(start: datetime | None, days: int, spec: Spec, part: Part) -> Forecast:
    found, performer = Forecast(), performer_of(spec)
    for rules, case in cases_of(part):
        found.decisions += 1
        window = window_of(case, start, days)
        if case.why or window is None:
            found.refused(case, case.why or f"no {days} days can be counted from `{case.decision.request.as_of}`")
            continue
        try:
            house = performer.house(rules, f"run {case.run}")
            course = course_of(house, case, window)
        except NotAgain as error:
            found.refused(case, f"{error}; {error.help}")
            continue
        found.readers.update(clock_readers(house.bundle))
        found.looked(utc(window.start), utc(window.end))
        found.verdicts[course.first, course.last] += 1
        found.took(course.turns)
    return found


def _add_gaps(whole: Forecast, recorded: Recorded, spec: Spec, start: datetime | None, days: int) -> None:
    """What the organization accepts not to be read, and for how long."""
    manifest = manifest_of(recorded.place)
    begin = start or instant(manifest["as_of"])
    try:
        settings = performer_of(spec).house(rules_of(recorded.place), f"scan {recorded.id}").settings
    except NotAgain:
        return  # each decision says so
    for gap in settings.gaps:
        rows = list(_accepted(gap, manifest["coverage"]["accepted"]))
        if rows and begin is not None and begin < gap.ends <= begin + timedelta(days=days):
            what = f"{gap.account} {gap.region} {gap.api}"
            cause = Cause(
                "gap",
                what,
                f"the accepted gap {what} expires {gap.expires}; its owner is {gap.owner}: {len(rows)} rows of calls"
                " count as not read then, and such a scan as incomplete",
            )
            whole.causes[cause.kind, cause.id] = Turning(cause.why, utc(gap.ends))


def _accepted(gap: Gap, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows that the gap accepted; one that an equal gap accepted counts for both."""
    told = gap.to_json()
    for row in rows:
        if row["account"] == gap.account and all(row[name] == value for name, value in told.items()):
            yield row


def _order(turn: Turn) -> tuple[str, str, str]:
    return turn.when, turn.package, turn.control
