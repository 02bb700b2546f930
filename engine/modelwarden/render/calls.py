"""The calls to AWS that a scan's folder tells of: what it took, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from msgspec import Struct, field

from modelwarden.scan.folder import Folder
from modelwarden.snapshot import LedgerRow

_FINE = ("read", "skipped", "disabled")


class Calls(Struct):
    """What ledger rows add up to."""

    apis: Counter[str] = field(default_factory=Counter)
    """API -> requests, without retries."""
    errors: Counter[str] = field(default_factory=Counter)
    """State of a row that failed, as `denied` -> rows; those whose facts another API gave are among them."""

    def add(self, rows: Iterable[LedgerRow]) -> None:
        for row in rows:
            self.apis[row.api] += row.calls
            if row.state not in _FINE:
                self.errors[row.state] += 1


def of_cells(folder: Folder, cells: Collection[tuple[str, str]]) -> tuple[Calls, int]:
    """(calls for these cells, how many of them were read whole): of a cell that was not, nothing is counted.

    Raises:
        ScanError: a file of it was changed.
    """
    calls, whole = Calls(), 0
    for cell in cells:
        end, running = folder.end(*cell), folder.running(*cell)
        if end is None or end.unread:
            continue
        whole += 1
        calls.add(end.ledger)
        calls.add(running.ledger if running else ())
    return calls, whole


def of_scan(folder: Folder, cells: Collection[tuple[str, str]]) -> Calls:
    """All calls that the records of a scan tell of.

    Raises:
        ScanError: a file of it was changed.
    """
    calls = Calls()
    for cell in cells:
        end, running = folder.end(*cell), folder.running(*cell)
        calls.add(end.ledger if end else ())
        calls.add(running.ledger if running else ())
    for reference in folder.references():
        calls.add(reference.ledger)
    return calls
