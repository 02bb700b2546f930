"""The templates, deployed to the simulated organization: its CloudFormation makes what it can, and the function answers from there.

What moto makes nothing of is listed in `templates.UNDEPLOYED`; of the bucket it makes neither versions nor
Object Lock, and of the signing key one that encrypts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from modelwarden.aws import api, hook, pipeline, scan
from tests.api.events import ME
from tests.api.events import event as asked
from tests.aws.conftest import HOME, HUB, REGION, SPOKE
from tests.aws.machine import Lambda, execute
from tests.aws.test_hook import event as question

from .stacks import BUCKET, PACK, STACK, Deployed, deployed
from .templates import UNDEPLOYED, load, reduced, translated

pytestmark = pytest.mark.sandbox_only


KINDS = ("SageMaker Model Package State Change", "SageMaker Model Card State Change", "SageMaker Endpoint State Change")
CALL = "AWS API Call via CloudTrail"
PIPELINES = f"arn:aws:iam::{SPOKE}:role/pipelines"
EXECUTION = f"arn:aws:sagemaker:{REGION}:{SPOKE}:pipeline/promotion/execution/4xk2m8q0zt1p"
BY_SAGEMAKER = {"eventSource": "sagemaker.amazonaws.com"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with pytest.MonkeyPatch.context() as patch, deployed(tmp_path_factory.mktemp("deployed"), patch) as found:
        for name, template in (("api", "api.yaml"), ("deploy-check", "deploy-check.yaml"), ("scan", "scan.yaml")):
            outputs = found.beside(name, template)
            found.api = outputs if name == "api" else found.api
        yield found


@pytest.mark.parametrize(
    ("stack", "name"),
    [(STACK, "hub.yaml"), ("api", "api.yaml"), ("deploy-check", "deploy-check.yaml"), ("scan", "scan.yaml")],
)
def test_everything_else_was_made(hub: Deployed, stack: str, name: str) -> None:
    wanted = {name: one["Type"] for name, one in reduced(translated(load(name)))["Resources"].items()}
    assert {one["LogicalResourceId"]: one["ResourceType"] for one in hub.rows[stack]} == wanted
    assert {one["ResourceType"] for one in hub.rows["spoke"]} == {"AWS::Events::Rule", "AWS::IAM::Role"}


def test_what_is_left_out_is_what_moto_does_not_make() -> None:
    made = ("hub.yaml", "api.yaml", "deploy-check.yaml", "deploy-hook.yaml", "scan.yaml")
    whole = [one["Type"] for name in made for one in load(name)["Resources"].values()]
    whole += [one["Type"] for one in translated(load("hub.yaml"))["Resources"].values()]
    assert set(UNDEPLOYED) <= set(whole), "a type that no template has any more"


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
    logs = hub.client("logs").describe_log_groups(logGroupNamePrefix="/aws/")["logGroups"]
    assert {one["logGroupName"]: one["retentionInDays"] for one in logs} == {
        "/aws/lambda/modelwarden-api": 400,
        "/aws/lambda/modelwarden-deploy-check": 400,
        "/aws/lambda/modelwarden-events": 400,
        **{f"/aws/lambda/modelwarden-scan-{name}": 400 for name in ("plan", "reduce", "work")},
        "/aws/vendedlogs/modelwarden-api": 400,
    }


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


def test_the_api_judges_with_what_was_deployed(hub: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the records of the hub, beside what the function of events keeps; scans are read in its table."""
    made = hub.client("lambda").get_function_configuration(FunctionName=f"{STACK}-api")
    assert (made["Handler"], made["Timeout"], made["Role"]) == (
        "modelwarden.aws.api.handler",
        29,
        hub.api["FunctionRoleArn"],
    )
    for name in [name for name in os.environ if name.startswith("MODELWARDEN_")]:
        monkeypatch.delenv(name)
    for name, value in made["Environment"]["Variables"].items():
        monkeypatch.setenv(name, str(value))
    body = json.dumps({"package": hub.registry.arn("credit-default/1"), "stage": "Production", "moment": "approve"})
    api._service.cache_clear()
    try:
        told = api.handler(asked("POST", "/decisions", body, route="POST /decisions"), None)
        scans = api.handler(asked("GET", "/runs", route="GET /runs"), None)
    finally:
        api._service.cache_clear()
    decision = json.loads(told["body"])
    assert (told["statusCode"], decision["verdict"], decision["advisory"]) == (201, "allow", False)
    assert decision["request"]["principal"]["principal"] == ME
    stored = hub.client("s3").get_object(Bucket=BUCKET, Key=f"records/decisions/{decision['run']}.json")
    assert json.loads(stored["Body"].read())["id"] == decision["run"]
    assert (scans["statusCode"], json.loads(scans["body"])["runs"]) == (200, [])


