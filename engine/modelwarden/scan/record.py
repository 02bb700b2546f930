"""Records: what a scan keeps of each package and of each cell, as one line of JSON each."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from modelwarden.errors import UserError
from modelwarden.evidence import Evidence
from modelwarden.finding import Decision
from modelwarden.request import Moment, Stage
from modelwarden.run import decision_from_json, decision_to_json
from modelwarden.snapshot import Deployment, EndpointMetric, LedgerRow, ModelCard


class ScanError(UserError):
    """A run of a scan that cannot be read or written."""

    help = "name a folder that `modelwarden scan` wrote"


Role = Literal["judged", "unmapped", "inventory", "gone"]


class Record(Struct, frozen=True):
    """One package of a scan."""

    package: str
    role: Role
    """`gone`: deleted after it was listed."""
    why: str
    approval: str = ""
    claimed: str = ""
    """The stage that it claims in its life cycle."""
    created: str = ""
    stage: Stage | None = None
    """For which it is judged; None where it is not."""
    moment: Moment | None = None
    approval_record: Literal["", "recorded", "out of band", "not told"] = ""
    """What the organization's records say of an approved package, as `precedent.Standing` has it; empty where it is not
    approved, or no records are kept."""
    approval_record_why: str = ""
    modified: str = ""
    """LastModifiedTime, UTC, by which the next scan tells whether it changed; empty where nobody read it."""
    reads: str = ""
    """Digest of the list of facts that were asked for."""
    reference: str = ""
    """Digest of the reference facts by which it is judged."""
    carried: str = ""
    """The scan that read the evidence, where it was not this one: what was read then has not changed since."""
    endpoints: tuple[str, ...] = ()
    """ARNs of the endpoints that run it."""
    decision: Decision | None = None
    """Set where it was judged."""
    evidence: Evidence | None = None

    def to_json(self) -> dict[str, Any]:
        """The law: `Record.from_json(record.to_json()) == record`."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        evidence = {**self.evidence.to_json(), "asserted": self.evidence.asserted} if self.evidence else None
        decision = decision_to_json(self.decision) if self.decision else None
        return {**plain, "endpoints": list(self.endpoints), "decision": decision, "evidence": evidence}

    @staticmethod
    def from_json(raw: dict[str, Any], *, with_evidence: bool = True) -> Record:
        """Read a record.

        Raises:
            KeyError, TypeError, AttributeError, EvidenceError: another shape.
        """
        decision, evidence = raw["decision"], raw["evidence"] if with_evidence else None
        return Record(
            **{name: raw[name] for name in _PLAIN},
            endpoints=tuple(raw["endpoints"]),
            decision=decision_from_json(decision) if decision else None,
            evidence=Evidence.from_json(
                {name: value for name, value in evidence.items() if name != "asserted"}, asserted=evidence["asserted"]
            )
            if evidence
            else None,
        )


_PLAIN: Final = (
    "package",
    "role",
    "why",
    "approval",
    "claimed",
    "created",
    "stage",
    "moment",
    "approval_record",
    "approval_record_why",
    "modified",
    "reads",
    "reference",
    "carried",
)


class Metrics(Struct, frozen=True):
    """What CloudWatch holds of the endpoints of a cell."""

    day: str
    """UTC, `2026-11-19`: the last whole day before the time as of which the scan judges."""
    found: tuple[EndpointMetric, ...]
    unread: str
    """Why some of it could not be read; empty where all of it was."""
    unread_by: tuple[str, ...] = ()
    """The APIs for want of which it could not."""


class Running(Struct, frozen=True):
    """What the endpoints of a cell run."""

    endpoints: tuple[Deployment, ...]
    unread: str
    """Why endpoints may be missing; empty where none can be."""
    ledger: tuple[LedgerRow, ...]
    unread_by: tuple[str, ...] = ()
    """The APIs for want of which they may."""
    sees: tuple[str, ...] = ()
    """ARNs of groups of other accounts that the account sees here; nothing where no hub is named, since nobody asks."""
    sees_unread: str = ""
    """Why it may see more; empty where it cannot, or where nobody asks."""
    sees_unread_by: tuple[str, ...] = ()
    """The APIs for want of which it may."""
    metrics: Metrics | None = None
    """None where nobody asked for them."""


class Cards(Struct, frozen=True):
    """The standalone model cards of a cell."""

    found: tuple[ModelCard, ...]
    unread: str
    """Why cards may be missing; empty where none can be."""
    ledger: tuple[LedgerRow, ...]
    unread_by: tuple[str, ...] = ()
    """The APIs for want of which they may."""


class Reference(Struct, frozen=True):
    """Facts that belong to no package, and the calls by which they were read."""

    facts: dict[str, Any]
    """As `evidence.facts_to_json` writes them."""
    ledger: tuple[LedgerRow, ...]


class CellEnd(Struct, frozen=True):
    """The last line of a cell: that it was read to its end, or what kept it from that."""

    account: str
    region: str
    records: int
    unread: str
    """Why packages may be missing; empty where none can be."""
    ledger: tuple[LedgerRow, ...]
    sha256: str
    """Over the bytes of the records."""
    unread_by: tuple[str, ...] = ()
    """The APIs for want of which it is unread; none where it is for a defect of ours, which no gap accepts."""

    def to_json(self) -> dict[str, Any]:
        rows = [asdict(row) for row in self.ledger]
        return {"end": {**asdict(self), "ledger": rows, "unread_by": list(self.unread_by)}}

    @staticmethod
    def from_json(raw: dict[str, Any]) -> CellEnd:
        """Raises KeyError or TypeError for another shape."""
        told = raw["end"]
        rows = tuple(LedgerRow(**row) for row in told["ledger"])
        return CellEnd(**{**told, "ledger": rows, "unread_by": tuple(told["unread_by"])})
