"""The GitHub action as a runner carries it out: the steps of its YAML, by real processes, on an evidence file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.examples.checkout import FACTS, HOSTILE, ROOT, judge

ACTION = ROOT / "examples/github"


@dataclass(frozen=True)
class Step:
    """What a runner sees of the gate step."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str


def expanded(value: str, inputs: Mapping[str, str]) -> str:
    """`${{ inputs.name }}` as GitHub replaces it; nothing else occurs in the steps."""
    return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: inputs[found[1]], value)


@pytest.fixture(scope="session")
def action() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ACTION / "action.yml").read_text())
    return document


@pytest.fixture
def perform(action: dict[str, Any], workspace: Path, tmp_path: Path) -> Callable[..., Step]:
    """Run the shell steps of the action as a runner does: in the workspace, each with its own environment."""

    def call(**given: str) -> Step:
        told = {"package": "allowed.json", "stage": "Production", "version": "none"} | {
            name.replace("_", "-"): value for name, value in given.items()
        }
        inputs = {name: str(told.get(name, spec.get("default", ""))) for name, spec in action["inputs"].items()}
        output, summary, temp = tmp_path / "output", tmp_path / "summary", tmp_path / "runner"
        temp.mkdir(exist_ok=True)
        for file in (output, summary):
            file.write_text("")
        runner = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_PATH": str(tmp_path / "path"),
            "RUNNER_TEMP": str(temp),
        }
        code, log = 0, ""
        for step in action["runs"]["steps"]:
            if code or (step.get("if") == "inputs.version != 'none'" and inputs["version"] == "none"):
                continue
            script = tmp_path / "step.sh"
            script.write_text(expanded(step["run"], inputs))
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
                cwd=workspace,
                env=runner | {name: expanded(value, inputs) for name, value in step["env"].items()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=120,
            )
            code, log = done.returncode, log + done.stdout.decode()
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Step(code, log, outputs, summary.read_text())

    return call


def test_the_action_and_the_workflow_fit_the_schemas_of_schemastore(action: dict[str, Any]) -> None:
    # YAML 1.1 reads the key `on` as true; GitHub does not.
    workflow = {"on" if key is True else key: value for key, value in _workflow().items()}
    for name, document in (("action", action), ("workflow", workflow)):
        schema = json.loads(judge(name).read_text())
        validator = jsonschema.validators.validator_for(schema)(schema)
        assert [error.message for error in validator.iter_errors(document)] == []
        assert list(validator.iter_errors({**document, "permisions": {}})) != []


def _workflow() -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load((ACTION / "promotion.yml").read_text())
    return document


def test_the_workflow_passes_only_inputs_and_reads_only_outputs_that_there_are(action: dict[str, Any]) -> None:
    steps = _workflow()["jobs"]["gate"]["steps"]
    gate = next(step for step in steps if step.get("id") == "gate")
    assert set(gate["with"]) <= set(action["inputs"])
    assert {name for name, spec in action["inputs"].items() if spec.get("required")} <= set(gate["with"])
    read = set(re.findall(r"steps\.gate\.outputs\.([a-z-]+)", (ACTION / "promotion.yml").read_text()))
    assert read <= set(action["outputs"])


def test_no_script_has_an_input_in_its_text(action: dict[str, Any]) -> None:
    assert [step["run"] for step in action["runs"]["steps"] if "${{" in step["run"]] == []


@pytest.mark.parametrize(
    ("package", "code", "verdict", "annotation"),
    [
        ("allowed.json", 0, "allow", "::notice title=modelwarden%3A allow::"),
        ("blocked.json", 1, "block", "::error title=ENC-02 "),
        ("undecided.json", 3, "undecided", "::error title=ENC-02 cannot tell%3A "),
    ],
)
def test_the_step_ends_as_the_gate_does(
    perform: Callable[..., Step], package: str, code: int, verdict: str, annotation: str
) -> None:
    step = perform(package=package)
    assert (step.code, step.outputs["verdict"], step.outputs["exit-code"]) == (code, verdict, str(code)), step.log
    assert annotation in step.log
    assert step.summary.startswith(f"## modelwarden: {verdict}\n")
    assert json.loads(Path(step.outputs["json"]).read_text())["verdict"] == verdict


