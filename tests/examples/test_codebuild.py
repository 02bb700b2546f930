"""The buildspec by a shell as CodeBuild runs it, and the pipeline that hands it a package."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.examples.checkout import HOSTILE, PACKAGE, ROOT, Shell, arguments_of, run_script, stand_in

KIT = ROOT / "examples/codebuild"
BASH = ("bash", "--noprofile", "--norc")


class Template(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation, read as what they are given."""


Template.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


@functools.cache
def buildspec() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((KIT / "buildspec.yml").read_text())
    return document


@functools.cache
def stages() -> list[dict[str, Any]]:
    document = yaml.load((KIT / "pipeline.yaml").read_text(), Loader=Template)
    found: list[dict[str, Any]] = document["Resources"]["Pipeline"]["Properties"]["Stages"]
    return found


def gate_stage() -> dict[str, Any]:
    return next(stage for stage in stages() if stage["Name"] == "Gate")


def perform(folder: Path, first: Path | None = None, **given: str) -> tuple[Shell, list[str]]:
    """(what the last phase that ran ended with, what is exported to the pipeline)

    A phase that fails ends the build, all commands share one shell, and what is exported is read at the end.
    """
    phases = [buildspec()["phases"][name] for name in ("install", "build")]
    assert [phase["on-failure"] for phase in phases] == ["ABORT", "ABORT"]
    commands = [command for phase in phases for command in phase["commands"]]
    exported = buildspec()["env"]["exported-variables"]
    seen = folder / "exported"
    script = "\n".join(f"{command}\nended=$?; [ $ended = 0 ] || exit $ended" for command in commands)
    script = f"trap 'printenv {' '.join(exported)} > \"{seen}\"' EXIT\n{script}"
    environment = buildspec()["env"]["variables"] | {"GATE_PACKAGE": "allowed.json", "GATE_STAGE": "Production"} | given
    done = run_script(script, *BASH, folder=folder, environment=environment, first=first)
    return done, seen.read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "code", "verdict", "element"),
    [
        ("allowed", 0, "allow", "testcase"),
        ("blocked", 1, "block", "testcase/failure"),
        ("undecided", 3, "undecided", "testcase/error"),
    ],
)
def test_the_build_ends_as_the_gate_does(workspace: Path, name: str, code: int, verdict: str, element: str) -> None:
    done, exported = perform(workspace, GATE_PACKAGE=f"{name}.json")
    assert (done.code, exported) == (code, [verdict, str(code)]), done.log
    report = buildspec()["reports"]["modelwarden-gate"]
    folder = workspace / report["base-directory"]
    assert ET.parse(folder / report["files"][0]).find(f".//{element}") is not None
    assert buildspec()["artifacts"]["base-directory"] == report["base-directory"]
    assert json.loads((folder / "decision.json").read_text())["verdict"] == verdict


def test_bad_input_is_no_decision_even_after_an_earlier_one(workspace: Path) -> None:
    report = workspace / "modelwarden-report"
    report.mkdir()
    (report / "decision.json").write_text('{"verdict": "allow"}')
    done, exported = perform(workspace, GATE_STAGE="Prod", GATE_VERDICT="allow")
    assert (done.code, exported) == (2, ["error", "2"])
    assert "unknown stage `Prod`" in done.log
    assert "modelwarden: no decision was made (exit 2); the lines above say why" in done.log
    assert list(report.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "verdict", "ends"),
    [(0, None, 4), (0, "block", 4), (1, "allow", 4), (3, None, 4), (3, "undecided", 3), (137, None, 4)],
)
def test_an_answer_and_a_code_that_disagree_are_no_decision(
    workspace: Path, tmp_path: Path, code: int, verdict: str | None, ends: int
) -> None:
    done, exported = perform(workspace, stand_in(tmp_path, code, verdict))
    assert (done.code, exported) == (ends, ["undecided" if ends == 3 else "error", str(ends)])


def test_what_cannot_be_installed_ends_the_build(workspace: Path, tmp_path: Path) -> None:
    first = stand_in(tmp_path, 0, "allow")
    (first / "python3").write_text("#!/bin/sh\nexit 1\n")
    (first / "python3").chmod(0o755)
    done, exported = perform(workspace, first, GATE_INSTALL="modelwarden==0.1.0")
    assert (done.code, exported, (tmp_path / "arguments").exists()) == (1, [], False)


def test_no_value_is_carried_out(workspace: Path, tmp_path: Path) -> None:
    first = stand_in(tmp_path, code=2)
    for value in [*HOSTILE[:4], "a\nb", "--help", "* ?"]:
        perform(workspace, first, GATE_PACKAGE=value, GATE_STAGE=value, GATE_AT=value)
        said = arguments_of(tmp_path)
        assert (said[:3], said[-2:]) == (["gate", f"--to={value}", f"--at={value}"], ["--", value])
    assert not (workspace / "owned").exists()


def test_the_pipeline_hands_over_an_arn_and_nothing_else() -> None:
    """A variable is put into JSON as text: the stage is entered only with an ARN, in which nothing can end a string."""
    (condition,) = gate_stage()["BeforeEntry"]["Conditions"]
    (rule,) = condition["Rules"]
    pattern = re.compile(rule["Configuration"]["Value"])
    variable = rule["Configuration"]["Variable"]
    assert (condition["Result"], rule["Configuration"]["Operator"]) == ("FAIL", "MATCHES")
    injected = PACKAGE + '", "type": "PLAINTEXT"}, {"name": "GATE_STAGE", "value": "Development'
    for value in [*HOSTILE, injected, PACKAGE + "\n", "allowed.json", "arn:aws:iam::111122223333:role/x", ""]:
        assert not pattern.fullmatch(value)
    for value in (PACKAGE, PACKAGE.replace("arn:aws:", "arn:aws-us-gov:"), PACKAGE.removesuffix("/7")):
        assert pattern.fullmatch(value)
    (action,) = gate_stage()["Actions"]
    text = action["Configuration"]["EnvironmentVariables"].replace(variable, PACKAGE).replace("${Stage}", "Staging")
    assert {one["name"]: one["value"] for one in json.loads(text)} == {"GATE_PACKAGE": PACKAGE, "GATE_STAGE": "Staging"}


def test_nothing_is_promoted_before_the_gate() -> None:
    assert [stage["Name"] for stage in stages()] == ["Source", "Gate", "Promote"]
    assert "OnFailure" not in gate_stage()
