"""Which earlier scan a scan builds on: the newest one that came to its end, unless everything is due to be read anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from modelwarden.estate import Scan
from modelwarden.scan.find import LAST, ended, latest
from modelwarden.scan.folder import Folder
from modelwarden.settings.effective import instant


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
    folder = latest(runs) if text == LAST else ended(text, runs)
    if folder is None:
        return Since(None, f"no earlier scan in {runs}")
    full_at, today = instant(folder.plan()["full_at"]), instant(now)
    if full_at is None or today is None or today - full_at >= timedelta(days=scan.reconcile_days):
        return Since(None, f"everything was read last at {folder.plan()['full_at']}, which is due")
    return Since(folder)