def test_alerts_are_of_what_failed_or_is_unknown(perform: Callable[..., Step]) -> None:
    def kinds(step: Step, name: str) -> list[str]:
        log = json.loads(Path(step.outputs[name]).read_text())
        return [result["kind"] for result in log["runs"][0]["results"]]

    allowed, blocked, undecided = (perform(package=f"{name}.json") for name in FACTS)
    assert (kinds(allowed, "sarif"), kinds(allowed, "alerts")) == (["pass"], [])
    assert (kinds(blocked, "sarif"), kinds(blocked, "alerts")) == (["fail"], ["fail"])
    assert (kinds(undecided, "sarif"), kinds(undecided, "alerts")) == (["open"], ["open"])


MISTAKES = {
    "broken evidence": ({"package": "broken.json"}, "not JSON"),
    "no such file": ({"package": "nowhere.json"}, "cannot be read"),
    "no package": ({"package": ""}, "error: "),
    "unknown stage": ({"stage": "Prod"}, "unknown stage `Prod`"),
    "unknown moment": ({"at": "never"}, "never"),
    "no such settings": ({"config": "nowhere.toml"}, "nowhere.toml"),
    "no such organization": ({"organization": "pack"}, "pack: does not exist"),
    "package that is an option": ({"package": "--help"}, "--help: cannot be read"),
    "stage that is an option": ({"stage": "--help"}, "unknown stage `--help`"),
    "settings that are an option": ({"config": "--help"}, "--help"),
}


@pytest.mark.parametrize("situation", MISTAKES)
def test_bad_input_is_exit_2_and_no_verdict(perform: Callable[..., Step], situation: str) -> None:
    """Even after a gate of the same job that allowed: its files are not taken for this one's."""
    given, says = MISTAKES[situation]
    perform(package="allowed.json")
    step = perform(**given)
    assert (step.code, dict(step.outputs)) == (2, {"verdict": "error", "exit-code": "2"}), step.log
    assert says in step.log
    assert "::error title=modelwarden::no decision was made (exit 2)" in step.log
    assert step.summary == "## modelwarden: no decision was made (exit 2)\n"


@pytest.mark.parametrize("name", ["package", "stage", "at", "config", "role", "organization", "organization_digest"])
@pytest.mark.parametrize("value", HOSTILE)
def test_no_input_is_carried_out(perform: Callable[..., Step], workspace: Path, name: str, value: str) -> None:
    step = perform(**{"package": "blocked.json", name: value})
    assert step.code in (1, 2), step.log
    assert step.outputs["verdict"] in ("block", "error")
    assert not (workspace / "owned").exists()


@pytest.mark.parametrize("version", [*HOSTILE, "0.1.0 --index-url=http://127.0.0.1:9", "../..", "--help", "1;2"])
def test_no_version_is_carried_out(perform: Callable[..., Step], workspace: Path, version: str) -> None:
    step = perform(version=version)
    assert (step.code, step.log) == (2, "::error title=modelwarden::the input version is no version\n")
    assert not (workspace / "owned").exists()


def test_a_copied_action_asks_for_a_version(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "VERSION": "", "GITHUB_ACTION_PATH": str(tmp_path / "a/b")}
    done = subprocess.run(["bash", ACTION / "install.sh"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "set the input version" in done.stdout) == (2, True)


def test_a_gate_that_cannot_be_started_is_no_verdict(perform: Callable[..., Step], tmp_path: Path) -> None:
    """Something of the same name that ends well without an answer must not allow anything."""
    fake = tmp_path / "bin/modelwarden"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexit 0\n")
    fake.chmod(0o755)
    step_environment = dict.fromkeys(("CONFIG", "ROLE", "ORGANIZATION", "ORGANIZATION_DIGEST"), "")
    done = subprocess.run(
        ["bash", ACTION / "gate.sh"],
        env={
            **step_environment,
            "PATH": f"{fake.parent}:{os.environ['PATH']}",
            "PACKAGE": "x",
            "STAGE": "Production",
            "AT": "approve",
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_OUTPUT": str(tmp_path / "out"),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4
