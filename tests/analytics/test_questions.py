"""What Athena is asked: DuckDB answers the same text over the same files, and each number is counted here in another way."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from scripts.analytics.questions import QUESTIONS
from scripts.analytics.sql import percent
from sqlglot import exp

from modelwarden.analytics.publish import publish
from modelwarden.analytics.tables import TABLES
from modelwarden.evidence import Absent, Present
from modelwarden.scan.summary import share
from modelwarden.store import place

from .conftest import Nights
from .scans import DARK, EMPTY, HALF, LENDING, NO_LIST, RECORDS, REGION, RETAIL, RUNNING, arn, asking, began, scan

TYPES = {
    "VARCHAR": "text",
    "BIGINT": "count",
    "INTEGER": "count",
    "DOUBLE": "number",
    "BOOLEAN": "flag",
    "TIMESTAMP WITH TIME ZONE": "time",
    "DATE": "day",
}
ALL = [record for records in RECORDS.values() for record in records]
RESERVED = """
    ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
    CURRENT_USER DEALLOCATE DELETE DESCRIBE DISTINCT DROP ELSE END ESCAPE EXCEPT EXECUTE EXISTS EXTRACT FALSE FOR
    FROM FULL GROUP GROUPING HAVING IN INNER INSERT INTERSECT INTO IS JOIN LEFT LIKE LOCALTIME LOCALTIMESTAMP
    NATURAL NORMALIZE NOT NULL ON OR ORDER OUTER PREPARE RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN TRIM TRUE
    UESCAPE UNION UNNEST USING VALUES WHEN WHERE WITH
