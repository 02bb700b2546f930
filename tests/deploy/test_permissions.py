"""What the functions and the roles of the spokes are granted is what the code calls: nothing less, nothing spare."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwarden.api.routes import ROUTES
from modelwarden.aws.api import PROVEN_BY
from modelwarden.collect import collector
from modelwarden.collect.operations import NEEDED
from modelwarden.enforce import API
from modelwarden.settings.respond import REVERTED

from . import test_signing
from .templates import ROOT, actions, documents, listed, load, resources

ENGINE = ROOT / "engine/modelwarden"
POLLED = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
"""By Lambda's own event source, with the role of the function: "Using Lambda with Amazon SQS", execution role permissions."""
LOGGED = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""By Lambda itself; the log group is made by the template."""
ENCRYPTED = {"kms:Decrypt", "kms:GenerateDataKey"}
"""Behind a call to a queue, a topic, a bucket or a table that lies under a key of the customer."""
ASKED_FOR = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
"""Only where the parameter asks for traces."""
ACTION = {"s3:ListObjectsV2": "s3:ListBucket", "dynamodb:TransactWriteItems": "dynamodb:PutItem"}
"""Operation -> the IAM action, where the names differ."""


def imported(path: Path) -> Iterator[Path]:
    """Modules of ours that a module names, also inside of functions; those for the type checker do no harm."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modelwarden"):
            yield from (found for one in node.names for found in files(f"{node.module}.{one.name}"))
            yield from files(str(node.module))


def files(module: str) -> Iterator[Path]:
    base = ENGINE.parent.joinpath(*module.split("."))
    yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


def reached(start: Path) -> set[Path]:
    found, left = set[Path](), [start]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += imported(path)
    return found


def named(node: ast.AST, service: str) -> set[str]:
    """Operations of a service that a piece of code names."""
    words = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return {f"{service}:{word}" for word in words if f"{service}:{word}" in NEEDED}


def methods(path: Path, name: str) -> dict[str, ast.FunctionDef]:
    (found,) = [one for one in ast.parse(path.read_text()).body if isinstance(one, ast.ClassDef) and one.name == name]
    return {one.name: one for one in found.body if isinstance(one, ast.FunctionDef)}


def used(path: Path, holder: str) -> set[str]:
    """Names of the methods that a module calls of `self.HOLDER`."""
    return of_holder(ast.parse(path.read_text()), holder)


def of_holder(tree: ast.AST, holder: str) -> set[str]:
    nodes = ast.walk(tree)
    return {
        one.attr
        for one in nodes
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Attribute) and one.value.attr == holder
    }


def shown() -> set[str]:
    """By those methods of the hub that the desk calls."""
    hub = methods(ENGINE / "store/security_hub.py", "SecurityHub")
    desk = ast.walk(ast.parse((ENGINE / "aws/desk.py").read_text()))
    called = {one.attr for one in desk if isinstance(one, ast.Attribute)} & hub.keys()
    return set().union(*(named(hub[one], "securityhub") for one in called))


def told() -> set[str]:
    tree = ast.parse((ENGINE / "aws/outlets.py").read_text())
    return set().union(*(named(tree, service) for service in ("sqs", "sns", "events")))


def claimed() -> set[str]:
    """By those calls to the table that claims need; history and scans need more."""
    table = methods(ENGINE / "store/table.py", "Calls")
    return set().union(*(named(table[one], "dynamodb") for one in used(ENGINE / "store/claims.py", "_calls")))


def kept(*modules: str) -> set[str]:
    """By modules of the store, in places of theirs."""
    wanted = set().union(*(used(ENGINE / f"store/{one}.py", "place") for one in modules))
    return below(methods(ENGINE / "store/place.py", "Bucket"), wanted, "s3")


def found_by_scans() -> set[str]:
    """By those calls to the table that the API's questions about the state lead to."""
    return of_state(ast.parse((ENGINE / "api/reading.py").read_text()))


def of_state(*trees: ast.AST) -> set[str]:
    """Calls to the table that lie behind the methods of the state that pieces of code use."""
    names = {
        one.attr
        for tree in trees
        for one in ast.walk(tree)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "state"
    }
    state = methods(ENGINE / "store/dynamodb.py", "DynamodbState")
    table = methods(ENGINE / "store/table.py", "Calls")
    through = {one for name in closed(state, names & state.keys()) for one in of_holder(state[name], "_calls")}
    return below(table, through, "dynamodb")


