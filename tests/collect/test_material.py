"""The material digest: what an approval binds to changes with everything that would run, and with nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from modelwarden.material import PATTERNS, material_digest

from .conftest import Script, described, failure, read
from .test_registry import REGISTRY, SINGLE, store

HEAD = {
    "ETag": '"e"',
    "LastModified": datetime(2026, 1, 2, tzinfo=UTC),
    "ContentLength": 7,
    "ServerSideEncryption": "AES256",
    "VersionId": "v1",
}
REPORT = {"ContentType": "application/json", "S3Uri": "s3://example/report.json"}
JOB = {"ETag": '"r"', "LastModified": HEAD["LastModified"], "ContentLength": 2, "Body": b"{}"}

Answers = dict[str, Any]


def answers() -> Answers:
    first = {"Image": f"{REGISTRY}/ml/base:1.0", "ModelDataUrl": "s3://example/a", "Environment": {"A": "1"}}
    second = {"Image": f"{REGISTRY}/ml/base:1.0", "ModelDataUrl": "s3://example/b"}
    return {
        "DescribeModelPackage": described(
            InferenceSpecification={"Containers": [first, second]},
            CustomerMetadataProperties={"team": "lending"},
            SourceUri="s3://example/source",
            ModelCard={"ModelCardContent": json.dumps({"model_overview": {}}), "ModelCardStatus": "Approved"},
            ModelMetrics={"Bias": {"Report": REPORT}, "ModelQuality": {"Statistics": REPORT}},
            ModelApprovalStatus="PendingManualApproval",
            ModelPackageStatus="Completed",
            LastModifiedTime=datetime(2026, 1, 2, tzinfo=UTC),
        ),
        "HeadObject": dict(HEAD),
        "GetObject": dict(JOB),
        "BatchGetImage": store(**{"1.0": SINGLE}),
    }


def digest(said: Answers) -> str:
    return material_digest(read(Script(said), needed=PATTERNS))


def described_as(said: Answers) -> dict[str, Any]:
    description: dict[str, Any] = said["DescribeModelPackage"]
    return description


def containers(said: Answers) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = described_as(said)["InferenceSpecification"]["Containers"]
    return found


def swap(said: Answers) -> None:
    """Both containers load what one did: the list of artifacts is the same."""
    one, two = containers(said)
    one["AdditionalS3DataSource"] = {"S3Uri": two.pop("ModelDataUrl"), "S3DataType": "S3Object"}


CHANGES: dict[str, Callable[[Answers], Any]] = {
    "image": lambda said: containers(said)[1].update(Image=f"{REGISTRY}/ml/base:1.1"),
    "what the tag points to": lambda said: said.update(BatchGetImage=store(**{"1.0": "{}"})),
    "model data": lambda said: containers(said)[1].update(ModelDataUrl="s3://example/c"),
    "which container loads it": swap,
    "version of the object": lambda said: said["HeadObject"].update(VersionId="v2"),
    "environment": lambda said: containers(said)[0]["Environment"].update(A="2"),
    "a name in the environment": lambda said: containers(said)[0]["Environment"].update(B="1"),
    "card": lambda said: described_as(said)["ModelCard"].update(ModelCardContent="{}"),
    "source": lambda said: described_as(said).update(SourceUri="s3://example/other"),
    "metadata": lambda said: described_as(said)["CustomerMetadataProperties"].update(team="fraud"),
    "a key of the metadata": lambda said: described_as(said)["CustomerMetadataProperties"].update(more="x"),
    "content of a report": lambda said: said["GetObject"].update(Body=b"[]"),
    "another report": lambda said: described_as(said)["ModelMetrics"]["Bias"].update(PreTrainingReport=REPORT),
    "another specification": lambda said: described_as(said).update(
        AdditionalInferenceSpecifications=[{"Name": "neo", "Containers": [copy.deepcopy(containers(said)[0])]}]
    ),
    "a container less": lambda said: containers(said).pop(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_changes_with_what_would_run(change: Callable[[Answers], Any]) -> None:
    said = answers()
    before = digest(said)
    assert before.startswith("sha256:")
    change(said)
    after = digest(said)
    assert after.startswith("sha256:")
    assert after != before


def test_approving_does_not_change_it() -> None:
    said = answers()
    before = digest(said)
    described_as(said).update(
        ModelApprovalStatus="Approved",
        ApprovalDescription="modelwarden",
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
        LastModifiedTime=datetime(2027, 1, 1, tzinfo=UTC),
        LastModifiedBy={"IamIdentity": {"Arn": "x"}},
    )
    said["HeadObject"]["LastModified"] = datetime(2027, 1, 1, tzinfo=UTC)
    assert digest(said) == before


UNREAD: dict[str, Callable[[Answers], Any]] = {
    "an object": lambda said: said.update(HeadObject=failure("403")),
    "a report": lambda said: said.update(GetObject=failure("AccessDenied")),
    "an image": lambda said: said.update(BatchGetImage=failure("AccessDeniedException")),
    "the card": lambda said: described_as(said).update(
        ModelCard={"ModelCardStatus": "Approved"}, SecurityConfig={"KmsKeyId": "alias/ml"}
    ),
    "a location": lambda said: containers(said)[0].update(ModelDataUrl="https://example.com/model.tar.gz"),
    "a manifest of locations": lambda said: containers(said)[0].update(
        ModelDataSource={
            "S3DataSource": {"S3Uri": "s3://example/a", "S3DataType": "S3Object", "ManifestS3Uri": "s3://example/m"}
        }
    ),
}


@pytest.mark.parametrize("change", UNREAD.values(), ids=UNREAD)
def test_there_is_none_where_a_part_was_not_read(change: Callable[[Answers], Any]) -> None:
    said = answers()
    change(said)
    assert digest(said) == ""


def test_what_is_certainly_not_there_is_part_of_it() -> None:
    said = answers()
    said["HeadObject"] = failure("404", "read")
    gone = digest(said)
    assert gone.startswith("sha256:")
    assert gone != digest(answers())
