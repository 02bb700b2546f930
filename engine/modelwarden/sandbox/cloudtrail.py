"""CloudTrail: what happened to the registry, for LookupEvents."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from modelwarden.sandbox.eventbridge import called
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Handler, page

_ATTRIBUTES: Final = (
    "EventId",
    "EventName",
    "ReadOnly",
    "Username",
    "ResourceType",
    "ResourceName",
    "EventSource",
    "AccessKeyId",
)


def record(call: Call, arn: str) -> None:
    """Note a change that the caller just made to the resource `arn`."""
    parameters = {key[:1].lower() + key[1:]: value for key, value in call.parameters.items()}
    account = arn.split(":")[4]
    user = {"arn": call.caller.arn, "accountId": call.caller.account, "principalId": call.caller.principal_id}
    kind = "AssumedRole" if ":assumed-role/" in call.caller.arn else "IAMUser"
    event = {
        "eventVersion": "1.09",
        "eventID": str(uuid.uuid4()),
        "eventTime": call.world.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": call.request.operation,
        "awsRegion": call.region,
        "recipientAccountId": account,
        "userIdentity": {"type": kind, **user},
        "requestParameters": parameters,
        "responseElements": {"modelPackageArn": arn} if ":model-package/" in arn else None,
        "resources": [{"ARN": arn, "accountId": account}],
        "readOnly": False,
    }
    call.world.cell(account, call.region).trail.append(event)
    called(call, event, arn)


def _lookup(call: Call) -> Mapping[str, Any]:
    """Newest first, 50 a page."""
    wanted = call.parameters
    attributes = wanted.get("LookupAttributes") or []
    if len(attributes) > 1 or any(one.get("AttributeKey") not in _ATTRIBUTES for one in attributes):
        raise Refusal("InvalidLookupAttributesException", "You can specify only one lookup attribute")
    start, end = wanted.get("StartTime"), wanted.get("EndTime")
    chosen = []
    for event in sorted(call.cell.trail, key=lambda one: str(one["eventTime"]), reverse=True):
        at = moment(event["eventTime"]).timestamp()
        named = all(one["AttributeValue"] in _values(event, one["AttributeKey"]) for one in attributes)
        if named and (start is None or at >= float(start)) and (end is None or at <= float(end)):
            chosen.append(event)
    found, token = page(chosen, call, 50)
    return {"Events": [_event(one) for one in found], **token}


def moment(text: str) -> datetime:
    """ISO text -> aware datetime; text without a zone is UTC."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _values(event: Mapping[str, Any], attribute: str) -> set[str]:
    """What a lookup attribute is compared with. A resource is found by its ARN and by its plain name."""
    if attribute == "ResourceName":
        arns = [str(one.get("ARN", "")) for one in event.get("resources", [])]
        return {*arns, *(arn.partition("/")[2] for arn in arns)}
    if attribute == "ResourceType":
        return {str(one.get("type", "")) for one in event.get("resources", [])}
    plain = {"EventId": "eventID", "EventName": "eventName", "EventSource": "eventSource", "ReadOnly": "readOnly"}
    if attribute in plain:
        value = event.get(plain[attribute])
        return {str(value).lower() if isinstance(value, bool) else str(value)}
    user = event.get("userIdentity", {})
    return {_username(event)} if attribute == "Username" else {str(user.get("accessKeyId", ""))}


def _username(event: Mapping[str, Any]) -> str:
    """The session name of an assumed role, else the name of the user."""
    user = event.get("userIdentity", {})
    return str(user.get("userName") or str(user.get("arn", "")).rpartition("/")[2])


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    resources = [
        {"ResourceType": one.get("type", ""), "ResourceName": one.get("ARN", "")} for one in event.get("resources", [])
    ]
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": str(event.get("readOnly", False)).lower(),
        "EventTime": moment(event["eventTime"]),
        "EventSource": event["eventSource"],
        "Username": _username(event),
        "Resources": resources,
        "CloudTrailEvent": json.dumps(event, default=str),
    }


OPERATIONS: Final[dict[str, Handler]] = {"cloudtrail:LookupEvents": _lookup}
