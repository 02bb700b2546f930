"""What turns worse by nothing but time, to the second, against decisions that are made moment by moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelwarden.catalog import load_bundle
from modelwarden.evidence import Evidence, Present
from modelwarden.finding import Decision
from modelwarden.gate import House
from modelwarden.period import utc
from modelwarden.replay.outlook import Window, clock_readers, course_of
from modelwarden.replay.performing import decide_again
from modelwarden.replay.recorded import Case, case_of
from modelwarden.run import write
from tests.command import Done
from tests.demo.test_oracle import validator
from tests.user_bundle.conftest import HONEST, cedar, python

from .records import NOW, forged, house, run_of, scan_of
from .test_replay import FACTS, PACKAGE
from .test_supposed import OWNED, STRICT, WAIVER

Run = Callable[..., Done]
START = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)
OTHER = PACKAGE[:-1] + "8"

AGED = cedar(
    "ACME-04",
    'resource has package.modifiedAt && context.asOf.durationSince(resource.package.modifiedAt) <= duration("90d")',
    "/package/modified_at",
)
STALE = python(
    "ACME-05",
    'from datetime import datetime\nmade, now = (datetime.fromisoformat(str(evidence.value(at)).replace("Z", "+00:00"))'
    ' for at in ("/package/created_at", "/request/as_of"))\n'
    'return Pass() if (now - made).days < 100 else Fail("a package of less than 100 days", ["/package/created_at"])',
    reads='"/package/created_at", "/request/as_of"',
)
OTHERS = "".join(f'{id_} = "off"\n' for id_ in load_bundle().controls if id_ != "APR-01")
"""Of what ships one control is enough here."""
RULES = f"""profile = "observe"
[enforcement]
{OTHERS}"""
RULES += """
ACME-02 = "block"
ACME-03 = "block"
ACME-04 = "block"
ACME-05 = "flag"
APR-01 = { Production = "block", block_from = 2026-12-15 }
"""
TIMES = {
    "/package/modified_at": Present("2026-09-20T05:06:07Z"),
    "/package/created_at": Present("2026-09-01T00:00:30Z"),
    "/approval/status": Present("Rejected"),
}
GAP = """
[[gap]]
account = "111122223333"
api = "kms:*"
owner = "ana"
reason = "before the audit"
expires = 2026-12-24
"""


@pytest.fixture(scope="module")
def ageing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of two packages: one of them has a waiver, the other one is older."""
    folder = tmp_path_factory.mktemp("ageing")
    rules = house(
        folder / "house", RULES + WAIVER + GAP, strict_cedar=STRICT, owned_cedar=OWNED, aged_cedar=AGED, stale_py=STALE
    )
    assert clock_readers(rules.bundle) == ["ACME-04", "ACME-05"]
    older = {"/package/modified_at": Present("2026-09-10T05:06:07Z")}
    evidence = [Evidence(PACKAGE, {**FACTS, **TIMES}), Evidence(OTHER, {**FACTS, **TIMES, **older})]
    scan = scan_of(rules, folder / "scan", evidence)
    row = {"account": "111122223333", "region": "eu-west-1", "api": "kms:DescribeKey", "owner": "ana"}
    row |= {"reason": "before the audit", "expires": "2026-12-24"}
    forged(scan.path / "manifest.json", lambda document: document["coverage"]["accepted"].append(row))
    return scan.path


def told(done: Done) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.out)
    validator("forecast").validate(document)
    return document


def test_each_cause_has_its_moment_and_the_soonest_comes_first(ageing: Path, run: Run) -> None:
    done = run("forecast", ageing, "--run-recorded-code", "--format", "json")
    document = told(done)
    assert (done.code, done.err, document["hypothetical"]) == (0, "", True)
    assert (document["from"], document["to"]) == (NOW, "2027-02-20T02:10:00Z")
    found = [
        (
            cause["first"],
            cause["kind"],
            cause["id"],
            [(turn["when"], turn["package"], turn["after"]) for turn in cause["turns"]],
        )
        for cause in document["causes"]
    ]
    assert found == [
        (
            "2026-12-09T05:06:08Z",
            "clock",
            "ACME-04",
            [("2026-12-09T05:06:08Z", OTHER, "blocks"), ("2026-12-19T05:06:08Z", PACKAGE, "blocks")],
        ),
        (
            "2026-12-10T00:00:30Z",
            "clock",
            "ACME-05",
            [("2026-12-10T00:00:30Z", PACKAGE, "flags"), ("2026-12-10T00:00:30Z", OTHER, "flags")],
        ),
        (
            "2026-12-15T00:00:00Z",
            "block_from",
            "APR-01 from 2026-12-15",
            [("2026-12-15T00:00:00Z", PACKAGE, "blocks"), ("2026-12-15T00:00:00Z", OTHER, "blocks")],
        ),
        ("2026-12-25T00:00:00Z", "gap", "111122223333 * kms:*", []),
        ("2027-01-01T00:00:00Z", "waiver", "w-1", [("2027-01-01T00:00:00Z", PACKAGE, "blocks")]),
    ]
    assert document["decisions"] == {"recorded": 2, "turning": 2, "not_judged": 0}
    assert document["clock_readers"] == ["ACME-04", "ACME-05"]