def function_of(module: str, *names: str) -> list[ast.FunctionDef]:
    body = ast.parse((ENGINE / module).read_text()).body
    found = [one for one in body if isinstance(one, ast.FunctionDef) and one.name in names]
    assert len(found) == len(names)
    return found


def handed_over(*names: str) -> set[str]:
    """By those methods of a scan's share that functions of aws/scan.py use, in the place that they lead to."""
    share = methods(ENGINE / "scan/share.py", "Share")
    trees = function_of("aws/scan.py", *names)
    asked = {one.attr for tree in trees for one in ast.walk(tree) if isinstance(one, ast.Attribute)} & share.keys()
    wanted = {one for name in closed(share, asked) for one in of_holder(share[name], "place")}
    return below(methods(ENGINE / "store/place.py", "Bucket"), wanted, "s3")


def discovered() -> set[str]:
    """What tells which accounts there are."""
    return named(ast.parse((ENGINE / "collect/organization.py").read_text()), "organizations")


def below(own: dict[str, ast.FunctionDef], names: set[str], service: str) -> set[str]:
    """Operations that methods name, with those that they call of the same class."""
    return set().union(*(named(own[one], service) for one in closed(own, names)))


def closed(own: dict[str, ast.FunctionDef], names: set[str]) -> set[str]:
    found: set[str] = set()
    while left := names - found:
        found |= left
        nodes = [node for one in left for node in ast.walk(own[one])]
        names = (
            found
            | {
                node.attr
                for node in nodes
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
            }
            & own.keys()
        )
    return found


def fetched() -> set[str]:
    """The policy pack, by a client's method."""
    tree = ast.walk(ast.parse((ENGINE / "collect/pack.py").read_text()))
    return (
        {"s3:GetObject"} if any(isinstance(one, ast.Attribute) and one.attr == "get_object" for one in tree) else set()
    )


def compared() -> set[str]:
    """Base images, which are no account's: by those calls to ECR that read what is wanted of them."""
    image = methods(ENGINE / "collect/registry.py", "_Image")
    unwanted = {name for name in ("repository", "pushed") if not getattr(collector._BASE, name)}
    return set().union(*(named(image[name], "ecr") for name in image.keys() - unwanted))


OWN = told() | claimed() | kept("records") | fetched() | compared() | {"sts:AssumeRole"}
"""Operations that the function calls with its own credentials; what a package needs is called with those of its account."""
ANSWERING = found_by_scans() | kept("records", "decisions", "keys") | fetched() | compared() | {"sts:AssumeRole"}
"""The same of the function behind the API."""
CHECKING = kept("records", "decisions") | fetched() | compared() | {"sts:AssumeRole"}
"""The same of the function that hooks ask: nobody asks it what scans found, or sends it a key twice."""
PLANNING = (
    discovered() | handed_over("plan") | of_state(*function_of("aws/scan.py", "plan")) | fetched() | {"sts:AssumeRole"}
)
"""The same of the function that begins a scan."""
WORKING = (
    handed_over("work", "_look", "_tell", "_collect", "_join", "_judge")
    | kept("records")
    | fetched()
    | compared()
    | {"sts:AssumeRole"}
)
"""The same of the function that reads and judges. Records it reads alone."""
REDUCING = (
    handed_over("reduce", "_conclude") | of_state(ast.parse((ENGINE / "scan/chronicle.py").read_text())) | fetched()
)
"""The same of the function that makes one scan of it; what publishes has a policy of its own."""
LOGGING = {action for api in test_signing.called() for action in test_signing.ACTIONS[api]}
CALLERS = {"attest/bucket.py", "attest/kms.py", "store/place.py", "store/table.py"}
"""Modules that call with them, besides the collector; the functions above read what they call."""