def test_the_check_before_something_goes_live_judges_with_what_was_deployed(
    hub: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses what nobody approved, and a model without a package, and leaves the decision where the API finds it."""
    made = hub.client("lambda").get_function_configuration(FunctionName=f"{STACK}-deploy-check")
    assert (made["Handler"], made["Timeout"]) == ("modelwarden.aws.hook.handler", 29)
    for name in [name for name in os.environ if name.startswith("MODELWARDEN_")]:
        monkeypatch.delenv(name)
    for name, value in made["Environment"]["Variables"].items():
        monkeypatch.setenv(name, str(value))
    context = SimpleNamespace(invoked_function_arn=made["FunctionArn"])
    hook._service.cache_clear()
    try:
        pending = question("Model", {"PrimaryContainer": {"ModelPackageName": hub.registry.arn("credit-default/17")}})
        refused = hook.handler(pending, context)
        raw = hook.handler(question("Model", {"PrimaryContainer": {"Image": "x"}}), context)
    finally:
        hook._service.cache_clear()
    assert (refused["hookStatus"], raw["hookStatus"]) == ("FAILED", "FAILED")
    assert "must not go live in Production: APR-01" in refused["message"]
    assert "is in no registry" in raw["message"]
    run = refused["message"].rpartition("(run ")[2].rstrip(")")
    hub.client("s3").head_object(Bucket=BUCKET, Key=f"records/decisions/{run}.json")


@pytest.fixture(scope="module")
def gate(hub: Deployed) -> dict[str, Any]:
    """The function that pipelines ask, with the outputs of the hub; its configuration."""
    given = {name: hub.outputs[name] for name in ("DataKeyArn", "SigningKeyArn", "AlarmTopicArn")}
    pack = hub.function["Environment"]["Variables"]
    given |= {"PolicyPack": PACK, "PolicyPackDigest": pack["MODELWARDEN_ORGANIZATION_DIGEST"]}
    template = reduced(translated(load("pipeline.yaml")))
    hub.deploy(
        "pipeline", template, HOME, HubStack=STACK, OrganizationId="o-sandbox0000", PipelineRoleArn=PIPELINES, **given
    )
    found: dict[str, Any] = hub.client("lambda").get_function_configuration(FunctionName=f"{STACK}-gate")
    return found


def test_the_gate_of_pipelines_was_made(hub: Deployed, gate: dict[str, Any]) -> None:
    """But for the permission to invoke it, of which moto makes nothing."""
    template = reduced(translated(load("pipeline.yaml")))["Resources"]
    wanted = {name: one["Type"] for name, one in template.items()}
    made = [one for one in hub.rows["pipeline"] if "LogicalResourceId" in one]
    assert {one["LogicalResourceId"]: one["ResourceType"] for one in made} == wanted
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


def test_the_deployed_machine_scans_the_organization(hub: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its definition and the environment of each function are what the stack made; the tasks are called in this process."""
    functions = {}
    for name in ("plan", "work", "reduce"):
        made = hub.client("lambda").get_function_configuration(FunctionName=f"{STACK}-scan-{name}")
        assert (made["Handler"], made["Role"]) == (
            f"modelwarden.aws.scan.{name}",
            f"arn:aws:iam::{HUB}:role/{STACK}-scan-{name}",
        )
        functions[made["FunctionArn"]] = getattr(scan, name)
        variables = made["Environment"]["Variables"]
    for name in [name for name in os.environ if name.startswith("MODELWARDEN_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    (machine,) = hub.client("stepfunctions").list_state_machines()["stateMachines"]
    arn = machine["stateMachineArn"]
    definition = hub.client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"]
    scan._hub.cache_clear()
    try:
        told = execute(monkeypatch, hub.client, definition, Lambda(functions), name="as-deployed")
    finally:
        scan._hub.cache_clear()
    assert told["status"] == "SUCCEEDED", told
    answer = json.loads(told["output"])
    assert 0 < answer["read"] < answer["expected"]
    assert answer["complete"] is False, "an account of the demo lets nobody in"
    stored = hub.client("s3").head_object(Bucket=BUCKET, Key=f"scans/{answer['run']}/scan.tar")
    assert stored["ContentLength"] > 10_000