def test_the_text_says_when_what_and_why(ageing: Path, run: Run) -> None:
    lines = run("forecast", ageing, "--run-recorded-code").out.splitlines()
    assert lines[0] == "HYPOTHETICAL: a forecast by recorded evidence and rules. It is no decision and no record."
    assert lines[1] == f"scan scan, 90 days from {NOW}"
    assert "2027-01-01T00:00:00Z  waiver w-1 expires 2026-12-31; its owner is ana (1 decision)" in lines
    place = "111122223333/eu-west-1/churn/7 -> Production (serve)"
    assert f"    2027-01-01T00:00:00Z  {place}  ACME-03 flags -> blocks, verdict block" in lines
    aged = '/package/modified_at = "2026-09-20T05:06:07Z"'
    assert f"    2026-12-19T05:06:08Z  {place}  ACME-04 none -> blocks, verdict block: {aged}" in lines
    assert any(
        line.startswith("2026-12-15T00:00:00Z  APR-01 is at block from 2026-12-15 on: enforcement APR-01")
        for line in lines
    )
    assert any(
        "the accepted gap 111122223333 * kms:* expires 2026-12-24; its owner is ana: 1 rows" in line for line in lines
    )
    assert lines[-1] == "2 decisions: 2 turn worse within 90 days, 0 do not, 0 could not be judged"


def test_days_and_beginning_limit_it(ageing: Path, run: Run) -> None:
    options = ("--run-recorded-code", "--format", "json")
    document = told(run("forecast", ageing, "--from", "2026-12-20", "--days", "12", *options))
    assert [cause["id"] for cause in document["causes"]] == ["111122223333 * kms:*", "w-1"]
    # A waiver counts to the end of its last day: a window that ends a second before holds nothing.
    document = told(run("forecast", ageing, "--from", "2026-12-26", "--days", "5", *options))
    assert document["causes"] == []
    assert run("forecast", ageing, "--exit-code", "--run-recorded-code").code == 1


def test_without_consent_python_is_not_run_and_nothing_is_told_of_those_decisions(ageing: Path, run: Run) -> None:
    done = run("forecast", ageing, "--format", "json")
    document = told(done)
    assert (done.code, document["decisions"]) == (3, {"recorded": 2, "turning": 0, "not_judged": 2})
    assert "it brings Python controls that are not installed here: house/stale.py" in document["not_judged"][0]["why"]


def test_runs_of_the_gate_each_have_their_own_beginning(tmp_path: Path, run: Run) -> None:
    rules = house(
        tmp_path / "house", RULES + WAIVER, strict_cedar=STRICT, owned_cedar=OWNED, aged_cedar=AGED, rule_py=STALE
    )
    for number, as_of in enumerate(("2026-11-01T00:00:00Z", "2026-12-30T00:00:00Z")):
        one = run_of(rules, Evidence(PACKAGE, {**FACTS, **TIMES}), number, as_of=as_of)
        write(one, tmp_path / "runs")
    document = told(run("forecast", tmp_path / "runs", "--days", "2", "--run-recorded-code", "--format", "json"))
    assert [cause["id"] for cause in document["causes"]] == ["w-1"]
    assert (document["from"], document["to"]) == ("2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z")


def test_a_framework_that_comes_into_force_names_what_is_open(tmp_path: Path, run: Run) -> None:
    rules = house(tmp_path / "house", 'profile = "observe"')
    path = write(
        run_of(rules, Evidence(PACKAGE, {**FACTS, "/approval/status": Present("Rejected")})), tmp_path / "runs"
    )
    document = told(run("forecast", path, "--from", "2027-12-01", "--days", "2", "--format", "json"))
    (cause,) = document["causes"]
    assert (cause["kind"], cause["id"], cause["first"]) == ("framework", "eu-ai-act", "2027-12-02T00:00:00Z")
    assert "comes into force on 2027-12-02, a date that nobody has verified" in cause["why"]
    found = {turn["control"]: (turn["before"], turn["after"], turn["because"]) for turn in cause["turns"]}
    assert found["ENC-02"] == ("flags", "flags", "A15")
    assert found["CARD-01"] == ("flags", "flags", "A11, A13")
    assert "HYG-01" not in found


