"""The summary of a scan: what was read of what was expected, and what came of it. It is counted record by record.

INVARIANT: what was expected and was not read is in it, whatever else is: a hole is never compliant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

from modelwarden.estate import Estate
from modelwarden.evidence import digest
from modelwarden.finding import ControlInfo, Decision
from modelwarden.gap import Gap
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import CellEnd, Record, Running
from modelwarden.snapshot import LedgerRow

MOST: Final = 1_000
"""Packages of one kind that are named; all of them are counted, and all are in the records."""
FINE: Final = ("read", "disabled", "skipped")
"""States of rows that leave no hole."""


class Named(Struct, frozen=True):
    """One package that somebody must look at."""

    package: str
    verdict: str
    stage: str
    moment: str
    why: str
    """Why it was judged, or why it was not."""
    controls: tuple[str, ...] = ()
    """Those that block or leave it undecided."""


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
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    """(account, region, why) of each expected cell whose packages may not all be known."""
    partly: list[LedgerRow] = field(default_factory=list)
    """Rows of APIs that failed, and that nothing else covers."""
    skipped: list[LedgerRow] = field(default_factory=list)
    accepted: list[tuple[LedgerRow, Gap]] = field(default_factory=list)
    """Rows that failed, and the gap by which the organization accepts it."""
    roles: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    accounts: dict[str, Counter[str]] = field(default_factory=dict)
    """Account -> verdicts, and `unmapped` and `inventory`."""
    controls: dict[str, Counter[str]] = field(default_factory=dict)
    """Control -> outcomes."""
    named: list[Named] = field(default_factory=list)
    """Packages that are blocked, undecided or unmapped."""
    endpoints: Counter[str] = field(default_factory=Counter)
    """Containers behind endpoints: `judged`, and the kinds of `Stray`."""
    strays: list[Stray] = field(default_factory=list)
    digest: str = ""
    """Over all cells: two scans that saw and decided the same have the same."""

    @property
    def complete(self) -> bool:
        """Whether everything that was expected was read, but for what the organization accepts."""
        return not self.unread and not self.partly

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
            "verdicts": dict(self.verdicts),
            "accounts": {account: dict(counts) for account, counts in sorted(self.accounts.items())},
            "controls": {id_: dict(counts) for id_, counts in sorted(self.controls.items())},
            "named": [{**asdict(one), "controls": list(one.controls)} for one in self.named],
            "endpoints": dict(self.endpoints),
            "strays": [asdict(one) for one in self.strays],
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


def summarize(folder: Folder, estate: Estate, gaps: tuple[Gap, ...] = (), as_of: datetime | None = None) -> Summary:
    """Count what the cells of a folder hold, against what was expected. `gaps` are accepted where they count at `as_of`.

    Raises:
        ScanError: a file of it was changed.
    """
    accepting = _Gaps(gaps, as_of)
    found = Summary(expected=len(estate.cells), skipped=list(estate.skipped))
    found.partly, found.accepted = accepting.split(estate.unread)
    digests: list[Any] = []
    judged: set[str] = set()
    for account, region in estate.cells:
        end = folder.end(account, region)
        if end is None:
            found.unread.append((account, region, "not read: the scan ended before"))
            continue
        running = folder.running(account, region)
        _cell(found, end, running.ledger if running else (), accepting)
        digests.append([account, region, end.digest, end.unread != ""])
        for record in folder.records(account, region, with_evidence=False):
            _record(found, account, record)
            if record.endpoints and record.decision is not None:
                judged.add(record.package.casefold())
    for cell in estate.cells:
        running = folder.running(*cell)
        if running is not None:
            _running(found, running, judged)
    for reference in folder.references():
        failed, accepted = accepting.split(reference.ledger)
        found.partly += failed
        found.accepted += accepted
    found.partly, found.accepted = list(dict.fromkeys(found.partly)), list(dict.fromkeys(found.accepted))
    found.digest = digest(digests)
    return found


def _cell(found: Summary, end: CellEnd, running: Sequence[LedgerRow], accepting: _Gaps) -> None:
    """INVARIANT: a gap accepts that packages may be missing only if it names every API for want of which they may."""
    rows = [*end.ledger, *running]
    known = {row.api for row in rows if row.state not in FINE and not row.covered_by}
    rows += [
        LedgerRow(end.account, end.region, api, "incomplete", 0, 0.0, end.unread)
        for api in end.unread_by
        if api not in known
    ]
    failed, accepted = accepting.split(rows)
    if end.unread and not (end.unread_by and all(accepting.over(end, api) for api in end.unread_by)):
        found.unread.append((end.account, end.region, end.unread))
    found.partly += failed
    found.accepted += accepted
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


def _record(found: Summary, account: str, record: Record) -> None:
    found.roles[record.role] += 1
    mine = found.accounts.setdefault(account, Counter())
    decision = record.decision
    if decision is None:
        mine[record.role] += 1
        if record.role == "unmapped":
            _name(found, Named(record.package, "unmapped", "", "", record.why))
        return
    mine[decision.verdict] += 1
    found.verdicts[decision.verdict] += 1
    for ruling in decision.rulings:
        found.controls.setdefault(ruling.finding.control, Counter())[ruling.finding.outcome] += 1
    if decision.verdict in ("block", "undecided"):
        _name(found, _of(decision, record.why))


def _of(decision: Decision, why: str) -> Named:
    stopping = tuple(ruling.finding.control for ruling in decision.rulings if ruling.effect in ("blocks", "undecides"))
    request = decision.request
    return Named(decision.package, decision.verdict, request.stage, request.moment, why, stopping)


def _name(found: Summary, one: Named) -> None:
    if len(found.named) < MOST:
        found.named.append(one)


def severities(controls: Mapping[str, ControlInfo], outcomes: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Severity -> number of failed findings."""
    counts: Counter[str] = Counter()
    for id_, told in outcomes.items():
        counts[controls[id_].severity] += told.get("fail", 0)
    return counts
