"""The calls to AWS that a scan's folder tells of: what it took, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

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
        end = folder.end(*cell)
        if end is None or end.unread:
            continue
        whole += 1
        calls.add(_rows(folder, cell))
    return calls, whole


def of_scan(folder: Folder, cells: Collection[tuple[str, str]]) -> Calls:
    """All calls that the records of a scan tell of.

    Raises:
        ScanError: a file of it was changed.
    """
    calls = Calls()
    for cell in cells:
        calls.add(_rows(folder, cell))
    for reference in folder.references():
        calls.add(reference.ledger)
    return calls


def _rows(folder: Folder, cell: tuple[str, str]) -> Iterator[LedgerRow]:
    """Of the packages of a cell, of what runs there, and of its model cards."""
    for told in (folder.end(*cell), folder.running(*cell), folder.cards(*cell)):
        yield from told.ledger if told else ()
