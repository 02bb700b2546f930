"""ASFF, as AWS Security Hub CSPM takes it: a JSON array, a finding on each line.

A control that does not apply has no finding; what was not read, and what was not decided, are findings of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from modelwarden.audit.coverage import Missing
from modelwarden.audit.report import Report, serves
from modelwarden.audit.source import Source
from modelwarden.render.asff import About, Hub, Maker
from modelwarden.render.json import line
from modelwarden.render.text import printable


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Each finding is for the hub of the account and region that its package lies in."""
    out.write(b"[")
    for number, one in enumerate(findings(source, report)):
        out.write((b",\n" if number else b"\n") + line(one).encode())
    out.write(b"\n]\n")
    homeless = [hole for hole in report.coverage.missing() if hole.kind != "skipped" and not hole.account.isdecimal()]
    return tuple(f"asff: belongs to no account, and has no finding: {printable(hole.words())}" for hole in homeless)


def findings(source: Source, report: Report, hub: Hub | None = None, *outcomes: str) -> Iterator[dict[str, Any]]:
    """Holes first. `hub`: of all of them, whatever account they are about; `outcomes`: those that are wanted, all by default."""
    coverage = report.coverage
    times = (report.as_of, report.started_at, report.finished_at)
    about = About(report.run, coverage.whole, coverage.headline(), *times, told_by="scan")
    maker = Maker(about, hub, serves(report))
    for hole in coverage.missing():
        if hole.kind != "skipped" and (hub or hole.account.isdecimal()):
            yield _hole(maker, hole)
    for one, why in source.unsaid():
        yield maker.undecided(one.package, (one.account, one.region), why)
    for found in source.findings(*(outcomes or ("fail", "unknown", "pass"))):
        yield maker.finding(found)


def _hole(maker: Maker, hole: Missing) -> dict[str, Any]:
    account = hole.account or (maker.hub.account if maker.hub else "")
    return maker.document(
        identity=hole.identity,
        control="coverage",
        place=(account, hole.region),
        title=f"not all of an account was read: {hole.kind}",
        description=hole.words(),
        severity="HIGH",
        compliance={"Status": "NOT_AVAILABLE"},
        workflow="SUPPRESSED" if hole.kind == "accepted" else "NEW",
        resource={"Type": "AwsAccount", "Id": f"AWS::::Account:{account}"},
    )
