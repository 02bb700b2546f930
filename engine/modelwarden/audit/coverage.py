"""Coverage: how far a scan looked in a scope. Everything else that a report says is less than the whole where this is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from modelwarden.audit.running import Unseen
from modelwarden.audit.source import Source
from modelwarden.evidence import digest
from modelwarden.scan.shape import Accepted, Hole
from modelwarden.scan.summary import share
from modelwarden.snapshot import LedgerRow

Kind = Literal["not read", "partly read", "accepted", "skipped"]
ALARMS: Final[tuple[Kind, ...]] = ("not read", "partly read")
"""Holes that nobody accepted."""
_UNPLACED: Final = "its unit is not known, so nobody can say whether its packages are of this scope"


class Missing(Struct, frozen=True):
    """One thing that the scan did not read."""

    kind: Kind
    account: str
    region: str
    api: str
    """Empty where it is the whole account-region, or account."""
    why: str
    """Not escaped."""

    @property
    def identity(self) -> str:
        """64 hex digits that stay the same from scan to scan and in every format, whyever it was not read."""
        return digest(["coverage", self.account, self.region, self.api]).removeprefix("sha256:")

    def words(self) -> str:
        """`111122223333/eu-west-1 partly read: kms:DescribeKey: denied: no grant`; not escaped."""
        place = "/".join(part for part in (self.account, self.region) if part) or "organization"
        return f"{place} {self.kind}: {f'{self.api}: ' if self.api else ''}{self.why or 'nobody said why'}"


class Coverage(Struct, frozen=True):
    """How far the scan looked, of what it was expected to. Of accounts outside the scope only this is in it: where nobody
    can tell what runs there, since that may be a package of the scope."""

    cells: int
    """Account-regions that were expected."""
    read: int
    """Those of which nothing is missing."""
    accounts: int
    accounts_read: int
    """Accounts of which every region was read whole."""
    unread: tuple[Hole, ...]
    failed: tuple[LedgerRow, ...]
    """APIs that failed, and that nothing else covers."""
    accepted: tuple[Accepted, ...]
    """Those whose hole the organization accepts for a while; they are holes all the same."""
    skipped: tuple[LedgerRow, ...]

    @property
    def whole(self) -> bool:
        """Whether something was expected and nothing of it is missing. What is accepted is missing all the same."""
        return 0 < self.cells == self.read and not (self.unread or self.failed or self.accepted)

    @property
    def percent(self) -> int:
        """Rounded down: 100 is the whole."""
        return share(self.read, self.cells, whole=self.whole)

    def headline(self) -> str:
        """`words`, after `NOT COMPLETE: ` where it is not the whole."""
        return self.words() if self.whole else f"NOT COMPLETE: {self.words()}"

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """(account, region) of what is missing, whoever accepts it. One that is no account-region of the scan, as the
        list of accounts or the regions of an account, is missing wherever one looks."""
        return _places(self.unread, self.failed, self.accepted)

    def missing(self) -> Iterator[Missing]:
        """What was not read, the worst kind first."""
        for hole in self.unread:
            yield Missing("not read", hole.account, hole.region, "", hole.why)
        for row in self.failed:
            yield Missing("partly read", row.account, row.region, row.api, _failure(row))
        for one in self.accepted:
            terms = f"accepted until {one.expires} by {one.owner}: {one.reason}"
            yield Missing("accepted", one.account, one.region, one.api, f"{_failure(one)}; {terms}")
        for row in self.skipped:
            yield Missing("skipped", row.account, row.region, row.api, row.error)

    def words(self) -> str:
        """`12 of 13 account-regions were read whole (92 %)`, and whether something besides them was not read."""
        more = "; what was not read elsewhere bears on it" if self.read == self.cells and not self.whole else ""
        return f"{self.read} of {self.cells} account-regions were read whole ({self.percent} %){more}"


def _failure(row: LedgerRow) -> str:
    return f"{row.state}: {row.error}" if row.error else row.state


def _places(*kinds: Iterable[Hole | LedgerRow]) -> frozenset[tuple[str, str]]:
    return frozenset((one.account, one.region) for some in kinds for one in some)


def coverage_of(source: Source) -> Coverage:
    told, named = source.manifest.coverage, source.accounts
    expected, unseen = set(source.plan.estate.cells), Unseen(source)
    unplaced = tuple(Hole(*cell, _UNPLACED) for cell in sorted(expected) if cell[0] in source.unplaced)
    cells = [cell for cell in expected if named is None or cell[0] in named or cell[0] in source.unplaced]
    regions = {region for _, region in cells}

    def within(one: Hole | LedgerRow) -> bool:
        """What belongs to no account-region, as the list of accounts does, is a hole of every scope; and so is what may run
        a package of it."""
        if named is None or one.account in named or (one.account, one.region) not in expected:
            return True
        if one.region not in regions:
            return False
        return unseen.in_cell(one.account, one.region) if isinstance(one, Hole) else unseen.is_for(one)

    unread = (*(one for one in told.unread if within(one)), *unplaced)
    failed = tuple(one for one in told.failed if within(one))
    accepted = tuple(one for one in told.accepted if within(one))
    broken = _places(unread, failed, accepted)
    accounts = {account for account, _ in cells}
    return Coverage(
        cells=len(cells),
        read=sum(cell not in broken for cell in cells),
        accounts=len(accounts),
        accounts_read=len(accounts - {account for account, _ in broken}),
        unread=unread,
        failed=failed,
        accepted=accepted,
        skipped=tuple(one for one in told.skipped if named is None or one.account in named),
    )
