"""Events of the registry: what a change puts on the bus of the account that owns the package."""

from __future__ import annotations

import json
from typing import Any

from .conftest import CHURN as GROUP
from .conftest import REGION, RETAIL, Organization

CHURN = f"{GROUP}/1"

QUEUE = f"arn:aws:sqs:{REGION}:{RETAIL}:heard"


def listening(organization: Organization, pattern: dict[str, Any]) -> str:
    """URL of a queue to which the default bus of the account forwards what fits."""
    url = str(organization.client("sqs", RETAIL).create_queue(QueueName="heard")["QueueUrl"])
    bus = organization.client("events", RETAIL)
    bus.put_rule(Name="heard", EventPattern=json.dumps(pattern))
    bus.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": QUEUE}])
    return url


def heard(organization: Organization, url: str) -> list[dict[str, Any]]:
    got = organization.client("sqs", RETAIL).receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(one["Body"]) for one in got.get("Messages", [])]


def test_a_change_is_an_event_of_the_registry_and_one_of_the_trail(organization: Organization) -> None:
    url = listening(organization, {"source": ["aws.sagemaker"]})
    organization.client("sagemaker", RETAIL).update_model_package(
        ModelPackageArn=CHURN, ModelApprovalStatus="Rejected", ApprovalDescription="not yet"
    )
    call, state = sorted(heard(organization, url), key=lambda one: str(one["detail-type"]))
    assert (call["detail-type"], state["detail-type"]) == (
        "AWS API Call via CloudTrail",
        "SageMaker Model Package State Change",
    )
    assert {(one["region"], *one["resources"]) for one in (call, state)} == {(REGION, CHURN)}
    assert call["detail"]["requestParameters"]["modelApprovalStatus"] == "Rejected"
    assert call["detail"]["responseElements"] == {"modelPackageArn": CHURN}
    assert call["detail"]["userIdentity"]["arn"].endswith(":user/sandbox")
    assert (state["detail"]["ModelPackageArn"], state["detail"]["ModelApprovalStatus"]) == (CHURN, "Rejected")
    assert "ModelCard" not in state["detail"]


def test_nobody_who_reads_is_an_event(organization: Organization) -> None:
    url = listening(organization, {"source": ["aws.sagemaker"]})
    organization.client("sagemaker", RETAIL).describe_model_package(ModelPackageName=CHURN)
    assert heard(organization, url) == []
