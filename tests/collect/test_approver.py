"""Who approved, by the trail: the newest event decides, and what cannot be told is unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from modelwarden.collect.approver import read_approver
from modelwarden.collect.trail import essence, events_of
from modelwarden.evidence import Fact, Present, Unknown

from .conftest import ARN, Script, cell, failure

ADA, BEN = "arn:aws:iam::111122223333:user/ada", "arn:aws:iam::111122223333:user/ben"


def entry(minute: int, status: str | None = "Approved", by: str | None = ADA, arn: str = ARN, **changed: Any) -> Any:
    """One event of a page; `changed` members of the text inside."""
    at = datetime(2026, 11, 20, 6, minute, tzinfo=UTC)
    asked = {"modelPackageArn": arn, **({"modelApprovalStatus": status} if status else {})}
    inside = {
        "eventName": "UpdateModelPackage",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "requestParameters": asked,
        "responseElements": {"modelPackageArn": arn},
        "userIdentity": {"type": "IAMUser", **({"arn": by} if by else {})},
        **changed,
    }
    return {"EventName": "UpdateModelPackage", "EventTime": at, "CloudTrailEvent": json.dumps(inside)}


def approver(*pages: list[Any] | Any, status: str | None = "Approved") -> dict[str, Fact]:
    """Each page but the last names the next one."""

    def answer(parameters: Any) -> Any:
        number = int(parameters.get("NextToken", 0))
        page = pages[number]
        following = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {"Events": page, **following} if isinstance(page, list) else page

    return read_approver(cell(Script({"LookupEvents": answer})), status)


def said(facts: dict[str, Fact]) -> str:
    """The identity, or why there is none."""
    fact = facts["/approver/identity"]
    return str(fact.value) if isinstance(fact, Present) else getattr(fact, "detail", "") or getattr(fact, "reason", "")


NOBODY = "CloudTrail shows nobody who set the approval status in 90 days"
HIDDEN = "an event that may have set the approval status cannot be read"
OTHER = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/8"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([entry(5)], "ada"),
        ([entry(5, by=BEN), entry(4, by=ADA)], "ben"),
        ([entry(4, by=ADA), entry(5, by=BEN)], "ben"),
        ([entry(6, status=None, by=BEN), entry(5)], "ada"),
        ([entry(6, by=BEN, errorCode="AccessDenied"), entry(5)], "ada"),
        ([entry(6, by=BEN, arn=OTHER), entry(5)], "ada"),
        ([entry(5, arn=ARN.replace("churn", "Churn"))], "ada"),
        ([entry(5, eventTime="2026-11-20T07:05:00+01:00", by=BEN), entry(4)], "ben"),
        ([], NOBODY),
        ([entry(5, arn=OTHER)], NOBODY),
        ([entry(6, "Rejected", BEN), entry(5)], "the newest event set another approval status than the present one"),
        ([entry(5, by=ADA), entry(5, by=BEN)], "several events set the approval status within one second"),
        ([entry(5), entry(5, "Rejected")], "several events set the approval status within one second"),
        ([entry(5), entry(5)], "ada"),
        ([entry(5, by=None)], "the event names no ARN"),
        ([entry(6, requestParameters=None, responseElements=None), entry(5)], HIDDEN),
        ([entry(6, requestParameters={"omitted": True}), entry(5)], HIDDEN),
        ([entry(6, requestParameters=None, responseElements={"modelPackageArn": OTHER}), entry(5)], "ada"),
        ([entry(5), entry(4, requestParameters=None, responseElements=None)], "ada"),
        ([{"EventTime": datetime(2026, 11, 20, 6, 9, tzinfo=UTC), "CloudTrailEvent": "{"}, entry(5)], HIDDEN),
        ([{"CloudTrailEvent": "[]"}, entry(5)], HIDDEN),
        ([{}, entry(5)], HIDDEN),
    ],
)
def test_the_newest_event_decides(events: list[Any], expected: str) -> None:
    assert said(approver(events)) == expected


def test_the_source_identity_is_the_person() -> None:
    role = "arn:aws:sts::111122223333:assumed-role/Approver/session"
    identity = {"type": "AssumedRole", "arn": role, "sessionContext": {"sourceIdentity": "grace@example.com"}}
    facts = approver([entry(5, userIdentity=identity)])
    assert said(facts) == "grace@example.com"
    assert facts["/approver/principal"].value == "arn:aws:iam::111122223333:role/Approver"  # type: ignore[union-attr]
    assert facts["/approver/approved_at"].value == "2026-11-20T06:05:00Z"  # type: ignore[union-attr]


def test_an_older_approval_on_a_later_page_does_not_count() -> None:
    """A rejection is newer; the approval that holds now is not in the trail yet."""
    assert "another approval status" in said(approver([entry(9, "Rejected"), entry(8, arn=OTHER)], [entry(5)]))


def test_pages_are_read_until_the_newest_event_is_certain() -> None:
    assert said(approver([entry(9, arn=OTHER)], [entry(8, arn=OTHER)], [entry(7)])) == "ada"
    # Two events of one second, with the end of a page between them.
    assert "within one second" in said(approver([entry(9, by=ADA)], [entry(9, by=BEN), entry(8)]))
    script = Script({"LookupEvents": lambda given: {"Events": [entry(9), entry(8, arn=OTHER)], "NextToken": "t"}})
    assert said(read_approver(cell(script), "Approved")) == "ada"
    assert script.times("LookupEvents") == 1


def test_a_trail_that_does_not_end_is_unknown() -> None:
    script = Script(
        {"LookupEvents": lambda given: {"Events": [entry(9, arn=OTHER)], "NextToken": given.get("NextToken", "") + "x"}}
    )
    assert said(read_approver(cell(script), "Approved")) == "no approval among the newest 1000 events"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_trail_that_cannot_be_read_is_unknown_on_every_page(code: str) -> None:
    for pages in ([failure(code)], [[entry(9, arn=OTHER)], failure(code)]):
        facts = approver(*pages)
        assert {type(fact) for fact in facts.values()} == {Unknown}
        assert {fact.reason for fact in facts.values()} == {code}  # type: ignore[union-attr]


def test_the_trail_of_another_account_proves_nothing() -> None:
    script = Script({"LookupEvents": {"Events": [entry(5)]}}, owned=False)
    facts = read_approver(cell(script), "Approved")
    assert {fact.reason for fact in facts.values()} == {"in another account"}  # type: ignore[union-attr]
    assert script.asked == []


@pytest.mark.parametrize(
    "event",
    [
        entry(5, userIdentity={"arn": ADA, "accessKeyId": "AKIASECRET", "sessionContext": {"sourceIdentity": "a"}}),
        entry(5, requestParameters={"modelPackageArn": ARN, "inferenceSpecification": {"environment": "s3cr3t"}}),
        entry(5, requestParameters=None, responseElements=None),
        entry(5, errorCode="Denied", errorMessage="AKIASECRET"),
        {"CloudTrailEvent": "s3cr3t, no JSON"},
    ],
)
def test_the_essence_of_an_event_gives_the_same_facts_and_no_secrets(event: Any) -> None:
    short = {**event, "CloudTrailEvent": essence(event["CloudTrailEvent"])}
    assert events_of([short], ARN) == events_of([event], ARN)
    assert "s3cr3t" not in short["CloudTrailEvent"]
    assert "AKIA" not in short["CloudTrailEvent"]
    assert essence(short["CloudTrailEvent"]) == short["CloudTrailEvent"]
