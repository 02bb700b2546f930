"""Every decision of a record again, part by part, in this process or in several. Memory does not grow with the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import Final, TypeVar
from uuid import uuid4

from msgspec import Struct, field, structs

from modelwarden import gate
from modelwarden.errors import UserError
from modelwarden.finding import Decision
from modelwarden.gate import House
from modelwarden.replay.difference import changes, differences
from modelwarden.replay.house import Hypothesis, NotAgain, Rules, house_of, supposed_house
from modelwarden.replay.recorded import Case, Part, Recorded, cases_of
from modelwarden.replay.tally import Tally
from modelwarden.scan.executor import Lost, Pools, judges_here, local

T = TypeVar("T")

_HOUSES: Final = 16
"""That a process keeps."""
_FEW: Final = 1_000
"""Decisions for which no process is started unless somebody asks for it: it takes longer to start than to judge them."""
_AHEAD: Final = 4
"""Parts for each process that are given out before the first of them is told."""


class Spec(Struct, frozen=True):
    """How a record is judged again: enough for another process to do it."""

    run_code: bool = False
    """Whether Python that the record brings may run."""
    hypothesis: Hypothesis | None = None
    session: str = field(default_factory=lambda: uuid4().hex)
    """Differs for each command: a process forgets the houses of the one before."""


class Performer:
    """What one process needs to judge again."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._houses: dict[tuple[str, str, str], House | NotAgain] = {}

    def house(self, rules: Rules, where: str) -> House:
        """By which a case is judged again.

        Raises:
            NotAgain: it cannot be.
            UserError: what is supposed cannot be used, or the record was changed.
        """
        supposed = self._spec.hypothesis
        key = ("", "", "") if supposed and supposed.sources else rules.digests
        found = self._houses.get(key)
        if found is None:
            if len(self._houses) >= _HOUSES:
                self._houses.clear()
            found = self._houses[key] = self._made(rules, where)
        if isinstance(found, NotAgain):
            raise found
        return found

    def _made(self, rules: Rules, where: str) -> House | NotAgain:
        try:
            if self._spec.hypothesis:
                return supposed_house(rules, self._spec.hypothesis, where, run_code=self._spec.run_code)
            return house_of(rules, where, run_code=self._spec.run_code)
        except NotAgain as error:
            return error

    def tally(self, part: Part) -> Tally:
        """Judge a part again.

        Raises:
            UserError: what is supposed cannot be used, or the record was changed or cannot be read.
        """
        tally = Tally()
        for rules, case in cases_of(part):
            tally.rules[rules.digests] += 1
            tally.versions[_versions(rules)] += 1
            try:
                self._again(rules, case, tally)
            except NotAgain as error:
                tally.refused(case, f"{error}; {error.help}")
        return tally

    def _again(self, rules: Rules, case: Case, tally: Tally) -> None:
        house = self.house(rules, f"run {case.run}")
        if case.why:
            tally.refused(case, case.why)
            return
        supposed = self._spec.hypothesis
        try:
            again = decide_again(house, case, supposed.as_of if supposed else None)
        except Exception as error:  # noqa: BLE001 - a defect of ours in one decision costs the others nothing, and is told
            tally.refused(case, f"internal error: {type(error).__name__}: {error}")
            return
        found = changes(case.decision, again) if supposed else differences(case.decision, again, whole=case.whole)
        tally.judged(case, again, found)


def decide_again(house: House, case: Case, as_of: str | None = None) -> Decision:
    """The decision on the recorded evidence; `as_of` None: as of when it was recorded."""
    question = structs.replace(case.question, as_of=as_of) if as_of else case.question
    return gate.decision_on(house, question, case.observed, now=case.decision.request.as_of)


def perform(recorded: Recorded, spec: Spec, judges: int | None) -> Tally:
    """Judge everything again; `judges` is the number of processes, 0 for this one, None for as many as are of use.

    Raises:
        UserError: what is supposed cannot be used, or the record was changed or cannot be read.
        Lost: a process was killed.
    """
    whole = Tally()
    for one in in_parts(_tally, spec, recorded, judges):
        whole.add(one)
    return whole


def in_parts(work: Callable[[Spec, Part], T], spec: Spec, recorded: Recorded, judges: int | None) -> Iterator[T]:
    """What some work makes of each part of a record, in the order of the parts.

    Raises:
        Lost: a process was killed; and whatever the work raises.
    """
    if judges is None:
        judges = judges_here() if recorded.decisions > _FEW else 0
    judges = min(judges, len(recorded.parts))
    with local(judges if judges > 1 else 0) as pools:
        try:
            yield from _in_order(work, spec, iter(recorded.parts), pools.judging, _AHEAD * max(judges, 1))
        except UserError:
            raise
        except Exception as error:  # a lost process is told as one; everything else goes on as it came
            raise _told(error, pools) from error


def _told(error: Exception, pools: Pools) -> Exception:
    why = pools.lost(error)
    return Lost(why, "judge in fewer processes: --judges 1") if why else error


def _in_order(
    work: Callable[[Spec, Part], T], spec: Spec, parts: Iterator[Part], executor: Executor, ahead: int
) -> Iterator[T]:
    pending = [executor.submit(work, spec, part) for part in islice(parts, ahead)]
    try:
        while pending:
            done = pending.pop(0).result()
            pending += [executor.submit(work, spec, part) for part in islice(parts, 1)]
            yield done
    finally:
        for task in pending:
            task.cancel()


_performers: dict[str, Performer] = {}
"""Of this process, by session; one at a time."""


def performer_of(spec: Spec) -> Performer:
    """The one of this process."""
    found = _performers.get(spec.session)
    if found is None:
        _performers.clear()
        found = _performers[spec.session] = Performer(spec)
    return found


def _tally(spec: Spec, part: Part) -> Tally:
    return performer_of(spec).tally(part)


def _versions(rules: Rules) -> tuple[str, str, str]:
    modelwarden, cedarpy, python = (
        rules.versions.get(name, "unknown") for name in ("modelwarden", "cedarpy", "python")
    )
    return modelwarden, cedarpy, python
