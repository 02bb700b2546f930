"""The templates are ones that CloudFormation takes, agree with each other and with the code, and each check would see it if not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samtranslator.model.exceptions import InvalidDocumentException

from .templates import DEPLOY, Template, load, resources, translated
from .wrongs import cron, unargued, wrongs

ALL = sorted(str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*.yaml"))
EXAMPLES = [DEPLOY.parent / "examples" / name for name in ("codebuild/pipeline.yaml", "projects/promotion.yaml")]
HUB, SPOKE = load("hub.yaml"), load("spoke.yaml")
API, CHECK, HOOK = load("api.yaml"), load("deploy-check.yaml"), load("deploy-hook.yaml")
SCAN, GATE = load("scan.yaml"), load("pipeline.yaml")
SERVERLESS = {"hub": HUB, "api": API, "deploy-check": CHECK, "scan": SCAN, "pipeline": GATE}
"""What SAM makes something else of."""


def test_cfn_lint_has_nothing_to_say(tmp_path: Path) -> None:
    """Of every template, those of the examples among them, and of what SAM makes of some, where it sees
    more. One process: its start takes its time."""
    made = [tmp_path / f"{name}.translated.json" for name in SERVERLESS]
    for path, template in zip(made, SERVERLESS.values(), strict=True):
        path.write_text(json.dumps(translated(template)))
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [linter, "--non-zero-exit-code", "informational", "--include-checks", "I", "--", *ALL, *EXAMPLES, *made],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(
    "template", [*map(translated, SERVERLESS.values()), SPOKE, HOOK], ids=[*SERVERLESS, "spoke", "hook"]
)
def test_nothing_is_wrong_that_a_linter_does_not_see(template: Template) -> None:
    assert wrongs(template) == []


@pytest.mark.parametrize("name", ALL)
def test_every_wildcard_is_argued_for(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert unargued(load(name), text) == []
    assert "arn:aws" not in text.replace('"^arn:', "")


Change = Callable[[Template], object]


def at(*path: Any) -> Callable[[Any], Change]:
    """`at(logical id, ..., key)(value)`: sets a value inside of a resource's properties; `...` removes it."""

    def to(value: Any) -> Change:
        def change(template: Template) -> None:
            place = template["Resources"][path[0]]["Properties"]
            for key in path[1:-1]:
                place = place[key]
            if value is ...:
                del place[path[-1]]
            else:
                place[path[-1]] = value

        return change

    return to


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (at("Queue", "VisibilityTimeout")(719), "EventsQueue: the queue shows a message again before six times"),
        (at("Events", "Timeout")(900), "EventsQueue: the queue shows a message again before six times"),
        (at("Queue", "RedrivePolicy")(...), "Queue: nothing keeps what is given up"),
        (at("Queue", "KmsMasterKeyId")(...), "Queue: is not encrypted"),
        (at("DeadLetters", "MessageRetentionPeriod")(...), "DeadLetters: is kept for less than 14 days"),
        (at("DeadLettersAlarm", "Dimensions", 0, "Value")("other"), "DeadLetters: no alarm watches it"),
        (at("Events", "Events", "Queue", "Properties", "FunctionResponseTypes")(...), "EventsQueue: one failure"),
        (at("Events", "ReservedConcurrentExecutions")(1), "EventsQueue: takes more or fewer batches"),
        (at("Events", "ReservedConcurrentExecutions")(...), "Events: others can use up its concurrency"),
        (
            at("Events", "Handler")("modelwarden.aws.event.handler"),
            "Events: modelwarden.aws.event.handler is not there",
        ),
        (
            at("Events", "Handler")("modelwarden.aws.events.handle"),
            "Events: modelwarden.aws.events.handle is not there",
        ),
        (at("Events", "Runtime")("python3.12"), "Events: its code is built for another runtime"),
        (at("Events", "Tracing")("Active"), "Events: tracing is not asked for"),
        (at("Events", "Environment", "Variables", "ARCHIVE")(...), "Events: ARCHIVE is not set"),
        (at("Events", "Environment", "Variables", "QUEUE")("x"), "Events: nobody reads QUEUE"),
        (at("Events", "Environment", "Variables", "MODELWARDEN_STORE")("x"), "Events: nobody reads MODELWARDEN_STORE"),
        (at("EventsLog", "RetentionInDays")(...), "EventsLog: is kept for ever"),
        (at("Events", "LoggingConfig")(...), "Events: Lambda makes its log group"),
        (at("IntoQueue", "EventPattern", "detail-typ")(["x"]), "IntoQueue: no event has `detail-typ`"),
        (at("IntoQueue", "EventPattern", "detail-type", 0)("x"), "rules and code differ about"),
        (at("UndecidedAlarm", "Namespace")("modelwardens"), "UndecidedAlarm: the function sends no such metric"),
        (at("ErrorsAlarm", "AlarmActions")(...), "ErrorsAlarm: tells nobody"),
        (at("Table", "Tags")(...), "Table: has no cost-center"),
        (at("EventsRole", "PermissionsBoundary")(...), "EventsRole: takes no permissions boundary"),
        (
            at("EventsRole", "Policies", 0, "PolicyDocument", "Statement", 0, "Action")("sqs:*"),
            "EventsRole: sqs:* allows more than it says",
        ),
    ],
)
def test_a_mistake_in_the_hub_is_seen(change: Change, says: str) -> None:
    wrong = load("hub.yaml")
    change(wrong)
    assert any(one.startswith(says) for one in wrongs(translated(wrong))), wrongs(translated(wrong))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            at("RegistryCalled", "EventPattern", "detail", "eventNames")(["x"]),
            "RegistryCalled: no event has `eventNames`",
        ),
        (at("RegistryCalled", "EventPattern", "detail", "eventName", 0)("ListModels"), "rules and code differ about"),
        (at("RegistryChanged", "EventPattern", "source")(["aws.s3"]), "RegistryChanged: is not about SageMaker alone"),
        (at("RegistryChanged", "Targets")([]), "RegistryChanged: has no target"),
        (at("Forwarder", "PermissionsBoundary")(...), "Forwarder: takes no permissions boundary"),
    ],
)
def test_a_mistake_in_the_spoke_is_seen(change: Change, says: str) -> None:
    wrong = load("spoke.yaml")
    change(wrong)
    assert any(one.startswith(says) for one in wrongs(wrong))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (at("Judge", "AuthorizationType")("NONE"), "Judge: anybody may call it"),
        (at("Judge", "AuthorizationType")(...), "Judge: anybody may call it"),
        (at("Runs", "Target")({"Fn::Sub": "integrations/${Answers}"}), "Runs: leads to nothing"),
        (at("Controls", "RouteKey")("GET /control"), "routes and code differ about ['GET /control', 'GET /controls']"),
        (
            at("Package", "RouteKey")("GET /packages/{arn}"),
            "routes and code differ about ['GET /packages/{arn+}', 'GET",
        ),
        (at("OpenApi", "RouteKey")("$default"), "routes and code differ about ['$default', 'GET /openapi.json']"),
        (at("Function", "PayloadFormatVersion")("1.0"), "Function: the function reads events of format 2.0"),
        (at("Answers", "Timeout")(30), "Function: API Gateway gives up before the function does"),
        (at("Stage", "DefaultRouteSettings", "ThrottlingRateLimit")(...), "Stage: takes as many calls as come"),
        (at("Stage", "AccessLogSettings")(...), "Stage: nobody sees who called"),
        (at("Stage", "Tags")(...), "Stage: has no cost-center"),
        (at("AccessLog", "RetentionInDays")(...), "AccessLog: is kept for ever"),
        (at("AnswersLog", "KmsKeyId")(...), "AnswersLog: is not encrypted"),
        (
            at("Answers", "Handler")("modelwarden.aws.apis.handler"),
            "Answers: modelwarden.aws.apis.handler is not there",
        ),
        (at("Answers", "ReservedConcurrentExecutions")(...), "Answers: others can use up its concurrency"),
        (
            at("Answers", "Environment", "Variables", "MODELWARDEN_ORGANIZATION_DIGEST")(...),
            "Answers: MODELWARDEN_ORGANIZATION_DIGEST is not set",
        ),
        (at("Answers", "Environment", "Variables", "ARCHIVE")("x"), "Answers: nobody reads ARCHIVE"),
        (
            at("Answers", "Environment", "Variables", "MODELWARDEN_RETRY")("2"),
            "Answers: nobody reads MODELWARDEN_RETRY",
        ),
        (at("FailuresAlarm", "AlarmActions")(...), "FailuresAlarm: tells nobody"),
        (at("AnswersRole", "PermissionsBoundary")(...), "AnswersRole: takes no permissions boundary"),
    ],
)
def test_a_mistake_in_the_api_is_seen(change: Change, says: str) -> None:
    wrong = load("api.yaml")
    change(wrong)
    assert any(one.startswith(says) for one in wrongs(translated(wrong))), wrongs(translated(wrong))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (
            "deploy-check.yaml",
            at("Check", "Environment", "Variables", "UNREGISTERED")(...),
            "Check: UNREGISTERED is not",
        ),
        (
            "deploy-check.yaml",
            at("Check", "Environment", "Variables", "QUEUE_URL")("x"),
            "Check: nobody reads QUEUE_URL",
        ),
        (
            "deploy-check.yaml",
            at("Check", "Handler")("modelwarden.aws.hook.handle"),
            "Check: modelwarden.aws.hook.handle is",
        ),
        ("deploy-check.yaml", at("Invoke", "PrincipalOrgID")(...), "Invoke: anybody may ask"),
        ("deploy-check.yaml", at("CheckLog", "KmsKeyId")(...), "CheckLog: is not encrypted"),
        ("deploy-check.yaml", at("CheckRole", "PermissionsBoundary")(...), "CheckRole: takes no permissions boundary"),
        ("deploy-hook.yaml", at("Hook", "FailureMode")("WARN"), "Hook: lets go on what is refused"),
        ("deploy-hook.yaml", at("Hook", "HookStatus")("DISABLED"), "Hook: is not asked"),
        ("deploy-hook.yaml", at("Hook", "TargetOperations")(["RESOURCE"]), "Hook: is asked about what"),
        ("deploy-hook.yaml", at("Hook", "TargetOperations", 0)("STACK"), "Hook: is asked about what"),
        (
            "deploy-hook.yaml",
            at("Hook", "TargetFilters", "TargetNames", 1)("AWS::SageMaker::Endpoints"),
            "Hook: hook and code",
        ),
        (
            "deploy-hook.yaml",
            at("Hook", "TargetFilters", "TargetNames")(["AWS::SageMaker::Model"]),
            "Hook: hook and code",
        ),
        ("deploy-hook.yaml", at("Hook", "TargetFilters", "Actions")(["CREATE"]), "Hook: is not asked before"),
        ("deploy-hook.yaml", at("Hook", "StackFilters")({"FilteringCriteria": "ALL"}), "Hook: is not asked by every"),
        ("deploy-hook.yaml", at("HookRole", "PermissionsBoundary")(...), "HookRole: takes no permissions boundary"),
    ],
)
def test_a_mistake_in_the_check_before_something_goes_live_is_seen(name: str, change: Change, says: str) -> None:
    wrong = load(name)
    change(wrong)
    found = wrongs(translated(wrong) if "Transform" in wrong else wrong)
    assert any(one.startswith(says) for one in found), found


