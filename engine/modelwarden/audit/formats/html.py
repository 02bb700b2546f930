"""One self-contained HTML page."""

from __future__ import annotations

from typing import BinaryIO

from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.render import scan_page


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Raises ScanError where the records are not those that the manifest counts."""
    out.write(scan_page.page(source.folder, title=report.title, generated_at=report.generated_at).encode())
    return ()
