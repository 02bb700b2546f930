"""The templates, deployed to the simulated organization: its CloudFormation makes what it can, and the function answers from there.

What moto makes nothing of is listed in `templates.UNDEPLOYED`; of the bucket it makes neither versions nor
Object Lock, and of the signing key one that encrypts.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.aws import events, pipeline
from modelwarden.aws.desk import desk_of
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from tests.aws.conftest import HOME, HUB, REGION, SPOKE, Hub
from tests.demo.registry import restored

from .templates import UNDEPLOYED, Template, load, reduced, translated

pytestmark = pytest.mark.sandbox_only

STACK = "modelwarden"
BUCKET = f"{STACK}-{HUB}-{REGION}"
PACK = "s3://policies/pack.tar.gz"
TOP = f'store = "dynamodb://{STACK}-state?region={REGION}"\nrecords = "s3://{BUCKET}/records"\n'
PLACE = f"arn:aws:sagemaker:{REGION}:{SPOKE}:x"
KINDS = ("SageMaker Model Package State Change", "SageMaker Model Card State Change", "SageMaker Endpoint State Change")
CALL = "AWS API Call via CloudTrail"
PIPELINES = f"arn:aws:iam::{SPOKE}:role/pipelines"
EXECUTION = f"arn:aws:sagemaker:{REGION}:{SPOKE}:pipeline/promotion/execution/4xk2m8q0zt1p"
BY_SAGEMAKER = {"eventSource": "sagemaker.amazonaws.com"}


class Deployed(Hub):
    """A hub and a spoke that CloudFormation made."""

    outputs: dict[str, str]
    function: dict[str, Any]
    rows: dict[str, list[dict[str, Any]]]

    def deploy(self, name: str, template: Template, place: str, **parameters: str) -> dict[str, str]:
        """Outputs of a stack."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # so that a type of which nothing is made is no success
            stacks = self.registry.client(place, "cloudformation")
            given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
            stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
            (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        self.rows[name] = stacks.describe_stack_resources(StackName=name)["StackResources"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def publish_pack(self) -> str:
        """The organization's policy pack as an object, as the function fetches it; its digest."""
        folder = Path(self.registry.pack('[respond]\nmode = "enforce"\n', top=TOP)[1])
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            archive.add(folder / "modelwarden.toml", "modelwarden.toml")
        s3 = self.client("s3")
        s3.create_bucket(Bucket="policies", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="policies", Key="pack.tar.gz", Body=data.getvalue())
        return digest_pack(read_pack(str(folder), None))

    def put(self, kind: str, source: str = "aws.sagemaker", **detail: Any) -> None:
        """An event on the default bus of the spoke; moto lets anybody put one of AWS."""
        entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}
        self.registry.client(PLACE, "events").put_events(Entries=[entry])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with (
        Sandbox("demo") as sandbox,
        restored(sandbox, tmp_path_factory.mktemp("deployed")) as registry,
        pytest.MonkeyPatch.context() as patch,
    ):
        found = Deployed(registry, patch)
        found.rows = {}
        s3 = found.client("s3")
        s3.create_bucket(Bucket="deployment", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="deployment", Key="lambda.zip", Body=b"PK\x05\x06" + bytes(18))
        found.outputs = found.deploy(
            STACK,
            reduced(translated(load("hub.yaml"))),
            HOME,
            OrganizationId="o-sandbox0000",
            PolicyPack=PACK,
            PolicyPackDigest=found.publish_pack(),
        )
        found.deploy("spoke", load("spoke.yaml"), PLACE, HubBusArn=found.outputs["IntakeArn"])
        found.function = found.client("lambda").get_function_configuration(FunctionName=f"{STACK}-events")
        variables = found.function["Environment"]["Variables"]
        found.queue, found.dead = variables["QUEUE_URL"], found.outputs["DeadLettersUrl"]
        found.made = {"queue": f"arn:aws:sqs:{REGION}:{HUB}:{STACK}-events"}
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_"))]:
            patch.delenv(name)
        environment = {**registry.environment, **variables, "AWS_REGION": REGION}
        for name, value in environment.items():
            patch.setenv(name, value)
        found.desk = replace(desk_of(environment), now=found.now)
        patch.setattr(events, "desk", lambda: found.desk)
        yield found


def test_everything_else_was_made(hub: Deployed) -> None:
    wanted = {name: one["Type"] for name, one in reduced(translated(load("hub.yaml")))["Resources"].items()}
    assert {one["LogicalResourceId"]: one["ResourceType"] for one in hub.rows[STACK]} == wanted
    assert {one["ResourceType"] for one in hub.rows["spoke"]} == {"AWS::Events::Rule", "AWS::IAM::Role"}
    whole = {one["Type"] for one in translated(load("hub.yaml"))["Resources"].values()}
    assert whole - set(wanted.values()) == set(UNDEPLOYED), "a type that moto makes now, or that the hub has no more"


def test_what_was_made_is_what_the_template_says(hub: Deployed) -> None:
    sqs, table = hub.client("sqs"), hub.client("dynamodb")
    queue = sqs.get_queue_attributes(QueueUrl=hub.queue, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(queue["RedrivePolicy"])
    assert (queue["VisibilityTimeout"], redrive["maxReceiveCount"]) == ("720", 5)
    assert redrive["deadLetterTargetArn"] == f"arn:aws:sqs:{REGION}:{HUB}:{STACK}-events-dead"
    state = table.describe_table(TableName=f"{STACK}-state")["Table"]
    assert [one["IndexName"] for one in state["GlobalSecondaryIndexes"]] == ["cells"]
    rules = hub.client("s3").get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert [one["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for one in rules] == ["aws:kms"]
    assert (hub.function["Handler"], hub.function["Timeout"]) == ("modelwarden.aws.events.handler", 120)
    (log,) = hub.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]
    assert log["retentionInDays"] == 400


def test_the_settings_name_what_the_hub_made(hub: Deployed) -> None:
    """Names are derived, so that the pack can be written before the stack that pins it."""
    settings = hub.desk.house.settings
    assert (settings.store, settings.records) == (hub.outputs["Store"], hub.outputs["Records"])
    assert (settings.respond.mode, settings.advisory) == ("enforce", False)


def test_an_approval_in_the_spoke_is_taken_back_by_what_was_deployed(hub: Deployed) -> None:
    hub.bodies()
    arn = hub.approve("credit-default/4")
    assert hub.pump() == []
    assert hub.status(arn) == "Rejected"
    objects = hub.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {one["Key"].partition("/")[0] for one in objects} >= {"archive"}
    (claim,) = hub.claims(arn)
    assert (claim.verdict, claim.done) == ("block", ("recorded", "reverted", "kept", "logged", "told"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_in_the_registry_arrives(hub: Deployed, kind: str) -> None:
    hub.bodies()
    hub.put(kind, ModelPackageArn="x")
    (body,) = hub.bodies()
    assert json.loads(body)["detail-type"] == kind


@pytest.mark.parametrize("name", ["CreateModelPackage", "UpdateModelPackage", "CreateEndpoint", "UpdateEndpoint"])
def test_a_call_that_sets_or_runs_arrives(hub: Deployed, name: str) -> None:
    hub.bodies()
    hub.put(CALL, **BY_SAGEMAKER, eventName=name)
    (body,) = hub.bodies()
    assert json.loads(body)["detail"]["eventName"] == name


def test_nothing_else_arrives(hub: Deployed) -> None:
    hub.bodies()
    hub.put("SageMaker Training Job State Change")
    for kind in KINDS:
        hub.put(kind, source="org.forged")
    hub.put(CALL, **BY_SAGEMAKER, eventName="ListModelPackages")
    hub.put(CALL, **BY_SAGEMAKER, eventName="UpdateModelPackage", errorCode="AccessDenied")
    hub.put(CALL, eventSource="s3.amazonaws.com", eventName="UpdateModelPackage")
    assert hub.bodies() == []


@pytest.fixture(scope="module")
def gate(hub: Deployed) -> dict[str, Any]:
    """The function that pipelines ask, with the outputs of the hub; its configuration."""
    given = {name: hub.outputs[name] for name in ("RecordsBucket", "DataKeyArn", "SigningKeyArn")}
    pack = hub.function["Environment"]["Variables"]
    given |= {"PolicyPack": PACK, "PolicyPackDigest": pack["MODELWARDEN_ORGANIZATION_DIGEST"]}
    template = reduced(translated(load("pipeline.yaml")))
    hub.deploy("pipeline", template, HOME, OrganizationId="o-sandbox0000", PipelineRoleArn=PIPELINES, **given)
    found: dict[str, Any] = hub.client("lambda").get_function_configuration(FunctionName="pipeline-gate")
    return found


def test_the_gate_of_pipelines_was_made(hub: Deployed, gate: dict[str, Any]) -> None:
    """What stands under a condition that does not hold was not; of that moto has a row without a name."""
    template = reduced(translated(load("pipeline.yaml")))["Resources"]
    wanted = {name: one["Type"] for name, one in template.items() if one.get("Condition") in (None, "AskedByOneRole")}
    made = [one for one in hub.rows["pipeline"] if "LogicalResourceId" in one]
    assert {one["LogicalResourceId"]: one["ResourceType"] for one in made} == wanted
    assert len(hub.rows["pipeline"]) - len(made) == len(template) - len(wanted) == 1
    (statement,) = json.loads(hub.client("lambda").get_policy(FunctionName="pipeline-gate")["Policy"])["Statement"]
    assert (statement["Action"], statement["Principal"]) == ("lambda:InvokeFunction", PIPELINES)
    assert (gate["Handler"], gate["Timeout"]) == ("modelwarden.aws.pipeline.handler", 120)


def test_a_step_is_answered_by_what_was_deployed(
    hub: Deployed, gate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its variables alone describe it, and the run lies in the hub's bucket."""
    for name, value in gate["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    pipeline.office.cache_clear()
    arn = hub.registry.arn("credit-default/4")
    asked = {"act": "gate", "package": arn, "stage": "Production", "moment": "deploy", "execution": EXECUTION}
    told = pipeline.handler(asked, None)
    pipeline.office.cache_clear()
    assert (told["verdict"], told["may_promote"]) == ("block", "false")
    place = f"archive/{SPOKE}/{REGION}/credit-default/4/{told['run']}.json"
    assert hub.client("s3").get_object(Bucket=BUCKET, Key=place)["Body"].read()
