"""What the questions to Athena have in common: the scans that are shown, and how far they looked.

Athena speaks Trino; the tests put the very same text to DuckDB, so it keeps to what both understand. `${Database}` is filled
in by CloudFormation. INVARIANT: each question takes rows of the edition that `runs` names and of no other, so a scan whose
publication was broken off is in none; and each says beside its numbers how far the scan looked.
"""

from __future__ import annotations

import textwrap
from typing import Final

from msgspec import Struct

from modelwarden.analytics.tables import PARTITION, TABLES, Column, Kind

RECENT_DAYS: Final = 35
"""The latest scan is looked for so far back, so that few days of files are read. An older one is not shown as today's."""
TREND_DAYS: Final = 400


class Question(Struct, frozen=True):
    """One question, and the columns of its answer in their order."""

    name: str
    title: str
    meaning: str
    sql: str
    columns: tuple[Column, ...]
    data_set: bool = True
    """Whether the dashboard shows it."""


def since(days: int, table: str = "") -> str:
    """Both engines add an interval to a date; DuckDB makes a timestamp of it."""
    column = f"{table}.{PARTITION}" if table else PARTITION
    return f"{column} >= CAST(CAST(current_date - INTERVAL '{days}' DAY AS date) AS varchar)"


def percent(read: str, expected: str, whole: str) -> str:
    """Rounded down, in doubles: a decimal would round 99.99 up to 100. Law: 100 is all of it, and is said of nothing less."""
    share = f"floor(coalesce(100e0 * {read} / nullif({expected}, 0), 0e0))"
    return f"CASE WHEN {whole} THEN 100 ELSE CAST(least({share}, 99e0) AS bigint) END"


_WHOLE: Final = "cells_expected > 0 AND cells_read = cells_expected AND organization_holes = 0"
SHOWN: Final = f"""
        run, edition, finished_at, complete, cells_expected, cells_read, organization_holes,
        {percent("cells_read", "cells_expected", _WHOLE)} AS coverage_percent,
        {_WHOLE} AS whole"""
LATEST: Final = f"""latest AS (
    SELECT{SHOWN}
    FROM ${{Database}}.runs
    WHERE {since(RECENT_DAYS)} AND NOT as_of_asserted
    ORDER BY run DESC
    LIMIT 1
)"""


def of_latest(table: str, alias: str) -> str:
    """A table, of the latest scan alone."""
    return f"${{Database}}.{table} {alias} JOIN latest r ON {alias}.run = r.run AND {alias}.edition = r.edition"


def of_same_scan(table: str, alias: str) -> str:
    """What a table that is joined to another one must have in common with the latest scan."""
    return f"{alias}.run = r.run AND {alias}.edition = r.edition AND {since(RECENT_DAYS, alias)}"


def standing(of: str, unread: str) -> str:
    """One word for where an account or a scan stands. It is `compliant` only where everything was read and judged, and
    nothing stands in the way."""
    return f"""CASE WHEN {unread} THEN 'not complete'
            WHEN {of}.blocked > 0 THEN 'blocked'
            WHEN {of}.undecided > 0 OR {of}.unmapped > 0 OR {of}.containers_unjudged > 0 THEN 'undecided'
            WHEN {of}.flagged > 0 THEN 'flagged'
            WHEN {of}.judged = 0 THEN 'nothing judged'
            ELSE 'compliant' END"""


def known_columns(*tables: str, **others: tuple[Kind, str]) -> dict[str, Column]:
    """Name -> column, of tables and of what a question computes."""
    found = {column.name: column for table in tables for column in TABLES[table].columns}
    return found | {name: Column(name, kind, meaning) for name, (kind, meaning) in others.items()}


def columns_of(known: dict[str, Column], *names: str) -> tuple[Column, ...]:
    return tuple(known[name] for name in names)


def listed(alias: str, *names: str) -> str:
    text = ", ".join(f"{alias}.{name}" for name in names)
    return textwrap.fill(text, 100, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False)


BESIDE: Final = ("run", "finished_at", "coverage_percent", "whole")
"""How far the scan looked, beside everything that it found."""
COMPUTED: Final[dict[str, tuple[Kind, str]]] = {
    "coverage_percent": (
        "count",
        "account-regions of the scan that were read whole, in percent, rounded down; 100 only where nothing is missing",
    ),
    "whole": ("flag", "everything that was expected was read; a hole that is accepted is a hole"),
    "standing": ("text", "not complete, blocked, undecided, flagged, nothing judged or compliant"),
}
PLACE: Final = ("account", "account_name", "unit", "region")
VERDICTS: Final = ("packages", "judged", "unmapped", "blocked", "undecided", "flagged", "allowed")
COUNTS: Final = """count(*) AS packages, count(*) FILTER (WHERE p.role = 'judged') AS judged,
        count(*) FILTER (WHERE p.role = 'unmapped') AS unmapped,
        count(*) FILTER (WHERE p.verdict = 'block') AS blocked,
        count(*) FILTER (WHERE p.verdict = 'undecided') AS undecided,
        count(*) FILTER (WHERE p.verdict = 'flag') AS flagged,
        count(*) FILTER (WHERE p.verdict = 'allow') AS allowed"""
