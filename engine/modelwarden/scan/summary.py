"""The summary of a scan: what was read of what was expected, and what came of it. The counts of its cells add up to it.

INVARIANT: what was expected and was not read is in it, whatever else is: a hole is never compliant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, get_args

from msgspec import Struct, field
from msgspec.structs import asdict

from modelwarden.estate import Estate
from modelwarden.evidence import digest
from modelwarden.finding import ControlInfo, Verdict
from modelwarden.gap import Gap
from modelwarden.scan import cards
from modelwarden.scan.cards import CardCount
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import CellEnd, Running
from modelwarden.scan.tally import MOST, Named, Tally, Unrecorded, kind
from modelwarden.snapshot import LedgerRow, folded

FINE: Final = ("read", "disabled", "skipped")
"""States of rows that leave no hole."""


class Stray(Struct, frozen=True):
    """An endpoint of which no judged package stands behind a container."""

    endpoint: str
    variant: str
    kind: Literal["unregistered", "not told", "not judged"]
    what: str
    """The image that it runs, why it could not be told, or the package."""


class Summary(Struct):
    """What a scan found."""

    expected: int = 0
    """Cells."""
    read: int = 0
    """Cells of which nothing is missing."""
    listed: int = 0
    """Cells whose packages are all known, whatever else is missing."""
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    """(account, region, why) of each expected cell whose packages may not all be known."""
    partly: list[LedgerRow] = field(default_factory=list)
    """Rows of APIs that failed, and that nothing else covers."""
    skipped: list[LedgerRow] = field(default_factory=list)
    accepted: list[tuple[LedgerRow, Gap]] = field(default_factory=list)
    """Rows that failed, and the gap by which the organization accepts it."""
    roles: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    blocked: Counter[str] = field(default_factory=Counter)
    """Moment -> packages that are blocked: at `serve`, what is approved or deployed."""
    approvals: Counter[str] = field(default_factory=Counter)
    """What the records say of approved packages: `recorded`, and the states of `Unrecorded`; nothing where none are kept."""
    unrecorded: list[Unrecorded] = field(default_factory=list)
    """It has no part in the exit code: that somebody approved beside the gate says nothing about the package."""
    accounts: dict[str, Counter[str]] = field(default_factory=dict)
    """Account -> verdicts, and `unmapped` and `inventory`."""
    controls: dict[str, Counter[str]] = field(default_factory=dict)
    """Control -> outcomes."""
    without_waivers: Counter[str] = field(default_factory=Counter)
    """As in `Tally`."""
    named: list[Named] = field(default_factory=list)
    """Packages that are blocked, undecided or unmapped."""
    carried: int = 0
    """Packages whose evidence an earlier scan read."""
    origins_unread: int = 0
    """Packages of which nobody read whether they are copies."""
    endpoints: Counter[str] = field(default_factory=Counter)
    """Containers behind endpoints: `judged`, and the kinds of `Stray`."""
    strays: list[Stray] = field(default_factory=list)
    cards: CardCount = field(default_factory=CardCount)
    digest: str = ""
    """Over all cells: two scans that saw and decided the same have the same."""

    @property
    def complete(self) -> bool:
        """Whether everything that was expected was read, but for what the organization accepts.

        INVARIANT: a scan that looked at nothing is not complete, whatever is accepted.
        """
        return self.listed > 0 and not self.unread and not self.partly

    def code(self) -> int:
        """The exit code: holes before blocks, since what was not read may be worse."""
        if not self.complete:
            return 3
        if self.verdicts["block"]:
            return 1
        unjudged = self.roles["unmapped"] or self.endpoints["not told"] or self.endpoints["not judged"]
        return 3 if self.verdicts["undecided"] or unjudged else 0

    def to_json(self) -> dict[str, Any]:
        """Its part of the manifest."""
        return {
            "complete": self.complete,
            "coverage": {
                "expected": self.expected,
                "read": self.read,
                "unread": [{"account": one, "region": two, "why": why} for one, two, why in self.unread],
                "failed": [asdict(row) for row in self.partly],
                "skipped": [asdict(row) for row in self.skipped],
                "accepted": [{**asdict(row), **gap.to_json()} for row, gap in self.accepted],
            },
            "packages": dict(self.roles),
            "carried": self.carried,
            "verdicts": dict(self.verdicts),
            "without_waivers": dict(self.without_waivers),
            "blocked": dict(self.blocked),
            "approvals": dict(self.approvals),
            "unrecorded": [asdict(one) for one in self.unrecorded],
            "accounts": {account: dict(counts) for account, counts in sorted(self.accounts.items())},
            "controls": {id_: dict(counts) for id_, counts in sorted(self.controls.items())},
            "named": [{**asdict(one), "controls": list(one.controls)} for one in self.named],
            "endpoints": dict(self.endpoints),
            "strays": [asdict(one) for one in self.strays],
            **self.cards.to_json(),
            "digest": self.digest,
        }


class _Gaps(Struct, frozen=True):
    """The gaps that count as of a time."""

    gaps: tuple[Gap, ...]
    as_of: datetime | None

    def of(self, row: LedgerRow) -> Gap | None:
        covering = (one for one in self.gaps if one.covers(row.account, row.region, row.api, self.as_of))
        return next(covering, None)

    def over(self, end: CellEnd, api: str) -> bool:
        """Whether a gap accepts that an API of a cell told nothing."""
        return any(one.covers(end.account, end.region, api, self.as_of) for one in self.gaps)

    def split(self, rows: Iterable[LedgerRow]) -> tuple[list[LedgerRow], list[tuple[LedgerRow, Gap]]]:
        """(rows that leave a hole, rows whose hole is accepted)."""
        failed = [row for row in rows if row.state not in FINE and not row.covered_by]
        pairs = [(row, self.of(row)) for row in failed]
        return [row for row, gap in pairs if gap is None], [(row, gap) for row, gap in pairs if gap is not None]


def summarize(
    folder: Folder,
    estate: Estate,
    gaps: tuple[Gap, ...] = (),
    as_of: datetime | None = None,
    *,
    with_cards: bool = False,
) -> Summary:
    """Count what the cells of a folder hold, against what was expected. `gaps` are accepted where they count at `as_of`.

    `with_cards`: the scan looked for standalone model cards.

    Raises:
        ScanError: a file of it was changed.
    """
    accepting = _Gaps(gaps, as_of)
    found = Summary(expected=len(estate.cells), skipped=list(estate.skipped))
    found.partly, found.accepted = accepting.split(estate.unread)
    digests: list[Any] = []
    judged: set[str] = set()
    names: Counter[str] = Counter()
    for account, region in estate.cells:
        end, tally = folder.end(account, region), folder.tally(account, region)
        if end is None or tally is None or tally.collected != end.sha256:
            found.unread.append((account, region, "not read: the scan ended before"))
            continue
        running = folder.running(account, region)
        holes = cards.holes(folder.cards(account, region), account, region) if with_cards else []
        _cell(found, end, running, holes, accepting)
        digests.append([account, region, tally.digest, end.unread != ""])
        _tally(found, tally, names)
        judged.update(tally.running)
    for cell in estate.cells:
        running = folder.running(*cell)
        if running is not None:
            _running(found, running, judged)
    if with_cards:
        found.cards = cards.count(folder, estate.cells)
    for reference in folder.references():
        failed, accepted = accepting.split(reference.ledger)
        found.partly += failed
        found.accepted += accepted
    found.partly, found.accepted = list(folded(dict.fromkeys(found.partly))), list(dict.fromkeys(found.accepted))
    found.digest = digest(digests)
    return found


def _cell(found: Summary, end: CellEnd, running: Running | None, holes: Sequence[LedgerRow], accepting: _Gaps) -> None:
    """`holes`: what model cards may be missing for.

    INVARIANT: a gap accepts that packages may be missing only if it names every API for want of which they may.
    """
    rows = [*end.ledger, *(running.ledger if running else ()), *holes]
    known = {row.api for row in rows if row.state not in FINE and not row.covered_by}
    missing = dict.fromkeys(end.unread_by, end.unread)
    if running is not None:
        missing = dict.fromkeys(running.sees_unread_by, running.sees_unread) | missing
        measured = running.metrics
        missing = (dict.fromkeys(measured.unread_by, measured.unread) if measured else {}) | missing
    rows += [
        LedgerRow(end.account, end.region, api, "incomplete", 0, 0.0, why)
        for api, why in missing.items()
        if api not in known
    ]
    failed, accepted = accepting.split(rows)
    if end.unread and not (end.unread_by and all(accepting.over(end, api) for api in end.unread_by)):
        found.unread.append((end.account, end.region, end.unread))
    found.partly += failed
    found.accepted += accepted
    found.listed += not end.unread
    found.read += not end.unread and not failed and not accepted


def _running(found: Summary, running: Running, judged: Collection[str]) -> None:
    """What runs without a package that was judged. INVARIANT: an endpoint is in the counts once for each container."""
    for one in running.endpoints:
        if (one.package or "").casefold() in judged:
            found.endpoints["judged"] += 1
            continue
        stray = Stray(one.endpoint, one.variant, "not judged", one.package or "")
        if one.problem:
            stray = Stray(one.endpoint, one.variant, "not told", one.problem)
        elif one.package is None:
            stray = Stray(one.endpoint, one.variant, "unregistered", one.image or "nothing that has a name")
        found.endpoints[stray.kind] += 1
        if len(found.strays) < MOST:
            found.strays.append(stray)


def _tally(found: Summary, tally: Tally, names: Counter[str]) -> None:
    """`names`: how many packages of each kind are named so far."""
    found.roles += tally.roles
    found.accounts.setdefault(tally.account, Counter()).update(tally.verdicts)
    for verdict in get_args(Verdict):
        found.verdicts[verdict] += tally.verdicts[verdict]
    for id_, outcomes in tally.controls.items():
        found.controls.setdefault(id_, Counter()).update(outcomes)
    found.carried += tally.carried
    found.origins_unread += tally.origins_unread
    found.blocked += tally.blocked
    found.without_waivers += tally.without_waivers
    found.approvals += tally.approvals
    found.unrecorded += tally.unrecorded[: MOST - len(found.unrecorded)]
    for one in tally.named:
        if names[kind(one)] < MOST:
            names[kind(one)] += 1
            found.named.append(one)


def share(read: int, expected: int, *, whole: bool) -> int:
    """How much was read, in percent, rounded down. Law: 100 is all of it, and is said of nothing less."""
    if not expected:
        return 0
    return 100 if whole else min(99, 100 * read // expected)


def severities(controls: Mapping[str, ControlInfo], outcomes: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Severity -> number of failed findings."""
    counts: Counter[str] = Counter()
    for id_, told in outcomes.items():
        counts[controls[id_].severity] += told.get("fail", 0)
    return counts
