"""What may be wrong with a template although every linter takes it; each function says so in words, and nothing where all is well."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelwarden.api.routes import ROUTES
from modelwarden.collect.proposed import KINDS as KINDS_OF_RESOURCE
from modelwarden.render import metrics
from modelwarden.render.calls import Calls
from modelwarden.render.metrics import NAMESPACE
from modelwarden.respond import hint
from modelwarden.settings.sources import PREFIX

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
    "AWS::StepFunctions::StateMachine",
)
"""Types whose resources cost something."""
MAPPED = ("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage")
"""The same, whose tags are written by name."""
EVENTS = ROOT / "engine/modelwarden/aws/events.py"
DESK = ROOT / "engine/modelwarden/aws/desk.py"
HOOK = ROOT / "engine/modelwarden/aws/hook.py"
SCAN = ROOT / "engine/modelwarden/aws/scan.py"
GATE = ROOT / "engine/modelwarden/aws/pipeline.py"


def constants(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)}


ASKED = {text for text in constants(DESK) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+|ARCHIVE", text)} - {"AWS_REGION"}
"""Variables that the desk of events reads; Lambda itself sets AWS_REGION."""
READ = {
    "modelwarden.aws.api.handler": frozenset[str](),
    "modelwarden.aws.events.handler": frozenset(ASKED),
    "modelwarden.aws.pipeline.handler": frozenset({"ARCHIVE"} & constants(GATE)),
    "modelwarden.aws.hook.handler": frozenset({"UNREGISTERED"} & constants(HOOK)),
    **{
        f"modelwarden.aws.scan.{name}": frozenset({"WORK", "ARCHIVE", "PUBLISH", "MOST_PACKAGES"} & constants(SCAN))
        for name in ("plan", "work", "reduce")
    },
}
"""Handler -> variables that it reads besides those of the settings."""
PINNED = {"MODELWARDEN_ORGANIZATION", "MODELWARDEN_ORGANIZATION_DIGEST"}
NARROWER = {f"{PREFIX}{name}" for name in ("RETRIES", "TIMEOUT_SECONDS")}
"""Of what settings read from the environment, that which a function has reason to set."""
KINDS = {
    text for text in constants(Path(hint.__file__)) if re.fullmatch(r"SageMaker .* State Change|AWS API Call .*", text)
}
CALLS = {*hint._SETS, *hint._RUNS}


def wrongs(template: Template) -> list[str]:
    """Everything that is wrong with a translated template."""
    checks = (
        *(queues, functions, environment, logs, patterns, routes, hooks, machines, schedules, alarms, tags),
        boundaries,
    )
    return [wrong for check in checks for wrong in check(template)]


def queues(template: Template) -> Iterator[str]:
    """A queue that feeds a function waits long enough, and what it gives up is kept where an alarm watches."""
    found = resources(template, "AWS::SQS::Queue")
    dead = {
        one["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] for one in found.values() if "RedrivePolicy" in one
    }
    dead |= {
        one["Target"]["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
        for one in resources(template, "AWS::Scheduler::Schedule").values()
        if "DeadLetterConfig" in one["Target"]
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
        wanted = READ.get(function["Handler"], frozenset()) | PINNED
        yield from (f"{name}: {one} is not set" for one in sorted(wanted - given))
        yield from (f"{name}: nobody reads {one}" for one in sorted(given - wanted - NARROWER))


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


def routes(template: Template) -> Iterator[str]:
    """Each route has IAM authorization and leads to the one function, which API Gateway waits for to its end."""
    found = resources(template, "AWS::ApiGatewayV2::Route")
    integrations = resources(template, "AWS::ApiGatewayV2::Integration")
    for name, route in found.items():
        if route.get("AuthorizationType") != "AWS_IAM":
            yield f"{name}: anybody may call it"
        if route.get("Target", {}).get("Fn::Sub") not in {f"integrations/${{{one}}}" for one in integrations}:
            yield f"{name}: leads to nothing"
    keys = [route["RouteKey"] for route in found.values()]
    # In a template a greedy value ends with a plus.
    known = [f"{one.method} {one.path[:-1] + '+}' if one.greedy else one.path}" for one in ROUTES]
    if found and sorted(keys) != sorted(known):
        yield f"routes and code differ about {sorted(set(keys) ^ set(known))}"
    for name, one in integrations.items():
        function = template["Resources"][one["IntegrationUri"]["Fn::GetAtt"][0]]["Properties"]
        if one["PayloadFormatVersion"] != "2.0":
            yield f"{name}: the function reads events of format 2.0"
        if function.get("Timeout", 3) * 1000 >= one["TimeoutInMillis"]:
            yield f"{name}: API Gateway gives up before the function does"
    for name, stage in resources(template, "AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("DefaultRouteSettings", {})
        if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= settings.keys():
            yield f"{name}: takes as many calls as come"
        if stage.get("AccessLogSettings", {}).get("DestinationArn", {}).get("Fn::GetAtt", [None])[0] not in resources(
            template, "AWS::Logs::LogGroup"
        ):
            yield f"{name}: nobody sees who called"


def hooks(template: Template) -> Iterator[str]:
    """A hook stops what is refused, and asks about everything that the function can tell and about nothing else."""
    for name, hook in resources(template, "AWS::CloudFormation::LambdaHook").items():
        mode = template["Parameters"][hook["FailureMode"]["Ref"]] if isinstance(hook["FailureMode"], dict) else {}
        if mode.get("Default", hook["FailureMode"]) != "FAIL":
            yield f"{name}: lets go on what is refused"
        if hook["HookStatus"] != "ENABLED":
            yield f"{name}: is not asked"
        if set(hook["TargetOperations"]) != {"RESOURCE", "CLOUD_CONTROL"}:
            yield f"{name}: is asked about what the function cannot read, or not about every way to make something"
        targets = hook["TargetFilters"]
        if set(targets["TargetNames"]) != set(KINDS_OF_RESOURCE):
            yield f"{name}: hook and code differ about {sorted(set(targets['TargetNames']) ^ set(KINDS_OF_RESOURCE))}"
        if (set(targets["Actions"]), targets["InvocationPoints"]) != ({"CREATE", "UPDATE"}, ["PRE_PROVISION"]):
            yield f"{name}: is not asked before something is made or changed"
        if "StackFilters" in hook:
            yield f"{name}: is not asked by every stack"
    for name, one in resources(template, "AWS::Lambda::Permission").items():
        if one["Principal"] == "*" and one.get("PrincipalOrgID") != {"Ref": "OrganizationId"}:
            yield f"{name}: anybody may ask"


def machines(template: Template) -> Iterator[str]:
    """Each state is reached and leads somewhere; what a task does not come to the end of is tried again, and told."""
    for name, machine in resources(template, "AWS::StepFunctions::StateMachine").items():
        yield from (f"{name}: {one}" for one in _states(machine["Definition"], outermost=True))


def _states(part: dict[str, Any], *, outermost: bool = False) -> Iterator[str]:
    states: dict[str, dict[str, Any]] = part["States"]
    led = {part["StartAt"]: "StartAt"}
    for name, state in states.items():
        forks = [*state.get("Catch", []), *state.get("Choices", [])]
        to = [state[key] for key in ("Next", "Default") if key in state] + [one["Next"] for one in forks]
        led |= dict.fromkeys(to, name)
        if state["Type"] == "Choice" and "Default" not in state:
            yield f"{name}: says nothing of what none of its choices takes"
        if state["Type"] not in ("Choice", "Succeed", "Fail") and ("Next" in state) == state.get("End", False):
            yield f"{name}: leads nowhere, or is no end"
        if state["Type"] == "Task":
            yield from _task(name, state, outermost=outermost)
        if state["Type"] == "Map":
            yield from _map(name, state)
    yield from (f"{by}: there is no state {one}" for one, by in led.items() if one not in states)
    yield from (f"{one}: nothing leads here" for one in states if one not in led)


def _task(name: str, state: dict[str, Any], *, outermost: bool) -> Iterator[str]:
    if not any("States.ALL" in one["ErrorEquals"] for one in state.get("Retry", [])):
        yield f"{name}: is not tried again"
    # What fails in the machine itself ends it, which an alarm tells; in a map it would be one child of many.
    function = state["Resource"]["Fn::Sub"].endswith(":lambda:invoke")
    if function and not outermost and not any("States.ALL" in one["ErrorEquals"] for one in state.get("Catch", [])):
        yield f"{name}: nobody would be told that it failed"
    if function and state.get("TimeoutSeconds", 0) < 900:
        yield f"{name}: waits for ever, or less than a function may take"


def _map(name: str, state: dict[str, Any]) -> Iterator[str]:
    if "MaxConcurrency" not in state:
        yield f"{name}: begins everything at once"
    if (
        state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        and state.get("ToleratedFailurePercentage") != 100.0
    ):
        yield f"{name}: one child that fails ends the others"
    yield from _states(state["ItemProcessor"])


def schedules(template: Template) -> Iterator[str]:
    """Six fields, with `?` in exactly one of those that name days; what was not started is kept."""
    for name, schedule in resources(template, "AWS::Scheduler::Schedule").items():
        parameter = template["Parameters"][schedule["ScheduleExpression"]["Ref"]]
        yield from (f"{name}: {one}" for one in cron(parameter["Default"]))
        if "DeadLetterConfig" not in schedule["Target"]:
            yield f"{name}: nobody would be told that it started nothing"


def cron(text: str) -> Iterator[str]:
    """What EventBridge Scheduler would refuse, and no linter does."""
    found = re.fullmatch(r"cron\(([^()]*)\)", text)
    fields = found[1].split() if found else []
    if len(fields) != 6:
        yield f"`{text}` has not six fields"
        return
    limits = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
    for field, (low, high) in zip(fields, limits, strict=True):
        numbers = [int(one) for one in re.findall(r"\d+", field.partition("/")[0])]
        if not all(low <= one <= high for one in numbers):
            yield f"`{field}` of `{text}` is not within {low} and {high}"
    if (fields[2] == "?") == (fields[4] == "?"):
        yield f"`{text}` has no `?`, or two, in the fields that name days"


def alarms(template: Template) -> Iterator[str]:
    """Each alarm is told to somebody, and watches a metric that something sends."""
    ours = constants(EVENTS) | {NAMESPACE} | constants(Path(metrics.__file__))
    sent = set(json.loads(_measured()))
    for name, alarm in resources(template, "AWS::CloudWatch::Alarm").items():
        if not alarm.get("AlarmActions"):
            yield f"{name}: tells nobody"
        if alarm.get("TreatMissingData") != ("breaching" if name == "MissedAlarm" else "notBreaching"):
            yield f"{name}: an hour in which nothing happens is no alarm"
        if alarm["Namespace"].startswith("AWS/"):
            continue
        if alarm["Namespace"] not in ours or any(one["Value"] not in ours for one in alarm.get("Dimensions", ())):
            yield f"{name}: the function sends no such metric"
        if alarm["Namespace"] == NAMESPACE and alarm["MetricName"] not in sent:
            yield f"{name}: no scan sends {alarm['MetricName']}"


def _measured() -> str:
    """The metrics of a scan that found nothing."""
    manifest = {
        "id": "scan",
        "started_at": "2026-11-20T06:00:00Z",
        "finished_at": "2026-11-20T06:00:01Z",
        "complete": False,
        "coverage": {"expected": 0, "read": 0, "unread": []},
        "verdicts": {},
        "packages": {},
        "accounts": {},
    }
    return metrics.lines(manifest, Calls())


def tags(template: Template) -> Iterator[str]:
    for kind in TAGGED:
        for name, one in resources(template, kind).items():
            if {"Key": "cost-center", "Value": {"Ref": "CostCenter"}} not in one.get("Tags", []):
                yield f"{name}: has no cost-center"
    for kind in MAPPED:
        for name, one in resources(template, kind).items():
            if one.get("Tags", {}).get("cost-center") != {"Ref": "CostCenter"}:
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