def days(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda day: (START + timedelta(days=day)).date().isoformat())


@st.composite
def rules_in_time(draw: st.DrawFn) -> str:
    """Settings in which things end and begin, one after the other or on the same day."""
    text = f'profile = "observe"\n[enforcement]\n{OTHERS}ACME-02 = "block"\n'
    for control in ("ACME-03", "ACME-04", "APR-01"):
        level = draw(st.sampled_from(["flag", "block", "from"]))
        text += f"{control} = " + (
            f'{{ Production = "block", block_from = {draw(days(-1, 15))} }}\n' if level == "from" else f'"{level}"\n'
        )
    for number in range(draw(st.integers(0, 3))):
        controls = draw(st.sampled_from([["ACME-03"], ["ACME-04"], ["ACME-03", "APR-01"]]))
        begins, ends = sorted((draw(st.integers(-5, 15)), draw(st.integers(-5, 15))))
        granted, expires = ((START + timedelta(days=day)).date().isoformat() for day in (begins, ends))
        text += (
            f'[[waiver]]\nid = "w-{number}"\npackage = "{PACKAGE}"\ncontrols = {json.dumps(controls)}\nowner = "ana"\n'
        )
        text += f'approver = "bo"\nreason = "r"\nticket = "t"\ngranted = {granted}\nexpires = {expires}\n'
    return text


def worse(case: Case, rules: House, end: datetime, hours: int) -> Iterator[tuple[str, str, str]]:
    """(when, control, effect) by deciding every few hours, and every second of an hour in which something changed."""
    rank = ["none", "flags", "undecides", "blocks"]
    cache: dict[datetime, Decision] = {}

    def at(moment: datetime) -> dict[str, str]:
        cache[moment] = cache.get(moment) or decide_again(rules, case, utc(moment))
        return {one.finding.control: one.effect for one in cache[moment].rulings}

    moment, step = START, timedelta(hours=hours)
    while moment < end:
        later = min(moment + step, end)
        low = moment
        while at(low) != at(later):  # the first second at which it is as it was no longer
            near, far = low, later
            while far - near > timedelta(seconds=1):
                middle = near + timedelta(seconds=(far - near) // timedelta(seconds=2))
                near, far = (middle, far) if at(middle) == at(low) else (near, middle)
            before, after = at(low), at(far)
            yield from (
                (utc(far), id_, after[id_]) for id_ in after if rank.index(after[id_]) > rank.index(before[id_])
            )
            low = far
        moment = later


@settings(
    max_examples=10, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(text=rules_in_time(), age=st.none() | st.integers(75, 92), second=st.integers(0, 86_399))
def test_it_finds_what_decisions_from_hour_to_hour_find(
    tmp_path_factory: pytest.TempPathFactory, text: str, age: int | None, second: int
) -> None:
    """With a control that reads the clock, and without: then nothing but the settings tells when to look."""
    modified = utc(START - timedelta(days=age or 0, seconds=second))
    fourth = AGED if age else STRICT.replace("ACME-03", "ACME-04")
    rules = house(
        tmp_path_factory.mktemp("any") / "house", text, strict_cedar=STRICT, owned_cedar=OWNED, fourth_cedar=fourth
    )
    assert clock_readers(rules.bundle) == (["ACME-04"] if age else [])
    facts = {**FACTS, "/approval/status": Present("Rejected"), "/package/modified_at": Present(modified)}
    case = case_of(run_of(rules, Evidence(PACKAGE, facts)))
    window = Window(START, START + timedelta(days=16))
    found = [(turn.when, turn.control, turn.after) for turn in course_of(rules, case, window).turns]
    assert found == list(worse(case, rules, window.end, 24))


def test_a_rule_that_changes_its_mind_and_back_is_found_where_it_lasts(tmp_path: Path) -> None:
    """Asked once a week: what lasts a week is found to the second, both ways, and only the worse is told."""
    body = 'month = str(evidence.value("/request/as_of"))[:7]\n'
    body += 'return Fail("not in December", ["/request/as_of"]) if month == "2026-12" else Pass()'
    rules = house(
        tmp_path / "house",
        'profile = "strict"',
        month_py=python("ACME-06", body, reads='"/request/as_of"'),
        honest_py=python("ACME-07", HONEST),
    )
    case = case_of(run_of(rules, Evidence(PACKAGE, FACTS)))
    turns = course_of(rules, case, Window(START, START + timedelta(days=60))).turns
    assert [(turn.when, turn.control) for turn in turns] == [("2026-12-01T00:00:00Z", "ACME-06")]
