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
from .wrongs import unargued, wrongs

ALL = sorted(str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*.yaml"))
EXAMPLES = [DEPLOY.parent / "examples" / name for name in ("codebuild/pipeline.yaml", "projects/promotion.yaml")]
HUB, SPOKE, GATE = load("hub.yaml"), load("spoke.yaml"), load("pipeline.yaml")


def test_cfn_lint_has_nothing_to_say(tmp_path: Path) -> None:
    """Of every template, those of the examples among them, and of what SAM makes of those with functions, where it sees
    more. One process: its start takes its time."""
    made = [tmp_path / "hub.translated.json", tmp_path / "pipeline.translated.json"]
    for path, template in zip(made, (HUB, GATE), strict=True):
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


@pytest.mark.parametrize("template", [translated(HUB), SPOKE, translated(GATE)], ids=["hub", "spoke", "pipeline"])
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


def test_the_gate_of_pipelines_takes_what_the_hub_gives() -> None:
    """Its parameters are outputs of the hub by the same name, or parameters of the hub that mean the same."""
    given = {**HUB["Outputs"], **HUB["Parameters"]}
    assert GATE["Parameters"].keys() - given.keys() == {"PipelineRoleArn"}
    for name in ("PolicyPack", "PolicyPackDigest", "OrganizationId"):
        assert GATE["Parameters"][name]["AllowedPattern"] == HUB["Parameters"][name]["AllowedPattern"]


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
