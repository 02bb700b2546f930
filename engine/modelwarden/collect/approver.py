"""Who approved: the newest UpdateModelPackage event of CloudTrail that set the approval status. Pure.

`LastModifiedBy` changed anything last and proves nothing. CloudTrail keeps 90 days; an approval that it does not show
is unknown, never absent.
"""

from __future__ import annotations

import json
from typing import Any

from modelwarden.arn import PackageArn
from modelwarden.collect.aws import Answer
from modelwarden.collect.report import plain
from modelwarden.evidence import Absent, Fact, Present, Unknown
from modelwarden.identity import who

_NAMES = ("principal", "identity", "kind", "approved_at")


def no_approver(fact: Fact, detail: str) -> dict[str, Fact]:
    """Unknown whatever the reason: the trail not being there does not mean that nobody approved."""
    unknown = fact if isinstance(fact, Unknown) else Unknown("no event found", fact.source, detail)
    return {f"/approver/{name}": unknown for name in _NAMES}


def approver_facts(arn: PackageArn, answer: Answer) -> dict[str, Fact]:
    """Facts of the newest fitting event."""
    found = [event for event in map(_event, answer.data.get("Events") or ()) if _fits(event, arn)]
    if not found:
        return no_approver(Absent(answer.source), "CloudTrail shows no approval of this package in 90 days")
    newest = max(found, key=lambda event: str(event.get("eventTime", "")))
    identity = newest.get("userIdentity")
    identity = identity if isinstance(identity, dict) else {}
    person = (
        identity.get("sessionContext", {}).get("sourceIdentity")
        if isinstance(identity.get("sessionContext"), dict)
        else None
    )
    text = identity.get("arn")
    if not isinstance(text, str):
        return no_approver(Absent(answer.source), "the event names no ARN")
    approver = who(plain(text), source_identity=person)
    facts: dict[str, Fact] = {
        f"/approver/{name}": Present(plain(getattr(approver, name)), answer.source)
        for name in ("principal", "identity", "kind")
    }
    return facts | {"/approver/approved_at": Present(plain(str(newest.get("eventTime"))), answer.source)}


def _event(entry: Any) -> dict[str, Any]:
    try:
        document = json.loads(entry["CloudTrailEvent"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _fits(event: dict[str, Any], arn: PackageArn) -> bool:
    asked = event.get("requestParameters")
    if event.get("eventName") != "UpdateModelPackage" or not isinstance(asked, dict) or event.get("errorCode"):
        return False
    return asked.get("modelPackageArn") == arn.text and asked.get("modelApprovalStatus") == "Approved"
