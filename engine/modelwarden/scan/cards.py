"""Model cards of a scan beside its packages: which belong to none, and of which nobody can tell.

They are not judged, and have no part in the exit code; that they could not be listed has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

from modelwarden.arn import parse_arn
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Cards
from modelwarden.scan.tally import MOST
from modelwarden.snapshot import LedgerRow, ModelCard

Cell = tuple[str, str]
LIST: Final = "sagemaker:ListModelCards"
_OF_LISTING: Final = ("sagemaker:Search", "sagemaker:DescribeModelCard")
"""What a card is about comes from these. Where they fail, each card that they do not tell of is named."""


class Loose(Struct, frozen=True):
    """A card that belongs to no package of the scan."""

    card: str
    """ARN."""
    kind: Literal["standalone", "not told"]
    status: str
    created: str
    changed: str
    """UTC of its newest version."""
    what: str
    """Which package it names and nobody found, or why it could not be told what it belongs to."""


class CardCount(Struct):
    """The cards of a scan."""

    counts: Counter[str] = field(default_factory=Counter)
    """`of a package`, and the kinds of `Loose`; nothing where nobody asked."""
    loose: list[Loose] = field(default_factory=list)
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    """(account, region, why) of each expected cell of which nobody knows all cards."""

    def to_json(self) -> dict[str, Any]:
        """Its part of the manifest."""
        return {
            "cards": dict(self.counts),
            "loose_cards": [asdict(one) for one in self.loose],
            "cards_unread": [{"account": one, "region": two, "why": why} for one, two, why in self.unread],
        }


def holes(cards: Cards | None, account: str, region: str) -> list[LedgerRow]:
    """What cards of a cell may be missing for; none where the list was read to its end."""
    if cards is None:
        return [LedgerRow(account, region, LIST, "incomplete", 0, 0.0, "not read: the scan ended before")]
    rows = [row for row in cards.ledger if row.api not in _OF_LISTING and row.state != "read"]
    if rows or not cards.unread or (cards.unread_by and LIST not in cards.unread_by):
        return rows  # whoever could not enter the account says so of what runs there
    return [LedgerRow(account, region, LIST, "incomplete", 0, 0.0, cards.unread)]


def count(folder: Folder, cells: Sequence[Cell]) -> CardCount:
    """Compare the cards of all cells with the packages that were found.

    Raises:
        ScanError: a file of the scan was changed.
    """
    found = CardCount(Counter(dict.fromkeys(("of a package", "standalone", "not told"), 0)))
    for account, region in cells:
        cards = folder.cards(account, region)
        if cards is None or cards.unread:
            found.unread.append((account, region, cards.unread if cards else "not read: the scan ended before"))
    for _, _, loose in compared(folder, cells):
        found.counts[loose.kind if loose else "of a package"] += 1
        if loose and len(found.loose) < MOST:
            found.loose.append(loose)
    return found


def compared(folder: Folder, cells: Sequence[Cell]) -> Iterator[tuple[Cell, ModelCard, Loose | None]]:
    """Each card, where it lies, and what it is if it belongs to no package of the scan.

    Raises:
        ScanError: a file of the scan was changed.
    """
    packages = _Packages(folder, cells)
    for cell in cells:
        cards = folder.cards(*cell)
        for card in cards.found if cards else ():
            yield cell, card, _loose(card, packages)


def _loose(card: ModelCard, packages: _Packages) -> Loose | None:
    """None where its package was found."""
    kind: Literal["standalone", "not told"] = "not told"
    what = card.problem
    if not what and card.package:
        there, what = packages.has(card.package)
        if there:
            return None
        kind = "not told" if there is None else "standalone"
    elif not what:
        kind, what = "standalone", "names no package"
    return Loose(card.arn, kind, card.status, card.created, card.changed, what)


class _Packages:
    """The packages of the scan; those of one cell at a time are in memory, and only of cells that a card names."""

    def __init__(self, folder: Folder, cells: Collection[Cell]) -> None:
        self._folder = folder
        self._cells = frozenset(cells)
        self._cell: Cell | None = None
        self._held: frozenset[str] = frozenset()

    def has(self, package: str) -> tuple[bool | None, str]:
        """(whether it was found, why not); None where it may be in what was not read."""
        arn = parse_arn(package)
        cell = arn.account, arn.region
        if cell not in self._cells:
            return None, f"names {package}, in an account-region that the scan does not read"
        if self._cell != cell:
            self._cell, self._held = cell, self._read(cell)
        if package.casefold() in self._held:
            return True, ""
        end = self._folder.end(*cell)
        if end is None or end.unread:
            return None, f"names {package}, in an account-region that was not read whole"
        return False, f"names {package}, which is not there"

    def _read(self, cell: Cell) -> frozenset[str]:
        if self._folder.tally(*cell) is None:
            return frozenset()
        records = self._folder.records(*cell, with_evidence=False, with_decision=False)
        return frozenset(record.package.casefold() for record in records if record.role != "gone")
