"""Driving a scan: every cell tells what runs there, then each is collected and judged, wherever its tasks run.

INVARIANT: a partition whose task failed is not counted as read: its cell has no end, or an end that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import groupby
from typing import Any, Final

from modelwarden.errors import UserError
from modelwarden.scan import partition
from modelwarden.scan.events import Watcher
from modelwarden.scan.executor import Lost, Pools
from modelwarden.scan.folder import Folder
from modelwarden.scan.partition import Part, Read
from modelwarden.scan.station import Spec
from modelwarden.scan.tally import Tally

Cell = tuple[str, str]

_SECONDS: Final = 0.2
"""After which it is looked whether somebody stopped the scan."""


class Drive:
    """One scan on its way to its end."""

    def __init__(self, spec: Spec, pools: Pools, stopped: Callable[[], bool], watcher: Watcher) -> None:
        self._spec = spec
        self._folder = Folder(spec.folder)
        self._pools = pools
        self._stopped = stopped
        self._watcher = watcher
        self._pending: dict[Future[Any], Callable[[Any], None]] = {}
        """Task -> what is done with its result."""
        self.broken: list[str] = []
        """Defects of ours."""

    def run(self, expected: Sequence[Cell], left: Sequence[Cell]) -> None:
        """What runs in the cells that are expected first, since it says what to judge in any other; then the cells left.

        Raises:
            UserError: what the user must mend first; what is being read is dropped, what was read is kept.
            Lost: whoever worked is gone.
        """
        try:
            self._run(expected, left)
        except UserError:
            raise
        except Exception as error:
            why = self._pools.lost(error)
            if not why:
                raise
            raise Lost(
                why, f"go on with `modelwarden scan --resume {self._folder.path}`: what was read is kept"
            ) from error

    def _run(self, expected: Sequence[Cell], left: Sequence[Cell]) -> None:
        for part in _parts(expected):
            self._submit(self._pools.collecting.submit(partition.what_runs, self._spec, part), self._told)
        self._finish()
        if self._stopped():
            return
        unread = set(left)
        for cell in expected:
            if cell not in unread:
                self._judge(*cell)
        for part in _parts(left):
            self._submit(self._pools.collecting.submit(partition.collect, self._spec, part), self._collected)
        self._finish()

    def _submit(self, task: Future[Any], then: Callable[[Any], None]) -> None:
        self._pending[task] = then

    def _finish(self) -> None:
        """Until nothing is pending. Tasks that wait when somebody stops the scan look for themselves, and do nothing."""
        try:
            while self._pending:
                self._pools.look(stopped=self._stopped())
                done, _ = wait(self._pending, timeout=_SECONDS, return_when=FIRST_COMPLETED)
                for task in done:
                    then = self._pending.pop(task)
                    then(task.result())
        except BaseException:
            for task in self._pending:
                task.cancel()
            raise

    def _told(self, read: Read) -> None:
        self.broken += read.broken

    def _collected(self, read: Read) -> None:
        self._told(read)
        for end in read.ends:
            self._watcher.ended(end)
            self._judge(end.account, end.region)

    def _judge(self, account: str, region: str) -> None:
        self._submit(self._pools.judging.submit(partition.judge, self._spec, account, region), self._judged)

    def _judged(self, tally: Tally) -> None:
        self.broken += tally.broken
        self._watcher.judged(tally.account, tally.region, sum(tally.roles.values()), tally.verdicts)


def _parts(cells: Iterable[Cell]) -> list[Part]:
    """The cells of each account together."""
    grouped = groupby(cells, lambda cell: cell[0])
    return [Part(account, tuple(region for _, region in some)) for account, some in grouped]


def left(folder: Folder, cells: Iterable[Cell]) -> list[Cell]:
    """Cells that were not read to their end, or of which packages may be missing."""
    ends = ((cell, folder.end(*cell)) for cell in cells)
    return [cell for cell, end in ends if end is None or end.unread]
