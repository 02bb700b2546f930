"""What a scan would read, and about how many calls that takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from modelwarden.estate import Estate
from modelwarden.render.calls import of_cells
from modelwarden.render.text import printable
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError

SCHEMA: Final = "modelwarden.dry-run/1"
_PER_CELL: Final = 2
"""Calls that list the packages of a cell, if they fit one page."""
_PER_PACKAGE: Final = 12


class Estimate(Struct, frozen=True):
    """About how many calls the cells take."""

    scan: str
    """Id of the earlier scan that tells; empty where none does."""
    apis: dict[str, int]
    """API -> calls that the earlier scan made in `known` of the cells."""
    known: int
    guessed: int
    """Cells of which no earlier scan tells."""
    least: int
    """Calls to enter and list those, by the formula; what their packages take comes on top."""

    @property
    def calls(self) -> int:
        return sum(self.apis.values()) + self.least


def estimate(cells: Sequence[tuple[str, str]], earlier: Iterable[Folder], hub: str = "") -> Estimate:
    """From the first of the `earlier` scans that read one of the cells whole, else by the formula.

    With a hub each cell is asked what it sees of others, too.
    """
    per_cell = _PER_CELL + (hub != "")
    for folder in earlier:
        try:
            calls, known = of_cells(folder, cells)
        except ScanError:
            continue  # it says nothing that anybody could rely on; a dry run judges nothing by it
        if known:
            guessed = [cell for cell in cells if not _whole(folder, cell)]
            return Estimate(folder.id, dict(sorted(calls.apis.items())), known, len(guessed), _least(guessed, per_cell))
    return Estimate("", {}, 0, len(cells), _least(cells, per_cell))


def _whole(folder: Folder, cell: tuple[str, str]) -> bool:
    end = folder.end(*cell)
    return end is not None and not end.unread


def _least(cells: Sequence[tuple[str, str]], per_cell: int) -> int:
    return len({account for account, _ in cells}) + per_cell * len(cells)


def to_json(estate: Estate, cells: Sequence[tuple[str, str]], told: Estimate) -> dict[str, Any]:
    """The plan for a program."""
    return {
        "schema": SCHEMA,
        "source": estate.source,
        "cells": [{"account": account, "region": region} for account, region in cells],
        "skipped": [asdict(row) for row in estate.skipped],
        "unread": [asdict(row) for row in estate.unread],
        "estimate": {
            "from": "scan" if told.scan else "formula",
            "calls": told.calls,
            "calls_per_package": _PER_PACKAGE if told.guessed else None,
            **asdict(told),
        },
    }


def text(estate: Estate, cells: Sequence[tuple[str, str]], told: Estimate) -> str:
    """The plan for people."""
    lines = [f"{account}/{region}" for account, region in cells]
    lines += [f"{row.account}  skipped: {row.error}" for row in estate.skipped]
    lines += [f"{row.account}/{row.region}  {row.api}: {row.state}: {row.error}" for row in estate.unread]
    accounts = len({account for account, _ in cells})
    lines.append(f"{len(cells)} account-regions of {accounts} accounts would be read")
    if told.scan:
        lines.append(f"about {sum(told.apis.values())} calls for {told.known} of them, as scan {told.scan} made:")
        width = max(len(api) for api in told.apis) if told.apis else 0
        lines += [f"  {api:<{width}}  {count:>7}" for api, count in _most(told.apis)]
    if told.guessed:
        whose = f"{told.guessed} account-regions of which no earlier scan tells" if told.scan else "by the formula"
        lines.append(
            f"{whose}: at least {told.least} calls to enter accounts and list packages, and about {_PER_PACKAGE} for"
            " each package that is judged"
        )
    return "".join(printable(line) + "\n" for line in lines)


def _most(apis: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(apis.items(), key=lambda item: (-item[1], item[0]))
