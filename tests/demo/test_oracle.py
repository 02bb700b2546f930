"""Every package of the demo scenario is judged as it was planned: nothing missed, nothing extra."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from modelwarden import gate
from modelwarden.render import FORMATS, render
from modelwarden.replay.difference import differences
from modelwarden.replay.house import Rules
from modelwarden.replay.performing import Performer, Spec, decide_again
from modelwarden.replay.recorded import case_of
from modelwarden.run import Run
from tests.organization import PACKAGES, arn_of

from .conftest import name_of

SCHEMAS = gate.Path(__file__).parents[2] / "reports/schemas"


def validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_findings_are_exactly_the_planned_ones(package: dict[str, Any], runs: dict[str, Run]) -> None:
    planned, decision = package["planned"], runs[arn_of(package)].decision
    found = {r.finding.control: r.finding.outcome for r in decision.rulings if r.finding.outcome in ("fail", "unknown")}
    assert found == planned["findings"]
    assert decision.verdict == planned["verdict"]
    assert gate.exit_code(decision.verdict) == planned["exit"]


def test_every_control_has_a_planned_failure_and_every_verdict_occurs(runs: dict[str, Run]) -> None:
    failed = {
        id_ for package in PACKAGES for id_, outcome in package["planned"]["findings"].items() if outcome == "fail"
    }
    controls = next(iter(runs.values())).controls
    assert failed == set(controls)
    assert {run.decision.verdict for run in runs.values()} == {"allow", "flag", "block", "undecided"}


def test_every_recorded_document_fits_its_published_schema(runs: dict[str, Run]) -> None:
    of_run, of_decision, of_evidence = validator("run"), validator("decision"), validator("evidence")
    for number, run in enumerate(runs.values()):  # a validator takes longer than judging: each meets one document
        if number % 3 == 0:
            of_evidence.validate(json.loads(json.dumps(run.evidence.to_json())))
        elif number % 3 == 1:
            of_run.validate(json.loads(json.dumps(run.to_json())))
        else:
            of_decision.validate(json.loads(render(run, "json")))


def test_a_run_reads_back_unchanged(runs: dict[str, Run]) -> None:
    for run in runs.values():
        assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_every_run_is_judged_again_and_agrees(runs: dict[str, Run]) -> None:
    performer = Performer(Spec())
    for run in runs.values():
        case = case_of(Run.from_json(json.loads(json.dumps(run.to_json()))))
        house = performer.house(Rules(run.bundle, run.settings, run.versions), run.id)
        assert differences(case.decision, decide_again(house, case), whole=True) == [], case.decision.package


@pytest.mark.parametrize("format_", FORMATS)
def test_every_run_renders_and_hides_no_control_character(format_: str, runs: dict[str, Run]) -> None:
    for run in runs.values():
        text = render(run, format_)
        assert text.endswith("\n")
        assert not {c for c in text if ord(c) < 32 and c != "\n"} | {c for c in text if c in "\u202e\u2028\u200b"}


@pytest.mark.parametrize(
    "package", [p for p in PACKAGES if "account-not-readable" in p["planned"]["defects"]], ids=name_of
)
def test_one_cause_is_told_once_and_with_the_next_step(package: dict[str, Any], runs: dict[str, Run]) -> None:
    text = render(runs[arn_of(package)], "text")
    assert text.count("unknown[") == 1
    assert "controls for one reason: sts:AssumeRole AccessDenied" in text
    assert "deploy/reader-role.yaml" in text
