"""Endpoints of a scenario: what each of the four operations answers, and what AWS says of what is not there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from modelwarden.sandbox.scenario import ScenarioError
from modelwarden.sandbox.server import Sandbox

from .conftest import CHURN, REGION, RETAIL, SHARED, Organization

ARN = f"arn:aws:sagemaker:{REGION}:{RETAIL}"
TENTH = datetime(2026, 11, 10, 8, tzinfo=UTC)
COPY = {"name": "copy", "account": RETAIL, "region": REGION, "config": "c"}


def names(answer: dict[str, Any]) -> list[str]:
    return [one["EndpointName"] for one in answer["Endpoints"]]


def without_meta(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_the_list_shows_each_endpoint_newest_first(shared: Organization) -> None:
    answer = shared.client("sagemaker").list_endpoints()
    assert names(answer) == ["orphan", "pipeline", "churn-copy", "churn-live"]
    assert answer["Endpoints"][-1] == {
        "EndpointName": "churn-live",
        "EndpointArn": f"{ARN}:endpoint/churn-live",
        "EndpointStatus": "InService",
        "CreationTime": TENTH,
        "LastModifiedTime": TENTH,
    }
    assert "NextToken" not in answer
    assert [one["EndpointStatus"] for one in answer["Endpoints"]] == [
        "InService",
        "Creating",
        "OutOfService",
        "InService",
    ]


def test_pages_hold_every_endpoint_once(shared: Organization) -> None:
    client, order = shared.client("sagemaker"), {"SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 3}
    first = client.list_endpoints(**order)
    second = client.list_endpoints(**order, NextToken=first["NextToken"])
    assert (names(first), names(second)) == (["churn-live", "churn-copy", "pipeline"], ["orphan"])
    assert "NextToken" not in second
    with pytest.raises(ClientError, match="Invalid NextToken"):
        client.list_endpoints(NextToken="made-up")


def test_endpoints_belong_to_their_account_and_region(shared: Organization) -> None:
    assert names(shared.client("sagemaker", SHARED).list_endpoints()) == []
    assert names(shared.client("sagemaker", region="us-east-1").list_endpoints()) == []


def test_an_endpoint_names_its_configuration(shared: Organization) -> None:
    client = shared.client("sagemaker")
    answer = client.describe_endpoint(EndpointName="churn-live")
    assert (answer["EndpointArn"], answer["EndpointConfigName"]) == (f"{ARN}:endpoint/churn-live", "churn-live-1")
    assert [one["VariantName"] for one in answer["ProductionVariants"]] == ["champion", "challenger", "components"]
    assert client.describe_endpoint(EndpointName="churn-copy")["EndpointConfigName"] == "churn-live-1"


def test_a_configuration_names_the_model_of_each_variant_that_has_one(shared: Organization) -> None:
    answer = shared.client("sagemaker").describe_endpoint_config(EndpointConfigName="churn-live-1")
    assert [(one["VariantName"], one.get("ModelName")) for one in answer["ProductionVariants"]] == [
        ("champion", "churn-1"),
        ("challenger", "churn-2"),
        ("components", None),
    ]
    assert (answer["EndpointConfigArn"], answer["CreationTime"]) == (f"{ARN}:endpoint-config/churn-live-1", TENTH)


@pytest.mark.parametrize(
    ("model", "held"),
    [
        ("churn-1", {"PrimaryContainer": {"ModelPackageName": f"{CHURN}/1", "InferenceSpecificationName": "fast"}}),
        ("churn-2", {"PrimaryContainer": {"ModelPackageName": "churn/2"}}),
        (
            "pipeline",
            {
                "Containers": [
                    {"Image": "example.com/prepare:1"},
                    {"ModelPackageName": "churn/1", "ModelDataUrl": f"s3://example-models-{RETAIL}/a"},
                ]
            },
        ),
    ],
)
def test_a_model_has_one_container_or_several(shared: Organization, model: str, held: dict[str, Any]) -> None:
    answer = without_meta(shared.client("sagemaker").describe_model(ModelName=model))
    assert {name: answer[name] for name in answer if "Container" in name} == held
    assert answer["ModelArn"] == f"{ARN}:model/{model}"


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("describe_endpoint", {"EndpointName": "none"}, f'Could not find endpoint "{ARN}:endpoint/none".'),
        (
            "describe_endpoint_config",
            {"EndpointConfigName": "deleted-config"},
            f'Could not find endpoint configuration "{ARN}:endpoint-config/deleted-config".',
        ),
        ("describe_model", {"ModelName": "deleted"}, f'Could not find model "{ARN}:model/deleted".'),
    ],
)
def test_what_was_deleted_could_not_be_found(
    shared: Organization, method: str, parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(shared.client("sagemaker"), method)(**parameters)
    assert refused.value.response["Error"] == {"Code": "ValidationException", "Message": message}


def test_what_a_client_makes_is_seen(empty: Organization) -> None:
    client = empty.client("sagemaker", "111111111111")
    assert names(client.list_endpoints()) == []
    client.create_model(
        ModelName="own",
        ExecutionRoleArn="arn:aws:iam::111111111111:role/r",
        PrimaryContainer={"Image": "example.com/a:1"},
    )
    variant = {"VariantName": "v", "ModelName": "own", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName="own-1", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="own-live", EndpointConfigName="own-1")
    assert names(client.list_endpoints()) == ["own-live"]
    assert client.describe_endpoint(EndpointName="own-live")["EndpointConfigName"] == "own-1"
    assert client.describe_endpoint_config(EndpointConfigName="own-1")["ProductionVariants"][0]["ModelName"] == "own"
    assert client.describe_model(ModelName="own")["PrimaryContainer"]["Image"] == "example.com/a:1"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"name": "a", "account": RETAIL, "region": REGION}], "endpoints[0]: `config` is missing"),
        ([{**COPY, "variants": {}}], "endpoints[0]: `variants` is not a list of objects"),
        ([{**COPY, "variants": [{"model": "m"}]}], "endpoints[0]: a variant has no `name`"),
        (
            [{**COPY, "variants": [{"name": "v", "model": "m", "package": "a/b/c"}]}],
            "endpoints[0]: `a/b/c` is not the name or ARN of a model package",
        ),
        (
            [{**COPY, "variants": []}, {**COPY, "name": "other", "variants": [{"name": "v"}]}],
            "endpoints[1]: `c` is something else in an entry above",
        ),
        (
            [{**COPY, "variants": [{"name": "v", "model": "m", "image": "a"}]}, {**COPY, "config": "d"}],
            "endpoints[1]: `copy` is something else in an entry above",
        ),
    ],
)
def test_mistakes_name_the_entry(tmp_path: Path, entries: list[dict[str, Any]], message: str) -> None:
    organization = {"id": "o-x123456789", "management": "111111111111"}
    document = {"schema": "modelwarden.scenario/1", "organization": organization, "endpoints": entries}
    (tmp_path / "scenario.json").write_text(json.dumps(document))
    with pytest.raises(ScenarioError) as error:
        Sandbox(tmp_path)
    assert message in str(error.value)
    assert error.value.help
