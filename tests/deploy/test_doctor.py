"""`doctor --deployment` on a hub that CloudFormation made: every part that is broken is named, and none that was not read is ok.

What the simulated CloudFormation leaves out is made by hand; as it leaves it, doctor finds it wanting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.session import Session, get_session
from msgspec.structs import replace

from modelwarden.checkup import CANNOT_TELL, OK, WRONG, Part
from modelwarden.collect.aws import Access, Answer, Aws, Failure, Tape
from modelwarden.deployment.check import check, exit_code
from modelwarden.deployment.events import KINDS
from modelwarden.deployment.hub import Hub as Stood
from modelwarden.deployment.hub import NoStack, Resource, hub_of
from modelwarden.evidence import Source
from modelwarden.snapshot import RowState
from tests.aws.conftest import HUB, REGION, SPOKE
from tests.command import inside
from tests.store.conftest import CREATED

from . import wrongs
from .stacks import BUCKET, PACK, STACK, Deployed, deployed
from .templates import ROOT, load, resources

pytestmark = pytest.mark.sandbox_only

TABLE, BUS = f"{STACK}-state", f"{STACK}-intake"
QUEUE, DEAD = (f"arn:aws:sqs:{REGION}:{HUB}:{STACK}-events{end}" for end in ("", "-dead"))
LOCKED = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 7}}}
PRIVATE = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@dataclass
class Whole:
    """The hub as AWS would have made it, and what doctor says of it."""

    made: Deployed
    added: dict[str, Resource]
    """What the simulated CloudFormation does not list."""

    session: Session
    """Of botocore: what it has loaded is shared."""

    def aws(self) -> Aws:
        return Aws(Access(attempts=1), Tape(), self.session)

    def stood(self, aws: Aws | None = None) -> Stood:
        hub = hub_of(aws or self.aws(), REGION, STACK)
        return hub if isinstance(hub.resources, Failure) else replace(hub, resources={**hub.resources, **self.added})

    def parts(self, aws: Aws | None = None, account: str | None = None) -> dict[str, Part]:
        return {part.name: part for part in check(self.stood(aws), account)}

    def wrong(self) -> dict[str, str]:
        """Part -> what is said, of all that are not ok."""
        return {name: part.said for name, part in self.parts().items() if part.state != OK}

    def client(self, service: str) -> Any:
        return self.made.client(service)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with pytest.MonkeyPatch.context() as patch, deployed(tmp_path_factory.mktemp("doctor"), patch) as found:
        yield found


@pytest.fixture(scope="module")
def whole(bare: Deployed) -> Whole:
    data, topic = bare.outputs["DataKeyArn"], bare.outputs["AlarmTopicArn"]
    dynamodb, s3, cloudwatch = bare.client("dynamodb"), bare.client("s3"), bare.client("cloudwatch")
    table = resources(load("hub.yaml"), "AWS::DynamoDB::Table")["Table"]
    dynamodb.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=TABLE)
    sealed = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": data}
    created = {key: table[key] for key in CREATED}
    dynamodb.create_table(TableName=TABLE, SSESpecification=sealed, DeletionProtectionEnabled=True, **created)
    dynamodb.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )
    s3.delete_bucket(Bucket=BUCKET)
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=where)
    s3.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=LOCKED)
    encrypt(bare, "aws:kms")
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=PRIVATE)
    group, logs = f"/aws/lambda/{STACK}-events", bare.client("logs")
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group, kmsKeyId=data)
    logs.put_retention_policy(logGroupName=group, retentionInDays=400)
    bare.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=DEAD)
    open_bus(bare, "o-sandbox0000")
    bare.client("lambda").create_event_source_mapping(
        FunctionName=f"{STACK}-events", EventSourceArn=QUEUE, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    added = {"Intake": Resource("AWS::Events::EventBus", BUS)}
    key = bare.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    added["SigningKey"] = Resource("AWS::KMS::Key", key)
    for name in resources(load("hub.yaml"), "AWS::CloudWatch::Alarm"):
        added[name] = Resource("AWS::CloudWatch::Alarm", f"{STACK}-{name}")
        alarm(bare, name, [topic])
    assert cloudwatch.describe_alarms()["MetricAlarms"]
    return Whole(bare, added, get_session())


def alarm(made: Deployed, name: str, told: list[str]) -> None:
    rule = {"Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0}
    made.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{STACK}-{name}",
        AlarmActions=told,
        ComparisonOperator="GreaterThanThreshold",
        MetricName="x",
        Namespace="y",
        **rule,
    )


def encrypt(made: Deployed, algorithm: str) -> None:
    own = {"KMSMasterKeyID": made.outputs["DataKeyArn"]} if algorithm == "aws:kms" else {}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm, **own}}
    made.client("s3").put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


def open_bus(made: Deployed, organization: str) -> None:
    made.client("events").put_permission(
        EventBusName=BUS,
        StatementId="organization",
        Action="events:PutEvents",
        Principal="*",
        Condition={"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": organization},
    )


def rule(made: Deployed, **changes: Any) -> None:
    """The rule anew, with members of its pattern replaced; None takes one out."""
    (name,) = [one["Name"] for one in made.client("events").list_rules(EventBusName=BUS)["Rules"]]
    pattern = {"source": ["aws.sagemaker"], "detail-type": list(KINDS)} | changes
    given = json.dumps({key: value for key, value in pattern.items() if value is not None})
    made.client("events").put_rule(Name=name, EventBusName=BUS, EventPattern=given)


def target(made: Deployed, arn: str) -> None:
    (name,) = [one["Name"] for one in made.client("events").list_rules(EventBusName=BUS)["Rules"]]
    made.client("events").put_targets(Rule=name, EventBusName=BUS, Targets=[{"Id": "queue", "Arn": arn}])


def queue(made: Deployed, **attributes: str) -> None:
    made.client("sqs").set_queue_attributes(QueueUrl=made.queue, Attributes=attributes)


def redrive(made: Deployed, arn: str) -> None:
    queue(made, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}))


def mapping(made: Deployed, **changes: Any) -> None:
    lambda_ = made.client("lambda")
    (found,) = lambda_.list_event_source_mappings(FunctionName=f"{STACK}-events")["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=found["UUID"], FunctionName=f"{STACK}-events", **changes)


def environment(made: Deployed, **changes: str) -> None:
    variables = {**made.function["Environment"]["Variables"], **changes}
    made.client("lambda").update_function_configuration(
        FunctionName=f"{STACK}-events", Environment={"Variables": variables}
    )


def pack(made: Deployed, data: bytes) -> None:
    made.client("s3").put_object(Bucket="policies", Key="pack.tar.gz", Body=data)


Act = Callable[[Deployed], object]


def of(service: str, operation: str, **given: Any) -> Act:
    return lambda made: getattr(made.client(service), operation)(**given)


NAME = {"FunctionName": f"{STACK}-events"}
BREAKS: dict[str, tuple[Act, Act, str, str]] = {
    "handler": (
        of("lambda", "update_function_configuration", **NAME, Handler="x.y"),
        of("lambda", "update_function_configuration", **NAME, Handler="modelwarden.aws.events.handler"),
        "function",
        "its handler is x.y",
    ),
    "nothing reserved": (
        of("lambda", "delete_function_concurrency", **NAME),
        of("lambda", "put_function_concurrency", **NAME, ReservedConcurrentExecutions=10),
        "reserved concurrency",
        "none is reserved: others can use up the account's",
    ),
    "stopped": (
        of("lambda", "put_function_concurrency", **NAME, ReservedConcurrentExecutions=0),
        of("lambda", "put_function_concurrency", **NAME, ReservedConcurrentExecutions=10),
        "reserved concurrency",
        "it is 0: the function is not let run",
    ),
    "source off": (
        lambda made: mapping(made, Enabled=False),
        lambda made: mapping(made, Enabled=True),
        "event source",
        "it is Disabled",
    ),
    "another digest": (
        lambda made: environment(made, MODELWARDEN_ORGANIZATION_DIGEST="sha256:" + "0" * 64),
        environment,
        "policy pack",
        "and the function is pinned to sha256:0000",
    ),
    "not pinned": (
        lambda made: environment(made, MODELWARDEN_ORGANIZATION_DIGEST=""),
        environment,
        "policy pack",
        "the function's environment pins no pack in S3",
    ),
    "pack away": (
        of("s3", "delete_object", Bucket="policies", Key="pack.tar.gz"),
        lambda made: pack(made, made.pack),
        "policy pack",
        "s3:GetObject: ",
    ),
    "pack changed": (
        lambda made: pack(made, b"no archive"),
        lambda made: pack(made, made.pack),
        "policy pack",
        f"{PACK}: ",
    ),
    "shown too early": (
        lambda made: queue(made, VisibilityTimeout="719"),
        lambda made: queue(made, VisibilityTimeout="720"),
        "queue",
        "it shows a message again after 719 s, less than six times 120 s",
    ),
    "redriven elsewhere": (
        lambda made: redrive(made, QUEUE),
        lambda made: redrive(made, DEAD),
        "queue",
        "nothing keeps what is given up",
    ),
    "given up": (
        lambda made: made.client("sqs").send_message(QueueUrl=made.dead, MessageBody="x"),
        lambda made: made.client("sqs").purge_queue(QueueUrl=made.dead),
        "dead letters",
        "1 events were given up: nobody judged what they hint at",
    ),
    "deaf": (
        lambda made: rule(made, **{"detail-type": [KINDS[0]]}),
        rule,
        "rule",
        f"it does not hear {KINDS[1]}, {KINDS[2]}, ",
    ),
    "half deaf": (
        lambda made: rule(made, detail={"x": ["y"]}),
        rule,
        "rule",
        "it hears a part alone, by detail",
    ),
    "any source": (lambda made: rule(made, source=["x"]), rule, "rule", 'its source is ["x"]'),
    "another target": (
        lambda made: target(made, DEAD),
        lambda made: target(made, QUEUE),
        "rule's target",
        f"{QUEUE} is none of them",
    ),
    "another organization": (
        lambda made: open_bus(made, "o-other00000"),
        lambda made: open_bus(made, "o-sandbox0000"),
        "bus policy",
        "its statement `organization` is not for the organization o-sandbox0000 alone",
    ),
    "closed bus": (
        of("events", "remove_permission", EventBusName=BUS, StatementId="organization"),
        lambda made: open_bus(made, "o-sandbox0000"),
        "bus policy",
        "no account may put events into it",
    ),
    "unprotected": (
        of("dynamodb", "update_table", TableName=TABLE, DeletionProtectionEnabled=False),
        of("dynamodb", "update_table", TableName=TABLE, DeletionProtectionEnabled=True),
        "table",
        "it can be deleted",
    ),
    "no backups": (
        of(
            "dynamodb",
            "update_continuous_backups",
            TableName=TABLE,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
        of(
            "dynamodb",
            "update_continuous_backups",
            TableName=TABLE,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        ),
        "table's backups",
        "point-in-time recovery is DISABLED",
    ),
    "no expiry": (
        of(
            "dynamodb",
            "update_time_to_live",
            TableName=TABLE,
            TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
        ),
        of(
            "dynamodb",
            "update_time_to_live",
            TableName=TABLE,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        ),
        "table's expiry",
        "it is DISABLED on ",
    ),
    "no versions": (
        of("s3", "put_bucket_versioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}),
        of("s3", "put_bucket_versioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}),
        "bucket's versions",
        "they are Suspended",
    ),
    "of S3's own key": (
        lambda made: encrypt(made, "AES256"),
        lambda made: encrypt(made, "aws:kms"),
        "bucket's encryption",
        "it is AES256 by a key of AWS, and not by the data key",
    ),
    "public": (
        of(
            "s3",
            "put_public_access_block",
            Bucket=BUCKET,
            PublicAccessBlockConfiguration={**PRIVATE, "BlockPublicPolicy": False},
        ),
        of("s3", "put_public_access_block", Bucket=BUCKET, PublicAccessBlockConfiguration=PRIVATE),
        "bucket's public access",
        "BlockPublicPolicy is off",
    ),
    "no block": (
        of("s3", "delete_public_access_block", Bucket=BUCKET),
        of("s3", "put_public_access_block", Bucket=BUCKET, PublicAccessBlockConfiguration=PRIVATE),
        "bucket's public access",
        "s3:GetPublicAccessBlock: The public access block configuration was not found",
    ),
    "kept for ever": (
        of("logs", "delete_retention_policy", logGroupName=f"/aws/lambda/{STACK}-events"),
        of("logs", "put_retention_policy", logGroupName=f"/aws/lambda/{STACK}-events", retentionInDays=400),
        "log",
        "it is kept for ever",
    ),
    "alarm away": (
        of("cloudwatch", "delete_alarms", AlarmNames=[f"{STACK}-ErrorsAlarm"]),
        lambda made: alarm(made, "ErrorsAlarm", [made.outputs["AlarmTopicArn"]]),
        "alarms",
        "modelwarden-ErrorsAlarm is not there",
    ),
    "alarm for nobody": (
        lambda made: alarm(made, "ErrorsAlarm", []),
        lambda made: alarm(made, "ErrorsAlarm", [made.outputs["AlarmTopicArn"]]),
        "alarms",
        "modelwarden-ErrorsAlarm tells nobody",
    ),
    "alarm rings": (
        of(
            "cloudwatch",
            "set_alarm_state",
            AlarmName=f"{STACK}-ErrorsAlarm",
            StateValue="ALARM",
            StateReason="3 errors",
        ),
        of("cloudwatch", "set_alarm_state", AlarmName=f"{STACK}-ErrorsAlarm", StateValue="OK", StateReason="none"),
        "alarms",
        "modelwarden-ErrorsAlarm rings: 3 errors",
    ),
}
"""What is broken -> how, how it is mended, the part that says so, and its words."""


def test_a_whole_hub_is_ok(whole: Whole) -> None:
    assert whole.wrong() == {}
    assert exit_code(tuple(whole.parts().values())) == 0


@pytest.mark.parametrize("name", BREAKS)
def test_a_part_that_is_broken_is_named_and_no_other(whole: Whole, name: str) -> None:
    broken, mended, part, says = BREAKS[name]
    broken(whole.made)
    try:
        parts = whole.parts()
    finally:
        mended(whole.made)
    wrong = {name: one.said for name, one in parts.items() if one.state != OK}
    follows = {"settings"} if part == "policy pack" else set()
    assert set(wrong) == {part} | follows
    assert says in wrong[part]
    assert (parts[part].state, parts[part].help != "") == (WRONG, True)
    assert whole.wrong() == {}


class Twisted(Aws):
    """The hub, of which one operation answers otherwise."""

    def __init__(
        self, whole: Whole, api: str, told: Callable[[Mapping[str, Any]], Mapping[str, Any]] | Failure
    ) -> None:
        super().__init__(Access(attempts=1), Tape(), whole.session)
        self._api, self._told = api, told

    def call(self, account: str, region: str, service: str, operation: str, **given: Any) -> Answer | Failure:
        found = super().call(account, region, service, operation, **given)
        if f"{service}:{operation}" != self._api:
            return found
        if isinstance(self._told, Failure):
            return self._told
        assert isinstance(found, Answer)
        return replace(found, data=self._told(json.loads(json.dumps(found.data, default=str))))


def within(*path: str, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(data: dict[str, Any]) -> dict[str, Any]:
        place = data
        for key in path[:-1]:
            place = place[int(key) if key.isdigit() else key]  # type: ignore[call-overload]
        place[path[-1]] = value
        return data

    return change


@pytest.mark.parametrize(
    ("api", "change", "part", "says"),
    [
        (
            "cloudformation:DescribeStacks",
            within("Stacks", "0", "StackStatus", value="UPDATE_ROLLBACK_COMPLETE"),
            "stack",
            "it is UPDATE_ROLLBACK_COMPLETE",
        ),
        ("lambda:GetFunctionConfiguration", within("State", value="Failed"), "function", "its state is Failed: "),
        (
            "lambda:GetFunctionConfiguration",
            within("LastUpdateStatus", value="InProgress"),
            "function",
            "its last update is InProgress: ",
        ),
        (
            "lambda:ListEventSourceMappings",
            within("EventSourceMappings", value=[]),
            "event source",
            "nothing hands the function what lies in ",
        ),
        (
            "lambda:ListEventSourceMappings",
            within("EventSourceMappings", "0", "FunctionResponseTypes", value=[]),
            "event source",
            "one failure repeats a whole batch",
        ),
        ("sqs:GetQueueAttributes", within("Attributes", "KmsMasterKeyId", value=""), "queue", "it is not encrypted"),
        (
            "s3:GetBucketEncryption",
            within(
                "ServerSideEncryptionConfiguration",
                "Rules",
                "0",
                "ApplyServerSideEncryptionByDefault",
                "KMSMasterKeyID",
                value="arn:aws:kms:eu-west-1:111111111111:key/other",
            ),
            "bucket's encryption",
            "it is aws:kms by arn:aws:kms:eu-west-1:111111111111:key/other, and not by the data key",
        ),
        ("logs:DescribeLogGroups", within("logGroups", "0", "kmsKeyId", value="other"), "log", "it is not encrypted"),
        ("events:DescribeRule", within("State", value="DISABLED"), "rule", "it is DISABLED"),
        (
            "dynamodb:DescribeTable",
            within("Table", "KeySchema", value=[{"AttributeName": "id", "KeyType": "HASH"}]),
            "table",
            "its key is not pk and sk",
        ),
        (
            "dynamodb:DescribeTable",
            within("Table", "GlobalSecondaryIndexes", value=[]),
            "table",
            "it has no index `cells`",
        ),
        (
            "dynamodb:DescribeTable",
            within("Table", "SSEDescription", value={}),
            "table",
            "it is not encrypted under the data key",
        ),
        (
            "s3:GetObjectLockConfiguration",
            within("ObjectLockConfiguration", value={"ObjectLockEnabled": "Enabled"}),
            "bucket's Object Lock",
            "there is no default retention",
        ),
        (
            "s3:GetObjectLockConfiguration",
            Failure(
                "unreachable", "ObjectLockConfigurationNotFoundError", "none", Source("s3:GetObjectLockConfiguration")
            ),
            "bucket's Object Lock",
            "none",
        ),
        ("logs:DescribeLogGroups", within("logGroups", value=[]), "log", "/aws/lambda/modelwarden-events is not there"),
        ("sns:ListSubscriptionsByTopic", within("Subscriptions", value=[]), "who hears alarms", "nobody"),
        (
            "sns:ListSubscriptionsByTopic",
            within("Subscriptions", "0", "SubscriptionArn", value="PendingConfirmation"),
            "who hears alarms",
            "nobody: 1 subscriptions are not confirmed",
        ),
        (
            "kms:DescribeKey",
            within("KeyMetadata", "KeySpec", value="RSA_2048"),
            "signing key",
            "it is RSA_2048 for SIGN_VERIFY",
        ),
    ],
)
def test_what_the_simulation_cannot_be_brought_to_is_named_too(
    whole: Whole, api: str, change: Any, part: str, says: str
) -> None:
    found = whole.parts(Twisted(whole, api, change))[part]
    assert (found.state, says in found.said, found.help != "") == (WRONG, True, True), found


def test_a_function_whose_variables_are_sealed_is_not_made_out_to_be_wrong(whole: Whole) -> None:
    sealed = within("Environment", value={"Error": {"ErrorCode": "AccessDeniedException", "Message": "no"}})
    found = whole.parts(Twisted(whole, "lambda:GetFunctionConfiguration", sealed))
    assert (found["policy pack"].state, found["settings"].state) == (CANNOT_TELL, CANNOT_TELL)
    assert found["policy pack"].said == "the function's environment: AccessDeniedException: no"


def calls(whole: Whole) -> set[str]:
    """Operations that doctor calls, without a spoke."""
    aws = whole.aws()
    whole.parts(aws)
    return {row.api for row in aws.ledger()}


def without(whole: Whole, kind: str, api: str) -> dict[str, Part]:
    """What doctor says without one operation."""
    # By their protocol and their paths the sandbox does not know operations of these two.
    if api.partition(":")[0] in ("cloudwatch", "lambda"):
        state: RowState = "denied" if kind == "deny" else "unreachable"
        return whole.parts(Twisted(whole, api, Failure(state, "Refused", "no", Source(api))))
    whole.made.registry.fail(kind=kind, op=api)
    parts = whole.parts()
    whole.made.registry.sandbox.gateway.faults.clear()
    return parts


@pytest.mark.parametrize("kind", ["deny", "drop"])
def test_nothing_that_could_not_be_read_is_ok(whole: Whole, kind: str) -> None:
    """One call after the other: what rests on it is no more ok, and nothing is made out to be wrong."""
    before = whole.parts()
    for api in sorted(calls(whole) - {"sts:GetCallerIdentity"}):
        parts = without(whole, kind, api)
        lost = [parts[name] for name in before if name in parts and parts[name] != before[name]]
        assert {part.state for part in lost} == {CANNOT_TELL}, api
        assert exit_code(tuple(parts.values())) == 3
        assert any(part.said.startswith(f"{api}: ") for part in lost), api
        says = f"grant {api} to whoever asks" if kind == "deny" else "run it again later"
        assert any(part.help == says for part in lost), api


def test_an_answer_of_another_form_is_not_ok(whole: Whole) -> None:
    for api in sorted(
        calls(whole) - {"sts:GetCallerIdentity", "s3:GetObject", "cloudformation:DescribeStackResources"}
    ):
        parts = whole.parts(Twisted(whole, api, lambda _: {}))
        assert any(part.state != OK for part in parts.values()), api


def test_there_is_no_such_stack(whole: Whole) -> None:
    with pytest.raises(NoStack, match=r"^there is no stack `other` in eu-west-1: "):
        hub_of(whole.aws(), REGION, "other")


def test_settings_that_name_other_places_are_named(whole: Whole) -> None:
    whole.added["Table"] = Resource("AWS::DynamoDB::Table", "other")
    try:
        said = whole.parts()["settings"]
    finally:
        del whole.added["Table"]
    assert said.state == WRONG
    assert said.said == f"`store` is dynamodb://{TABLE}?region={REGION}, and the table other"


def test_the_roles_of_an_account_are_proven_by_the_function_alone(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = whole.parts(account=SPOKE)["reader role"]
    assert told.state == CANNOT_TELL
    assert told.said.endswith("by arn:aws:iam::111111111111:user/sandbox, and the function is modelwarden-events")
    arn = whole.made.outputs["FunctionRoleArn"]
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"}, "Action": "sts:AssumeRole"}
            ],
        }
    )
    whole.client("iam").update_assume_role_policy(RoleName=f"{STACK}-events", PolicyDocument=trust)
    session = whole.client("sts").assume_role(RoleArn=arn, RoleSessionName="function")["Credentials"]
    for name, value in (
        ("ACCESS_KEY_ID", "AccessKeyId"),
        ("SECRET_ACCESS_KEY", "SecretAccessKey"),
        ("SESSION_TOKEN", "SessionToken"),
    ):
        monkeypatch.setenv(f"AWS_{name}", session[value])
    parts = whole.parts(Aws(Access(attempts=1), Tape()), SPOKE)
    assert {name: parts[name].state for name in ("reader role", "enforcer role")} == {
        "reader role": OK,
        "enforcer role": OK,
    }
    whole.made.registry.fail(kind="deny", op="sts:AssumeRole")
    refused = whole.parts(Aws(Access(attempts=1), Tape()), SPOKE)["reader role"]
    whole.made.registry.sandbox.gateway.faults.clear()
    assert (refused.state, refused.said.startswith(f"ModelwardenReader in {SPOKE}: ")) == (WRONG, True)


def test_the_command_says_it_in_words_and_ends_by_it(bare: Deployed, whole: Whole, tmp_path: Any) -> None:
    """By itself it sees what the simulated CloudFormation lists: no bus and no alarms, and another key."""
    arguments = ("doctor", "--deployment", STACK, "--region", REGION, "--retries", "0")
    done = inside(*arguments, folder=tmp_path, environment=bare.registry.environment)
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert "ok          function" in lines
    at = lines.index("wrong       signing key")
    assert lines[at + 1 : at + 3] == [
        "            said     it is SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT",
        "            help     enable it, or begin a new log with a key of that kind",
    ]
    assert re.fullmatch(r"22 parts of the hub `modelwarden`: \d+ ok, 4 wrong", lines[-1])
    done = inside(*arguments, "--format", "json", folder=tmp_path, environment=bare.registry.environment)
    told = json.loads(done.out)
    assert (told["schema"], told["stack"], len(told["parts"])) == ("modelwarden.doctor.deployment/1", STACK, 22)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--deployment", "x", "arn:aws:x"), "ARN has no effect beside --deployment"),
        (("--deployment", "x", "--scan"), "--scan has no effect beside --deployment"),
        (("--deployment", "x", "--role", "y"), "--role has no effect beside --deployment"),
        (("--deployment", "x", "--account", "y"), "--account: `y` is not an account id"),
        (("--account", "111111111111"), "--account has no effect without --deployment"),
        (("--deployment", "nowhere"), "there is no stack `nowhere` in eu-west-1"),
    ],
)
def test_a_question_that_is_none_is_exit_2(
    bare: Deployed, tmp_path: Any, arguments: tuple[str, ...], says: str
) -> None:
    done = inside("doctor", *arguments, "--region", REGION, folder=tmp_path, environment=bare.registry.environment)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_the_kinds_are_those_that_the_function_reads() -> None:
    assert set(KINDS) == wrongs.KINDS


def test_the_page_lists_what_doctor_asks(whole: Whole) -> None:
    """IAM actions, where they have another name than the operation."""
    named = {
        "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
        "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    }
    page = (ROOT / "docs/deployment.md").read_text()
    (listed,) = re.findall(r"^It asks with(.*?)\.$", page, re.MULTILINE | re.DOTALL)
    asked = {named.get(api, api) for api in calls(whole) - {"sts:GetCallerIdentity"}}
    assert set(re.findall(r"`([a-z0-9]+:\w+)`", listed)) == asked
