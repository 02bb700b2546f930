"""What a scan tells whoever watches it, from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from modelwarden.scan.record import CellEnd


class Watcher(Protocol):
    """Is told how a scan goes on."""

    def begun(self, cells: int, already: int) -> None: ...

    def listed(self, account: str, region: str, packages: int) -> None: ...

    def read(self, account: str, region: str) -> None: ...

    def ended(self, end: CellEnd) -> None: ...

    def judged(self, account: str, region: str, packages: int, verdicts: Mapping[str, int]) -> None: ...

    def finished(self, manifest: Mapping[str, Any]) -> None: ...


class Nobody:
    """Watches nothing."""

    def begun(self, cells: int, already: int) -> None:
        pass

    def listed(self, account: str, region: str, packages: int) -> None:
        pass

    def read(self, account: str, region: str) -> None:
        pass

    def ended(self, end: CellEnd) -> None:
        pass

    def judged(self, account: str, region: str, packages: int, verdicts: Mapping[str, int]) -> None:
        pass

    def finished(self, manifest: Mapping[str, Any]) -> None:
        pass


NOBODY: Final = Nobody()