"""
"""Words that Trino takes for no name."""
COMMON = {
    *(
        "Cast",
        "Coalesce",
        "Count",
        "CurrentDate",
        "DateDiff",
        "Filter",
        "Floor",
        "Lag",
        "Least",
        "Max",
        "Lower",
        "Nullif",
        "Case",
        "If",
    ),
    *("And", "Or"),
}
"""Functions that Athena and DuckDB take alike: same name, same order of arguments, same result on our types."""


@cache
def read_by_athena(name: str) -> Any:
    """One statement, or an error."""
    return sqlglot.parse_one(QUESTIONS[name].sql.replace("${Database}", "modelwarden"), read="athena")


@pytest.mark.parametrize("name", QUESTIONS)
def test_athena_would_read_the_question(name: str) -> None:
    parsed = read_by_athena(name)
    assert {type(one).__name__ for one in parsed.find_all(exp.Func)} <= COMMON
    assert "${" not in parsed.sql(dialect="athena")


def test_no_column_or_table_has_a_name_that_athena_keeps_for_itself() -> None:
    columns = {column.name for table in TABLES.values() for column in table.columns}
    answers = {column.name for question in QUESTIONS.values() for column in question.columns}
    aliases = {alias.name for name in QUESTIONS for alias in read_by_athena(name).find_all(exp.TableAlias)}
    assert {name.upper() for name in columns | answers | aliases | set(TABLES)} & set(RESERVED.split()) == set()


@pytest.mark.parametrize("name", QUESTIONS)
def test_nothing_is_divided_but_doubles(name: str) -> None:
    """Athena divides whole numbers to a whole number, and rounds decimals: 99.99 percent would be 100."""
    text = QUESTIONS[name].sql.replace("${Database}", "modelwarden")
    assert re.search(r"\d\.\d", text) is None, "a decimal"
    for division in read_by_athena(name).find_all(exp.Div):
        assert any("e" in literal.name.lower() for literal in division.left.find_all(exp.Literal)), division.sql()


def test_a_share_is_rounded_down_and_nothing_of_nothing_is_none() -> None:
    told = [(9_999, 10_000, False), (7, 7, True), (7, 7, False), (0, 3, False), (0, 0, False), (2, 3, False)]
    asked = ", ".join(percent(str(read), str(expected), str(whole)) for read, expected, whole in told)
    (found,) = duckdb.sql(f"SELECT {asked}").fetchall()
    assert found == (99, 100, 99, 0, 0, 66)
    assert list(found) == [share(read, expected, whole=whole) for read, expected, whole in told]


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_answer_has_the_columns_that_are_declared(nights: Nights, name: str) -> None:
    (found,) = nights.ask(name, types=True)
    declared = {column.name: column.kind for column in QUESTIONS[name].columns}
    assert list(found) == list(declared)
    assert {column: TYPES[type_] for column, type_ in found.items()} == declared


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in ("posture_trend", "changes")])
def test_only_the_latest_scan_answers_and_says_how_far_it_looked(nights: Nights, name: str) -> None:
    rows = nights.ask(name)
    assert rows
    beside = {(row["run"], row["coverage_percent"], row["whole"]) for row in rows}
    assert beside == {(nights.later.id, 60, False)}, "two of five account-regions have a hole"


def test_posture_counts_every_account_and_calls_none_compliant_that_was_not_read(nights: Nights) -> None:
    rows = {row["account"]: row for row in nights.ask("posture")}
    names = ("blocked", "undecided", "flagged", "allowed", "unmapped", "judged", "packages", "containers_unjudged")
    assert {account: tuple(row[name] for name in names) for account, row in rows.items()} == {
        RETAIL: (0, 0, 0, 1, 0, 1, 2, 0),
        LENDING: (1, 1, 1, 0, 1, 3, 4, 2),
        HALF: (0, 0, 0, 1, 0, 1, 1, None),
        DARK: (None,) * 8,
        EMPTY: (0,) * 8,
    }
    assert {account: (row["standing"], row["account_coverage_percent"]) for account, row in rows.items()} == {
        RETAIL: ("compliant", 100),
        LENDING: ("blocked", 100),
        HALF: ("not complete", 0),
        DARK: ("not complete", 0),
        EMPTY: ("nothing judged", 100),
    }


def test_a_hole_that_belongs_to_no_account_leaves_none_compliant(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    publish(scan(tmp_path, whole=True, unread=(NO_LIST,)), place.Folder(tmp_path / "there"))
    ask = asking(tmp_path / "there")
    assert {(row["standing"], row["coverage_percent"], row["whole"]) for row in ask("posture")} == {
        ("not complete", 99, False)
    }
    assert [row["standing"] for row in ask("posture_trend")] == ["not complete"]
    assert [row["api"] for row in ask("coverage") if row["state"] == "everywhere"] == ["organizations:ListAccounts"]


def test_a_scan_that_read_everything_stands_where_its_worst_package_stands(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    publish(scan(tmp_path, whole=True), place.Folder(tmp_path / "there"))
    (row,) = asking(tmp_path / "there")("posture_trend")
    assert (row["standing"], row["whole"], row["coverage_percent"]) == ("blocked", True, 100)


def test_the_trend_has_every_scan(nights: Nights) -> None:
    rows = {row["run"]: row for row in nights.ask("posture_trend")}
    assert list(rows) == [nights.earlier.id, nights.later.id]
    verdicts = Counter(record.decision.verdict for record in ALL if record.decision)
    later = rows[nights.later.id]
    assert {name: later[name] for name in ("blocked", "undecided", "flagged", "allowed")} == {
        "blocked": verdicts["block"],
        "undecided": verdicts["undecided"],
        "flagged": verdicts["flag"],
        "allowed": verdicts["allow"],
    }
    assert (later["packages"], later["containers"], later["containers_unjudged"]) == (len(ALL), 4, 2)
    assert {row["standing"] for row in rows.values()} == {"not complete"}


def test_use_cases_add_up_to_the_packages_and_keep_the_three_states_apart(nights: Nights) -> None:
    told: Counter[tuple[Any, ...]] = Counter()
    for record in ALL:
        fact = record.evidence.get("/card/content/business_details/line_of_business") if record.evidence else None
        value = fact.value if isinstance(fact, Present) else None
        state = "present" if isinstance(fact, Present) else "absent" if isinstance(fact, Absent) else "unknown"
        stage = record.decision.request.stage if record.decision else None
        told[value, state, stage, record.approval] += 1
    found: Counter[tuple[Any, ...]] = Counter()
    for row in nights.ask("use_cases"):
        key = tuple(row[name] for name in ("line_of_business", "line_of_business_state", "stage", "approval_status"))
        found[key] += row["packages"]
    assert found == told
    assert sum(row["packages"] for row in nights.ask("use_cases")) == len(nights.ask("models")) == len(ALL)


def test_controls_add_up_to_the_findings(nights: Nights) -> None:
    told: Counter[tuple[str, str, str]] = Counter()
    for account, records in RECORDS.items():
        for record in records:
            for ruling in record.decision.rulings if record.decision else ():
                told[account, ruling.finding.control, ruling.finding.outcome] += 1
    found: Counter[tuple[str, str, str]] = Counter()
    outcomes = {"fails": "fail", "unknowns": "unknown", "passes": "pass", "not_applicable": "not-applicable"}
    for row in nights.ask("controls"):
        assert row["title"] == f"the problem of {row['control']} is there"
        assert row["family"] == row["control"].split("-")[0]
        for name, outcome in outcomes.items():
            found[row["account"], row["control"], outcome] += row[name]
    assert +found == told
    unmet = [key for key, count in told.items() if key[2] in ("fail", "unknown") for _ in range(count)]
    rows = [(row["account"], row["control"], row["outcome"]) for row in nights.ask("open_findings")]
    assert Counter(rows) == Counter(unmet)


def test_a_metric_that_no_report_holds_is_no_number(nights: Nights) -> None:
    rows = nights.ask("validation_metrics")
    by_package = {
        package: [row for row in rows if row["package"] == package] for package in {row["package"] for row in rows}
    }
    assert set(by_package) == {record.package for record in ALL if record.role == "judged"}
    churn = {
        (row["report"], row["metric"]): (row["value_state"], row["value"]) for row in by_package[arn(RETAIL, "churn/7")]
    }
    assert churn == {
        ("evaluation", "auc"): ("number", 0.9),
        ("evaluation", "f1"): ("undefined", None),
        ("evaluation", "recall"): ("number", 0.0),
        ("bias", "DPL"): ("number", -0.25),
    }
    (bias,) = [row for row in rows if row["report"] == "bias"]
    assert (bias["section"], bias["facet"], bias["facet_value"]) == ("post_training", "age", "(40, 99]")
    for name, state in (("loan/2", "absent"), ("loan/3", "unknown")):
        (row,) = by_package[arn(LENDING, name)]
        assert (row["evaluation_state"], row["metric"], row["value"]) == (state, None, None)
        assert (row["evaluation_metrics"], row["evaluation_metrics_state"]) == (None, "unknown")


def test_waivers_say_what_they_cover_and_how_long(nights: Nights) -> None:
    (row,) = nights.ask("waivers")
    assert (row["waiver_id"], row["findings"], row["packages"], row["break_glass"]) == ("W-1", 1, 1, False)
    assert row["days_left"] == (row["expires_on"] - datetime.now(UTC).date()).days


def test_metrics_are_those_of_one_endpoint_and_what_nobody_reported_is_no_zero(nights: Nights) -> None:
    """Each variant that runs is there once, with a state beside each number: what nobody asked is unknown."""
    rows = nights.ask("endpoint_metrics")
    said = ("invocations", "invocation_5xx_errors", "model_latency_average_us", "cpu_utilization_maximum_bp")
    found = {(row["endpoint"], row["variant"]): [(row[name], row[f"{name}_state"]) for name in said] for row in rows}
    nothing = [(None, "unknown")] * 4
    assert found == {
        (arn(RETAIL, "live", "endpoint"), "main"): [
            (1_200, "present"),
            (0, "present"),
            (None, "absent"),
            (None, "unknown"),
        ],
        (arn(RETAIL, "live", "endpoint"), "shadow"): nothing,
        (arn(LENDING, "live", "endpoint"), "main"): [(7, "present"), *nothing[1:]],
        (arn(LENDING, "old", "endpoint"), "main"): nothing,
    }
    assert len(rows) == len(found)
    assert {row["measured_on"] for row in rows} == {began(1).date(), None}


def test_an_endpoint_is_known_by_its_arn_and_says_whether_what_it_runs_was_judged(nights: Nights) -> None:
    rows = nights.ask("endpoint_monitoring")
    assert len(rows) == sum(map(len, RUNNING.values()))
    said = ("standing", "verdict", "data_capture", "data_capture_state", "capture_percent")
    live = arn(RETAIL, "live", "endpoint")
    assert {(row["endpoint"], row["variant"]): tuple(row[name] for name in said) for row in rows} == {
        (live, "main"): ("judged", "allow", "Started", "present", 20),
        (live, "shadow"): ("unregistered", None, None, "absent", None),
        (arn(LENDING, "live", "endpoint"), "main"): ("not judged", None, None, "unknown", None),
        (arn(LENDING, "old", "endpoint"), "main"): ("not told", None, None, "unknown", None),
    }
    assert {row["endpoint_name"] for row in rows} == {"live", "old"}, "names of two accounts are the same"


def test_a_model_card_belongs_to_a_package_stands_alone_or_nobody_can_tell(nights: Nights) -> None:
    rows = {row["card"].rpartition("/")[2]: row for row in nights.ask("model_cards")}
    assert {name: (row["standing"], row["status"], row["reason"]) for name, row in rows.items()} == {
        "a": ("of a package", "Approved", None),
        "b": ("standalone", "Draft", "names no package"),
        "c": ("not told", None, f"names {arn(DARK, 'other/1')}, in an account-region that was not read whole"),
    }
    assert (rows["a"]["created_at"], rows["a"]["changed_at"]) == (datetime(2026, 1, 1, tzinfo=UTC), None)


def test_the_audit_names_the_approver_or_says_that_nobody_knows(nights: Nights) -> None:
    rows = {row["package"]: row for row in nights.ask("audit")}
    assert set(rows) == {record.package for record in ALL if record.role in ("judged", "unmapped")}
    churn = rows[arn(RETAIL, "churn/7")]
    assert (churn["approver"], churn["approver_state"]) == ("alice", "present")
    assert (churn["approved_at"], churn["approved_at_state"]) == (datetime(2026, 8, 13, 12, 30, tzinfo=UTC), "present")
    assert churn["created_at"] == datetime(2026, 8, 7, 11, 30, 0, 123_000, tzinfo=UTC)
    assert (rows[arn(LENDING, "loan/2")]["approver"], rows[arn(LENDING, "loan/2")]["approver_state"]) == (
        None,
        "unknown",
    )


def test_a_change_is_told_with_what_was_before_and_a_first_sighting_is_none(nights: Nights) -> None:
    (row,) = nights.ask("changes")
    assert (row["package"], row["previous_verdict"], row["verdict"]) == (arn(LENDING, "loan/2"), "allow", "block")
    assert (row["previous_run"], row["run"]) == (nights.earlier.id, nights.later.id)


def test_coverage_lists_every_account_region_and_every_hole(nights: Nights) -> None:
    rows = nights.ask("coverage")
    assert {(row["account"], row["region"]): row["state"] for row in rows if row["state"] != "skipped"} == {
        (RETAIL, REGION): "read",
        (LENDING, REGION): "read",
        (HALF, REGION): "partly read",
        (DARK, REGION): "not read",
        (EMPTY, REGION): "read",
    }
    assert [row["reason"] for row in rows if row["account"] == HALF] == ["denied: AccessDenied: no grant"]
    assert [(row["account"], row["reason"]) for row in rows if row["state"] == "skipped"] == [
        ("999900001111", "state:SUSPENDED")
    ]


def test_neither_a_scan_of_long_ago_nor_one_as_of_an_asserted_time_is_shown_as_todays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for folder in (scan(tmp_path, 40), scan(tmp_path, 1, as_of_asserted=True)):
        publish(folder, place.Folder(tmp_path / "there"))
    ask = asking(tmp_path / "there")
    assert {name: len(ask(name)) for name in QUESTIONS} == dict.fromkeys(QUESTIONS, 0) | {"posture_trend": 1}
