"""Which earlier scan a scan builds on: the newest one that came to its end, unless everything is due to be read anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from modelwarden.estate import Scan
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.settings.effective import instant

LAST: Final = "last"


class Since(Struct, frozen=True):
    """The scan to build on, or why everything is read."""

    folder: Folder | None = None
    why: str = ""
    """Empty where nobody asked to build on one."""


def since_of(text: str | None, runs: Path, scan: Scan, now: str) -> Since:
    """`last`, the id of a scan below `runs`, or its folder; `now` is UTC.

    Raises:
        ScanError: a scan is named that is none, or did not come to its end.
    """
    if text is None:
        return Since()
    folder = _last(runs) if text == LAST else _named(text, runs)
    if folder is None:
        return Since(None, f"no earlier scan in {runs}")
    full_at, today = instant(folder.plan()["full_at"]), instant(now)
    if full_at is None or today is None or today - full_at >= timedelta(days=scan.reconcile_days):
        return Since(None, f"everything was read last at {folder.plan()['full_at']}, which is due")
    return Since(folder)


def _last(runs: Path) -> Folder | None:
    """Ids sort by time."""
    found = [path.parent for path in runs.glob("*/manifest.json") if Folder(path.parent).sealed]
    return Folder(max(found, key=lambda path: path.name)) if found else None


def _named(text: str, runs: Path) -> Folder:
    folder = Folder(Path(text) if Path(text).is_dir() else runs / text)
    if not folder.sealed:
        raise ScanError(f"{folder.path}: is no scan that came to its end", f"name one below {runs}, or `{LAST}`")
    return folder
