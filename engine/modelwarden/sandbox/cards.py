"""Standalone model cards, whose content carries over from version to version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.packages import identity, metadata_card, ordered, within
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Handler, check_decrypt, page

_SUMMARY: Final = ("ModelCardName", "ModelCardArn", "ModelCardStatus", "CreationTime", "LastModifiedTime")


def _versions(call: Call) -> list[dict[str, Any]]:
    name = call.need("ModelCardName")
    plain = name.rpartition("/")[2] if name.startswith("arn:") else name
    if plain not in call.cell.cards:
        raise Refusal("ResourceNotFound", f"Model card {name} does not exist.")
    return call.cell.cards[plain]


def _describe(call: Call) -> Mapping[str, Any]:
    versions, wanted = _versions(call), call.parameters.get("ModelCardVersion")
    card = next(
        (one for one in versions if wanted in (None, one["ModelCardVersion"]) and (wanted or one is versions[-1])), None
    )
    if card is None:
        raise Refusal(
            "ResourceNotFound", f"Version {wanted} of model card {call.need('ModelCardName')} does not exist."
        )
    if call.parameters.get("IncludedData") == "MetadataOnly":
        return metadata_card(card, "Content")
    check_decrypt(call, card.get("SecurityConfig", {}).get("KmsKeyId"))
    return card


def _create(call: Call) -> Mapping[str, Any]:
    name = call.need("ModelCardName")
    if name in call.cell.cards:
        raise Refusal("ConflictException", f"Model card {name} already exists.")
    _check(call.need("Content"))
    arn = f"arn:aws:sagemaker:{call.region}:{call.account}:model-card/{name}"
    given = {
        key: call.parameters[key]
        for key in ("ModelCardName", "Content", "ModelCardStatus", "SecurityConfig")
        if key in call.parameters
    }
    now = call.world.now()
    made = {
        "ModelCardArn": arn,
        "ModelCardVersion": 1,
        "CreationTime": now,
        "LastModifiedTime": now,
        "CreatedBy": identity(call),
    }
    call.cell.cards[name] = [{**given, **made, "LastModifiedBy": identity(call)}]
    return {"ModelCardArn": arn}


def _check(content: str) -> None:
    try:
        loaded = json.loads(content)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise Refusal("ValidationException", "Model card content is not a valid JSON object.")


def _update(call: Call) -> Mapping[str, Any]:
    """A new version; what is not passed is that of the version before."""
    versions = _versions(call)
    last = versions[-1]
    if call.parameters.get("Content") is not None:
        _check(call.parameters["Content"])
        if last.get("ModelCardStatus") == "Archived":
            raise Refusal("ConflictException", "An archived model card cannot be changed.")
    changed = {
        key: call.parameters[key] for key in ("Content", "ModelCardStatus") if call.parameters.get(key) is not None
    }
    by = {"LastModifiedTime": call.world.now(), "LastModifiedBy": identity(call)}
    versions.append({**last, **changed, **by, "ModelCardVersion": last["ModelCardVersion"] + 1})
    return {"ModelCardArn": last["ModelCardArn"]}


def _list(call: Call) -> Mapping[str, Any]:
    wanted = call.parameters
    latest = [
        versions[-1]
        for versions in call.cell.cards.values()
        if (wanted.get("NameContains") or "") in versions[-1]["ModelCardName"]
        and wanted.get("ModelCardStatus") in (None, versions[-1].get("ModelCardStatus"))
        and within(versions[-1]["CreationTime"], wanted)
    ]
    found, token = page(ordered(latest, wanted, "ModelCardName"), call, 100)
    return {"ModelCardSummaries": [_summary(one) for one in found], **token}


def _list_versions(call: Call) -> Mapping[str, Any]:
    found, token = page(list(reversed(_versions(call))), call, 100)
    return {
        "ModelCardVersionSummaryList": [
            {**_summary(one), "ModelCardVersion": one["ModelCardVersion"]} for one in found
        ],
        **token,
    }


def _summary(card: Mapping[str, Any]) -> dict[str, Any]:
    return {name: card[name] for name in _SUMMARY if name in card}


def _delete(call: Call) -> Mapping[str, Any]:
    versions = _versions(call)
    del call.cell.cards[versions[-1]["ModelCardName"]]
    return {}


OPERATIONS: Final[dict[str, Handler]] = {
    "sagemaker:DescribeModelCard": _describe,
    "sagemaker:CreateModelCard": _create,
    "sagemaker:UpdateModelCard": _update,
    "sagemaker:ListModelCards": _list,
    "sagemaker:ListModelCardVersions": _list_versions,
    "sagemaker:DeleteModelCard": _delete,
}
