"""What a partition comes to: counts that add up, whatever the order in which partitions were judged."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Literal

from msgspec import Struct, field

from modelwarden.evidence import Unknown
from modelwarden.finding import Decision
from modelwarden.scan.record import Record

MOST: Final = 1_000
"""Packages of one kind that are named; all of them are counted, and all are in the tables."""


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


class Unrecorded(Struct, frozen=True):
    """A package whose status is Approved, and that no recorded decision is known to approve."""

    package: str
    state: Literal["out of band", "not told"]
    why: str


class Tally(Struct):
    """The packages of one cell, counted. It is written when all of them were judged."""

    account: str
    region: str
    collected: str
    """SHA-256 of the records that were judged."""
    roles: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    """Verdicts of judged packages, and the roles of the others."""
    blocked: Counter[str] = field(default_factory=Counter)
    """Moment -> packages that are blocked: at `serve`, what is approved or deployed."""
    approvals: Counter[str] = field(default_factory=Counter)
    """What the records say of approved packages, as in `Record.approval_record`; nothing where none are kept."""
    unrecorded: list[Unrecorded] = field(default_factory=list)
    controls: dict[str, Counter[str]] = field(default_factory=dict)
    """Control -> outcomes."""
    without_waivers: Counter[str] = field(default_factory=Counter)
    """Packages with a waived finding, by the verdict that they would have without waivers."""
    carried: int = 0
    """Packages whose evidence an earlier scan read."""
    origins_unread: int = 0
    """Packages of which nobody read whether they are copies."""
    named: list[Named] = field(default_factory=list)
    """Packages that are blocked, undecided or unmapped."""
    running: list[str] = field(default_factory=list)
    """ARNs, in small letters, of judged packages that run behind an endpoint."""
    broken: list[str] = field(default_factory=list)
    """Defects of ours; their packages are unmapped."""
    digest: str = ""
    """Over roles, verdicts and evidence of the packages, in order: the same facts and rules have the same."""

    def add(self, record: Record) -> None:
        """Count one package."""
        self.roles[record.role] += 1
        self.carried += record.carried != ""
        self.origins_unread += _origin_unread(record)
        self._approval(record)
        decision = record.decision
        if decision is None:
            self.verdicts[record.role] += 1
            if record.role == "unmapped":
                self._name(Named(record.package, "unmapped", "", "", record.why), self.roles["unmapped"])
            return
        self.verdicts[decision.verdict] += 1
        if decision.without_waivers and any(ruling.waiver for ruling in decision.rulings):
            self.without_waivers[decision.without_waivers] += 1
        for ruling in decision.rulings:
            finding = ruling.finding
            if finding.control not in self.controls:
                self.controls[finding.control] = Counter()
            self.controls[finding.control][finding.outcome] += 1
        if record.endpoints:
            self.running.append(record.package.casefold())
        if decision.verdict == "block":
            self.blocked[decision.request.moment] += 1
            self._name(_named(decision, record.why), self.blocked[decision.request.moment])
        elif decision.verdict == "undecided":
            self._name(_named(decision, record.why), self.verdicts["undecided"])

    def _approval(self, record: Record) -> None:
        if not record.approval_record:
            return
        self.approvals[record.approval_record] += 1
        if record.approval_record != "recorded" and len(self.unrecorded) < MOST:
            self.unrecorded.append(Unrecorded(record.package, record.approval_record, record.approval_record_why))

    def _name(self, one: Named, count: int) -> None:
        """`count`: packages of its kind so far, this one included."""
        if count <= MOST:
            self.named.append(one)


def _origin_unread(record: Record) -> bool:
    """Also where it was not described at all, as what is only inventory."""
    unread = record.evidence is None or isinstance(record.evidence.get("/package/original_arn"), Unknown)
    return record.role != "gone" and unread


def kind(one: Named) -> str:
    """Each kind has room of its own: what is live and blocked is named however much waits for an approval."""
    return f"{one.verdict} {one.moment}" if one.verdict == "block" else one.verdict


def line_of(record: Record) -> list[Any]:
    """What of a package goes into the digest of its cell."""
    said = record.decision
    return [
        record.package,
        record.role,
        said and [said.verdict, said.digests.evidence, said.request.moment],
        record.approval_record,
    ]


def _named(decision: Decision, why: str) -> Named:
    stopping = tuple(ruling.finding.control for ruling in decision.rulings if ruling.effect in ("blocks", "undecides"))
    request = decision.request
    return Named(decision.package, decision.verdict, request.stage, request.moment, why, stopping)
