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
from modelwarden.request import PRINCIPAL_FIELDS

_NAMES = (*PRINCIPAL_FIELDS, "approved_at")


def no_approver(fact: Fact, detail: str) -> dict[str, Fact]:
    """Unknown whatever the reason: the trail not being there does not mean that nobody approved."""
    unknown = fact if isinstance(fact, Unknown) else Unknown("no event found", fact.source, detail)
    return {f"/approver/{name}": unknown for name in _NAMES}


def approver_facts(arn: PackageArn, answer: Answer, status: Any) -> dict[str, Fact]:
    """Facts of the newest event that set a status; `status` is what the package has now.

    An event that set another status than the present one leaves the question open: a later event is missing.
    """
    found = [event for event in map(_event, answer.data.get("Events") or ()) if _fits(event, arn)]
    if not found:
        return no_approver(Absent(answer.source), "CloudTrail shows nobody who set the approval status in 90 days")
    newest = max(found, key=lambda event: str(event.get("eventTime", "")))
    if newest["requestParameters"].get("modelApprovalStatus") != status:
        return no_approver(Absent(answer.source), "the newest event set another approval status than the present one")
    identity = newest.get("userIdentity")
    text = identity.get("arn") if isinstance(identity, dict) else None
    if not isinstance(identity, dict) or not isinstance(text, str):
        return no_approver(Absent(answer.source), "the event names no ARN")
    context = identity.get("sessionContext")
    person = context.get("sourceIdentity") if isinstance(context, dict) else None
    approver = who(plain(text), source_identity=plain(person) if isinstance(person, str) else None)
    at = Present(plain(str(newest.get("eventTime"))), answer.source)
    return {**approver.facts("/approver", answer.source), "/approver/approved_at": at}


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
    return asked.get("modelPackageArn") == arn.text and isinstance(asked.get("modelApprovalStatus"), str)
