"""What may be wrong with a template although every linter takes it; each function says so in words, and nothing where all is well."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelwarden.respond import hint

from .templates import ROOT, Template, documents, listed, resources

TAGGED = (
    "AWS::CloudWatch::Alarm",
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
)
"""Types whose resources cost something."""
AWS = ROOT / "engine/modelwarden/aws"
EVENTS = AWS / "events.py"


def constants(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def variables(path: Path) -> set[str]:
    """Variables that a module reads; Lambda itself sets AWS_REGION."""
    return {text for text in constants(path) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+|ARCHIVE", text)} - {"AWS_REGION"}


ASKED = {
    "modelwarden.aws.events.handler": variables(AWS / "desk.py"),
    "modelwarden.aws.pipeline.handler": variables(AWS / "pipeline.py"),
}
"""Handler -> what it reads."""
KINDS = {
    text for text in constants(Path(hint.__file__)) if re.fullmatch(r"SageMaker .* State Change|AWS API Call .*", text)
}
CALLS = {*hint._SETS, *hint._RUNS}


def wrongs(template: Template) -> list[str]:
    """Everything that is wrong with a translated template."""
    checks = (queues, functions, environment, logs, patterns, alarms, tags, boundaries)
    return [wrong for check in checks for wrong in check(template)]


def queues(template: Template) -> Iterator[str]:
    """A queue that feeds a function waits long enough, and what it gives up is kept where an alarm watches."""
    found = resources(template, "AWS::SQS::Queue")
    dead = {
        one["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] for one in found.values() if "RedrivePolicy" in one
    }
    watched = json.dumps(resources(template, "AWS::CloudWatch::Alarm"))
    for name, queue in found.items():
        if "KmsMasterKeyId" not in queue:
            yield f"{name}: is not encrypted under the data key"
        if name not in dead and "RedrivePolicy" not in queue:
            yield f"{name}: nothing keeps what is given up"
    for name in dead:
        if json.dumps(["QueueName", {"Fn::GetAtt": [name, "QueueName"]}])[1:-1].split(", ", 1)[1] not in watched:
            yield f"{name}: no alarm watches it"
        if found[name].get("MessageRetentionPeriod", 345600) < 1209600:
            yield f"{name}: is kept for less than 14 days"
    for name, mapping in resources(template, "AWS::Lambda::EventSourceMapping").items():
        queue = found[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        function = template["Resources"][mapping["FunctionName"]["Ref"]]["Properties"]
        if queue.get("VisibilityTimeout", 30) < 6 * function.get("Timeout", 3):
            yield f"{name}: the queue shows a message again before six times the function's timeout is over"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: one failure would repeat the whole batch"
        if mapping.get("ScalingConfig", {}).get("MaximumConcurrency") != function.get("ReservedConcurrentExecutions"):
            yield f"{name}: takes more or fewer batches than the function has places"


def functions(template: Template) -> Iterator[str]:
    for name, function in resources(template, "AWS::Lambda::Function").items():
        module, _, handler = function["Handler"].rpartition(".")
        found = importlib.util.find_spec(module) if module.startswith("modelwarden.") else None
        defined = ast.parse(Path(found.origin).read_text()).body if found and found.origin else []
        if not any(isinstance(one, ast.FunctionDef) and one.name == handler for one in defined):
            yield f"{name}: {function['Handler']} is not there"
        if (function["Runtime"], function["Architectures"]) != ("python3.13", ["arm64"]):
            yield f"{name}: its code is built for another runtime"
        if "ReservedConcurrentExecutions" not in function:
            yield f"{name}: others can use up its concurrency"
        if function.get("TracingConfig", {}).get("Mode") != {"Ref": "Tracing"}:
            yield f"{name}: tracing is not asked for by the parameter"


def environment(template: Template) -> Iterator[str]:
    """Whatever the function reads is set, and nothing else; an unknown variable of ours would be an error."""
    for name, function in resources(template, "AWS::Lambda::Function").items():
        given = set(function.get("Environment", {}).get("Variables", {}))
        ours = {one for one in given if one.startswith("MODELWARDEN_")}
        wanted = {"MODELWARDEN_ORGANIZATION", "MODELWARDEN_ORGANIZATION_DIGEST"}
        asked = ASKED.get(function["Handler"], set())
        yield from (f"{name}: {one} is not set" for one in sorted((asked | wanted) - given))
        yield from (f"{name}: nobody reads {one}" for one in sorted(given - ours - asked | ours - wanted))


def logs(template: Template) -> Iterator[str]:
    groups = resources(template, "AWS::Logs::LogGroup")
    for name, group in groups.items():
        if "RetentionInDays" not in group:
            yield f"{name}: is kept for ever"
        if "KmsKeyId" not in group:
            yield f"{name}: is not encrypted under the data key"
    for name, function in resources(template, "AWS::Lambda::Function").items():
        if function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref") not in groups:
            yield f"{name}: Lambda makes its log group, and keeps it for ever"


def patterns(template: Template) -> Iterator[str]:
    """Rules ask for the kinds of event that the code reads, and for no member that no event has."""
    kinds: set[str] = set()
    calls: set[str] = set()
    for name, rule in resources(template, "AWS::Events::Rule").items():
        pattern = rule["EventPattern"]
        odd = set(pattern) - {"source", "detail-type", "detail"}
        odd |= set(pattern.get("detail", {})) - {"eventSource", "eventName", "errorCode"}
        yield from (f"{name}: no event has `{one}`" for one in sorted(odd))
        if pattern.get("source") != ["aws.sagemaker"]:
            yield f"{name}: is not about SageMaker alone"
        kinds |= set(pattern.get("detail-type", []))
        calls |= set(pattern.get("detail", {}).get("eventName", []))
        if not rule.get("Targets"):
            yield f"{name}: has no target"
    if kinds and kinds != KINDS:
        yield f"rules and code differ about {sorted(kinds ^ KINDS)}"
    if calls and calls != CALLS:
        yield f"rules and code differ about {sorted(calls ^ CALLS)}"


def alarms(template: Template) -> Iterator[str]:
    """Each alarm is told to somebody, and watches a metric that something sends."""
    ours = constants(EVENTS)
    for name, alarm in resources(template, "AWS::CloudWatch::Alarm").items():
        if not alarm.get("AlarmActions"):
            yield f"{name}: tells nobody"
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{name}: an hour in which nothing happens is no alarm"
        for dimension in alarm["Dimensions"]:
            if alarm["Namespace"].startswith("AWS/"):
                continue
            if alarm["Namespace"] not in ours or dimension["Value"] not in ours:
                yield f"{name}: the function sends no such metric"


def tags(template: Template) -> Iterator[str]:
    for kind in TAGGED:
        for name, one in resources(template, kind).items():
            if {"Key": "cost-center", "Value": {"Ref": "CostCenter"}} not in one.get("Tags", []):
                yield f"{name}: has no cost-center"


def boundaries(template: Template) -> Iterator[str]:
    for name, role in resources(template, "AWS::IAM::Role").items():
        if role.get("PermissionsBoundary", {}).get("Fn::If", [None])[0] != "HasBoundary":
            yield f"{name}: takes no permissions boundary"
        for statement in (one for document in documents(role) for one in document["Statement"]):
            yield from (f"{name}: {one} allows more than it says" for one in listed(statement["Action"]) if "*" in one)


def unargued(template: Template, text: str) -> list[str]:
    """Statements with a wildcard in what they allow or to whom, above which no comment says why."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for statement in _statements(template["Resources"]):
        said = [
            statement.get("Action"),
            statement.get("Resource"),
            statement.get("Principal"),
            statement.get("Condition"),
        ]
        if "*" not in json.dumps(said):
            continue
        sid = statement.get("Sid")
        heads = [number for number, line in enumerate(lines) if line == f"- Sid: {sid}"] if sid else []
        heads = heads or [
            number - 1
            for number, line in enumerate(lines)
            if not sid and lines[number - 1] == "Statement:" and line == "Effect: Allow"
        ]
        if not all(lines[number - 1].startswith("#") for number in heads) or not heads:
            found.append(str(sid or "a statement without Sid"))
    return sorted(set(found))


def _statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for inner in value.values():
            yield from _statements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _statements(inner)