@pytest.mark.parametrize(
    ("handler", "callers"),
    [
        ("aws/events.py", CALLERS | {"aws/outlets.py", "store/security_hub.py"}),
        ("aws/api.py", CALLERS),
        ("aws/hook.py", CALLERS),
        ("aws/pipeline.py", CALLERS - {"store/table.py"}),
        ("aws/scan.py", CALLERS),
    ],
)
def test_whoever_calls_with_the_functions_own_credentials_is_known(handler: str, callers: set[str]) -> None:
    """A module that begins to belongs into the sets above, and into the template."""
    outside = {path for path in reached(ENGINE / handler) if path.parent.name != "collect"}
    calling = {
        str(path.relative_to(ENGINE))
        for path in outside
        if any(isinstance(one, ast.Name) and one.id == "OWN" for one in ast.walk(ast.parse(path.read_text())))
    }
    assert calling == callers


def test_the_operations_were_found() -> None:
    assert {"sqs:SendMessage", "events:PutEvents", "dynamodb:Query", "s3:PutObject", "ecr:BatchGetImage"} <= OWN
    assert {"dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "s3:ListObjectsV2", "s3:PutObject"} <= ANSWERING
    assert set(NEEDED) >= OWN | ANSWERING


@pytest.mark.parametrize(
    ("name", "role", "called"),
    [
        ("hub.yaml", "EventsRole", OWN | POLLED | LOGGING | shown()),
        ("api.yaml", "AnswersRole", ANSWERING | LOGGING),
        ("deploy-check.yaml", "CheckRole", CHECKING | LOGGING),
        ("pipeline.yaml", "GateRole", (OWN - told() - claimed()) | LOGGING),
        ("scan.yaml", "PlanRole", PLANNING),
        ("scan.yaml", "WorkRole", WORKING),
        ("scan.yaml", "ReduceRole", REDUCING | LOGGING),
    ],
    ids=["events", "api", "deploy-check", "pipeline", "plan", "work", "reduce"],
)
def test_a_function_is_granted_what_it_calls_and_nothing_else(name: str, role: str, called: set[str]) -> None:
    template = load(name)
    beside = [one for one in resources(template, "AWS::IAM::RolePolicy").values() if one["RoleName"] == {"Ref": role}]
    every = (resources(template, "AWS::IAM::Role")[role], *beside)
    granted = actions(*(document for one in every for document in documents(one)))
    assert granted == {ACTION.get(api, api) for api in called} | LOGGED | ENCRYPTED | ASKED_FOR
    traced = template["Resources"][role.replace("Role", "Tracing")]
    assert (traced["Condition"], actions(*documents(traced["Properties"]))) == ("Traced", ASKED_FOR)


def test_findings_are_shown_only_where_whoever_deploys_says_so() -> None:
    findings = load("hub.yaml")["Resources"]["EventsFindings"]
    assert (findings["Condition"], actions(*documents(findings["Properties"]))) == ("ShowsFindings", shown())


@pytest.mark.parametrize(
    ("sid", "resource"),
    [
        ("Queue", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("Claims", {"Fn::GetAtt": ["Table", "Arn"]}),
        ("Topic", {"Ref": "DecisionTopic"}),
        ("Bus", {"Fn::GetAtt": ["Decisions", "Arn"]}),
        ("DataKey", {"Fn::GetAtt": ["DataKey", "Arn"]}),
        ("Sign", {"Fn::GetAtt": ["SigningKey", "Arn"]}),
        ("Append", {"Fn::Sub": "${Records.Arn}/log/*"}),
        ("Runs", [{"Fn::Sub": "${Records.Arn}/archive/*"}, {"Fn::Sub": "${Records.Arn}/records/*"}]),
    ],
)
def test_the_function_is_granted_it_on_what_the_hub_has(sid: str, resource: object) -> None:
    role = resources(load("hub.yaml"), "AWS::IAM::Role")["EventsRole"]
    found = {one["Sid"]: one for document in documents(role) for one in document["Statement"]}
    assert found[sid]["Resource"] == resource


@pytest.mark.parametrize(("name", "role"), [("api.yaml", "AnswersRole"), ("deploy-check.yaml", "CheckRole")])
def test_what_stands_beside_the_hub_keeps_below_the_records_and_logs_below_the_log_alone(name: str, role: str) -> None:
    """Not in the archive of events, and not in the table: the API reads what scans found."""
    made = resources(load(name), "AWS::IAM::Role")[role]
    found = {one["Sid"]: one for document in documents(made) for one in document["Statement"]}
    bucket = "arn:${AWS::Partition}:s3:::${HubStack}-${AWS::AccountId}-${AWS::Region}"
    writing = {sid: one["Resource"] for sid, one in found.items() if {"s3:PutObject"} & set(listed(one["Action"]))}
    assert writing == {"Records": {"Fn::Sub": f"{bucket}/records/*"}, "Append": {"Fn::Sub": f"{bucket}/log/*"}}
    assert found["Spokes"]["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"}
    assert found.get("State", {}).get("Action") == (
        ["dynamodb:GetItem", "dynamodb:Query"] if name == "api.yaml" else None
    )


@pytest.mark.parametrize(
    ("role", "writes"),
    [("PlanRole", {"Work"}), ("WorkRole", {"Work"}), ("ReduceRole", {"Archive", "Append"})],
)
def test_a_function_of_the_scan_writes_where_its_task_leaves_something(role: str, writes: set[str]) -> None:
    """Nobody who reads accounts writes what is kept, and nobody who keeps it enters an account."""
    made = resources(load("scan.yaml"), "AWS::IAM::Role")[role]
    found = {one["Sid"]: one for document in documents(made) for one in document["Statement"]}
    assert {sid for sid, one in found.items() if "s3:PutObject" in listed(one["Action"])} == writes
    assert ("Spokes" in found) == (role != "ReduceRole")
    bucket = "arn:${AWS::Partition}:s3:::${HubStack}-${AWS::AccountId}-${AWS::Region}"
    places = {
        "Work": {"Fn::Sub": "${WorkBucket.Arn}/scans/*"},
        "Archive": {"Fn::Sub": f"{bucket}/scans/*"},
        "Append": {"Fn::Sub": f"{bucket}/log/*"},
        "Records": {"Fn::Sub": f"{bucket}/records/*"},
    }
    assert {sid: found[sid]["Resource"] for sid in places if sid in found} == {
        sid: one for sid, one in places.items() if sid in found
    }


def test_the_machine_calls_its_functions_and_writes_why_a_cell_was_given_up() -> None:
    (document,) = documents(resources(load("scan.yaml"), "AWS::IAM::Role")["MachineRole"])
    (machine,) = resources(load("scan.yaml"), "AWS::StepFunctions::StateMachine").values()
    text = json.dumps(machine["Definition"])
    called = {one for one in ("lambda:invoke", "s3:putObject", "s3:getObject") if f":{one}" in text}
    assert called == {"lambda:invoke", "s3:putObject", "s3:getObject"}
    children = {"states:DescribeExecution", "states:StartExecution", "states:StopExecution"}
    assert actions(document) == {"lambda:InvokeFunction", "s3:GetObject", "s3:PutObject"} | children | ENCRYPTED
    found = {one["Sid"]: one["Resource"] for one in document["Statement"]}
    assert found["Functions"] == [{"Fn::GetAtt": [name, "Arn"]} for name in ("Plan", "Work", "Reduce")]
    assert found["GivenUp"] == {"Fn::Sub": "${WorkBucket.Arn}/scans/*/failed/*"}


def test_a_hook_asks_its_function_and_does_nothing_else() -> None:
    (role,) = resources(load("deploy-hook.yaml"), "AWS::IAM::Role").values()
    (document,) = documents(role)
    assert [(one["Action"], one["Resource"]) for one in document["Statement"]] == [
        ("lambda:InvokeFunction", {"Ref": "FunctionArn"})
    ]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "hooks.cloudformation.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_every_route_may_be_called_by_who_has_one_of_the_two_policies() -> None:
    policies = resources(load("api.yaml"), "AWS::IAM::ManagedPolicy")
    start = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/$default/"
    allowed = {
        name: {
            one["Fn::Sub"].removeprefix(start)
            for document in documents(policy)
            for statement in document["Statement"]
            for one in listed(statement["Resource"])
        }
        for name, policy in policies.items()
    }
    called = {f"{one.method}{one.head}{'*' if '{' in one.path else ''}" for one in ROUTES}
    assert allowed == {"Asker": {"POST/decisions"}, "Reader": called - {"POST/decisions"}}
    assert all(actions(*documents(policy)) == {PROVEN_BY} for policy in policies.values())


def test_the_gate_of_pipelines_may_on_the_hub_what_the_hubs_function_may() -> None:
    """The same statements, but for the names by which the one template knows what is in the other."""

    def said(name: str, role: str) -> dict[str, Any]:
        found = resources(load(name), "AWS::IAM::Role")[role]
        text = json.dumps([one for document in documents(found) for one in document["Statement"]])
        bucket = "arn:${AWS::Partition}:s3:::${HubStack}-${AWS::AccountId}-${AWS::Region}"
        text = text.replace(json.dumps({"Fn::Sub": bucket}), json.dumps({"Fn::GetAtt": ["Records", "Arn"]}))
        text = text.replace(bucket, "${Records.Arn}")
        for key in ("DataKey", "SigningKey"):
            text = text.replace(json.dumps({"Ref": f"{key}Arn"}), json.dumps({"Fn::GetAtt": [key, "Arn"]}))
        return {one["Sid"]: one for one in json.loads(text)}

    mine, theirs = said("pipeline.yaml", "GateRole"), said("hub.yaml", "EventsRole")
    apart = {"Log", "Spokes", "DataKey"}
    assert {sid: one for sid, one in mine.items() if sid not in apart} == {
        sid: theirs[sid] for sid in mine if sid not in apart
    }
    assert [mine["Spokes"]["Resource"]] == theirs["Spokes"]["Resource"][:1]
    services = theirs["DataKey"]["Condition"]["StringEquals"]["kms:ViaService"]
    assert mine["DataKey"]["Condition"]["StringEquals"]["kms:ViaService"] in services


def test_pipelines_approve_only_where_whoever_deploys_says_so() -> None:
    template = load("pipeline.yaml")
    approval = template["Resources"]["GateApproval"]
    (document,) = documents(approval["Properties"])
    (statement,) = document["Statement"]
    assert (approval["Condition"], template["Parameters"]["EnforcerRoleName"]["Default"]) == ("Approves", "")
    assert statement["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/${EnforcerRoleName}"}
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}}


