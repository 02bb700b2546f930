"""Questions about where everything stands: posture, coverage, controls, waivers and what became another one."""

from __future__ import annotations

from typing import Final

from scripts.analytics.sql import (
    BESIDE,
    COMPUTED,
    COUNTS,
    LATEST,
    PLACE,
    RECENT_DAYS,
    SHOWN,
    TREND_DAYS,
    VERDICTS,
    Question,
    columns_of,
    known_columns,
    listed,
    of_latest,
    of_same_scan,
    percent,
    since,
    standing,
)

from modelwarden.analytics.tables import Kind

_ACCOUNT: Final[dict[str, tuple[Kind, str]]] = {
    "account_cells_expected": ("count", "account-regions of the account that were expected"),
    "account_cells_read": ("count", "of these read whole"),
    "account_coverage_percent": ("count", "in percent, rounded down"),
}


def posture() -> Question:
    names = (*BESIDE, "account", "account_name", "unit", *_ACCOUNT, *VERDICTS, "containers_unjudged", "standing")
    known = known_columns("runs", "coverage", **COMPUTED, **_ACCOUNT)
    unread = "s.cells_read < s.cells_expected OR r.organization_holes > 0"
    # Of an account that was not read whole, nobody knows that there is nothing.
    counts = ",\n        ".join(
        f"CASE WHEN {of}.account IS NOT NULL THEN {of}.{name} WHEN a.cells_read = a.cells_expected THEN 0 END AS {name}"
        for of, name in (*(("k", name) for name in VERDICTS), ("n", "containers_unjudged"))
    )
    sql = f"""WITH {LATEST}, accounts AS (
    SELECT c.account, c.account_name, c.unit, count(*) AS cells_expected,
        count(*) FILTER (WHERE c.state = 'read') AS cells_read
    FROM {of_latest("coverage", "c")}
    WHERE {since(RECENT_DAYS, "c")}
    GROUP BY c.account, c.account_name, c.unit
), counted AS (
    SELECT p.account, {COUNTS}
    FROM {of_latest("packages", "p")}
    WHERE {since(RECENT_DAYS, "p")}
    GROUP BY p.account
), served AS (
    SELECT e.account, count(*) FILTER (WHERE e.standing IN ('not told', 'not judged')) AS containers_unjudged
    FROM {of_latest("endpoints", "e")}
    WHERE {since(RECENT_DAYS, "e")}
    GROUP BY e.account
), posture AS (
    SELECT a.account, a.account_name, a.unit, a.cells_expected, a.cells_read,
        {counts}
    FROM accounts a LEFT JOIN counted k ON k.account = a.account LEFT JOIN served n ON n.account = a.account
)
SELECT {listed("r", *BESIDE)}, s.account, s.account_name, s.unit,
    s.cells_expected AS account_cells_expected, s.cells_read AS account_cells_read,
    {percent("s.cells_read", "s.cells_expected", f"NOT ({unread})")} AS account_coverage_percent,
    {listed("s", *VERDICTS, "containers_unjudged")},
    {standing("s", unread)} AS standing
FROM posture s CROSS JOIN latest r"""
    about = "one row for each account: packages by verdict, and how much of the account was read"
    return Question("posture", "Posture by account", about, sql, columns_of(known, *names))


def trend() -> Question:
    names = (
        "run",
        "started_at",
        "finished_at",
        "complete",
        "cells_expected",
        "cells_read",
        "coverage_percent",
        "whole",
    )
    told = (*VERDICTS, "inventory", "blocked_serving", "containers", "containers_unjudged", "carried", "advisory")
    sql = f"""WITH shown AS (
    SELECT{SHOWN},
        started_at, advisory, packages, judged, unmapped, inventory, blocked, undecided, flagged, allowed,
        blocked_serving, containers, containers_unjudged, carried
    FROM ${{Database}}.runs
    WHERE {since(TREND_DAYS)} AND NOT as_of_asserted
)
SELECT {listed("s", *names, *told)},
    {standing("s", "NOT s.whole")} AS standing
FROM shown s"""
    about = "one row for each scan of the last year: packages by verdict, and how much was read"
    known = known_columns("runs", **COMPUTED)
    return Question("posture_trend", "Posture over time", about, sql, columns_of(known, *names, *told, "standing"))


_OUTCOMES: Final[dict[str, tuple[Kind, str]]] = {
    "fails": ("count", "findings that failed"),
    "unknowns": ("count", "findings that could not be told"),
    "passes": ("count", "findings that passed"),
    "not_applicable": ("count", "findings that do not apply"),
    "blocking": ("count", "findings that block"),
    "waived": ("count", "findings under a waiver"),
}


