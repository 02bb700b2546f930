"""A hub in the demo's management account: table, queues, topic, buses and rules, and the function behind the queue."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from modelwarden.aws import events
from modelwarden.aws.desk import desk_of
from modelwarden.respond.claim import Claim
from modelwarden.respond.desk import Desk
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from tests.demo.registry import Registry, restored
from tests.organization import CLOCK
from tests.store.conftest import CREATED, TEMPLATE, loads

if TYPE_CHECKING:
    from .night import Night

HUB, REGION = "111111111111", "eu-west-1"
SPOKE = "444455556666"
HOME = f"arn:aws:sagemaker:{REGION}:{HUB}:model-package/none/1"
PATTERN = {
    "source": ["aws.sagemaker"],
    "detail-type": [
        "SageMaker Model Package State Change",
        "SageMaker Model Card State Change",
        "SageMaker Endpoint State Change",
        "AWS API Call via CloudTrail",
    ],
}
SETTINGS = '[respond]\nmode = "{mode}"\nwait_minutes = 60\n'
CONTEXT = SimpleNamespace(
    function_name="modelwarden-events",
    memory_limit_in_mb=1024,
    invoked_function_arn=f"arn:aws:lambda:{REGION}:{HUB}:function:modelwarden-events",
    aws_request_id="00000000-0000-0000-0000-000000000000",
    get_remaining_time_in_millis=lambda: 60_000,
)


@dataclass
class Hub:
    """What the templates deploy, made by hand in the simulated organization."""

    registry: Registry
    monkeypatch: pytest.MonkeyPatch
    queue: str = ""
    dead: str = ""
    heard: str = ""
    """URL of a queue that listens to the topic."""
    seconds: int = 0
    """How far the clock is."""
    made: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.registry.client(HOME, service)

    def approve(self, ending: str, stage: str = "Production", **more: Any) -> str:
        """Somebody of the spoke approves a package; its ARN."""
        arn = self.registry.arn(ending)
        self.registry.client(arn).update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus="Approved",
            ModelLifeCycle={"Stage": stage, "StageStatus": "Approved"},
            **more,
        )
        return arn

    def status(self, arn: str) -> str:
        return str(self.registry.describe(arn)["ModelApprovalStatus"])

    def set_up(self, mode: str = "enforce", more: str = "", top: str = "", records: str = "") -> None:
        """The function with the organization layer of the demo and this mode; its clock is that of the scenario."""
        names = (
            f'store = "dynamodb://hub-state?region={REGION}"\nrecords = "{records or "s3://hub-records/kept"}"\n{top}'
        )
        options = self.registry.pack(SETTINGS.format(mode=mode) + more, top=names)
        environment = {
            **self.registry.environment,
            "AWS_REGION": REGION,
            "MODELWARDEN_ORGANIZATION": options[1],
            "MODELWARDEN_ORGANIZATION_DIGEST": options[3],
            "QUEUE_URL": self.queue,
            "ARCHIVE": "s3://hub-records/all",
            "TOPIC_ARN": self.made["topic"],
            "BUS_NAME": "hub",
        }
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_"))]:
            self.monkeypatch.delenv(name)
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        self.desk = replace(desk_of(environment), now=self.now)
        self.monkeypatch.setattr(events, "desk", lambda: self.desk)

    desk: Desk = field(init=False)

    def now(self) -> str:
        hours, rest = divmod(self.seconds, 3600)
        return f"{CLOCK[:11]}{6 + hours:02}:{rest // 60:02}:{rest % 60:02}Z"

    def batch(self) -> list[dict[str, Any]]:
        """Up to ten messages, as the event source mapping hands them over."""
        got = self.client("sqs").receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=0
        )
        return [
            {
                "messageId": one["MessageId"],
                "receiptHandle": one["ReceiptHandle"],
                "body": one["Body"],
                "attributes": one["Attributes"],
                "messageAttributes": {},
                "md5OfBody": one["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": self.made["queue"],
                "awsRegion": REGION,
            }
            for one in got.get("Messages", [])
        ]

    def pump(self, most: int = 20) -> list[str]:
        """Hand every message to the function until none is visible; ids of those that failed. moto's own event source
        mapping ignores `batchItemFailures`, so this is ours."""
        failed: list[str] = []
        for _ in range(most):
            records = self.batch()
            if not records:
                return failed
            told = events.handler({"Records": records}, CONTEXT)
            again = {one["itemIdentifier"] for one in told["batchItemFailures"]}
            failed += sorted(again)
            for one in records:
                if one["messageId"] not in again:
                    self.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=one["receiptHandle"])
        raise AssertionError(f"the queue is not empty after {most} batches")

    def bodies(self) -> list[str]:
        """Take every message out of the queue, in the order in which they came."""
        found = []
        while records := self.batch():
            for one in records:
                found.append(one["body"])
                self.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=one["receiptHandle"])
        return found

    def send(self, *bodies: str | dict[str, Any]) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.client("sqs").send_message(QueueUrl=self.queue, MessageBody=text)

    def claims(self, arn: str) -> list[Claim]:
        return sorted(self.desk.claims.of(arn), key=lambda one: one.run)

    def archived(self, prefix: str = "all/") -> list[Run]:
        s3 = self.client("s3")
        names = [one["Key"] for one in s3.list_objects_v2(Bucket="hub-records", Prefix=prefix).get("Contents", [])]
        bodies = (s3.get_object(Bucket="hub-records", Key=name)["Body"].read() for name in sorted(names))
        return [Run.from_json(json.loads(body)) for body in bodies]

    def told(self) -> list[dict[str, Any]]:
        """What the topic published."""
        got = self.client("sqs").receive_message(QueueUrl=self.heard, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(one["Body"])["Message"]) for one in got]

    def shown(self) -> dict[str, tuple[str, str, str]]:
        """What Security Hub holds: control -> status, workflow, record state."""
        return {
            one["ProductFields"]["modelwarden/control"]: (
                one["Compliance"]["Status"],
                one["Workflow"]["Status"],
                one["RecordState"],
            )
            for one in self.findings()
        }

    def findings(self) -> list[dict[str, Any]]:
        return list(self.client("securityhub").get_findings(MaxResults=100)["Findings"])

    def dead_letters(self) -> list[str]:
        got = self.client("sqs").receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10).get("Messages", [])
        return [one["Body"] for one in got]


@pytest.fixture
def hub(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with nothing in it, and the registry as the scenario has it."""
    with restored(running, tmp_path) as registry:
        found = Hub(registry, monkeypatch)
        build(found)
        yield found
        tear_down(found)


