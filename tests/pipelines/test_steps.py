"""The steps are those that the SageMaker SDK makes, and what cannot be a pipeline's is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelwarden.pipelines.sdk import NoSdk
from modelwarden.pipelines.sdk import steps as sdk_steps
from modelwarden.pipelines.steps import Gate, NoSteps, reference, steps
from tests.command import inside
from tests.pipelines.drawn import FUNCTION, GATES, GOES_ON, by_us, recorded

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/pipeline_steps.json").read_text())
BASE = ["pipeline-steps", "--function", FUNCTION]


def without_mlflow(definition: dict[str, Any]) -> dict[str, Any]:
    """Version 3 of the SDK says null for a server that no pipeline here has, and version 2 nothing."""
    assert definition.pop("MlflowConfig") is None
    return definition


@pytest.mark.parametrize("name", GATES)
def test_the_steps_are_those_that_the_sdk_makes(name: str) -> None:
    """As version 3.27.0 made them; scripts/pipeline_steps.py records them again."""
    assert GOLDEN["sagemaker"] == "3.27.0"
    assert by_us(name) == without_mlflow(dict(GOLDEN["definitions"][name]))


def test_the_sdk_makes_them_now() -> None:
    pytest.importorskip("sagemaker.mlops", reason="the extra `sagemaker`, of a gigabyte, is not installed")
    found = recorded()["definitions"]
    assert {name: by_us(name) for name in GATES} == {name: without_mlflow(one) for name, one in found.items()}


def test_a_golden_is_there_for_each() -> None:
    assert GOLDEN["definitions"].keys() == GATES.keys()


def test_without_the_sdk_its_steps_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sagemaker.core.lambda_helper", None)
    with pytest.raises(NoSdk, match="need its version 3") as told:
        sdk_steps(GATES["asks"], "x")
    assert told.value.help == "pip install 'modelwarden[sagemaker]'"


@pytest.mark.parametrize("name", GATES)
def test_the_condition_names_the_good_verdicts_and_the_rest_fails(name: str) -> None:
    """INVARIANT: no step that follows stands anywhere but behind it, and nothing repeats an old answer."""
    *_, asks, check = by_us(name)["Steps"]
    told = f"Steps.{asks['Name']}.OutputParameters['verdict']"
    assert check["Arguments"]["Conditions"] == [
        {"Type": "In", "QueryValue": {"Get": told}, "Values": ["allow", "flag"]}
    ]
    (refusal,) = check["Arguments"]["ElseSteps"]
    assert refusal["Type"] == "Fail"
    follows = [one["Name"] for one in check["Arguments"]["IfSteps"]]
    approval = [f"{GATES[name].name}-Approve"] if GATES[name].approves else []
    assert follows == approval + (["Deploy"] if name in GOES_ON else [])
    assert [one.get("DependsOn", []) for one in check["Arguments"]["IfSteps"] if one["Name"] == "Deploy"] == (
        [approval] if name in GOES_ON else []
    )
    assert "CacheConfig" not in json.dumps(by_us(name))


def test_the_command_prints_them(tmp_path: Path) -> None:
    follows = by_us("approves and goes on")["Steps"][1]["Arguments"]["IfSteps"][1]
    (tmp_path / "then.json").write_text(json.dumps([{**follows, "DependsOn": []}]))
    more = ["--approve", "--name", "Promotion_1", "--then", "then.json"]
    done = inside(*BASE, "--to", "Development", *more, "--definition", folder=tmp_path, environment={})
    assert (done.code, json.loads(done.out)) == (0, by_us("approves and goes on"))
    done = inside(*BASE, "--to", "Staging", folder=tmp_path, environment={})
    assert (done.code, json.loads(done.out)) == (0, by_us("asks")["Steps"])
    done = inside(*BASE, "--to", "Staging", "--after", "Register", folder=tmp_path, environment={})
    assert json.loads(done.out)[0]["DependsOn"] == ["Register"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "Prod"], "unknown stage `Prod`"),
        (["--to", "Production", "--at", "deploy", "--approve"], "nothing is approved at the moment deploy"),
        (["--to", "Production", "--package", "churn"], "`churn` is neither the ARN of a model package nor a reference"),
        (["--to", "Production", "--name", "a b"], "`a b` is no name of a step"),
        (["--to", "Production", "--then", "nothing.json"], "nothing.json: cannot be read: No such file or directory"),
        (["--to", "Production", "--then", "text.json"], "text.json: not JSON: "),
        (["--to", "Production", "--then", "object.json"], "object.json: not a list of steps"),
        (["--to", "Production", "--then", "clash.json"], "two steps are called `Gate-Refused`"),
        (["--to", "Production", "--then", "nameless.json"], "a step that shall follow has no `Name`"),
        (["--to", "Production", "--function", "modelwarden"], "`modelwarden` is not the ARN of a Lambda function"),
    ],
)
def test_what_is_no_gate_is_told(tmp_path: Path, arguments: list[str], says: str) -> None:
    texts = {"text": "x", "object": "{}", "clash": '[{"Name": "Gate-Refused"}]', "nameless": '[{"Type": "Lambda"}]'}
    for name, text in texts.items():
        (tmp_path / f"{name}.json").write_text(text)
    done = inside(*BASE, *arguments, folder=tmp_path, environment={})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {says}")
    assert done.err.splitlines()[1].startswith("  help: ")


@pytest.mark.parametrize("text", ["Parameters.", "Steps.Register", "Execution.PipelineName", "", "arn:aws:s3:::x"])
def test_only_a_package_or_a_reference_stands_for_one(text: str) -> None:
    with pytest.raises(NoSteps):
        reference(text)


@pytest.mark.parametrize(("stage", "moment"), [("Prod", "approve"), ("Production", "serve")])
def test_a_gate_of_python_is_checked_like_one_of_the_command(stage: Any, moment: Any) -> None:
    """Before a pipeline is made of it: the function would refuse each of its questions."""
    with pytest.raises(NoSteps, match=f"nothing is promoted to `{stage}` at the moment `{moment}`"):
        Gate(FUNCTION, stage, moment)


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    (tmp_path / "deploy.json").write_text('[{"Name": "Deploy"}]')
    page = (Path(__file__).parents[2] / "docs/pipelines.md").read_text()
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("modelwarden pipeline-steps ")]
    made = [inside(*command, folder=tmp_path, environment={}) for command in commands]
    assert [(done.code, done.err) for done in made] == [(0, "")] * 2
    first, second = (json.loads(done.out) for done in made)
    assert first[0]["Arguments"]["package"] == {"Get": "Steps.Register-RegisterModel.ModelPackageArn"}
    assert second["Parameters"] == [{"Name": "ModelPackageArn", "Type": "String"}]


def test_names_of_steps_fit_into_what_sagemaker_takes() -> None:
    gate = Gate(FUNCTION, "Development", approves=True, name="x" * 55)
    made = steps(gate, "p")
    inner = made[1]["Arguments"]
    names = [one["Name"] for one in (*made, *inner["IfSteps"], *inner["ElseSteps"])]
    assert max(map(len, names)) <= 64
    with pytest.raises(NoSteps, match="is no name of a step"):
        Gate(FUNCTION, "Development", name="x" * 56)