MACHINE = ("Machine", "Definition", "States")
CHILD = (*MACHINE, "Collect", "ItemProcessor")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (at("Machine", "Definition", "StartAt")("Plna"), "Machine: StartAt: there is no state Plna"),
        (at(*MACHINE, "Tell", "Next")("Colect"), "Machine: Tell: there is no state Colect"),
        (at(*MACHINE, "Tell", "Next")("Reduce"), "Machine: Collect: nothing leads here"),
        (at(*MACHINE, "Reduce", "End")(...), "Machine: Reduce: leads nowhere"),
        (at(*MACHINE, "Plan", "Retry")(...), "Machine: Plan: is not tried again"),
        (at(*MACHINE, "Plan", "TimeoutSeconds")(...), "Machine: Plan: waits for ever"),
        (at(*MACHINE, "Look", "MaxConcurrency")(...), "Machine: Look: begins everything at once"),
        (at(*MACHINE, "Collect", "ToleratedFailurePercentage")(...), "Machine: Collect: one child that fails"),
        (at(*CHILD, "StartAt")("Rade"), "Machine: StartAt: there is no state Rade"),
        (at(*CHILD, "States", "Read", "Catch")(...), "Machine: Read: nobody would be told that it failed"),
        (at(*CHILD, "States", "Outgrown", "Default")(...), "Machine: Outgrown: says nothing of what none"),
        (at(*CHILD, "States", "Slices", "Next")("Done"), "Machine: Join: nothing leads here"),
        (at("Schedule", "Target", "DeadLetterConfig")(...), "Schedule: nobody would be told"),
        (at("IncompleteAlarm", "MetricName")("Incompleted"), "IncompleteAlarm: no scan sends Incompleted"),
        (at("MissedAlarm", "TreatMissingData")("notBreaching"), "MissedAlarm: an hour in which nothing"),
        (at("Work", "Environment", "Variables", "WORK")(...), "Work: WORK is not set"),
        (at("Work", "Handler")("modelwarden.aws.scan.works"), "Work: modelwarden.aws.scan.works is not there"),
        (at("MachineRole", "PermissionsBoundary")(...), "MachineRole: takes no permissions boundary"),
        (at("Machine", "Tags")(...), "Machine: has no cost-center"),
    ],
)
def test_a_mistake_in_the_scan_at_scale_is_seen(change: Change, says: str) -> None:
    wrong = load("scan.yaml")
    change(wrong)
    found = wrongs(translated(wrong))
    assert any(one.startswith(says) for one in found), found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cron(15 2 * * *)", ["`cron(15 2 * * *)` has not six fields"]),
        ("cron(15 2 * * * *)", ["`cron(15 2 * * * *)` has no `?`, or two, in the fields that name days"]),
        ("cron(15 2 ? * ? *)", ["`cron(15 2 ? * ? *)` has no `?`, or two, in the fields that name days"]),
        ("cron(15 24 * * ? *)", ["`24` of `cron(15 24 * * ? *)` is not within 0 and 23"]),
        ("rate(1 day)", ["`rate(1 day)` has not six fields"]),
        ("cron(15 2 ? * MON-FRI *)", []),
    ],
)
def test_a_schedule_that_aws_refuses_is_seen(text: str, says: list[str]) -> None:
    assert list(cron(text)) == says


