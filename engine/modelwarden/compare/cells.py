"""What two scans made of each account and region. Pure.

INVARIANT: what a scan was to read and did not is `not read`, and never merely out of its scope.
"""

from __future__ import annotations

from msgspec import Struct

from modelwarden.compare.change import Reach
from modelwarden.compare.recorded import Recorded


class Reached(Struct, frozen=True):
    """What one scan made of an account and region."""

    reach: Reach
    why: str = ""
    """Empty where it was read."""


class Cell(Struct, frozen=True):
    """One account and region that either scan was to read."""

    account: str
    region: str
    earlier: Reached
    later: Reached


def cells_of(earlier: Recorded, later: Recorded) -> list[Cell]:
    """Every cell of either scan, sorted; among them all that their tables hold packages of."""
    scans = (earlier, later)
    places = sorted({cell for scan in scans for cell in (*scan.estate.cells, *scan.folder.cells())})
    return [Cell(*place, _reached(earlier, *place), _reached(later, *place)) for place in places]


def _reached(scan: Recorded, account: str, region: str) -> Reached:
    place = (account, region)
    if place in scan.holes:
        return Reached("not read", scan.holes[place])
    if place in scan.expected:
        return Reached("read")
    if account in scan.skipped:
        return Reached("not in scope", scan.skipped[account])
    doubt = _doubt(scan, account)
    if doubt:
        return Reached("not read", doubt)
    what = "region" if account in scan.accounts else "account"
    return Reached("not in scope", f"its {what} was not expected")


def _doubt(scan: Recorded, account: str) -> str:
    """Why a cell that was not expected may be one that should have been; empty where there is no doubt."""
    known = account in scan.accounts
    for row in scan.estate.unread:
        if row.account == account or (not known and row.api.startswith("organizations:")):
            return f"{row.api}: {row.state}: {row.error}".removesuffix(": ")
    return ""
