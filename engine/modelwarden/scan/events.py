"""What a scan tells while it runs, to whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from modelwarden.scan.record import CellEnd


class Watcher(Protocol):
    """Is told what happens, from any thread. What it does about that never changes what the scan finds."""

    def begun(self, cells: int, already: int) -> None:
        """So many cells are expected, of which `already` were read to their end by an earlier process."""

    def listed(self, account: str, region: str, packages: int) -> None:
        """The packages of a cell that somebody must read are known."""

    def read(self, account: str, region: str) -> None:
        """One package of a cell was read."""

    def ended(self, end: CellEnd) -> None:
        """A cell was collected to its end, or it is known why not."""

    def judged(self, account: str, region: str, packages: int, verdicts: Mapping[str, int]) -> None:
        """The packages of a cell were judged: verdict -> how many."""

    def finished(self, manifest: Mapping[str, Any]) -> None:
        """The manifest was written; nothing is told after it."""


class Nobody:
    """Watches nothing."""

    def begun(self, cells: int, already: int) -> None: ...

    def listed(self, account: str, region: str, packages: int) -> None: ...

    def read(self, account: str, region: str) -> None: ...

    def ended(self, end: CellEnd) -> None: ...

    def judged(self, account: str, region: str, packages: int, verdicts: Mapping[str, int]) -> None: ...

    def finished(self, manifest: Mapping[str, Any]) -> None: ...
