"""Everything that stands on a page, but for the packages, as its template takes it."""

from __future__ import annotations

from typing import Any, Final

from modelwarden.audit.history import BUCKETS
from modelwarden.audit.page import attention, charts, coverage
from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.render.breakdown import by_severity
from modelwarden.render.text import short

MAX_MAP: Final = 30
"""Accounts of the picture of the heat map; its table has more."""
MAX_TABLE: Final = 200
MAX_CAUSES: Final = 50
WORDS: Final = {
    "block": "blocked",
    "undecided": "undecided",
    "flag": "allowed with flags",
    "allow": "allowed",
    "unmapped": "unmapped",
    "inventory": "inventory",
    "gone": "gone",
}
"""Of verdicts, and of what was not judged."""


def contents(source: Source, report: Report) -> dict[str, Any]:
    """Name in the template -> value.

    Raises:
        TablesError, ScanError: a table cannot be read.
    """
    accounts = {one.id: one for one in source.plan.estate.accounts}
    return {
        "report": report,
        "manifest": source.manifest,
        "title": report.title,
        "tab": report.title if report.coverage.whole else f"NOT COMPLETE · {report.title}",
        "narrowed": [] if source.controls is None else [one.title for one in report.frameworks],
        "words": WORDS,
        "short": short,
        "most": coverage.MAX_ROWS,
        "coverage": coverage.coverage(report, accounts),
        "tiles": coverage.tiles(report),
        "columns": coverage.columns(report),
        "units": coverage.by_units(source, report),
        "accounts": coverage.by_account(source, report),
        "live": attention.live(source),
        "approvals": attention.approvals(source),
        "relations": attention.relations(source),
        "new": attention.new(source),
        "cards": attention.cards(source),
        "endpoints": attention.endpoints(source),
        "levels": charts.funnel(report.stages),
        "steps": charts.burn_down(report.exceptions, report.as_of),
        "glass": [one.waiver.id for one in report.exceptions if one.waiver.break_glass],
        # The manifest counts all packages, and says nothing of a part of them.
        "without": {} if source.narrowed else source.manifest.without_waivers,
        "posture": charts.posture(report.history.points),
        "changes": report.history.changes,
        "buckets": [word for _, word in BUCKETS],
        "oldest": [{"name": short(one.package), "told": one} for one in report.history.oldest],
        "causes": report.causes[:MAX_CAUSES],
        "more_causes": len(report.causes[MAX_CAUSES:]),
        "severities": by_severity(
            {row.control: row.outcomes for row in report.controls},
            {row.control: row.severity for row in report.controls},
        ),
        "controls": [{"row": row, "info": source.info(row.control)} for row in report.controls],
        "heat": charts.heat(report.families),
        "map": MAX_MAP,
        "table_rows": MAX_TABLE,
        "names": {id_: one.name for id_, one in accounts.items()},
    }
