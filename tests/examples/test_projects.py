"""The project template has the gate's own steps, and nothing that goes around them."""

from __future__ import annotations

import json
from typing import Any

from cfnlint.decode.cfn_yaml import loads

from modelwarden.pipelines.steps import PARAMETER, Gate, definition, reference, steps
from tests.examples.checkout import ROOT
from tests.pipelines.drawn import DEPLOY, FUNCTION

TEMPLATE: dict[str, Any] = json.loads(json.dumps(loads((ROOT / "examples/projects/promotion.yaml").read_text())))
RESOURCES = {name: one["Properties"] for name, one in TEMPLATE["Resources"].items()}


def filled(stage: str) -> dict[str, Any]:
    """The definition as CloudFormation fills it in."""
    text = RESOURCES["Promotion"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    for name, value in (("GateFunctionArn", FUNCTION), ("DeployFunctionArn", DEPLOY), ("Stage", stage)):
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_pipeline_is_what_the_command_prints() -> None:
    deploy = {
        "Name": "Deploy",
        "Type": "Lambda",
        "Arguments": {
            "package": {"Get": f"Parameters.{PARAMETER}"},
            "run": {"Get": "Steps.Gate.OutputParameters['run']"},
        },
        "FunctionArn": DEPLOY,
        "OutputParameters": [],
    }
    for stage in TEMPLATE["Parameters"]["Stage"]["AllowedValues"]:
        gate = Gate(FUNCTION, stage, "deploy")
        made = steps(gate, reference(f"Parameters.{PARAMETER}"), then=[deploy])
        assert filled(stage) == definition(made, [PARAMETER])


def test_the_pipeline_may_invoke_the_two_functions_and_nothing_else() -> None:
    (policy,) = RESOURCES["PipelineRole"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (
        "lambda:InvokeFunction",
        [{"Ref": "GateFunctionArn"}, {"Ref": "DeployFunctionArn"}],
    )


def test_an_approval_starts_the_pipeline_for_its_package() -> None:
    rule = RESOURCES["Approved"]
    group = {"Fn::Sub": "${SageMakerProjectName}-${SageMakerProjectId}"}
    assert rule["EventPattern"]["detail"] == {"ModelPackageGroupName": [group], "ModelApprovalStatus": ["Approved"]}
    assert RESOURCES["Models"]["ModelPackageGroupName"] == group
    (target,) = rule["Targets"]
    assert target["SageMakerPipelineParameters"]["PipelineParameterList"] == [
        {"Name": PARAMETER, "Value": "$.detail.ModelPackageArn"}
    ]
    (policy,) = RESOURCES["StarterRole"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sagemaker:StartPipelineExecution", target["Arn"])


def test_it_takes_the_parameters_that_projects_fill_in() -> None:
    """By these names: "Create Custom Project Templates" of the developer guide."""
    assert {"SageMakerProjectName", "SageMakerProjectId"} <= TEMPLATE["Parameters"].keys()
    assert all("Default" not in TEMPLATE["Parameters"][name] for name in ("SageMakerProjectName", "SageMakerProjectId"))
