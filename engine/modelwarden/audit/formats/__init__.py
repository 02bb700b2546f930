"""The formats of a report. Each is a module with `write(source, report, out)`, which says what a reader might miss.

A format is imported when it is asked for: no library is loaded that nobody needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

if TYPE_CHECKING:
    from modelwarden.audit.report import Report
    from modelwarden.audit.source import Source

FORMATS: Final = (
    *("html", "pdf", "json", "markdown", "csv", "sarif", "junit", "ocsf", "asff"),
    *("oscal", "oscal-components"),
)

WITH_HISTORY: Final = ("html", "pdf", "markdown", "json")
"""Those that tell of earlier scans, too."""

_BESIDE: Final = ("html",)
"""Those that write further files where a report is too large for one."""


class Write(Protocol):
    """Writes the report, in UTF-8 where it is text. Returns notices: one line each, for people."""

    def __call__(self, source: Source, report: Report, out: BinaryIO) -> Sequence[str]: ...


def writer(format_: str, file: Path | None = None) -> Write:
    """Of one of `FORMATS`. `file`: where the report will lie, for formats that put more beside it."""
    found = import_module(f"modelwarden.audit.formats.{format_.replace('-', '_')}").write
    write: Write = partial(found, file=file) if format_ in _BESIDE else found
    return write
