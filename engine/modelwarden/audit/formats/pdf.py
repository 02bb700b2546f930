"""The page on paper: the same content as a PDF, with a table of contents, page numbers, and how far the scan looked on each."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from modelwarden.audit.formats.html import hidden
from modelwarden.audit.page import packages
from modelwarden.audit.page.contents import contents
from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.errors import UserError
from modelwarden.render.html import fill

WORST: Final = 200
"""Packages that are spelled out; the others are counted, and are in the other formats."""


class PaperError(UserError):
    """A PDF that cannot be made here."""


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Raises PaperError where WeasyPrint or a library of the system is missing, TablesError where a table cannot be read."""
    document, fetcher = _renderer()
    listed = packages.listed(source)
    del listed["findings"]
    spelled = min(WORST, sum(listed.values()))
    left = hidden(listed, spelled)
    text = fill(
        "report.html.j2",
        paper="paper.css",
        **contents(source, report),
        paged=True,
        spelled=spelled,
        hidden=left,
        files={},
        folder="",
        packages=packages.worst(source, spelled),
    )
    # INVARIANT: nothing but what the document holds is read, whatever a name in it says.
    document(string=text, media_type="print", url_fetcher=fetcher(allowed_protocols=["data"])).write_pdf(out)
    gc.collect()  # what Pango made hangs in cycles: given back by this thread, and not by whichever collects garbage next
    count = sum(count for _, count in left)
    return (f"the pdf spells out the worst {spelled} packages and counts {count} more",) if count else ()


def _renderer() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """(a document from HTML, what fetches its addresses)."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except ImportError as error:
        raise PaperError("a PDF needs WeasyPrint, which is not installed", "pip install 'modelwarden[pdf]'") from error
    except OSError as error:
        # Its own message spans lines; the library that could not be loaded is in it.
        raise PaperError(
            f"a PDF needs Pango, a library of the system: {' '.join(str(error).split())[:120]}",
            "install it (Debian, Ubuntu: apt-get install libpango-1.0-0 libpangoft2-1.0-0; macOS: brew install pango), or take -o html=",
        ) from error
    return HTML, URLFetcher
