"""The GitLab component: its inputs as GitLab checks and inserts them, its script by the shells of runners."""

from __future__ import annotations

import functools
import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml

from modelwarden.sandbox.server import Sandbox
from tests.cli.conftest import clean_environment
from tests.examples.checkout import HOSTILE, PACKAGE, ROOT, Shell, arguments_of, judge, run_script, stand_in
from tests.organization import DEMO

COMPONENT = ROOT / "examples/gitlab/templates/modelwarden-gate.yml"
PIPELINE = ROOT / "examples/gitlab/promotion.gitlab-ci.yml"
BASH, SH = ("bash", "--noprofile", "--norc", "-eo", "pipefail"), ("sh", "-e")
GIVEN = {"package": "allowed.json", "stage": "Production", "install": "none"}
DEMO_PACKAGES = "arn:aws:sagemaker:eu-west-1:444455556666:model-package"


class InputRefused(Exception):
    """What GitLab says instead of creating a pipeline."""


@functools.cache
def parts(file: Path) -> tuple[dict[str, Any], str]:
    """(inputs of the header, text of the configuration)"""
    header, text = file.read_text().split("\n---\n")
    inputs: dict[str, Any] = yaml.safe_load(header)["spec"]["inputs"]
    return inputs, text


def interpolated(**given: str) -> dict[str, Any]:
    """The configuration that GitLab makes of the component: inputs are checked, then put into its text, then it is YAML."""
    inputs, text = parts(COMPONENT)
    told = {name.replace("_", "-"): value for name, value in (GIVEN | given).items()}
    assert set(told) <= set(inputs)
    values = {name: told[name] if name in told else spec["default"] for name, spec in inputs.items()}
    for name, value in values.items():
        spec = inputs[name]
        # RE2 takes `$` for the end of the text alone, as fullmatch does.
        if ("options" in spec and value not in spec["options"]) or not re.fullmatch(spec.get("regex", "(?s).*"), value):
            raise InputRefused(name)
    document: dict[str, Any] = yaml.safe_load(re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda at: values[at[1]], text))
    return document


@functools.cache
def job(**given: str) -> dict[str, Any]:
    """The one job that is not hidden, with what it extends."""
    document = interpolated(**given)
    (found,) = (body for name, body in document.items() if not name.startswith("."))
    merged: dict[str, Any] = document[found["extends"]] | found
    return merged


def perform(
    folder: Path,
    shell: tuple[str, ...] = BASH,
    environment: dict[str, str] | None = None,
    first: Path | None = None,
    **given: str,
) -> Shell:
    script = "\n".join(job(**given)["script"])
    return run_script(script, *shell, folder=folder, environment=environment or {}, first=first)


