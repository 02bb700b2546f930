"""Who may approve by the guardrails, by a reading of IAM's conditions that knows only what they use; AWS itself was never asked."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from modelwarden.sandbox.operations import FILLING, USED

from .templates import DEPLOY, listed, load, resources

ORGANIZATION = "guardrails/organization.yaml"
STATUS, STAGE, STAGED = (
    "sagemaker:ModelApprovalStatus",
    "sagemaker:ModelLifeCycle:stage",
    "sagemaker:ModelLifeCycle:stageStatus",
)
"""Of CreateModelPackage and UpdateModelPackage, by the service authorization reference and "Set up Staging Construct Examples"."""
UPDATE, CREATE = "sagemaker:UpdateModelPackage", "sagemaker:CreateModelPackage"
GATE = "arn:aws:iam::444455556666:role/ModelwardenEnforcer"
SOMEBODY = "arn:aws-cn:iam::444455556666:role/DataScientist"
KEEPER = "arn:aws:iam::444455556666:role/stacksets-exec-0123456789abcdef"
POSING = "arn:aws:iam::444455556666:role/team/ModelwardenEnforcer"


def content(name: str) -> list[dict[str, Any]]:
    """Statements of a policy, with the template's own defaults as parameters."""
    template = load(ORGANIZATION)
    defaults = {key: one.get("Default", "").split(",") for key, one in template["Parameters"].items()}

    def filled(value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return defaults[name]
            case {"Fn::Sub": text}:
                return text.replace("${StackSetName}", defaults["StackSetName"][0])
            case dict():
                return {key: filled(inner) for key, inner in value.items()}
            case list():
                return [filled(inner) for inner in value]
        return value

    statements: list[dict[str, Any]] = filled(
        resources(template, "AWS::Organizations::Policy")[name]["Content"]["Statement"]
    )
    return statements


def holds(condition: dict[str, dict[str, Any]], request: dict[str, str]) -> bool:
    """All operators and all keys; of a key's values, one for what is positive and none for what is negative."""
    return all(
        _one(operator, listed(wanted), request.get(key))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _one(operator: str, wanted: list[str], given: str | None) -> bool:
    if given is None:
        return operator.endswith("IfExists") or operator.startswith("ArnNot")
    match operator.removesuffix("IfExists"):
        case "StringEquals":
            return given in wanted
        case "ArnNotLike":
            # Part by part, as IAM compares them; a star crosses slashes, and no colon.
            return not any(_arn(pattern, given) for pattern in wanted)
    raise AssertionError(operator)


def _arn(pattern: str, given: str) -> bool:
    return all(fnmatchcase(one, part) for part, one in zip(pattern.split(":", 5), given.split(":", 5), strict=True))


def matches(statements: list[dict[str, Any]], action: str, resource: str, request: dict[str, str]) -> list[str]:
    """Sids of the statements that apply to a request."""
    return [
        one["Sid"]
        for one in statements
        if action in listed(one["Action"])
        and any(pattern == "*" or _arn(pattern, resource) for pattern in listed(one["Resource"]))
        and holds(one.get("Condition", {}), request)
    ]


PACKAGE = "arn:aws:sagemaker:eu-west-1:444455556666:model-package/churn/7"


@pytest.mark.parametrize("action", [CREATE, UPDATE])
@pytest.mark.parametrize(
    ("who", "request_", "denied"),
    [
        (SOMEBODY, {STATUS: "Approved"}, ["ApprovedByTheGateAlone"]),
        (POSING, {STATUS: "Approved"}, ["ApprovedByTheGateAlone"]),
        (GATE, {STATUS: "Approved"}, []),
        (SOMEBODY, {STATUS: "Rejected"}, []),
        (SOMEBODY, {}, []),
        (SOMEBODY, {STAGE: "Production", STAGED: "Approved"}, ["StagesByTheGateAlone"]),
        (SOMEBODY, {STAGE: "Production", STAGED: "PendingApproval"}, []),
        (SOMEBODY, {STAGE: "Development", STAGED: "Approved"}, []),
        (GATE, {STATUS: "Approved", STAGE: "Production", STAGED: "Approved"}, []),
    ],
)
def test_only_the_gate_approves(action: str, who: str, request_: dict[str, str], denied: list[str]) -> None:
    assert matches(content("Approval"), action, PACKAGE, {"aws:PrincipalArn": who, **request_}) == denied


@pytest.mark.parametrize(
    ("action", "resource", "sid"),
    [
        ("iam:DeleteRole", "arn:aws:iam::444455556666:role/ModelwardenReader", "Roles"),
        ("iam:PutRolePolicy", "arn:aws:iam::444455556666:role/ModelwardenEnforcer", "Roles"),
        (
            "events:DisableRule",
            "arn:aws:events:eu-west-1:444455556666:rule/StackSet-modelwarden-spoke-Registry-1A",
            "Rules",
        ),
    ],
)
def test_only_who_rolls_it_out_changes_what_watches(action: str, resource: str, sid: str) -> None:
    assert matches(content("Watching"), action, resource, {"aws:PrincipalArn": SOMEBODY}) == [sid]
    assert matches(content("Watching"), action, resource, {"aws:PrincipalArn": KEEPER}) == []
    assert (
        matches(content("Watching"), action, resource.replace("odelwarden", "ine"), {"aws:PrincipalArn": SOMEBODY})
        == []
    )


@pytest.mark.parametrize("action", ["cloudformation:SetTypeConfiguration", "cloudformation:DeactivateType"])
def test_only_who_rolls_it_out_switches_the_hook_off_where_that_is_asked_for(action: str) -> None:
    hook = "arn:aws:cloudformation:eu-west-1:444455556666:type/hook/Modelwarden-Deploy-Check"
    assert matches(content("Hooks"), action, hook, {"aws:PrincipalArn": SOMEBODY}) == ["Hooks"]
    assert matches(content("Hooks"), action, hook, {"aws:PrincipalArn": KEEPER}) == []
    template = load(ORGANIZATION)
    assert template["Resources"]["Hooks"]["Condition"] == "KeepsHooks"
    assert template["Conditions"]["KeepsHooks"] == {"Fn::Equals": [{"Ref": "KeepHooks"}, "yes"]}
    assert template["Parameters"]["KeepHooks"]["Default"] == "no"


@pytest.mark.parametrize(
    ("action", "request_", "allowed"),
    [
        (CREATE, {}, ["Register"]),
        (CREATE, {STATUS: "PendingManualApproval", STAGE: "Development", STAGED: "InProgress"}, ["Register"]),
        (CREATE, {STATUS: "Approved"}, []),
        (CREATE, {STAGE: "Production", STAGED: "Approved"}, []),
        (UPDATE, {STATUS: "Rejected"}, ["Revise"]),
        (UPDATE, {STATUS: "Approved"}, []),
        (UPDATE, {STAGE: "Production", STAGED: "PendingApproval"}, ["Revise"]),
        (UPDATE, {STAGE: "Production", STAGED: "Approved"}, []),
    ],
)
def test_who_registers_asks_for_approval_and_gives_none(
    action: str, request_: dict[str, str], allowed: list[str]
) -> None:
    policy = json.loads((DEPLOY / "guardrails/registrant-policy.json").read_text())
    assert matches(policy["Statement"], action, PACKAGE, request_) == allowed


def test_the_approval_status_is_set_by_no_other_operation_of_the_registry() -> None:
    """The guardrails name every operation that takes one."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    taking = {
        f"sagemaker:{name}"
        for name in model.operation_names
        if (shape := model.operation_model(name).input_shape) is not None
        and {"ModelApprovalStatus", "ModelLifeCycle"} & shape.members.keys()
        and not name.startswith(("List", "Search"))
    }
    assert taking == {CREATE, UPDATE} == {action for one in content("Approval") for action in one["Action"]}
    assert {one.removeprefix("sagemaker:") for one in taking} <= {*USED["sagemaker"], *FILLING["sagemaker"]}
