"""The estate: which accounts and regions a scan is asked for, and which it is to read. Pure.

Settings say it, collection answers it, and neither of them knows the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct, field

from modelwarden.snapshot import LedgerRow

ACCOUNT: Final = re.compile(r"[0-9]{12}")
REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-[0-9]{1,2}")
"""`eu-west-1`, `us-gov-east-1`; whether there is one of that name nobody can tell from its form."""

RECONCILE_DAYS: Final = 7
OF_ACCOUNTS: Final = ("accounts", "exclude_accounts", "units", "tags")
OF_REGIONS: Final = "regions"
"""Members of `Scan` by which it reads less than the whole organization."""


class Scan(Struct, frozen=True):
    """What a scan is to read. Nothing given: every account of the organization, in every region enabled there."""

    accounts: tuple[str, ...] = ()
    """These and no others; Organizations is not asked."""
    exclude_accounts: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    """Only accounts in these, by their paths: `Workloads/Finance`. A unit stands for everything below it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Only accounts that have all of them."""
    regions: tuple[str, ...] = ()
    """These in every account; nobody asks which are enabled there."""
    reconcile_days: int = RECONCILE_DAYS
    """After these everything is read anew, also by a scan that reads only what changed."""
    hub: str = ""
    """The account that owns the groups that others use; empty where each account has its own."""
    cards: bool = True
    """Whether standalone model cards are looked for."""
    endpoint_metrics: bool = False
    """Whether CloudWatch is asked what it holds of the endpoints."""

    @property
    def narrowed_by(self) -> tuple[str, ...]:
        """The settings that leave out accounts or regions, whichever there are."""
        return tuple(name for name in (*OF_ACCOUNTS, OF_REGIONS) if getattr(self, name))


class Account(Struct, frozen=True):
    """One account, as Organizations shows it."""

    id: str
    name: str = ""
    state: str = ""
    """As AWS spells it; empty where it was not answered, and such an account is expected."""
    unit: str = ""
    """Path of units below the root: `Workloads/Finance`; empty directly below the root, or where it is not known."""
    at_root: bool = False
    """Whether Organizations placed it directly below the root. Without that and without a unit nobody knows its place."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Read only where the scan asks for tags."""

    @property
    def placed(self) -> bool:
        """Whether it is known in which unit it is, or that it is in none."""
        return self.at_root or self.unit != ""


class Estate(Struct, frozen=True):
    """What is expected to be read, what is left out, and why that may not be all."""

    accounts: tuple[Account, ...]
    """All that are expected or skipped, sorted by id."""
    cells: tuple[tuple[str, str], ...]
    """(account, region) expected to be read, sorted. Where nobody could tell an account's regions: the caller's own."""
    skipped: tuple[LedgerRow, ...]
    """Accounts left out on purpose; the error is `state:SUSPENDED`, `config:exclude_accounts`, `config:units` ..."""
    unread: tuple[LedgerRow, ...]
    """Why the cells may be others than they should be. Their calls are counted in the collector's ledger, not here."""
    source: Literal["organization", "settings"]
    """Who said which accounts there are."""
    hub: str = ""
    """The account that owns the groups that others use; empty where each account has its own."""
    narrowed_by: tuple[str, ...] = ()
    """The settings of the scan that leave out accounts or regions."""