def test_the_job_fits_the_schema_of_gitlab() -> None:
    schema = json.loads(judge("gitlab").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    document = interpolated()
    # Younger than the schema.
    assert document["modelwarden-gate"].pop("id_tokens") == {"GATE_ID_TOKEN": {"aud": "https://gitlab.com"}}
    assert [error.message for error in validator.iter_errors(document)] == []
    document["modelwarden-gate"]["artifacts"]["when"] = "never"
    assert list(validator.iter_errors(document)) != []


def test_the_header_binds_every_input() -> None:
    for file in (COMPONENT, PIPELINE):
        for name, spec in parts(file)[0].items():
            assert set(spec) <= {"description", "regex", "options", "default"}, name
            assert ("regex" in spec) != ("options" in spec), name


def test_the_pipelines_shown_pass_inputs_that_the_component_takes() -> None:
    inputs, text = parts(PIPELINE)
    assert set(re.findall(r"\$\[\[ inputs\.([a-z]+) \]\]", text)) == set(inputs)
    assert [one for one in HOSTILE if re.fullmatch(inputs["package"]["regex"], one)] == []
    page = re.search(r"```yaml\n(include:.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)
    assert page
    for shown, fixed in (
        (text, {"package": PACKAGE, "stage": "Staging"}),
        (page[1], {"organization_digest": "sha256:" + "0" * 64}),
    ):
        (included,) = yaml.safe_load(shown)["include"]
        given = {name.replace("-", "_"): value for name, value in included["inputs"].items()} | fixed
        assert job(**given)["stage"] in ("gate", "test")


def test_no_input_can_become_a_command() -> None:
    """GitLab refuses it before there is a job."""
    inputs, _ = parts(COMPONENT)
    for name in inputs:
        for value in [
            *HOSTILE,
            "a b",
            'a"',
            "a'",
            "a\\",
            "a\nscript: [id]",
            "$a$(id)",
            "${a:-`id`}",
            "#",
            "!",
            "a: b",
            "{{",
            "&a",
            "*",
        ]:
            with pytest.raises(InputRefused, match=f"^{name}$"):
                interpolated(**{name: value})


@pytest.mark.parametrize("shell", [BASH, SH], ids=["bash", "sh"])
def test_the_value_of_a_variable_stays_one_argument(workspace: Path, tmp_path: Path, shell: tuple[str, ...]) -> None:
    first = stand_in(tmp_path, code=2)
    for value in [*HOSTILE[:4], "a\nb", "--help", "* ?"]:
        done = perform(workspace, shell, {"CANDIDATE": value}, first, package="$CANDIDATE", role="reader/{account}")
        assert done.code == 2, done.log
        assert arguments_of(tmp_path)[-4:] == [
            "--output=gitlab=modelwarden-report/code-quality.json",
            "--output=junit=modelwarden-report/junit.xml",
            "--",
            value,
        ]
        assert arguments_of(tmp_path)[:4] == ["gate", "--to=Production", "--at=approve", "--role=reader/{account}"]
    assert not (workspace / "owned").exists()


@pytest.mark.parametrize(
    ("package", "shell", "code", "said", "severity", "element"),
    [
        ("credit-default/4", BASH, 1, "block: ", "blocker", "failure"),
        ("loan-pricing/4", SH, 3, "undecided: ", "critical", "error"),
    ],
)
def test_a_package_of_the_simulated_organization(
    demo_sandbox: Sandbox,
    tmp_path: Path,
    package: str,
    shell: tuple[str, ...],
    code: int,
    said: str,
    severity: str,
    element: str,
) -> None:
    """The job ends as the gate does, and the reports that GitLab reads name what is wrong."""
    shutil.copy(DEMO / "modelwarden.toml", tmp_path)
    environment = clean_environment() | demo_sandbox.environment() | {"CANDIDATE": f"{DEMO_PACKAGES}/{package}"}
    done = perform(tmp_path, shell, environment, package="$CANDIDATE", config="modelwarden.toml")
    assert (done.code, f"\n{said}" in done.log) == (code, True), done.log
    reports = job()["artifacts"]["reports"]
    issues = json.loads((tmp_path / reports["codequality"]).read_text())
    assert (issues[0]["check_name"], issues[0]["severity"]) == ("modelwarden", severity)
    assert ET.parse(tmp_path / reports["junit"]).find(f".//testcase/{element}") is not None


def test_an_allowed_package_is_green_and_stale_answers_are_gone(workspace: Path) -> None:
    stale = workspace / "modelwarden-report/stale.json"
    stale.parent.mkdir()
    stale.write_text("{}")
    done = perform(workspace, SH)
    assert done.code == 0, done.log
    assert sorted(path.name for path in stale.parent.iterdir()) == ["code-quality.json", "decision.json", "junit.xml"]


def test_bad_input_is_no_decision_even_after_an_earlier_one(workspace: Path) -> None:
    report = workspace / "modelwarden-report"
    report.mkdir()
    (report / "decision.json").write_text('{"verdict": "allow"}')
    done = perform(workspace, package="broken.json")
    assert (done.code, "not JSON" in done.log) == (2, True), done.log
    assert "modelwarden: no decision was made (exit 2); the lines above say why" in done.log
    assert list(report.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "verdict", "ends"),
    [
        (0, "flag", 0),
        (0, None, 4),
        (0, "block", 4),
        (0, "undecided", 4),
        (1, "allow", 4),
        (3, None, 4),
        (3, "allow", 4),
        (2, None, 2),
        (137, None, 4),
    ],
)
def test_an_answer_and_a_code_that_disagree_are_no_decision(
    workspace: Path, tmp_path: Path, code: int, verdict: str | None, ends: int
) -> None:
    assert perform(workspace, SH, first=stand_in(tmp_path, code, verdict)).code == ends


PIP = 'mkdir -p "$3/bin" && printf \'#!/bin/sh\\nexit 3\\n\' > "$3/bin/python" && chmod 755 "$3/bin/python"'


@pytest.mark.parametrize(
    "python", ["exit 3", '[ "$1" = -c ] || exit 3', f'[ "$1" = -c ] || {{ {PIP}; }}'], ids=["version", "venv", "pip"]
)
def test_only_the_gate_ends_with_3(workspace: Path, tmp_path: Path, python: str) -> None:
    """venv and pip have codes of their own, and 3 is one of them."""
    first = stand_in(tmp_path, 3, "undecided")
    (first / "python3").write_text(f"#!/bin/sh\n{python}\n")
    (first / "python3").chmod(0o755)
    done = perform(workspace, first=first, install="modelwarden==0.1.0")
    assert (done.code, (tmp_path / "arguments").exists()) == (2, False), done.log


def test_undecided_is_never_green() -> None:
    assert job()["allow_failure"] is False
    assert job(undecided="warn")["allow_failure"] == {"exit_codes": [3]}


def test_the_token_of_the_job_is_kept_in_a_private_file(workspace: Path, tmp_path: Path) -> None:
    first = stand_in(tmp_path)
    (first / "modelwarden").write_text(
        '#!/bin/sh\nls -l "$AWS_WEB_IDENTITY_TOKEN_FILE"\ncat "$AWS_WEB_IDENTITY_TOKEN_FILE"\necho " $AWS_ROLE_ARN $AWS_ROLE_SESSION_NAME"\n'
    )
    role = "arn:aws:iam::111122223333:role/reader"
    environment = {"GATE_ID_TOKEN": "a.b.c", "CI_JOB_ID": "7", "TMPDIR": str(tmp_path)}
    done = perform(workspace, environment=environment, first=first, aws_role_arn=role)
    assert done.log.startswith("-rw------- "), done.log
    assert f"a.b.c {role} gitlab-7" in done.log
