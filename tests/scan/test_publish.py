"""A scan of the demo, published: the numbers that Athena would give are those of its records."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from modelwarden.analytics.publish import publish
from modelwarden.evidence import Absent, Present
from modelwarden.scan.folder import Folder
from modelwarden.scan.run import Outcome
from modelwarden.scan.summary import share
from modelwarden.store import place
from tests.analytics.scans import Ask, asking

from .conftest import records

LINE = "/card/content/business_details/line_of_business"


@pytest.fixture(scope="module")
def ask(whole: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The demo is judged as of its own clock, which no view would show; here it is said to be nobody's assertion."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(whole.folder.path, folder / "run")
    copied = Folder(folder / "run")
    told = {name: value for name, value in copied.manifest().items() if name != "schema"}
    copied.write_manifest(told | {"as_of_asserted": False, "id": "20261120T060000000000Z-1f0c9a2e"})
    (folder / "there").mkdir()
    publish(copied, place.Folder(folder / "there"))
    return asking(folder / "there")


def test_posture_is_what_the_records_say(whole: Outcome, ask: Ask) -> None:
    found = records(whole)
    told: dict[str, Counter[str]] = {account: Counter() for account, _ in whole.plan.estate.cells}
    for package, record in found.items():
        told[package.split(":")[4]][record.decision.verdict if record.decision else record.role] += 1
    names = {
        "blocked": "block",
        "undecided": "undecided",
        "flagged": "flag",
        "allowed": "allow",
        "unmapped": "unmapped",
    }
    rows = {row["account"]: row for row in ask("posture")}
    assert {account: {name: row[name] or 0 for name in names} for account, row in rows.items()} == {
        account: {name: counts[kind] for name, kind in names.items()} for account, counts in told.items()
    }
    assert sum(row["packages"] or 0 for row in rows.values()) == len(found)
    unread = {account for account, _, _ in whole.summary.unread} | {row.account for row in whole.summary.partly}
    assert {account for account, row in rows.items() if row["standing"] == "not complete"} == unread
    (scan,) = ask("posture_trend")
    assert scan["coverage_percent"] == share(whole.summary.read, whole.summary.expected, whole=False)
    assert (scan["cells_read"], scan["cells_expected"], scan["whole"]) == (
        whole.summary.read,
        whole.summary.expected,
        False,
    )


def test_models_by_line_of_business_are_what_the_cards_say(whole: Outcome, ask: Ask) -> None:
    told: Counter[tuple[str | None, str]] = Counter()
    for record in records(whole).values():
        fact = record.evidence.get(LINE) if record.evidence else None
        state = "present" if isinstance(fact, Present) else "absent" if isinstance(fact, Absent) else "unknown"
        told[str(fact.value) if isinstance(fact, Present) else None, state] += 1
    assert Counter((row["line_of_business"], row["line_of_business_state"]) for row in ask("models")) == told
    assert {state for _, state in told} == {"present", "absent", "unknown"}


def test_metrics_are_what_the_reports_say(whole: Outcome, ask: Ask) -> None:
    told: Counter[tuple[str, str, float]] = Counter()
    for package, record in records(whole).items():
        for at, fact in record.evidence.each("/evaluation/metric/*/value") if record.evidence else ():
            assert record.evidence is not None
            name = record.evidence.get(at.replace("/value", "/name"))
            if isinstance(fact, Present) and isinstance(name, Present):
                told[package, str(name.value), float(str(fact.value))] += 1
    rows = [row for row in ask("validation_metrics") if row["report"] == "evaluation" and row["value"] is not None]
    assert Counter((row["package"], row["metric"], row["value"]) for row in rows) == told
    assert len(told) > 50


def test_endpoints_stand_as_the_scan_counts_them(whole: Outcome, ask: Ask) -> None:
    rows = ask("endpoint_monitoring")
    assert Counter(row["standing"] for row in rows) == +whole.summary.endpoints
    verdicts = {package: record.decision.verdict for package, record in records(whole).items() if record.decision}
    assert all(row["verdict"] == verdicts[row["package"]] for row in rows if row["standing"] == "judged")


def test_cards_stand_as_the_scan_counts_them(whole: Outcome, ask: Ask) -> None:
    rows = ask("model_cards")
    assert Counter(row["standing"] for row in rows) == +whole.summary.cards.counts
    loose = {(one.card, one.kind, one.what) for one in whole.summary.cards.loose}
    assert {(row["card"], row["standing"], row["reason"]) for row in rows if row["reason"]} == loose


def test_controls_count_as_the_manifest_counts(whole: Outcome, ask: Ask) -> None:
    found: dict[str, Counter[str]] = {}
    for row in ask("controls"):
        counts = {
            "fail": row["fails"],
            "unknown": row["unknowns"],
            "pass": row["passes"],
            "not-applicable": row["not_applicable"],
        }
        found.setdefault(row["control"], Counter()).update(counts)
    assert {control: +counts for control, counts in found.items()} == whole.summary.controls
