"""Where the partitions of a scan are worked at: threads that collect and processes that judge, of this machine.

Whatever else runs `concurrent.futures` tasks can stand in for them: `cluster` does.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from modelwarden.errors import UserError

ACCOUNTS_AT_ONCE: Final = 8
_THRESHOLD: Final = 50_000
"""Of the garbage collector of a process that judges: what it makes of a package are plain values, which hold no circle."""


class Lost(UserError):
    """Whoever worked on the scan is gone; what was read is kept."""

    exit_code = 4


class Pools(Struct, frozen=True):
    """Who collects, and who judges."""

    collecting: Executor
    judging: Executor

    def lost(self, error: Exception) -> str:
        """Who was lost, if that is what a task or its submission raised; else empty, since the error is the task's own."""
        return (
            "a process that judges was killed, perhaps for want of memory" if isinstance(error, BrokenExecutor) else ""
        )

    def look(self, *, stopped: bool) -> None:
        """Asked again and again while tasks are pending; `stopped`: somebody stopped the scan.

        Raises:
            Lost: nobody is left who works at them.
        """


@contextmanager
def local(judges: int) -> Iterator[Pools]:
    """Threads, since collecting waits for AWS; and processes, since judging does not. No process: one more thread."""
    with ThreadPoolExecutor(ACCOUNTS_AT_ONCE, "collect") as collecting, _judges(judges) as judging:
        yield Pools(collecting, judging)


def judges_here() -> int:
    """One for each processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _judges(count: int) -> Executor:
    if not count:
        return ThreadPoolExecutor(1, "judge")
    # A fresh process holds no lock that a thread of this one held when it was made.
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin)


def _begin() -> None:
    """Leave Ctrl-C to the process that scans, and end with it however it ends."""
    gc.set_threshold(_THRESHOLD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
