"""EventBridge: what SageMaker and CloudTrail put on the default bus of an account. moto's own rules take it from there.

moto leaves the account out of what it hands to a target, and forwards an event to another account's bus without its
resources; AWS keeps both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.world import Call

_PACKAGE: Final = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "CreationTime",
    "LastModifiedTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelPackageStatusDetails",
    "CertifyForMarketplace",
    "ModelApprovalStatus",
    "MetadataProperties",
    "ModelMetrics",
    "ModelLifeCycle",
)
"""What the event of a package holds; never the card."""


def package_changed(call: Call, package: Mapping[str, Any]) -> None:
    """`SageMaker Model Package State Change`, as each change of a package sends it."""
    detail = {name: package[name] for name in _PACKAGE if name in package}
    _put(call, "SageMaker Model Package State Change", package["ModelPackageArn"], detail)


def called(call: Call, event: Mapping[str, Any], arn: str) -> None:
    """`AWS API Call via CloudTrail`, with the event of the trail as its detail."""
    _put(call, "AWS API Call via CloudTrail", arn, event)


def _put(call: Call, kind: str, arn: str, detail: Mapping[str, Any]) -> None:
    """To the bus of the account that owns the resource, where anybody has a rule there."""
    account = arn.split(":")[4]
    loaded = sys.modules.get("moto.events.models")
    if loaded is None or account not in loaded.events_backends:
        return
    entry = {
        "Source": "aws.sagemaker",
        "DetailType": kind,
        "Resources": [arn],
        "Time": call.world.now().timestamp(),
        "Detail": json.dumps(detail, default=_text),
    }
    loaded.events_backends[account][call.region].put_events([entry])


def _text(value: Any) -> str:
    """Times as the events write them."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
