"""Threads are shared by all packages of a collector, however many wait for each other, and end with it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from modelwarden.collect.pools import Facts, Pools
from modelwarden.evidence import Present, Source

SOURCE = Source("test:Call")
PATIENCE_SECONDS = 20


def facts(name: str) -> Facts:
    return {f"/{name}": Present(name, SOURCE)}


def in_time(pools: Pools, packages: int, tasks: int, members: int) -> list[Facts]:
    """So many packages at once, each with so many tasks that wait for so much spread work; hangs for ever or answers."""

    def task(name: str) -> Facts:
        found: Facts = {}
        started = pools.spread(partial(work, name), range(members))
        for one in pools.gather(partial(work, f"{name}+"), range(members)):
            found |= one
        for one in started:
            found |= one
        return found

    def work(name: str, number: int) -> Facts:
        time.sleep(0.001)  # until somebody else has asked for a place
        return facts(f"{name}.{number}")

    def package(number: int) -> Facts:
        return pools.run([partial(task, f"{number}.{one}") for one in range(tasks)])

    outside = ThreadPoolExecutor(packages)
    begun = [outside.submit(package, number) for number in range(packages)]
    try:
        return [one.result(PATIENCE_SECONDS) for one in begun]
    finally:
        outside.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("threads", [1, 2, 32])
def test_more_tasks_than_places_all_come_to_their_end(threads: int) -> None:
    found = in_time(Pools(threads), packages=6, tasks=5, members=4)
    assert [len(one) for one in found] == [5 * 4 * 2] * 6


def test_tasks_run_at_once_and_the_caller_takes_part() -> None:
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def task(name: str) -> Facts:
        together.wait()
        return facts(name)

    assert Pools().run([partial(task, name) for name in "abc"]).keys() == {"/a", "/b", "/c"}


def test_what_is_spread_begins_before_its_results_are_taken() -> None:
    begun = threading.Event()
    results = Pools().spread(lambda _: begun.set(), [1])
    assert begun.wait(PATIENCE_SECONDS)
    assert list(results) == [None]


def test_results_are_gathered_in_order() -> None:
    assert Pools().gather(lambda number: number * 2, range(5)) == [0, 2, 4, 6, 8]
    assert Pools().gather(lambda number: number, ()) == []
    assert Pools().run([]) == {}


@pytest.mark.parametrize("broken", [0, 1])
def test_an_error_comes_out_when_the_other_tasks_have_ended(broken: int) -> None:
    """In the caller's own task as in any other."""
    ended = threading.Event()

    def fails() -> Facts:
        raise RuntimeError("boom")

    def lasts() -> Facts:
        time.sleep(0.05)
        ended.set()
        return {}

    tasks = [lasts, lasts]
    tasks[broken] = fails
    with pytest.raises(RuntimeError, match="boom"):
        Pools().run(tasks)
    assert ended.is_set()


def test_the_threads_end_with_the_collector() -> None:
    before = threading.active_count()
    pools = Pools()
    in_time(pools, packages=2, tasks=3, members=3)
    assert threading.active_count() > before
    gone = weakref.ref(pools)
    del pools
    gc.collect()
    assert gone() is None
    until = time.monotonic() + PATIENCE_SECONDS
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
