"""The reader role grants what the collector calls: nothing less, nothing more, and nothing that writes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from cfnlint.decode.cfn_yaml import loads

from modelwarden.permission import DECRYPT, ENTER, IDENTITY, PERMISSIONS, SCANNING, action_of
from modelwarden.sandbox.operations import USED

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "deploy/reader-role.yaml"
COLLECT = ROOT / "engine/modelwarden/collect"
SERVICES = ("cloudtrail", "cloudwatch", "ec2", "ecr", "kms", "organizations", "s3", "sagemaker", "sts")
OWN = {IDENTITY, ENTER}
"""Of the caller: the first needs no permission, the second is granted to the hub by its own role."""
READING = re.compile(r"[a-z0-9]+:(Describe|Get|List|BatchGet|Lookup|Search)\w*")
SCAN = (
    *("cards.py", "deployment.py", "endpoint_metrics.py", "inventory.py", "organization.py", "scan_probe.py"),
    "sharing.py",
)
"""Modules that nothing but the scan uses: no fact of a package comes from them, so `doctor` tries it with `--scan` alone."""
PACK = "pack.py"
"""Fetches the organization's policy pack with the caller's own credentials."""


@cache
def operations_of(service: str) -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_service_model(service).operation_names)


@cache
def operations() -> frozenset[str]:
    return frozenset().union(*map(operations_of, SERVICES))


def constants(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


@cache
def called(path: Path) -> frozenset[str]:
    """`service:Operation` of every operation that a module names in a call or a table of calls."""
    return frozenset(_called(path))


def _called(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    mentioned = constants(tree) & set(SERVICES)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call | ast.Tuple):
            continue
        direct = [*node.args, *(one.value for one in node.keywords)] if isinstance(node, ast.Call) else node.elts
        texts = [one.value for one in direct if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        for operation in operations() & set(texts):
            near = set(texts) & set(SERVICES) or mentioned or SERVICES
            found = [service for service in near if operation in operations_of(service)]
            assert len(found) == 1, f"{path.name}: of which service is {operation}? {found}"
            yield f"{found[0]}:{operation}"


CALLED = {api for path in sorted(COLLECT.glob("*.py")) for api in called(path)} | {ENTER}
"""AssumeRole is called by botocore's own fetcher."""
ELSEWHERE = {action_of(api) for path in COLLECT.glob("*.py") if path.name not in SCAN for api in called(path)}
SCANNED = {action_of(api) for module in SCAN for api in called(COLLECT / module)} - ELSEWHERE
"""What nothing but the scan needs."""


def needs_no_role(api: str) -> bool:
    """What the caller does with its own credentials; of the organization nobody else can ask."""
    return api in OWN or api.startswith("organizations:")


@cache
def template() -> dict[str, Any]:
    """The template with its functions written out, as CloudFormation reads it."""
    document: dict[str, Any] = json.loads(json.dumps(loads(TEMPLATE.read_text())))
    return document


def statements() -> list[dict[str, Any]]:
    """Every statement that grants something to the role."""
    role, *more = (template()["Resources"][name]["Properties"] for name in ("ReaderRole", "ContentKeys", "Metrics"))
    documents = [one["PolicyDocument"] for one in (*role["Policies"], *more)]
    return [statement for document in documents for statement in document["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def granted() -> set[str]:
    return {action for statement in statements() for action in listed(statement["Action"])}


def test_the_operations_of_the_collector_were_found() -> None:
    """The search itself: a known call of each kind, and nothing that the sandbox does not answer."""
    assert {"sagemaker:DescribeModelPackage", "ecr:DescribeRepositories", "s3:HeadObject", "kms:DescribeKey"} <= CALLED
    assert {f"{service}:{operation}" for service, operations in USED.items() for operation in operations} >= CALLED
    by_method = [path.name for path in COLLECT.glob("*.py") if re.search(r"boto3|create_client\(\"", path.read_text())]
    assert set(by_method) <= {PACK}, "a call by a client's method is not seen here"


def test_granted_is_what_is_called_and_nothing_else() -> None:
    needed = {action_of(api) for api in CALLED if not needs_no_role(api)} | {DECRYPT}
    assert granted() == needed


def test_doctor_probes_what_is_granted() -> None:
    """What nothing but the scan needs by `--scan`, with what Organizations is asked."""
    assert granted() | OWN >= set(PERMISSIONS) >= (granted() | OWN) - SCANNED
    assert SCANNED <= set(SCANNING) <= granted() | {api for api in CALLED if needs_no_role(api)}


@pytest.mark.parametrize("api", ["s3:HeadObject", "s3:ListObjectsV2"])
def test_an_operation_without_an_action_of_its_name_has_another(api: str) -> None:
    """IAM knows no s3:HeadObject and no s3:ListObjectsV2; granting one would grant nothing."""
    assert api in CALLED
    assert action_of(api) != api
    assert api not in granted()


def test_no_action_writes() -> None:
    assert {action for action in granted() if not READING.fullmatch(action)} == {DECRYPT}
    assert all(statement["Effect"] == "Allow" and "NotAction" not in statement for statement in statements())
    assert not any("*" in action for action in granted())


def test_only_the_hub_of_the_organization_enters_and_with_the_external_id() -> None:
    (trust,) = template()["Resources"]["ReaderRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": {"Ref": "HubRoleArn"}}
    assert trust["Condition"] == {
        "StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}, "aws:PrincipalOrgID": {"Ref": "OrganizationId"}}
    }


def test_objects_are_named_by_whoever_rolls_it_out() -> None:
    resources = {
        action: listed(statement["Resource"])
        for statement in statements()
        for action in listed(statement["Action"])
        if action.startswith("s3:") or action == DECRYPT
    }
    asked = {"ArtifactObjectArns", "ReportObjectArns", "ArtifactBucketArns", "ContentKeyArns"}
    assert {one["Ref"] for named in resources.values() for one in named} <= asked
    assert all("Default" not in template()["Parameters"][name] for name in asked - {"ContentKeyArns"})


def test_decrypt_is_granted_on_condition_only() -> None:
    """On keys that somebody named, and only through the services that hold reports and cards."""
    keys = template()["Resources"]["ContentKeys"]
    (statement,) = keys["Properties"]["PolicyDocument"]["Statement"]
    assert (keys["Condition"], statement["Action"]) == ("HasContentKeys", DECRYPT)
    services = [one["Fn::Sub"].split(".")[0] for one in statement["Condition"]["StringLike"]["kms:ViaService"]]
    assert services == ["s3", "sagemaker"]
    assert sum(DECRYPT in listed(one["Action"]) for one in statements()) == 1
