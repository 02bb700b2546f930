"""Delivery of findings to a hub: only what changed, and nothing lost.

Open findings are told; what was open and is fixed, or of a package that is gone or mere inventory now, is closed. A package
that this scan did not look at keeps its findings, whatever the reason; so does one that is no longer judged as live, where
nobody can tell what runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from modelwarden.audit.formats.asff import findings
from modelwarden.audit.register import Entry, Register
from modelwarden.audit.report import Report
from modelwarden.audit.running import Unseen
from modelwarden.audit.source import Source
from modelwarden.errors import UserError
from modelwarden.render.asff import AT_ONCE, UNDECIDED, Hub, closing


class Send(Protocol):
    """Sends some findings. Returns Id -> why, of those that were refused; raises UserError where the call failed."""

    def __call__(self, findings: Sequence[dict[str, Any]]) -> dict[str, str]: ...


class Delivered(Struct, frozen=True):
    sent: int
    refused: dict[str, str]
    """Id -> why."""


def enter(source: Source, report: Report, hub: Hub, register: Register, told: Sequence[Mapping[str, Any]] = ()) -> None:
    """Enter what a scan found, and close what is no more.

    `told`: documents that events told the hub. What one told since the scan began is newer than the scan, and stays.

    Raises:
        UserError: the scan is of a part, of an asserted time, or older than one that was entered.
    """
    _check(source, report, register)
    newer = {str(one["Id"]) for one in told if _time(one["UpdatedAt"]) >= _time(report.started_at)}
    with register.entering(report.run):
        for one in told:
            register.adopt(one)
        for document in findings(source, report, hub, "fail", "unknown"):
            if document["Id"] not in newer:
                register.enter(report.run, document)
        source.ask("CREATE OR REPLACE TABLE stale(id VARCHAR, package VARCHAR, control VARCHAR)")
        looked = _looked(source, report)
        for entries in register.stale(report.run):
            for entry, passed in list(_closed(source, looked, [one for one in entries if one.id not in newer])):
                register.close(entry.id, closing(report.finished_at, passed=passed))


def deliver(register: Register, send: Send) -> Delivered:
    """Send what is owed. What was taken before a call failed is settled.

    Raises:
        UserError: a call failed; the rest is owed still.
    """
    sent = 0
    refused: dict[str, str] = {}
    for some in register.owed(AT_ONCE):
        failed = send(some)
        taken = [one["Id"] for one in some if one["Id"] not in failed]
        if taken:
            register.settle(taken)
        sent += len(taken)
        refused |= failed
    return Delivered(sent, refused)


def _check(source: Source, report: Report, register: Register) -> None:
    if report.scope or source.narrowed:
        raise UserError(
            "a part of a scan is not sent: what it leaves out would look fixed", "leave out --scope and --framework"
        )
    if report.as_of_asserted:
        raise UserError(
            f"scan {report.run} was judged as of an asserted time, and is not sent", "send one without --as-of"
        )
    if report.run < (latest := register.latest()):
        raise UserError(f"scan {report.run} is older than {latest}, which was sent", "send the newest scan")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


class _Looked(Struct, frozen=True):
    """How far the scan looked."""

    everywhere: bool
    whole: frozenset[tuple[str, str]]
    """Account-regions of which nothing is missing: a package that is not in one of them is gone."""
    unseen: Unseen


def _looked(source: Source, report: Report) -> _Looked:
    holes = report.coverage.places
    lost = {account for account, region in holes if region == "global"}
    whole = (cell for cell in source.plan.estate.cells if cell not in holes and cell[0] not in lost)
    return _Looked(report.coverage.whole, frozenset(whole), Unseen(source))


def _closed(source: Source, looked: _Looked, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """(entry, whether it passes now) of those that are no more."""
    source.ask("DELETE FROM stale")
    source.ask(
        "INSERT INTO stale SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
        [one.id for one in entries],
        [one.package for one in entries],
        [one.control for one in entries],
    )
    found = source.ask(
        """
        SELECT s.id, p.role, p.moment, f.outcome FROM stale s LEFT JOIN packages p ON p.package = s.package
        LEFT JOIN findings f ON f.package = s.package AND f.control = s.control
        """
    )
    now = {id_: (role, moment, outcome) for id_, role, moment, outcome in found}
    for one in entries:
        role, moment, outcome = now[one.id]
        whole = (one.account, one.region) in looked.whole
        if not one.package:
            # A hole may be covered by another one of its cell: nobody asked the API where the account cannot be entered.
            if whole or looked.everywhere:
                yield one, True
        elif role == "judged" and (one.control == UNDECIDED or outcome == "pass"):
            yield one, True
        elif role == "inventory" or (role == "judged" and moment != "serve"):
            if not looked.unseen.in_region(one.region):
                yield one, False
        elif role in ("judged", "gone") or (role is None and whole):
            yield one, False