@pytest.mark.parametrize("template", [API, CHECK, SCAN, GATE], ids=["api", "deploy-check", "scan", "pipeline"])
def test_what_stands_beside_the_hub_is_named_after_it_and_finds_what_it_made(template: Template) -> None:
    """By names that the hub derives from its own stack's, and log groups that its key serves."""
    theirs = json.dumps(HUB).replace("AWS::StackName", "HubStack")
    text = json.dumps(template)
    assert "AWS::StackName" not in text
    for made in ("${HubStack}-state", "${HubStack}-${AWS::AccountId}-${AWS::Region}"):
        assert made in theirs
        assert made in text or (template in (CHECK, GATE) and made.endswith("-state"))
    for group in resources(template, "AWS::Logs::LogGroup").values():
        arn = (
            "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:" + group["LogGroupName"]["Fn::Sub"]
        )
        assert json.dumps(arn) in theirs


def test_the_parameters_that_say_as_of_the_hub_are_those_of_the_hub() -> None:
    for template in (API, CHECK, SCAN, GATE):
        for name, one in template["Parameters"].items():
            if "as of the hub" in one.get("Description", "").lower():
                apart = {"Description": ""}
                assert {**one, **apart} == {**HUB["Parameters"][name], **apart}, name
        for name in ("DataKeyArn", "SigningKeyArn", "AlarmTopicArn"):
            assert template["Parameters"][name]["Description"] == f"{name} of the hub."
            assert name in HUB["Outputs"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            at("Gate", "Handler")("modelwarden.aws.pipeline.handle"),
            "Gate: modelwarden.aws.pipeline.handle is not there",
        ),
        (at("Gate", "ReservedConcurrentExecutions")(...), "Gate: others can use up its concurrency"),
        (at("Gate", "Environment", "Variables", "ARCHIVE")(...), "Gate: ARCHIVE is not set"),
        (at("Gate", "Environment", "Variables", "QUEUE_URL")("x"), "Gate: nobody reads QUEUE_URL"),
        (at("Gate", "LoggingConfig")(...), "Gate: Lambda makes its log group"),
        (at("GateLog", "KmsKeyId")(...), "GateLog: is not encrypted under the data key"),
        (at("GateRole", "PermissionsBoundary")(...), "GateRole: takes no permissions boundary"),
    ],
)
def test_a_mistake_in_the_gate_of_pipelines_is_seen(change: Change, says: str) -> None:
    wrong = load("pipeline.yaml")
    change(wrong)
    assert any(one.startswith(says) for one in wrongs(translated(wrong))), wrongs(translated(wrong))


