"""One self-contained HTML page; where there are too many packages for one, with a folder beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Final

from modelwarden.audit.page import packages
from modelwarden.audit.page.contents import contents
from modelwarden.audit.page.drill import drill
from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.render.html import parts

MOST: Final = 10_000
"""Packages of a page that holds all of them."""
WORST: Final = 500
"""Packages of a page that cannot."""
_BYTES: Final = 12_000_000
"""Of such a page, by what a package and a finding take."""
_PACKAGE, _FINDING = 900, 700


def write(source: Source, report: Report, out: BinaryIO, file: Path | None = None) -> tuple[str, ...]:
    """`file`: where the page will lie; without one, no further files are written.

    Raises:
        DrillError: the folder beside it cannot be written.
        TablesError, ScanError: the tables cannot be read.
    """
    listed = packages.listed(source)
    findings = listed.pop("findings")
    total = sum(listed.values())
    whole = total <= MOST and total * _PACKAGE + findings * _FINDING <= _BYTES
    spelled = total if whole else min(WORST, total)
    drilled = drill(source, report, file) if file is not None and not whole else None
    values = contents(source, report) | {
        "paged": False,
        "spelled": spelled,
        "hidden": hidden(listed, spelled),
        "files": drilled.files if drilled else {},
        "folder": drilled.folder if drilled else "",
        "packages": packages.worst(source, spelled),
    }
    fill(out, values, script="page.js")
    if drilled is None:
        return ()
    return (f"{total} packages are too many for one page: {drilled.written} files in {drilled.folder}/ go with it",)


def fill(out: BinaryIO, values: dict[str, Any], *, script: str = "") -> None:
    """Written as it is made."""
    for part in parts("report.html.j2", script=script, **values):
        out.write(part.encode())


def hidden(listed: dict[str, int], spelled: int) -> list[tuple[str, int]]:
    """How many of each kind are not spelled out, where the worst are spelled first."""
    found = []
    for kind, count in listed.items():
        shown = min(count, spelled)
        spelled -= shown
        found.append((kind, count - shown))
    return [(kind, count) for kind, count in found if count]
