"""What events hint at, by the shapes that AWS documents, and by whatever else may lie in a queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.request import Principal
from modelwarden.respond.hint import TRAIL, Hint, Irrelevant, Malformed, again, read_hint

ARN = "arn:aws:sagemaker:us-east-2:123456789012:model-package/versionedmp-p-idy6c3e1fiqj/2"
ENDPOINT = "arn:aws:sagemaker:us-east-2:123456789012:endpoint/live"
AT = "2021-02-24T17:00:14Z"
PERSON = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Approver_0123456789abcdef/ann@example.com"


def event(kind: str, detail: Any, **more: Any) -> bytes:
    return json.dumps({"source": "aws.sagemaker", "detail-type": kind, "time": AT, "detail": detail, **more}).encode()


def call(name: str, asked: Any, answered: Any = None, **more: Any) -> bytes:
    detail = {
        "eventName": name,
        "eventTime": "2021-02-24T17:00:11Z",
        "requestParameters": asked,
        "responseElements": answered,
        "userIdentity": {"arn": PERSON},
        **more,
    }
    return event("AWS API Call via CloudTrail", detail)


def test_a_package_changed_by_the_sample_that_aws_documents() -> None:
    """It has `source` twice, the second time as a list."""
    text = '{"version": "0", "source": "aws.sagemaker", "source": ["aws.sagemaker"], '
    text += f'"detail-type": "SageMaker Model Package State Change", "time": "{AT}", '
    text += f'"detail": {{"ModelPackageArn": "{ARN}", "ModelApprovalStatus": "Approved"}}}}'
    assert read_hint(text.encode()) == Hint("SageMaker Model Package State Change", AT, package=ARN)


def test_who_approved_is_in_the_call() -> None:
    hint = read_hint(call("UpdateModelPackage", {"modelPackageArn": ARN, "modelApprovalStatus": "Approved"}))
    approver = "arn:aws:iam::123456789012:role/AWSReservedSSO_Approver_0123456789abcdef"
    who = Principal(approver, "ann@example.com", "person", "proven", TRAIL)
    assert hint == Hint("UpdateModelPackage", "2021-02-24T17:00:11Z", package=ARN, actor=who)


def test_a_source_identity_names_the_person() -> None:
    identity = {"arn": PERSON, "sessionContext": {"sourceIdentity": "ann"}}
    asked = {"modelPackageArn": ARN, "modelApprovalStatus": "Approved"}
    hint = read_hint(call("UpdateModelPackage", asked, userIdentity=identity))
    assert isinstance(hint, Hint)
    assert hint.actor is not None
    assert hint.actor.identity == "ann"


@pytest.mark.parametrize(
    "body",
    [
        call("UpdateModelPackage", {"modelPackageArn": ARN, "approvalDescription": "looks good"}),
        call("UpdateModelPackage", {"modelPackageArn": ARN, "modelApprovalStatus": "Rejected"}),
        call("UpdateModelPackage", None, {"modelPackageArn": ARN}),
        call("UpdateModelPackage", {"modelPackageArn": ARN, "modelApprovalStatus": "Approved"}, userIdentity={}),
        call("CreateModelPackage", {"modelPackageGroupName": "g"}, {"modelPackageArn": ARN}),
    ],
)
def test_a_call_that_does_not_say_who_approved_names_nobody(body: bytes) -> None:
    hint = read_hint(body)
    assert isinstance(hint, Hint)
    assert (hint.package, hint.actor) == (ARN, None)


@pytest.mark.parametrize("name", ["CreateEndpoint", "UpdateEndpoint"])
def test_an_endpoint_is_named(name: str) -> None:
    hint = read_hint(call(name, {}, {"endpointArn": ENDPOINT}))
    assert hint == Hint(name, AT, endpoint=ENDPOINT)
    changed = read_hint(event("SageMaker Endpoint State Change", {"EndpointArn": ENDPOINT}))
    assert changed == Hint("SageMaker Endpoint State Change", AT, endpoint=ENDPOINT)


def test_a_card_that_names_a_package_is_about_it() -> None:
    hint = read_hint(event("SageMaker Model Card State Change", {"ModelId": ARN, "ModelCardStatus": "Draft"}))
    assert hint == Hint("SageMaker Model Card State Change", AT, package=ARN)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (event("SageMaker Model Card State Change", {"ModelId": "example-model"}), "the card names no model package"),
        (event("SageMaker Model Card State Change", {"ModelId": f"{ARN}/x"}), "the card names no model package"),
        (call("UpdateModelPackage", {"modelPackageArn": ARN}, errorCode="AccessDenied"), "the call failed"),
        (call("UpdateModelPackage", None), "the call names no package, since CloudTrail left its parameters out"),
        (call("DeleteModelPackage", {"modelPackageName": ARN}), "nothing follows from this call"),
        (call("CreateEndpoint", {}, None), "the call names no endpoint"),
        (
            event("SageMaker Training Job State Change", {}),
            "nothing follows from `SageMaker Training Job State Change`",
        ),
        (event("SageMaker Model Package State Change", {}, source="acme.tools"), "not of aws.sagemaker"),
    ],
)
def test_what_asks_for_nothing_says_why(body: bytes, why: str) -> None:
    assert read_hint(body) == Irrelevant(why)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\xff", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"1", "no JSON object"),
        (b"{}", "no event"),
        (event("SageMaker Model Package State Change", "text"), "no event"),
        (event("SageMaker Model Package State Change", {}, time=None), "no event"),
        (event("SageMaker Model Package State Change", {}), "`` is not the ARN of a model package"),
        (event("SageMaker Endpoint State Change", {"EndpointArn": "live"}), "no ARN of an endpoint"),
        (b'{"schema": "modelwarden.again/1"}', "not a message of `modelwarden.again/1`"),
        (
            json.dumps({"schema": "modelwarden.again/1", "why": "x", "at": AT, "package": ARN, "attempt": 1}).encode(),
            "it does not say since when",
        ),
        (
            json.dumps(
                {"schema": "modelwarden.again/1", "why": "x", "at": AT, "package": ARN, "since": AT, "attempt": "1"}
            ).encode(),
            "not a message of `modelwarden.again/1`",
        ),
    ],
)
def test_what_is_no_event_is_malformed(body: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_hint(body)


@pytest.mark.parametrize(
    "changes",
    [{"attempt": 10**12}, {"since": "2021-02-24"}, {"at": "yesterday"}, {"since": "0001-01-01T00:00:00+23:59"}],
)
def test_a_message_of_ours_with_what_we_never_write_is_malformed(changes: dict[str, Any]) -> None:
    said = {"schema": "modelwarden.again/1", "why": "x", "at": AT, "package": ARN, "since": AT, "attempt": 1}
    read_hint(json.dumps(said).encode())
    with pytest.raises(Malformed, match="it does not say since when"):
        read_hint(json.dumps({**said, **changes}).encode())


def test_a_time_before_all_times_is_none() -> None:
    with pytest.raises(Malformed, match="no event"):
        read_hint(event("SageMaker Model Package State Change", {}, time="0001-01-01T00:00:00+23:59"))


def test_a_hint_comes_again_as_it_was() -> None:
    hint = read_hint(call("UpdateModelPackage", {"modelPackageArn": ARN, "modelApprovalStatus": "Approved"}))
    assert isinstance(hint, Hint)
    later = read_hint(again(hint, "2021-02-24T17:01:00Z"))
    assert isinstance(later, Hint)
    assert (later.package, later.actor, later.at) == (hint.package, hint.actor, hint.at)
    assert (later.since, later.attempt) == ("2021-02-24T17:01:00Z", 1)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text("a:/é\u202e", max_size=8)
    | st.just(ARN)
    | st.just("aws.sagemaker"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["detail", "arn", "schema"]), inner),
    max_leaves=8,
)
KIND = st.sampled_from(["SageMaker Model Package State Change", "AWS API Call via CloudTrail", "modelwarden.again/1"])


@given(st.dictionaries(st.sampled_from(["source", "detail-type", "time", "detail", "schema"]), ANY | KIND))
def test_anything_else_is_a_hint_or_nothing_or_malformed(message: dict[str, Any]) -> None:
    try:
        found = read_hint(json.dumps(message).encode())
    except Malformed:
        return
    assert isinstance(found, Irrelevant | Hint)