def test_only_one_role_or_the_organization_asks_the_gate_of_pipelines() -> None:
    template = load("pipeline.yaml")
    found = {
        template["Resources"][name]["Condition"]: one
        for name, one in resources(template, "AWS::Lambda::Permission").items()
    }
    assert {one["Action"] for one in found.values()} == {"lambda:InvokeFunction"}
    assert found.keys() == {"AskedByOneRole", "AskedByAll"}
    assert found["AskedByOneRole"]["Principal"] == {"Ref": "PipelineRoleArn"}
    assert (found["AskedByAll"]["Principal"], found["AskedByAll"]["PrincipalOrgID"]) == ("*", {"Ref": "OrganizationId"})
    one, all_ = (template["Conditions"][name] for name in found)
    assert one == {"Fn::Not": [all_]}


def test_the_enforcer_sets_the_statuses_that_the_settings_know_and_nothing_else() -> None:
    template = load("enforcer-role.yaml")
    role = template["Resources"]["EnforcerRole"]["Properties"]
    (document,) = documents(role)
    (statement,) = document["Statement"]
    assert actions(document) == {API}
    assert statement["Condition"] == {"StringEquals": {"sagemaker:ModelApprovalStatus": {"Ref": "Statuses"}}}
    assert template["Parameters"]["Statuses"]["Default"].split(",") == list(REVERTED)


def test_the_enforcer_trusts_whom_the_reader_trusts() -> None:
    enforcer, reader = (
        resources(load(name), "AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]
        for name, role in (("enforcer-role.yaml", "EnforcerRole"), ("reader-role.yaml", "ReaderRole"))
    )
    assert enforcer == reader


def test_the_spoke_forwards_to_the_hub_and_does_nothing_else() -> None:
    role = resources(load("spoke.yaml"), "AWS::IAM::Role")["Forwarder"]
    (document,) = documents(role)
    assert [(one["Action"], one["Resource"]) for one in document["Statement"]] == [
        ("events:PutEvents", {"Ref": "HubBusArn"})
    ]


def test_only_the_organization_puts_events_into_the_intake_and_nobody_into_the_decisions() -> None:
    (policy,) = resources(load("hub.yaml"), "AWS::Events::EventBusPolicy").values()
    assert policy["EventBusName"] == {"Ref": "Intake"}
    assert policy["Statement"]["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}}
