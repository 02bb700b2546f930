"""CSV as RFC 4180 has it, in UTF-8 with a head: a row for each finding, for each hole, and for each package without a decision.

The first row says how far the scan looked, and so does a column of every other row. No cell is a formula to a
spreadsheet, and none holds a control character.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import BinaryIO, Final

from modelwarden.audit.report import Report, serves
from modelwarden.audit.source import Source
from modelwarden.finding import Found
from modelwarden.render.cause import help_for
from modelwarden.render.text import printable

COLUMNS: Final = (
    *("row", "run_complete", "run_coverage", "run", "as_of", "account", "region", "group", "package", "stage"),
    *("moment", "control", "severity", "title", "outcome", "effect", "level", "waiver", "waiver_expires", "expected"),
    *("observed", "reason", "help", "policy", "gives_evidence_for"),
)
"""`row`: scan, coverage, package or finding."""
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula, and its wide forms."""
_SEPARATOR: Final = " | "


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Every finding, also those that passed."""
    rows = csv.writer(
        _Encoded(out), quoting=csv.QUOTE_ALL
    )  # a cell that is not quoted ends at a semicolon in half of Europe
    rows.writerow(COLUMNS)
    coverage = report.coverage
    same = {
        "run_complete": "true" if coverage.whole else "false",
        "run_coverage": f"{coverage.percent} %",
        "run": report.run,
        "as_of": report.as_of,
    }
    for row in _rows(source, report):
        rows.writerow([cell(same.get(name) or row.get(name, "")) for name in COLUMNS])
    return ()


class _Encoded:
    """What `csv` writes to. A text file of `io` would close the output with itself, also where that is stdout."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(text.encode())


@lru_cache(maxsize=4_096)  # most cells are one of few texts
def cell(text: str) -> str:
    """Text that no spreadsheet runs, and on which no terminal acts."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _rows(source: Source, report: Report) -> Iterator[Mapping[str, str]]:
    told = [report.coverage.headline(), *([f"only {report.scope}"] if report.scope else [])]
    yield {"row": "scan", "outcome": "" if report.coverage.whole else "unknown", "reason": "; ".join(told)}
    for hole in report.coverage.missing():
        place = {"account": hole.account, "region": hole.region}
        reason = f"{hole.api}: {hole.why}" if hole.api else hole.why
        yield {"row": "coverage", **place, "outcome": hole.kind, "reason": reason}
    for one, why in source.unsaid():
        place = {"account": one.account, "region": one.region, "group": one.group, "package": one.package}
        asked = {"stage": one.stage, "moment": one.moment}
        yield {"row": "package", **place, **asked, "outcome": "unknown", "reason": why}
    obligations = {control: _SEPARATOR.join(some) for control, some in serves(report).items()}
    for found in source.findings():
        yield _finding(found, obligations.get(found.info.id, ""))


def _finding(found: Found, obligations: str) -> dict[str, str]:
    ruling, info = found.ruling, found.info
    return {
        "row": "finding",
        "account": found.account,
        "region": found.region,
        "group": found.group,
        "package": found.package,
        "stage": found.stage,
        "moment": found.moment,
        "control": info.id,
        "severity": info.severity,
        "title": info.title,
        "outcome": ruling.finding.outcome,
        "effect": ruling.effect,
        "level": ruling.level,
        "waiver": ruling.waiver.id if ruling.waiver else "",
        "waiver_expires": ruling.waiver.expires if ruling.waiver else "",
        "expected": (ruling.finding.expected or info.expected) if found.is_open else "",
        "observed": _SEPARATOR.join(map(str, ruling.finding.observed)),
        "reason": ruling.finding.reason,
        "help": help_for(ruling, info) if found.is_open else "",
        "policy": f"{info.path}:{info.line}",
        "gives_evidence_for": obligations,
    }
