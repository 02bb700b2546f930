"""Recorded scans: three nights over the same packages, of which the middle one did not read everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwarden.audit.framework import frameworks
from modelwarden.audit.history import earlier, history_of
from modelwarden.audit.report import Report, report_of
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record
from tests.render.test_scan_page import ONE, judged, scan

AS_OF = ("2026-08-01T06:00:00Z", "2026-11-01T06:00:00Z", "2026-11-22T02:10:00Z")


def report(folder: Folder, scope: Scope | None = None) -> Report:
    with Source(folder, scope or Scope()) as source:
        told = history_of(source, earlier(folder))
        return report_of(source, frameworks("2026-11-22"), told, title="Report", generated_at=AS_OF[-1])


def night(runs: Path, number: int, *, more: tuple[Record, ...] = (), dark: bool = False) -> Folder:
    """A scan of one night below `runs`, under a name and as of a time of its own."""
    made = scan(runs / f"made-{number}", more=more, dark=dark)
    path = runs / f"2026112{number}T021000000000Z-0123abcd"
    made.path.rename(path)
    folder = Folder(path)
    told = {name: value for name, value in folder.manifest().items() if name != "schema"}
    folder.write_manifest(told | {"id": folder.id, "as_of": AS_OF[number]})
    return folder


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[Folder]:
    runs = tmp_path_factory.mktemp("runs")
    old = judged(ONE, "always/1", "ENC-02")
    new = judged(ONE, "lately/1", "IMG-03")
    return [
        night(runs, 0, more=(old,)),
        night(runs, 1, more=(old,), dark=True),
        night(runs, 2, more=(old, new), dark=True),
    ]
