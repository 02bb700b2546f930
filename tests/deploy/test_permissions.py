"""What the function of the hub and the roles of the spokes are granted is what the code calls: nothing less, nothing spare."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwarden.collect import collector
from modelwarden.collect.operations import NEEDED
from modelwarden.enforce import API
from modelwarden.settings.respond import REVERTED

from . import test_signing
from .templates import ROOT, actions, documents, load, resources

ENGINE = ROOT / "engine/modelwarden"
POLLED = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
"""By Lambda's own event source, with the role of the function: "Using Lambda with Amazon SQS", execution role permissions."""
LOGGED = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""By Lambda itself; the log group is made by the template."""
ENCRYPTED = {"kms:Decrypt", "kms:GenerateDataKey"}
"""Behind a call to a queue, a topic, a bucket or a table that lies under a key of the customer."""
ASKED_FOR = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
"""Only where the parameter asks for traces."""
ACTION = {"s3:ListObjectsV2": "s3:ListBucket"}
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
    nodes = ast.walk(ast.parse(path.read_text()))
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


def kept() -> set[str]:
    place = methods(ENGINE / "store/place.py", "Bucket")
    return set().union(*(named(place[one], "s3") for one in used(ENGINE / "store/records.py", "place")))


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


OWN = told() | claimed() | kept() | fetched() | compared() | {"sts:AssumeRole"}
"""Operations that the function calls with its own credentials; what a package needs is called with those of its account."""
CALLERS = {
    *(
        "attest/bucket.py",
        "attest/kms.py",
        "aws/outlets.py",
        "store/place.py",
        "store/security_hub.py",
        "store/table.py",
    ),
}
"""Modules that call with them, besides the collector; the functions above read what they call."""


def test_whoever_calls_with_the_functions_own_credentials_is_known() -> None:
    """A module that begins to belongs into the sets above, and into the template."""
    outside = {path for path in reached(ENGINE / "aws/events.py") if path.parent.name != "collect"}
    calling = {
        str(path.relative_to(ENGINE))
        for path in outside
        if any(isinstance(one, ast.Name) and one.id == "OWN" for one in ast.walk(ast.parse(path.read_text())))
    }
    assert calling == CALLERS


def test_the_operations_were_found() -> None:
    assert {"sqs:SendMessage", "events:PutEvents", "dynamodb:Query", "s3:PutObject", "ecr:BatchGetImage"} <= OWN
    assert set(NEEDED) >= OWN


def test_the_function_is_granted_what_it_calls_and_nothing_else() -> None:
    hub = load("hub.yaml")
    role = resources(hub, "AWS::IAM::Role")["EventsRole"]
    beside = [
        one for one in resources(hub, "AWS::IAM::RolePolicy").values() if one["RoleName"] == {"Ref": "EventsRole"}
    ]
    granted = actions(*(document for one in (role, *beside) for document in documents(one)))
    logging = {action for api in test_signing.called() for action in test_signing.ACTIONS[api]}
    assert (
        granted == {ACTION.get(api, api) for api in OWN} | logging | POLLED | LOGGED | ENCRYPTED | ASKED_FOR | shown()
    )
    findings = hub["Resources"]["EventsFindings"]
    assert (findings["Condition"], actions(*documents(findings["Properties"]))) == ("ShowsFindings", shown())
    traced = hub["Resources"]["EventsTracing"]
    assert (traced["Condition"], actions(*documents(traced["Properties"]))) == ("Traced", ASKED_FOR)


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
