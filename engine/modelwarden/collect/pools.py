"""Threads of one collector, kept from package to package: to start them for each would take longer than a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

from modelwarden.evidence import Fact

In = TypeVar("In")
Out = TypeVar("Out")
Facts = dict[str, Fact]

THREADS: Final = 32
"""Of either kind, made when they are needed."""


class Pools:
    """Two kinds of places: for tasks, and for what tasks wait for.

    INVARIANT: a task may wait for work that is spread, and work that is spread waits for neither. So whatever holds a
    place gets on, however many packages are read at once, and nobody waits for a place that another waiting one holds.
    The threads end when the collector is dropped.
    """

    def __init__(self, threads: int = THREADS) -> None:
        self._tasks = ThreadPoolExecutor(threads)
        self._spread = ThreadPoolExecutor(threads)

    def run(self, tasks: list[Callable[[], Facts]]) -> Facts:
        """The facts of all tasks, which run at once; for the reading of a package, never for a task or spread work."""
        if not tasks:
            return {}
        *others, last = tasks
        begun = [self._tasks.submit(task) for task in others]
        try:
            facts = last()  # the caller would do nothing but wait
        finally:
            wait(begun)
        for one in begun:
            facts |= one.result()
        return facts

    def spread(self, work: Callable[[In], Out], members: Iterable[In], /) -> Iterable[Out]:
        """Like `map`, and all at once: the work begins now, whenever the results are taken. For tasks."""
        return self._spread.map(work, members)

    def gather(self, work: Callable[[In], Out], members: Iterable[In]) -> list[Out]:
        """The results of `spread`, for a task that has nothing else to do meanwhile."""
        given = list(members)
        begun = self.spread(work, given[:-1])
        end = [work(one) for one in given[-1:]]
        return [*begun, *end]
