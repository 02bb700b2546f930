"""What an earlier scan read, and whether it still counts: evidence is carried over where nothing can have changed it.

What a package is changes its LastModifiedTime. What its registry, its keys and the clock say of it changes by itself,
and is read or judged anew; everything else at the latest with the next full scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from msgspec import Struct

from modelwarden.collect.refresh import LIVE
from modelwarden.evidence import Evidence, Present, Unknown
from modelwarden.period import utc
from modelwarden.run import Run
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record
from modelwarden.settings.effective import instant
from modelwarden.snapshot import LedgerRow

OVERLAP: Final = timedelta(minutes=15)
"""A change shortly before the earlier scan began, or after, may be one that it did not see."""


class Old(Struct, frozen=True):
    """One package as an earlier scan recorded it."""

    record: Record
    read_by: str
    """The scan that read its evidence."""
    settled: str
    """UTC; what changed later may not have been seen."""
    answered: bool
    """Whether everything that the earlier scan asked in the cell was answered; else what is unknown is asked again."""

    def evidence_for(self, modified: str, reads: str, approval: object) -> Evidence | None:
        """Its evidence, if the package did not change since and the same facts are asked for.

        `approval` is the organization's newest record of an approval, as the gate reads it.
        """
        evidence, then = self.record.evidence, self.record.modified
        if evidence is None or self.record.reads != reads or not then or then != modified or then >= self.settled:
            return None
        if not self.answered and _unknown(evidence):
            return None
        return evidence if _approved_by(evidence) in ("", approval.id if isinstance(approval, Run) else None) else None


def _unknown(evidence: Evidence) -> bool:
    """Whether anything is unknown that only reading the package again can tell."""
    return any(isinstance(fact, Unknown) and not LIVE.match(pointer) for pointer, fact in evidence.facts.items())


def _approved_by(evidence: Evidence) -> str:
    """The recorded run that proved who approved; empty where no record did."""
    fact = evidence.facts.get("/approver/approved_at")
    if isinstance(fact, Present) and fact.source is not None and fact.source.api == "records":
        return fact.source.request_id or ""
    return ""


class Before:
    """A cell as an earlier scan recorded it; its records are read once, in their order."""

    def __init__(self, folder: Folder, account: str, region: str, ledger: Iterable[LedgerRow]) -> None:
        self._run = folder.id
        self._settled = _settled(folder)
        self._answered = all(row.state == "read" or row.covered_by for row in ledger)
        self.packages = frozenset(folder.there(account, region))
        """ARNs."""
        self._records: Iterator[Record] = folder.records(account, region, with_decision=False)
        self._next = next(self._records, None)

    def record(self, arn: str) -> Old | None:
        """What it has of a package; `arn` ascends, from call to call."""
        while self._next is not None and self._next.package < arn:
            self._next = next(self._records, None)
        record = self._next
        if record is None or record.package != arn:
            return None
        return Old(record, record.carried or self._run, self._settled, self._answered)


def before(folder: Folder | None, account: str, region: str) -> Before | None:
    """The cell in an earlier scan; None where there is none, or where packages were missing from it.

    Raises:
        ScanError: a file of that scan was changed.
    """
    end = folder.end(account, region) if folder is not None else None
    if folder is None or end is None or end.unread:
        return None
    return Before(folder, account, region, end.ledger)


def _settled(folder: Folder) -> str:
    began = instant(folder.plan()["started_at"])
    return utc(began - OVERLAP) if began else ""
