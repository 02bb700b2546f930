"""The registry keeps what it is given: every field, through creation, update, listing and search."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from .conftest import CHURN, REGION, RETAIL, SHARED, Organization, describe

SCALARS = {"integer": 1, "long": 1, "boolean": True, "float": 1.5, "double": 1.5}


def sample(shape: Any, depth: int = 0) -> Any:
    """A value with every member of a shape filled in."""
    if shape.type_name == "structure":
        return {name: sample(member, depth + 1) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [sample(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": sample(shape.value, depth + 1)}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else f"synthetic text of {shape.name}"[:40]
    return SCALARS[shape.type_name]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_describe_returns_every_field_of_the_scenario_verbatim(shared: Organization) -> None:
    given, answer = (
        describe("churn/1"),
        shared.client("sagemaker").describe_model_package(ModelPackageName=f"{CHURN}/1"),
    )
    image = shared.client("ecr").describe_images(
        registryId=SHARED, repositoryName="ml/scoring", imageIds=[{"imageTag": "4.2"}]
    )
    digest = image["imageDetails"][0]["imageDigest"]
    text = json.dumps(given).replace(f"@digest:{SHARED}/{REGION}/ml/scoring:4.2", digest)
    expected = json.loads(text)
    for name in ("CreationTime", "LastModifiedTime"):
        expected[name] = datetime.fromisoformat(expected[name])
    assert {name: answer[name] for name in expected} == expected
    assert set(answer) - {"ResponseMetadata"} == set(expected)


def test_create_keeps_every_field_that_the_model_knows(organization: Organization) -> None:
    """Each member of CreateModelPackage, however deep, comes back from DescribeModelPackage."""
    client = organization.client("sagemaker")
    shape = (
        botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateModelPackage").input_shape
    )
    assert shape is not None
    given = sample(shape)
    del given["ModelPackageName"], given["Tags"]
    given["ModelPackageGroupName"] = "churn"
    arn = client.create_model_package(**given)["ModelPackageArn"]
    assert arn == f"{CHURN}/3"
    answer = client.describe_model_package(ModelPackageName=arn)
    kept = {name: value for name, value in given.items() if name != "ClientToken"}
    assert {name: answer.get(name) for name in kept} == kept
    assert answer["CreatedBy"]["IamIdentity"]["Arn"] == f"arn:aws:iam::{RETAIL}:user/sandbox"
    assert answer["ModelPackageVersion"] == 3


def test_update_leaves_alone_what_is_not_passed(organization: Organization) -> None:
    client = organization.client("sagemaker")
    before = client.describe_model_package(ModelPackageName=f"{CHURN}/1")
    client.update_model_package(
        ModelPackageArn=f"{CHURN}/1", ModelLifeCycle={"Stage": "Production", "StageStatus": "InProgress"}
    )
    after = client.describe_model_package(ModelPackageName=f"{CHURN}/1")
    changed = {name for name in after if name != "ResponseMetadata" and after[name] != before.get(name)}
    assert changed == {"ModelLifeCycle", "LastModifiedTime", "LastModifiedBy"}
    assert after["ModelLifeCycle"] == {"Stage": "Production", "StageStatus": "InProgress"}


def test_update_merges_metadata_and_adds_specifications(organization: Organization) -> None:
    client = organization.client("sagemaker")
    more = {"Name": "gpu", "Containers": [{"Image": "x", "ModelDataUrl": "s3://example/x"}]}
    client.update_model_package(
        ModelPackageArn=f"{CHURN}/1",
        CustomerMetadataProperties={"ticket": "ML-2", "new": "yes"},
        CustomerMetadataPropertiesToRemove=["team"],
        AdditionalInferenceSpecificationsToAdd=[more],
        ModelCard={"ModelCardStatus": "Archived"},
    )
    after = client.describe_model_package(ModelPackageName=f"{CHURN}/1")
    assert after["CustomerMetadataProperties"] == {"ticket": "ML-2", "new": "yes"}
    assert [one["Name"] for one in after["AdditionalInferenceSpecifications"]] == ["edge", "gpu"]
    assert after["ModelCard"] == {**describe("churn/1")["ModelCard"], "ModelCardStatus": "Archived"}
    with pytest.raises(ClientError, match="gpu already exists"):
        client.update_model_package(ModelPackageArn=f"{CHURN}/1", AdditionalInferenceSpecificationsToAdd=[more])


def test_metadata_only_leaves_nothing_of_a_card_but_its_risk_rating(shared: Organization) -> None:
    client = shared.client("sagemaker")
    package = client.describe_model_package(ModelPackageName=f"{CHURN}/1", IncludedData="MetadataOnly")
    assert package["ModelCard"]["ModelCardStatus"] == "Approved"
    assert json.loads(package["ModelCard"]["ModelCardContent"]) == {"intended_uses": {"risk_rating": "High"}}
    card = client.describe_model_card(ModelCardName="churn-card", IncludedData="MetadataOnly")
    assert json.loads(card["Content"]) == {"intended_uses": {"risk_rating": "High"}}


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, ["loose"]),
        ({"ModelPackageType": "Versioned"}, ["churn/2", "churn/1"]),
        ({"ModelPackageType": "Both"}, ["loose", "churn/2", "churn/1"]),
        ({"ModelPackageGroupName": "churn", "SortOrder": "Ascending"}, ["churn/1", "churn/2"]),
        ({"ModelPackageType": "Both", "ModelApprovalStatus": "Approved"}, ["churn/1"]),
        ({"ModelPackageType": "Both", "CreationTimeAfter": datetime(2026, 11, 3, tzinfo=UTC)}, ["loose"]),
        ({"ModelPackageType": "Both", "SortBy": "Name", "SortOrder": "Ascending"}, ["churn/1", "churn/2", "loose"]),
    ],
)
def test_list_filters_sorts_and_defaults_to_unversioned(
    shared: Organization, parameters: dict[str, Any], names: list[str]
) -> None:
    answer = shared.client("sagemaker").list_model_packages(**parameters)
    assert [one["ModelPackageArn"].partition("/")[2] for one in answer["ModelPackageSummaryList"]] == names


def test_list_pages_and_carries_the_life_cycle(shared: Organization) -> None:
    client = shared.client("sagemaker")
    pages = list(
        client.get_paginator("list_model_packages").paginate(ModelPackageType="Both", PaginationConfig={"PageSize": 1})
    )
    assert [len(page["ModelPackageSummaryList"]) for page in pages] == [1, 1, 1]
    assert pages[-1]["ModelPackageSummaryList"][0]["ModelLifeCycle"]["Stage"] == "Staging"
    with pytest.raises(ClientError) as error:
        client.list_model_packages(NextToken="made-up")
    assert code(error) == "ValidationException"


def test_missing_packages_and_groups_are_validation_errors_as_on_aws(shared: Organization) -> None:
    client = shared.client("sagemaker")
    with pytest.raises(ClientError, match=r"ModelPackage arn:.*churn/9 does not exist\.") as error:
        client.describe_model_package(ModelPackageName=f"{CHURN}/9")
    assert code(error) == "ValidationException"
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_model_package_group(ModelPackageGroupName="nothing")
    with pytest.raises(ClientError, match="Cannot find resource policy") as error:
        client.get_model_package_group_policy(ModelPackageGroupName="churn")
    assert code(error) == "ValidationException"


def test_a_foreign_package_is_described_only_if_the_group_policy_names_the_caller(organization: Organization) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{SHARED}:model-package/shared/1"
    client, owner = organization.client("sagemaker"), organization.client("sagemaker", SHARED)
    assert client.describe_model_package(ModelPackageName=arn)["ModelPackageArn"] == arn
    assert [
        one["ModelPackageGroupName"] for one in client.list_model_package_groups()["ModelPackageGroupSummaryList"]
    ] == ["churn"]
    across = client.list_model_package_groups(CrossAccountFilterOption="CrossAccount")["ModelPackageGroupSummaryList"]
    assert [one["ModelPackageGroupName"] for one in across] == ["shared"]
    owner.delete_model_package_group_policy(ModelPackageGroupName="shared")
    with pytest.raises(ClientError) as error:
        client.describe_model_package(ModelPackageName=arn)
    assert code(error) == "AccessDeniedException"


def test_versions_have_no_tags_and_unversioned_packages_have_their_own(organization: Organization) -> None:
    client = organization.client("sagemaker")
    loose = f"arn:aws:sagemaker:{REGION}:{RETAIL}:model-package/loose"
    assert client.list_tags(ResourceArn=f"{CHURN}/1")["Tags"] == []
    assert client.list_tags(ResourceArn=loose)["Tags"] == [{"Key": "owner", "Value": "nobody"}]
    client.add_tags(ResourceArn=loose, Tags=[{"Key": "owner", "Value": "somebody"}])
    assert client.list_tags(ResourceArn=loose)["Tags"] == [{"Key": "owner", "Value": "somebody"}]
    with pytest.raises(ClientError, match="cannot be tagged"):
        client.add_tags(ResourceArn=f"{CHURN}/1", Tags=[{"Key": "a", "Value": "b"}])


def test_batch_describe_tells_errors_within_success_and_leaves_cards_out(shared: Organization) -> None:
    answer = shared.client("sagemaker").batch_describe_model_package(ModelPackageArnList=[f"{CHURN}/1", f"{CHURN}/9"])
    assert answer["BatchDescribeModelPackageErrorMap"][f"{CHURN}/9"]["ErrorCode"] == "ValidationException"
    assert set(answer["ModelPackageSummaries"]) == {f"{CHURN}/1"}
    assert "ModelCard" not in answer["ModelPackageSummaries"][f"{CHURN}/1"]


def test_card_versions_carry_the_content_over(organization: Organization) -> None:
    client = organization.client("sagemaker")
    before = client.describe_model_card(ModelCardName="churn-card")
    client.update_model_card(ModelCardName="churn-card", ModelCardStatus="Archived")
    after = client.describe_model_card(ModelCardName="churn-card")
    assert (after["Content"], after["ModelCardStatus"], after["ModelCardVersion"]) == (before["Content"], "Archived", 2)
    assert client.describe_model_card(ModelCardName="churn-card", ModelCardVersion=1)["ModelCardStatus"] == "Approved"
    with pytest.raises(ClientError, match="not a valid JSON object"):
        client.create_model_card(ModelCardName="bad", Content="no json", ModelCardStatus="Draft")
    with pytest.raises(ClientError) as error:
        client.describe_model_card(ModelCardName="nothing")
    assert code(error) == "ResourceNotFound"


def test_changes_are_found_in_cloudtrail(organization: Organization) -> None:
    trail, client = organization.client("cloudtrail"), organization.client("sagemaker")
    client.update_model_package(ModelPackageArn=f"{CHURN}/1", ModelApprovalStatus="Rejected")
    wanted = [{"AttributeKey": "ResourceName", "AttributeValue": f"{CHURN}/1"}]
    events = trail.lookup_events(LookupAttributes=wanted)["Events"]
    assert [(one["EventName"], one["Username"]) for one in events] == [
        ("UpdateModelPackage", "sandbox"),
        ("UpdateModelPackage", "grace@example.com"),
    ]
    record = json.loads(events[0]["CloudTrailEvent"])
    assert record["requestParameters"] == {"modelPackageArn": f"{CHURN}/1", "modelApprovalStatus": "Rejected"}
    assert record["userIdentity"]["arn"] == f"arn:aws:iam::{RETAIL}:user/sandbox"
    assert trail.lookup_events(LookupAttributes=wanted, EndTime=datetime(2026, 10, 1, tzinfo=UTC))["Events"] == []


def test_training_job_keeps_network_isolation(shared: Organization) -> None:
    job = shared.client("sagemaker").describe_training_job(TrainingJobName="churn-train-1")
    assert (job["EnableNetworkIsolation"], job["RoleArn"]) == (True, f"arn:aws:iam::{RETAIL}:role/Training")
