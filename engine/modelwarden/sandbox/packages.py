"""Model packages: every field of DescribeModelPackage is kept as it was given."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from modelwarden.sandbox.cloudtrail import record
from modelwarden.sandbox.eventbridge import package_changed
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Cell, Group, Handler, check_decrypt, denied, page

_SUMMARY: Final = [
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
]
_BATCH: Final = [
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
]
_UPDATED: Final = [
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
]
_NOT_KEPT: Final = ("Tags", "ClientToken", "ModelPackageGroupName", "ModelPackageName")


def missing(arn: str) -> Refusal:
    """AWS says ValidationException, not ResourceNotFound, when a package or group does not exist."""
    kind = "ModelPackageGroup" if ":model-package-group/" in arn else "ModelPackage"
    return Refusal("ValidationException", f"{kind} {arn} does not exist.")


def arn_of(call: Call, kind: str, name: str) -> str:
    """A name or an ARN -> the ARN; a plain name belongs to the caller."""
    return name if name.startswith("arn:") else f"arn:aws:sagemaker:{call.region}:{call.account}:{kind}/{name}"


def find(call: Call, name: str) -> tuple[Cell, str, dict[str, Any]]:
    """(cell, key, package) by name or ARN.

    Raises:
        Refusal: there is none, or it is another account's whose group policy does not name the caller.
    """
    arn = arn_of(call, "model-package", name)
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("model-package/"):
        raise Refusal("ValidationException", f"Invalid ARN: {name}")
    cell, key = call.world.cell(parts[4], parts[3]), parts[5].partition("/")[2]
    if parts[4] != call.account and not shared_with(cell.groups.get(key.partition("/")[0]), call.account):
        raise denied(call, arn)
    if parts[3] != call.region or key not in cell.packages:
        raise missing(arn)
    return cell, key, cell.packages[key]


def find_group(call: Call, name: str) -> tuple[Cell, str]:
    """(cell, name) of a group by name or ARN; another account's only where its policy names the caller.

    Raises:
        Refusal: there is none, or it is not shared.
    """
    arn = arn_of(call, "model-package-group", name)
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("model-package-group/"):
        raise Refusal("ValidationException", f"Invalid ARN: {name}")
    cell, plain = call.world.cell(parts[4], parts[3]), parts[5].partition("/")[2]
    if parts[4] != call.account and not shared_with(cell.groups.get(plain), call.account):
        raise denied(call, arn)
    if plain not in cell.groups:
        raise missing(arn)
    return cell, plain


def shared_with(group: Group | None, account: str) -> bool:
    """Whether the resource policy of a group names an account, or everybody."""
    if group is None or not group.policy:
        return False
    try:
        statements = json.loads(group.policy).get("Statement", [])
    except ValueError:
        return False
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, dict) else principal
        names = [named] if isinstance(named, str) else named
        if statement.get("Effect") == "Allow" and any(one in ("*", account) or f":{account}:" in one for one in names):
            return True
    return False


def identity(call: Call) -> dict[str, Any]:
    """CreatedBy and LastModifiedBy of what a client does while the sandbox runs."""
    return {"IamIdentity": {"Arn": call.caller.arn, "PrincipalId": call.caller.principal_id}}


def _describe(call: Call) -> Mapping[str, Any]:
    """With AllData (the default) a card under a customer key needs `kms:Decrypt`."""
    package = find(call, call.need("ModelPackageName"))[2]
    if call.parameters.get("IncludedData") == "MetadataOnly" and "ModelCard" in package:
        return {**package, "ModelCard": metadata_card(package["ModelCard"], "ModelCardContent")}
    if "ModelCard" in package:
        check_decrypt(call, package.get("SecurityConfig", {}).get("KmsKeyId"))
    return package


def metadata_card(card: Mapping[str, Any], member: str) -> dict[str, Any]:
    """A card without its content: only the risk rating is left."""
    try:
        content = json.loads(card.get(member) or "{}")
    except ValueError:
        content = {}
    uses = content.get("intended_uses") if isinstance(content, dict) else None
    rating = uses.get("risk_rating") if isinstance(uses, dict) else None
    kept = {"intended_uses": {"risk_rating": rating}} if rating is not None else {}
    return {**card, member: json.dumps(kept)}


def _create(call: Call) -> Mapping[str, Any]:
    given = copy.deepcopy({k: v for k, v in call.parameters.items() if k not in _NOT_KEPT})
    cell, group = call.cell, call.parameters.get("ModelPackageGroupName")
    now = call.world.now()
    if group:
        name = arn_of(call, "model-package-group", group).rpartition("/")[2]
        if name not in cell.groups:
            raise missing(arn_of(call, "model-package-group", group))
        version = 1 + max(
            (p["ModelPackageVersion"] for p in cell.packages.values() if p.get("ModelPackageGroupName") == name),
            default=0,
        )
        key, own = f"{name}/{version}", {"ModelPackageGroupName": name, "ModelPackageVersion": version}
        given.setdefault("ModelApprovalStatus", "PendingManualApproval")
    else:
        key, own = call.need("ModelPackageName"), {}
        if key in cell.packages:
            raise Refusal("ConflictException", f"ModelPackage already exists: {key}")
        cell.package_tags[key] = {tag["Key"]: tag["Value"] for tag in call.parameters.get("Tags") or []}
    arn = arn_of(call, "model-package", key)
    by = {"CreatedBy": identity(call), "LastModifiedBy": identity(call), "CreationTime": now, "LastModifiedTime": now}
    status = {
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
    }
    cell.packages[key] = {"ModelPackageName": key, "ModelPackageArn": arn, **own, **given, **by, **status}
    record(call, arn)
    package_changed(call, cell.packages[key])
    return {"ModelPackageArn": arn}


def _update(call: Call) -> Mapping[str, Any]:
    """Members that are not passed stay as they are."""
    _, _, package = find(call, call.need("ModelPackageArn"))
    changed = copy.deepcopy(dict(call.parameters))
    for name in _UPDATED:
        if changed.get(name) is not None:
            value = changed[name]
            package[name] = {**package.get(name, {}), **value} if name == "ModelCard" else value
    if more := changed.get("AdditionalInferenceSpecificationsToAdd"):
        _add_specifications(package, more)
    if changed.get("CustomerMetadataProperties") or changed.get("CustomerMetadataPropertiesToRemove"):
        properties = {
            **package.get("CustomerMetadataProperties", {}),
            **(changed.get("CustomerMetadataProperties") or {}),
        }
        for name in changed.get("CustomerMetadataPropertiesToRemove") or []:
            properties.pop(name, None)
        package["CustomerMetadataProperties"] = properties
    package["LastModifiedTime"], package["LastModifiedBy"] = call.world.now(), identity(call)
    record(call, package["ModelPackageArn"])
    package_changed(call, package)
    return {"ModelPackageArn": package["ModelPackageArn"]}


def _add_specifications(package: dict[str, Any], more: list[dict[str, Any]]) -> None:
    present = package.get("AdditionalInferenceSpecifications", [])
    names = {one["Name"] for one in present}
    if taken := [one["Name"] for one in more if one["Name"] in names]:
        raise Refusal("ValidationException", f"Additional inference specification {taken[0]} already exists.")
    if len(present) + len(more) > 15:
        raise Refusal("ValidationException", "A model package can have at most 15 additional inference specifications.")
    package["AdditionalInferenceSpecifications"] = [*present, *more]


def _delete(call: Call) -> Mapping[str, Any]:
    cell, key, package = find(call, call.need("ModelPackageName"))
    del cell.packages[key]
    cell.package_tags.pop(key, None)
    record(call, package["ModelPackageArn"])
    return {}


def _batch(call: Call) -> Mapping[str, Any]:
    """Errors stand in a map beside what was found; HTTP says 200."""
    found: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for arn in call.need("ModelPackageArnList"):
        try:
            package = find(call, arn)[2]
        except Refusal as refusal:
            errors[arn] = {"ErrorCode": refusal.code, "ErrorResponse": refusal.message}
        else:
            found[arn] = {name: package[name] for name in _BATCH if name in package}
    return {"ModelPackageSummaries": found, **({"BatchDescribeModelPackageErrorMap": errors} if errors else {})}


def _list(call: Call) -> Mapping[str, Any]:
    """The default type is Unversioned, unless a group is named."""
    wanted = call.parameters
    group = wanted.get("ModelPackageGroupName")
    kind = wanted.get("ModelPackageType") or ("Versioned" if group else "Unversioned")
    cell, name = find_group(call, group) if group else (call.cell, None)
    chosen = [
        package
        for package in cell.packages.values()
        if kind in ("Both", "Versioned" if "ModelPackageVersion" in package else "Unversioned")
        and name in (None, package.get("ModelPackageGroupName"))
        and wanted.get("ModelApprovalStatus") in (None, package.get("ModelApprovalStatus"))
        and (wanted.get("NameContains") or "") in package.get("ModelPackageName", "")
        and within(package["CreationTime"], wanted)
    ]
    chosen = ordered(chosen, wanted, "ModelPackageName")
    found, token = page(chosen, call, 100)
    return {"ModelPackageSummaryList": [{n: one[n] for n in _SUMMARY if n in one} for one in found], **token}


def within(moment: datetime, wanted: Mapping[str, Any]) -> bool:
    """CreationTimeAfter and CreationTimeBefore of a list call, which travel as seconds since 1970."""
    after, before = wanted.get("CreationTimeAfter"), wanted.get("CreationTimeBefore")
    return (after is None or moment.timestamp() > float(after)) and (
        before is None or moment.timestamp() < float(before)
    )


def ordered(items: list[Any], wanted: Mapping[str, Any], name: str) -> list[Any]:
    """Sorted as list calls sort: by creation, newest first, unless the caller says otherwise."""
    by = name if wanted.get("SortBy") == "Name" else "CreationTime"
    return sorted(items, key=lambda item: item[by], reverse=wanted.get("SortOrder", "Descending") == "Descending")


OPERATIONS: Final[dict[str, Handler]] = {
    "sagemaker:DescribeModelPackage": _describe,
    "sagemaker:CreateModelPackage": _create,
    "sagemaker:UpdateModelPackage": _update,
    "sagemaker:DeleteModelPackage": _delete,
    "sagemaker:BatchDescribeModelPackage": _batch,
    "sagemaker:ListModelPackages": _list,
}
