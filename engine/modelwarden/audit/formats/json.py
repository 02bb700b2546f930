"""The report as one JSON document: its counts, the packages that somebody must look at, and every open finding.

Packages and findings are written as they are read; the document is published as reports/schemas/report.schema.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import Struct

from modelwarden.audit.report import Report
from modelwarden.audit.source import Package, Source
from modelwarden.finding import Effect, Found, Outcome
from modelwarden.render.cause import help_for

VERSION: Final = "modelwarden.report/1"


class Finding(Struct, frozen=True):
    """A finding that failed or could not be told, waived or not."""

    package: str
    account: str
    region: str
    group: str
    stage: str
    moment: str
    control: str
    title: str
    severity: str
    outcome: Outcome
    effect: Effect
    """What it does to the decision."""
    level: str
    why_level: str
    expected: str
    observed: tuple[str, ...]
    """Facts in words, each with its pointer."""
    reason: str
    waiver: str
    """Its id; empty where none covers it."""
    help: str
    policy: str
    """File and line of the control."""


class Document(Struct, frozen=True):
    """What the file holds."""

    schema: Literal["modelwarden.report/1"]
    report: Report
    packages: tuple[Package, ...]
    """Blocked, undecided, flagged, and those whose stage nobody can tell."""
    findings: tuple[Finding, ...]


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """As `Document`, a line for each package and finding."""
    out.write(b'{"schema":' + msgspec.json.encode(VERSION) + b',\n"report":' + msgspec.json.encode(report))
    listed = (one for one in source.packages() if one.verdict not in ("", "allow") or one.role == "unmapped")
    _array(out, b"packages", listed)
    _array(out, b"findings", map(finding, source.findings("fail", "unknown")))
    out.write(b"}\n")
    return ()


def finding(found: Found) -> Finding:
    """A row of the array."""
    ruling, info = found.ruling, found.info
    return Finding(
        package=found.package,
        account=found.account,
        region=found.region,
        group=found.group,
        stage=found.stage,
        moment=found.moment,
        control=info.id,
        title=info.title,
        severity=info.severity,
        outcome=ruling.finding.outcome,
        effect=ruling.effect,
        level=ruling.level,
        why_level=ruling.why_level,
        expected=ruling.finding.expected or info.expected,
        observed=tuple(map(str, ruling.finding.observed)),
        reason=ruling.finding.reason,
        waiver=ruling.waiver.id if ruling.waiver else "",
        help=help_for(ruling, info),
        policy=f"{info.path}:{info.line}",
    )


def _array(out: BinaryIO, name: bytes, rows: Iterable[Struct]) -> None:
    out.write(b',\n"' + name + b'":[')
    for number, row in enumerate(rows):
        out.write((b",\n" if number else b"\n") + msgspec.json.encode(row))
    out.write(b"]")