def controls() -> Question:
    by = ("account", "region", "stage", "control", "severity")
    sql = f"""WITH {LATEST}, counted AS (
    SELECT {listed("f", *by)},
        count(*) FILTER (WHERE f.outcome = 'fail') AS fails,
        count(*) FILTER (WHERE f.outcome = 'unknown') AS unknowns,
        count(*) FILTER (WHERE f.outcome = 'pass') AS passes,
        count(*) FILTER (WHERE f.outcome = 'not-applicable') AS not_applicable,
        count(*) FILTER (WHERE f.effect = 'blocks') AS blocking,
        count(*) FILTER (WHERE f.waiver_id IS NOT NULL) AS waived
    FROM {of_latest("findings", "f")}
    WHERE {since(RECENT_DAYS, "f")}
    GROUP BY {listed("f", *by)}
)
SELECT {listed("r", *BESIDE)}, {listed("k", *by)}, c.family, c.title,
    {listed("k", *_OUTCOMES)}
FROM counted k CROSS JOIN latest r
LEFT JOIN ${{Database}}.controls c ON c.control = k.control AND {of_same_scan("controls", "c")}"""
    about = "findings by control, account, region and stage"
    known = known_columns("runs", "controls", "findings", **COMPUTED, **_OUTCOMES)
    columns = columns_of(known, *BESIDE, *by, "family", "title", *_OUTCOMES)
    return Question("controls", "Findings by control", about, sql, columns)


def open_findings() -> Question:
    told = (
        *("account", "region", "package", "stage", "moment", "control", "severity", "outcome", "level", "effect"),
        *("waiver_id", "reason"),
    )
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)}, {listed("f", *told)}, c.title
FROM {of_latest("findings", "f")}
LEFT JOIN ${{Database}}.controls c ON c.control = f.control AND {of_same_scan("controls", "c")}
WHERE {since(RECENT_DAYS, "f")} AND f.outcome IN ('fail', 'unknown')
ORDER BY f.package, f.control"""
    about = "every finding that failed or could not be told, waived or not"
    columns = columns_of(known_columns("runs", "controls", "findings", **COMPUTED), *BESIDE, *told, "title")
    return Question("open_findings", "Open findings", about, sql, columns, data_set=False)


def waivers() -> Question:
    told = ("waiver_id", "owner", "approver", "reason", "ticket", "expires_on", "break_glass", "findings", "packages")
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)}, {listed("w", *told)},
    date_diff('day', current_date, w.expires_on) AS days_left
FROM {of_latest("waivers", "w")}
WHERE {since(RECENT_DAYS, "w")}"""
    days: dict[str, tuple[Kind, str]] = {
        "days_left": ("count", "days to its last day, as of today; negative where it ended")
    }
    columns = columns_of(known_columns("runs", "waivers", **COMPUTED, **days), *BESIDE, *told, "days_left")
    about = "waivers that cover a finding, and how long they still hold"
    return Question("waivers", "Waivers", about, sql, columns)


def changes() -> Question:
    told = ("package", "package_group", *PLACE, "stage", "verdict", "approval_status")
    before = ("run", "stage", "verdict", "approval_status")
    window = "OVER (PARTITION BY p.package ORDER BY p.run)"
    lags = ",\n        ".join(f"lag(p.{name}) {window} AS previous_{name}" for name in before)
    differs = " OR ".join(f"s.{name} IS DISTINCT FROM s.previous_{name}" for name in before if name != "run")
    sql = f"""WITH shown AS (
    SELECT{SHOWN}
    FROM ${{Database}}.runs
    WHERE {since(RECENT_DAYS)} AND NOT as_of_asserted
), seen AS (
    SELECT {listed("r", *BESIDE)},
        {listed("p", *told)},
        {lags}
    FROM ${{Database}}.packages p JOIN shown r ON p.run = r.run AND p.edition = r.edition
    WHERE {since(RECENT_DAYS, "p")} AND p.role IN ('judged', 'unmapped')
)
SELECT {listed("s", *BESIDE, *told)},
    {listed("s", *(f"previous_{name}" for name in before))}
FROM seen s
WHERE s.previous_run IS NOT NULL AND ({differs})"""
    earlier: dict[str, tuple[Kind, str]] = {
        f"previous_{name}": ("text", f"{name} in the scan that saw the package before") for name in before
    }
    known = known_columns("runs", "packages", **COMPUTED, **earlier)
    columns = columns_of(known, *BESIDE, *told, *earlier)
    about = "each time that stage, verdict or approval of a package became another one, in the last 35 days"
    return Question("changes", "Changes", about, sql, columns)


def coverage() -> Question:
    of_hole = ("api", "kind", "reason")
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)}, {listed("c", *PLACE, "state", "holes")}, {listed("h", *of_hole)}
FROM {of_latest("coverage", "c")}
LEFT JOIN ${{Database}}.holes h ON h.account = c.account AND h.region = c.region AND {of_same_scan("holes", "h")}
WHERE {since(RECENT_DAYS, "c")}
UNION ALL
SELECT {listed("r", *BESIDE)}, {listed("h", *PLACE)},
    CASE WHEN h.kind = 'skipped' THEN 'skipped' ELSE 'everywhere' END AS state, 1 AS holes, {listed("h", *of_hole)}
FROM {of_latest("holes", "h")}
WHERE {since(RECENT_DAYS, "h")} AND (h.everywhere OR h.kind = 'skipped')"""
    about = "every account-region that was expected, with each thing that was not read; what belongs to none is `everywhere`"
    known = known_columns("runs", "holes", "coverage", **COMPUTED)
    columns = columns_of(known, *BESIDE, *PLACE, "state", "holes", *of_hole)
    return Question("coverage", "Coverage", about, sql, columns)
