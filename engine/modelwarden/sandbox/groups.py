"""Model package groups, their policies, and the tags of groups and packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.cloudtrail import record
from modelwarden.sandbox.packages import arn_of, find, find_group, identity, missing, ordered, shared_with, within
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Group, Handler, page


def _find(call: Call, name: str) -> Group:
    """A group by name or ARN; another account's only where its policy names the caller."""
    cell, plain = find_group(call, name)
    return cell.groups[plain]


def _describe(call: Call) -> Mapping[str, Any]:
    group = _find(call, call.need("ModelPackageGroupName"))
    return {**_summary(group), "CreatedBy": group.created_by}


def _summary(group: Group) -> dict[str, Any]:
    described = {"ModelPackageGroupDescription": group.description} if group.description else {}
    names = {"ModelPackageGroupName": group.name, "ModelPackageGroupArn": group.arn}
    return {**names, **described, "CreationTime": group.created, "ModelPackageGroupStatus": "Completed"}


def _list(call: Call) -> Mapping[str, Any]:
    """SameAccount by default; CrossAccount lists what others share with the caller."""
    wanted = call.parameters
    if wanted.get("CrossAccountFilterOption") == "CrossAccount":
        cells = [
            cell
            for (account, region), cell in call.world.cells.items()
            if account != call.account and region == call.region
        ]
        groups = [group for cell in cells for group in cell.groups.values() if shared_with(group, call.account)]
    else:
        groups = list(call.cell.groups.values())
    text = wanted.get("NameContains") or ""
    chosen = [_summary(group) for group in groups if text in group.name and within(group.created, wanted)]
    found, token = page(ordered(chosen, wanted, "ModelPackageGroupName"), call, 100)
    return {"ModelPackageGroupSummaryList": found, **token}


def _create(call: Call) -> Mapping[str, Any]:
    name = call.need("ModelPackageGroupName")
    arn = arn_of(call, "model-package-group", name)
    if name in call.cell.groups:
        raise Refusal("ValidationException", f"Model Package Group already exists: {arn}")
    tags = {tag["Key"]: tag["Value"] for tag in call.parameters.get("Tags") or []}
    text = call.parameters.get("ModelPackageGroupDescription") or ""
    call.cell.groups[name] = Group(name, arn, call.world.now(), text, identity(call), tags)
    record(call, arn)
    return {"ModelPackageGroupArn": arn}


def _delete(call: Call) -> Mapping[str, Any]:
    group = _find(call, call.need("ModelPackageGroupName"))
    if any(package.get("ModelPackageGroupName") == group.name for package in call.cell.packages.values()):
        raise Refusal("ConflictException", f"Model Package Group {group.arn} still has model packages")
    del call.cell.groups[group.name]
    record(call, group.arn)
    return {}


def _get_policy(call: Call) -> Mapping[str, Any]:
    group = _own(call)
    if group.policy is None:
        raise Refusal("ValidationException", f"Cannot find resource policy for: {group.arn}")
    return {"ResourcePolicy": group.policy}


def _own(call: Call) -> Group:
    """The policy operations take a name, so only the owner can ask."""
    name = call.need("ModelPackageGroupName")
    if name not in call.cell.groups:
        raise missing(arn_of(call, "model-package-group", name))
    return call.cell.groups[name]


def _put_policy(call: Call) -> Mapping[str, Any]:
    group, text = _own(call), call.need("ResourcePolicy")
    try:
        loaded = json.loads(text)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise Refusal("ValidationException", "Invalid resource policy")
    group.policy = text
    record(call, group.arn)
    return {"ModelPackageGroupArn": group.arn}


def _delete_policy(call: Call) -> Mapping[str, Any]:
    group = _own(call)
    group.policy = None
    record(call, group.arn)
    return {}


def _tags(call: Call) -> dict[str, str] | None:
    """The tags that the ARN of a request points at; None: not one of ours. Versions have no tags of their own."""
    arn = call.need("ResourceArn")
    if ":model-package-group/" in arn:
        return _find(call, arn).tags
    if ":model-package/" not in arn:
        return None
    cell, key, package = find(call, arn)
    if "ModelPackageVersion" not in package:
        return cell.package_tags.setdefault(key, {})
    if call.request.operation != "ListTags":
        raise Refusal("ValidationException", f"Versioned model package {arn} cannot be tagged")
    return {}


def _list_tags(call: Call) -> Mapping[str, Any] | None:
    tags = _tags(call)
    if tags is None:
        return None
    limit = call.parameters.get("MaxResults")
    if limit is not None and int(limit) < 50:
        raise Refusal(
            "ValidationException",
            "Value at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 50",
        )
    found, token = page([{"Key": key, "Value": value} for key, value in tags.items()], call, 50)
    return {"Tags": found, **token}


def _add_tags(call: Call) -> Mapping[str, Any] | None:
    tags = _tags(call)
    if tags is None:
        return None
    tags.update({tag["Key"]: tag["Value"] for tag in call.need("Tags")})
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _delete_tags(call: Call) -> Mapping[str, Any] | None:
    tags = _tags(call)
    if tags is None:
        return None
    for key in call.need("TagKeys"):
        tags.pop(key, None)
    return {}


OPERATIONS: Final[dict[str, Handler]] = {
    "sagemaker:DescribeModelPackageGroup": _describe,
    "sagemaker:ListModelPackageGroups": _list,
    "sagemaker:CreateModelPackageGroup": _create,
    "sagemaker:DeleteModelPackageGroup": _delete,
    "sagemaker:GetModelPackageGroupPolicy": _get_policy,
    "sagemaker:PutModelPackageGroupPolicy": _put_policy,
    "sagemaker:DeleteModelPackageGroupPolicy": _delete_policy,
    "sagemaker:ListTags": _list_tags,
    "sagemaker:AddTags": _add_tags,
    "sagemaker:DeleteTags": _delete_tags,
}