def test_a_property_that_sam_does_not_know_is_seen() -> None:
    wrong = load("hub.yaml")
    wrong["Resources"]["Events"]["Properties"]["Timeouts"] = 3
    with pytest.raises(InvalidDocumentException):
        translated(wrong)


def test_a_wildcard_without_a_word_is_seen() -> None:
    text = (DEPLOY / "hub.yaml").read_text()
    silent = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
    seen = unargued(HUB, silent)
    assert {"Account", "BaseImages", "EncryptedTransport", "Spokes", "Traces", "a statement without Sid"} <= set(seen)


def test_the_hub_has_the_table_of_the_store() -> None:
    """Alike but for its name, the key, and what it costs."""
    mine, theirs = (resources(one, "AWS::DynamoDB::Table")["Table"] for one in (HUB, load("store-table.yaml")))
    apart = ("TableName", "SSESpecification", "Tags")
    assert {key: one for key, one in mine.items() if key not in apart} == {
        key: one for key, one in theirs.items() if key not in apart
    }


def test_the_hub_has_the_bucket_and_the_key_of_signing() -> None:
    theirs = load("signing.yaml")
    apart = ("BucketName", "BucketEncryption", "Tags")
    written = json.dumps(resources(HUB, "AWS::S3::Bucket")["Records"])
    mine = json.loads(written.replace("RetentionMode", "Mode").replace("RetentionYears", "Years"))
    bucket = resources(theirs, "AWS::S3::Bucket")["LogBucket"]
    assert {key: one for key, one in mine.items() if key not in apart} == {
        key: one for key, one in bucket.items() if key not in apart
    }
    key = {name: one for name, one in resources(HUB, "AWS::KMS::Key")["SigningKey"].items() if name != "Tags"}
    assert key == resources(theirs, "AWS::KMS::Key")["SigningKey"]
    for name in ("Mode", "Years"):
        ours = {**HUB["Parameters"][f"Retention{name}"], "Description": ""}
        assert ours == {**theirs["Parameters"][name], "Description": ""}


@pytest.mark.parametrize("policy", ["Writer", "Auditor"])
def test_the_hub_grants_what_signing_and_store_grant(policy: str) -> None:
    """With the hub's own bucket and prefix, and besides them the records and the data key."""

    def granted(template: Template) -> dict[str, Any]:
        found = resources(template, "AWS::IAM::ManagedPolicy").get(policy, {"PolicyDocument": {"Statement": []}})
        return {one["Sid"]: one for one in found["PolicyDocument"]["Statement"]}

    text = json.dumps(granted(load("signing.yaml")) | granted(load("store-table.yaml")))
    theirs = json.loads(text.replace("LogBucket", "Records").replace("${LogPrefix}", "log"))
    mine = json.loads(json.dumps(granted(HUB)).replace('"log/*"', '{"Fn::Sub": "log/*"}'))
    assert {sid: mine[sid] for sid in theirs} == theirs
    assert set(mine) - set(theirs) == {"DataKey"} | ({"Records", "RecordNames"} if policy == "Writer" else set())