def build(hub: Hub) -> None:
    sqs, sns, bus = hub.client("sqs"), hub.client("sns"), hub.client("events")
    properties = json.loads(json.dumps(loads(TEMPLATE.read_text())))["Resources"]["Table"]["Properties"]
    hub.client("dynamodb").create_table(TableName="hub-state", **{key: properties[key] for key in CREATED})
    hub.client("s3").create_bucket(Bucket="hub-records", CreateBucketConfiguration={"LocationConstraint": REGION})
    hub.dead = sqs.create_queue(QueueName="hub-dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{HUB}:hub-dead", "maxReceiveCount": 3})
    hub.queue = sqs.create_queue(
        QueueName="hub-events", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"}
    )["QueueUrl"]
    hub.heard = sqs.create_queue(QueueName="hub-heard")["QueueUrl"]
    hub.made["queue"] = f"arn:aws:sqs:{REGION}:{HUB}:hub-events"
    hub.made["topic"] = sns.create_topic(Name="hub-decisions")["TopicArn"]
    sns.subscribe(TopicArn=hub.made["topic"], Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{HUB}:hub-heard")
    bus.create_event_bus(Name="hub")
    bus.put_rule(Name="to-queue", EventBusName="hub", EventPattern=json.dumps(PATTERN))
    bus.put_targets(Rule="to-queue", EventBusName="hub", Targets=[{"Id": "queue", "Arn": hub.made["queue"]}])
    spoke = hub.registry.client(f"arn:aws:sagemaker:{REGION}:{SPOKE}:x", "events")
    spoke.put_rule(Name="to-hub", EventPattern=json.dumps(PATTERN))
    spoke.put_targets(Rule="to-hub", Targets=[{"Id": "hub", "Arn": f"arn:aws:events:{REGION}:{HUB}:event-bus/hub"}])


def tear_down(hub: Hub) -> None:
    s3, sqs = hub.client("s3"), hub.client("sqs")
    for entry in s3.list_objects_v2(Bucket="hub-records").get("Contents", []):
        s3.delete_object(Bucket="hub-records", Key=entry["Key"])
    s3.delete_bucket(Bucket="hub-records")
    hub.client("dynamodb").delete_table(TableName="hub-state")
    for url in (hub.queue, hub.dead, hub.heard):
        sqs.delete_queue(QueueUrl=url)
    hub.client("securityhub").enable_security_hub()
    hub.client("securityhub").disable_security_hub()  # which forgets its findings
    hub.client("sns").delete_topic(TopicArn=hub.made["topic"])
    spoke = hub.registry.client(f"arn:aws:sagemaker:{REGION}:{SPOKE}:x", "events")
    spoke.remove_targets(Rule="to-hub", Ids=["hub"])
    spoke.delete_rule(Name="to-hub")
    hub.client("events").delete_event_bus(Name="hub")


@pytest.fixture
def night(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """A hub with the buckets of the scan."""
    from .night import TABLES, WORK, Night  # which is made of what stands above

    s3 = hub.client("s3")
    for bucket in (WORK, TABLES):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    found = Night(hub, monkeypatch)
    yield found
    for bucket in (WORK, TABLES):
        for key in found.names(bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)
