"""What reports and comparisons need of `manifest.json` and `plan.json`; whatever else they hold is not looked at."""

from __future__ import annotations

from msgspec import Struct, field

from modelwarden.estate import Account
from modelwarden.finding import ControlInfo
from modelwarden.scan.cards import Loose
from modelwarden.scan.relations import Copies, Hub
from modelwarden.scan.summary import Stray
from modelwarden.scan.tally import Named, Unrecorded
from modelwarden.snapshot import LedgerRow


class Hole(Struct, frozen=True):
    account: str
    region: str
    why: str


class Accepted(LedgerRow, frozen=True, kw_only=True):
    """A row that failed, as its gap accepts it."""

    owner: str
    reason: str
    expires: str


class Coverage(Struct, frozen=True):
    expected: int
    read: int
    unread: tuple[Hole, ...]
    failed: tuple[LedgerRow, ...]
    skipped: tuple[LedgerRow, ...]
    accepted: tuple[Accepted, ...]


class Manifest(Struct, frozen=True):
    """What is needed of `manifest.json`."""

    id: str
    started_at: str
    finished_at: str
    as_of: str
    as_of_asserted: bool
    advisory: bool
    source: str
    complete: bool
    coverage: Coverage
    packages: dict[str, int]
    verdicts: dict[str, int]
    blocked: dict[str, int]
    """By moment."""
    approvals: dict[str, int]
    named: tuple[Named, ...]
    unrecorded: tuple[Unrecorded, ...]
    accounts: dict[str, dict[str, int]]
    controls: dict[str, dict[str, int]]
    endpoints: dict[str, int]
    strays: tuple[Stray, ...]
    digest: str
    tables: dict[str, str]
    """Name -> SHA-256."""
    without_waivers: dict[str, int] = field(default_factory=dict)
    """Verdict without its waivers -> packages on which a waiver acts."""
    cards: dict[str, int] = field(default_factory=dict)
    loose_cards: tuple[Loose, ...] = ()
    cards_unread: tuple[Hole, ...] = ()
    new: tuple[str, ...] = ()
    """ARNs of packages that must be looked at and were not there in the run before."""
    previous: str | None = None
    """Id of that run; None where nothing was compared."""
    copies: Copies | None = None
    """None where an earlier release scanned, which did not link them."""
    hub: Hub | None = None
    """None where none was named."""


class Estate(Struct, frozen=True):
    accounts: tuple[Account, ...]
    cells: tuple[tuple[str, str], ...]
    source: str
    unread: tuple[LedgerRow, ...] = ()
    """Why the cells may be others than they should be."""
    narrowed_by: tuple[str, ...] | None = None
    """The settings that left out accounts or regions; None where the plan does not say it."""


class Settings(Struct, frozen=True):
    digest: str
    waivers_digest: str


class Bundle(Struct, frozen=True):
    digest: str


class Plan(Struct, frozen=True):
    """What is needed of `plan.json`."""

    versions: dict[str, str]
    bundle: Bundle
    settings: Settings
    controls: dict[str, ControlInfo]
    estate: Estate
