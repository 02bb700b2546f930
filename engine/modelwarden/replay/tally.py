"""What came of judging a record again: counts of all of it, and names of as much as fits a bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import Final

from msgspec import Struct, field

from modelwarden.evidence import NOT_COLLECTED
from modelwarden.facts import kind_of
from modelwarden.finding import Decision
from modelwarden.replay.difference import Difference
from modelwarden.replay.recorded import Case

NAMED: Final = 1_000
"""Of each list; the rest is counted."""


class Named(Struct, frozen=True):
    """A decision that is otherwise, or that could not be judged again."""

    package: str
    run: str
    """That recorded it."""
    stage: str
    moment: str
    differences: tuple[Difference, ...] = ()
    why: str = ""
    """Why it could not be judged again."""


class Tally(Struct):
    """Of a part, or of all of them."""

    agree: int = 0
    differ: int = 0
    not_judged: int = 0
    rules: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(digest of bundle, settings, waivers) that were recorded -> decisions."""
    versions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(modelwarden, cedarpy, python) that recorded -> decisions."""
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(recorded, again) of every decision that was judged again -> decisions."""
    controls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(control, recorded outcome, outcome again) where they differ -> decisions."""
    uncollected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(control, pattern of a fact) that is unknown since nobody collected it -> decisions."""
    differing: list[Named] = field(default_factory=list)
    lost: list[Named] = field(default_factory=list)
    """What could not be judged again."""

    @property
    def decisions(self) -> int:
        return self.agree + self.differ + self.not_judged

    def judged(self, case: Case, again: Decision, found: list[Difference]) -> None:
        """A decision was made again, and differs in what was `found`."""
        self.verdicts[case.decision.verdict, again.verdict] += 1
        self.uncollected.update(_uncollected(again))
        if not found:
            self.agree += 1
            return
        self.differ += 1
        self.controls.update((one.control, one.recorded, one.again) for one in found if one.what == "outcome")
        self._name(self.differing, case, tuple(found), "")

    def refused(self, case: Case, why: str) -> None:
        """A decision could not be made again."""
        self.not_judged += 1
        self._name(self.lost, case, (), why)

    def add(self, other: Tally) -> None:
        """What came of a further part."""
        self.agree += other.agree
        self.differ += other.differ
        self.not_judged += other.not_judged
        for name in ("rules", "versions", "verdicts", "controls", "uncollected"):
            getattr(self, name).update(getattr(other, name))
        for name in ("differing", "lost"):
            mine = getattr(self, name)
            mine += getattr(other, name)[: NAMED - len(mine)]

    def _name(self, into: list[Named], case: Case, found: tuple[Difference, ...], why: str) -> None:
        if len(into) < NAMED:
            request = case.decision.request
            into.append(Named(case.decision.package, case.run, request.stage, request.moment, found, why))


def _uncollected(decision: Decision) -> set[tuple[str, str]]:
    found = set()
    for ruling in decision.rulings:
        for seen in ruling.finding.observed if ruling.finding.outcome == "unknown" else ():
            if seen.fact == NOT_COLLECTED:
                kind = kind_of(seen.pointer)
                found.add((ruling.finding.control, kind.pattern if kind else seen.pointer))
    return found
