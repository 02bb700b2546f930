"""What each format says of each kind of finding: nothing is lost, and nothing that is no pass looks like one."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from modelwarden import gate
from modelwarden.finding import Verdict
from modelwarden.render import FORMATS, cause, github, markdown, render, sarif
from modelwarden.run import Run
from tests.render import runs

UNKNOWN = ("CARD-07", "ENC-01", "ENC-06", "HYG-01", "IMG-01")


def results(run: Run) -> dict[str, dict[str, Any]]:
    log = json.loads(render(run, "sarif"))["runs"][0]
    return {result["ruleId"]: result for result in log["results"]}


def cases(run: Run) -> dict[str, ET.Element]:
    return {str(case.get("name")).split()[0]: case for case in ET.fromstring(render(run, "junit")).iter("testcase")}


def issues(run: Run) -> dict[str, dict[str, Any]]:
    return {issue["check_name"]: issue for issue in json.loads(render(run, "gitlab"))}


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_says_what_a_reader_must_know(format_: str) -> None:
    text = render(runs.everything(), format_)
    coverage = '"state": "throttled"' if format_ == "json" else "2 APIs read, 1 denied, 1 throttled"
    advisory = '"advisory": true' if format_ == "json" else "advisory: no pinned organization layer"
    said = ["block", coverage, advisory, "waiver W-0 has expired", "approved_image_sources (IMG-01)", "principal"]
    said += ["BIAS-04", "W-1", "card is under review", "W-2", "kms:DescribeKey"]
    assert [words for words in said if words not in text] == []


@pytest.mark.parametrize("format_", FORMATS)
def test_every_unknown_is_in_every_format(format_: str) -> None:
    text = render(runs.everything(), format_)
    assert [id_ for id_ in UNKNOWN if id_ not in text] == []


@pytest.mark.parametrize("format_", [format_ for format_ in FORMATS if format_ != "github"])
def test_what_does_not_apply_is_in_every_format_but_github(format_: str) -> None:
    assert "APR-01" in render(runs.everything(), format_)
    assert "APR-01" not in render(runs.everything(), "github")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", runs.RUNS)
def test_the_verdict_is_in_every_format(name: str, format_: str) -> None:
    run = runs.RUNS[name]()
    assert re.search(rf"\b{run.decision.verdict}\b", render(run, format_))


def test_sarif_tells_the_kinds_apart() -> None:
    found = {id_: (one["kind"], one["level"], "suppressions" in one) for id_, one in results(runs.everything()).items()}
    assert found == {
        "ACME-01": ("fail", "warning", False),
        "APR-01": ("notApplicable", "none", False),
        "BIAS-01": ("pass", "none", False),
        "CARD-04": ("fail", "warning", True),
        "CARD-07": ("open", "none", True),
        "ENC-01": ("open", "none", False),
        "ENC-02": ("fail", "error", False),
        "ENC-06": ("open", "none", False),
        "HYG-01": ("open", "none", False),
        "IMG-01": ("open", "none", False),
        "IMG-03": ("fail", "warning", False),
    }


def test_sarif_says_where_and_why() -> None:
    run = runs.everything()
    one, log = results(run)["CARD-04"], json.loads(render(run, "sarif"))["runs"][0]
    place = one["locations"][0]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "policies/card_04.cedar"},
        "region": {"startLine": 11},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == runs.PACKAGE
    assert one["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "W-1 until 2026-12-31 (would block without it), owner retail-risk, approved by officer: card is under review (RISK-7)",
        }
    ]
    rules = log["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in log["results"]] == [r["ruleId"] for r in log["results"]]
    assert rules[0]["properties"]["security-severity"] == "8.0"
    off = [rules[one["descriptor"]["index"]]["id"] for one in log["invocations"][0]["ruleConfigurationOverrides"]]
    assert off == ["BIAS-04"]


@pytest.mark.parametrize("verdict", ["allow", "flag", "block", "undecided"])
def test_sarif_has_the_exit_code_of_the_gate(verdict: Verdict) -> None:
    run = replace(runs.allowed(), decision=replace(runs.allowed().decision, verdict=verdict))
    invocation = json.loads(render(run, "sarif"))["runs"][0]["invocations"][0]
    assert (invocation["exitCode"], invocation["exitCodeDescription"]) == (gate.exit_code(verdict), verdict)
    assert set(sarif.EXIT_CODES) == {"allow", "flag", "block", "undecided"}


def test_a_series_of_alerts_is_one_of_a_group_and_stage() -> None:
    log = json.loads(render(runs.allowed(), "sarif"))["runs"][0]
    assert (
        log["automationDetails"]["id"]
        == "modelwarden/Production/111122223333/eu-west-1/churn/20261122T021000Z-0123abcd"
    )


def test_junit_tells_the_kinds_apart() -> None:
    found = {id_: [(child.tag, child.get("type")) for child in case] for id_, case in cases(runs.everything()).items()}
    assert found == {
        "ACME-01": [("failure", "flag")],
        "APR-01": [("skipped", "not-applicable")],
        "BIAS-01": [],
        "CARD-04": [("skipped", "waived")],
        "CARD-07": [("skipped", "waived")],
        "ENC-01": [("error", "unknown")],
        "ENC-02": [("failure", "block")],
        "ENC-06": [("error", "unknown")],
        "HYG-01": [("error", "unknown")],
        "IMG-01": [("error", "unknown")],
        "IMG-03": [("failure", "flag")],
    }
    suite = ET.fromstring(render(runs.everything(), "junit"))[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["11", "3", "4", "3"]


@pytest.mark.parametrize("name", ["nothing-applies", "no-control"])
def test_junit_is_not_green_where_nothing_was_proven(name: str) -> None:
    suite = ET.fromstring(render(runs.RUNS[name](), "junit"))[0]
    assert (suite.get("errors"), suite.findall("testcase")[-1].get("name")) == ("1", "decision")


def test_gitlab_grades_by_what_a_finding_does() -> None:
    found = {id_: issue["severity"] for id_, issue in issues(runs.everything()).items()}
    assert found == {
        "modelwarden": "blocker",
        "ACME-01": "major",
        "APR-01": "info",
        "CARD-04": "info",
        "CARD-07": "info",
        "ENC-01": "critical",
        "ENC-02": "blocker",
        "ENC-06": "critical",
        "HYG-01": "info",
        "IMG-01": "critical",
        "IMG-03": "minor",
    }
    assert issues(runs.everything())["ACME-01"]["location"] == {"path": "house/owner.py", "lines": {"begin": 7}}
    assert "not applicable" in issues(runs.everything())["APR-01"]["description"]


def test_gitlab_issues_have_what_gitlab_needs_and_differ() -> None:
    found = json.loads(render(runs.everything(), "gitlab"))
    assert {tuple(issue) for issue in found} == {("description", "check_name", "fingerprint", "severity", "location")}
    assert max(Counter(issue["fingerprint"] for issue in found).values()) == 1


def test_a_fingerprint_is_of_control_package_stage_and_cause_and_of_no_line() -> None:
    run = runs.everything()
    moved = {id_: replace(info, line=99, path="policies/moved.cedar") for id_, info in run.controls.items()}
    assert {issue["fingerprint"] for issue in issues(run).values()} == {
        issue["fingerprint"] for issue in issues(replace(run, controls=moved)).values()
    }
    decision, (first, *_) = run.decision, [one for one in run.decision.rulings if one.finding.control == "ENC-01"]
    other = replace(first, finding=replace(first.finding, observed=(runs.seen("/package/arn", runs.Unknown("gone")),)))
    package = decision.package
    prints = [
        cause.fingerprint(package, "Production", first),
        cause.fingerprint(package, "Production", other),
        cause.fingerprint("arn", "Production", first),
        cause.fingerprint(package, "Staging", first),
        cause.fingerprint(package, "Production", replace(first, finding=replace(first.finding, control="ENC-09"))),
    ]
    assert len(set(prints)) == len(prints)


def commands(text: str) -> list[tuple[str, str]]:
    """(command, rest) of every line that the runner of GitHub would act on."""
    found = []
    for line in text.splitlines():
        if line.lstrip().startswith("::"):
            name, _, rest = line.lstrip()[2:].partition("::")
            found.append((name.split(" ")[0], rest))
    return found


def test_github_annotates_by_what_a_finding_does() -> None:
    text = render(runs.everything(), "github")
    assert Counter(name for name, _ in commands(text)) == {"error": 3, "warning": 4, "notice": 2}
    assert "::warning file=house/owner.py,line=7,title=ACME-01 the problem of ACME-01 is there::" in text
    assert (
        "::error title=ENC-01%2C ENC-06 cannot tell%2C 2 controls for one reason%3A kms%3ADescribeKey AccessDenied::"
        in text
    )
    assert re.search(r"^::warning title=CARD-07.*break-glass W-2 until 2026-11-23", text, re.MULTILINE)
    assert re.search(r"^::notice title=CARD-04.*waived    W-1 until", text, re.MULTILINE)
    assert text.splitlines()[-1].startswith(
        "block: 111122223333/eu-west-1/churn/7 must not be promoted to Production; "
    )


@pytest.mark.parametrize("number", [8, 9, 10, 25])
def test_github_shows_ten_of_a_type_and_names_the_rest(number: int) -> None:
    text = render(runs.many(number), "github")
    errors = [rest for name, rest in commands(text) if name == "error"]
    assert len(errors) == min(number + 1, github.LIMIT)
    assert [f"ACME-{index:02}" for index in range(number) if f"ACME-{index:02}" not in text] == []
    assert ("::group::" in text) == (number > 9)
    if number > 9:
        assert text.count("error[ACME-") == number - 8


def test_github_escapes_what_would_end_a_property_or_a_line() -> None:
    written = github.command("error", "100%\r\nno: end, yes", title="a,b:c%0A\n")
    assert written == "::error title=a%2Cb%3Ac%250A%0A::100%25%0D%0Ano: end, yes"


def test_markdown_without_details_where_a_comment_would_be_too_long() -> None:
    long = runs.many(400)
    assert len(render(long, "markdown")) <= markdown.MAX_LENGTH
    assert "too long for a comment" in render(long, "markdown")
    assert "ACME-399" in render(long, "markdown")
    assert "too long" not in render(runs.everything(), "markdown")


@pytest.mark.parametrize("format_", FORMATS)
def test_rendering_changes_nothing_and_is_deterministic(format_: str) -> None:
    run = runs.everything()
    before = run.to_json()
    assert render(run, format_) == render(runs.everything(), format_)
    assert run.to_json() == before


def test_colours_are_of_text_alone_and_only_when_asked_for() -> None:
    assert "\x1b[1;31merror[ENC-02]" in render(runs.everything(), "text", color=True)
    assert "\x1b" not in "".join(render(runs.everything(), format_) for format_ in FORMATS)
    assert "\x1b" not in "".join(
        render(runs.everything(), format_, color=True) for format_ in FORMATS if format_ != "text"
    )
