"""What MLflow registers, in the form that AWS documents of it: which evidence is missing, as docs/pipelines.md says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from modelwarden.aws import pipeline
from modelwarden.pipelines.message import arguments
from tests.pipelines.conftest import Line
from tests.pipelines.execution import ARN

PAGE = (Path(__file__).parents[2] / "docs/pipelines.md").read_text()
GROUP = "credit-default-1a2b3c"
CARD = {
    "evaluation_details": [
        {
            "name": "eval_set",
            "datasets": ["s3://example-data/eval.csv"],
            "metric_groups": [{"name": "classifier", "metric_data": [{"name": "f1", "type": "number", "value": 0.9}]}],
        }
    ]
}
ALWAYS = {"BIAS-01", "CARD-03", "CARD-04", "ENC-01", "ENC-06", "EVAL-01", "HYG-01"}
WITHOUT_CONTAINER = {"IMG-01", "IMG-02", "IMG-03", "IMG-04"}


def registered(line: Line, **more: Any) -> str:
    """A version as registry sync makes it, whose alias says `sagemakerlifecycle-production-active`."""
    sagemaker = line.registry.client(line.registry.arn("credit-default/1"))
    if not sagemaker.list_model_package_groups(NameContains=GROUP)["ModelPackageGroupSummaryList"]:
        sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    life = {"Stage": "production", "StageStatus": "active"}
    made = sagemaker.create_model_package(ModelPackageGroupName=GROUP, ModelLifeCycle=life, **more)
    return str(made["ModelPackageArn"])


def inference(line: Line) -> dict[str, Any]:
    """An inference specification as the guide logs one: the image by tag, the model as a prefix."""
    found = line.registry.describe(line.registry.arn("credit-default/1"))["InferenceSpecification"]["Containers"][0]
    place = found["ModelDataUrl"].rpartition("/")[0] + "/"
    source = {"S3DataSource": {"S3Uri": place, "S3DataType": "S3Prefix", "CompressionType": "None"}}
    return {
        "Containers": [{"Image": found["Image"], "ModelDataSource": source}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


def failed(line: Line, package: str, moment: str = "approve") -> set[str]:
    """Controls that a Production gate finds violated."""
    told = pipeline.handler(dict(arguments("gate", package, "Production", moment, ARN)), None)
    assert told["verdict"] == "block"
    rulings = line.runs()[-1].decision.rulings
    return {one.finding.control for one in rulings if one.finding.outcome == "fail"}


def test_with_an_inference_specification_and_an_evaluation(line: Line) -> None:
    card = {"ModelCardContent": json.dumps(CARD), "ModelCardStatus": "Draft"}
    package = registered(line, InferenceSpecification=inference(line), ModelCard=card)
    assert failed(line, package) == ALWAYS | {"IMG-02"}


def test_with_neither(line: Line) -> None:
    assert failed(line, registered(line)) == ALWAYS | WITHOUT_CONTAINER | {"CARD-01"}


def test_what_its_alias_says_is_no_approval(line: Line) -> None:
    """`active` is not Approved, whatever the approval status says; with the stage mapped as on the page."""
    line.set_up(stages='staging = "Staging"\nproduction = "Production"')
    package = registered(line, InferenceSpecification=inference(line), ModelApprovalStatus="Approved")
    assert "APR-01" in failed(line, package, "deploy")
    by = {one.finding.control: one.finding for one in line.runs()[-1].decision.rulings}
    seen = {str(one) for one in by["APR-01"].observed}
    assert {'/approval/status = "Approved"', '/life_cycle/stage_status = "active"'} <= seen


def test_the_page_says_so() -> None:
    """Every control that fails is named in the table."""
    table = PAGE.partition("| documented | so |")[2].partition("\n\n")[0]
    named = set(re.findall(r"[A-Z]+-\d\d", table))
    assert named >= ALWAYS | WITHOUT_CONTAINER | {"CARD-01", "APR-01", "APR-02"}


@pytest.mark.parametrize("name", ["ModelCard", "InferenceSpecification"])
def test_what_can_be_added_later(name: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    members = model.operation_model("UpdateModelPackage").input_shape.members
    assert name in members
    assert {"ModelMetrics", "SecurityConfig"} & members.keys() == set()
