"""Hints: what an event says may have changed. An event proves nothing but who called: everything else is read anew. Pure.

Shapes: `SageMaker Model Package State Change`, `SageMaker Model Card State Change` and `SageMaker Endpoint State Change` of
EventBridge, and `AWS API Call via CloudTrail` of sagemaker.amazonaws.com. Two traps: the sample that AWS documents has
`source` twice, the second time as a list; and CloudTrail leaves out parameters that are too large.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.arn import ArnError, parse_arn
from modelwarden.estate import ACCOUNT, REGION
from modelwarden.identity import who
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.period import utc
from modelwarden.request import Principal
from modelwarden.typed import converted

AGAIN: Final = "modelwarden.again/1"
"""Schema of the message by which what is undecided is judged again."""
TRAIL: Final = "events:AWS API Call via CloudTrail"
"""What proves the principal of a hint."""

_ENDPOINT: Final = re.compile(
    rf"arn:aws[a-z-]*:sagemaker:{REGION.pattern}:{ACCOUNT.pattern}:endpoint/[A-Za-z0-9][A-Za-z0-9-]{{0,62}}"
)
_ATTEMPTS: Final = 1_000
"""More than the longest wait holds."""
_SETS: Final = ("CreateModelPackage", "UpdateModelPackage")
_RUNS: Final = ("CreateEndpoint", "UpdateEndpoint")


class Malformed(ValueError):
    """Nothing that EventBridge or we ever send: the queue keeps it apart."""


class Hint(Struct, frozen=True):
    """What may have changed."""

    why: str
    """The event's own name for it."""
    at: str
    """UTC, to the second: when the event says that it happened."""
    package: str = ""
    """ARN; empty where only an endpoint is named, whose packages are read."""
    endpoint: str = ""
    """ARN of the endpoint that may run the package; empty where none is named."""
    actor: Principal | None = None
    """Who set the approval status to Approved by this very call; None for every other event."""
    since: str = ""
    """Since when the package is undecided; empty for the first time."""
    attempt: int = 0
    """How often it was judged again since then."""


class Irrelevant(Struct, frozen=True):
    """An event that asks for nothing."""

    why: str


def read_hint(body: bytes) -> Hint | Irrelevant:
    """What one message of the queue hints at.

    Raises:
        Malformed: it is no event.
    """
    try:
        event = decoded(body)
    except NotJson as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(event, dict):
        raise Malformed("no JSON object")
    if event.get("schema") == AGAIN:
        return _again(event)
    detail, kind, at = event.get("detail"), event.get("detail-type"), _time(event.get("time"))
    if not isinstance(detail, dict) or not isinstance(kind, str) or not at:
        raise Malformed("no event: `detail`, `detail-type` or `time` is missing")
    if not _of_sagemaker(event.get("source")):
        return Irrelevant("not of aws.sagemaker")
    match kind:
        case "SageMaker Model Package State Change":
            return Hint(kind, at, package=_package(detail.get("ModelPackageArn")))
        case "SageMaker Model Card State Change":
            return _of_card(detail, kind, at)
        case "SageMaker Endpoint State Change":
            return Hint(kind, at, endpoint=_endpoint(detail.get("EndpointArn")))
        case "AWS API Call via CloudTrail":
            return _of_call(detail, at)
    return Irrelevant(f"nothing follows from `{kind}`")


def again(hint: Hint, since: str) -> bytes:
    """The message by which a hint comes again; `read_hint` reads it."""
    told = msgspec.structs.replace(hint, since=since, attempt=hint.attempt + 1)
    return msgspec.json.encode({"schema": AGAIN, **msgspec.structs.asdict(told)})


def _again(message: Mapping[str, Any]) -> Hint:
    try:
        hint = converted({name: value for name, value in message.items() if name != "schema"}, Hint)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a message of `{AGAIN}`: {error}") from error
    _package(hint.package)
    if any(not time or _time(time) != time for time in (hint.at, hint.since)) or not 1 <= hint.attempt <= _ATTEMPTS:
        raise Malformed(f"not a message of `{AGAIN}`: it does not say since when")
    return hint


def _of_sagemaker(source: Any) -> bool:
    sources = source if isinstance(source, list) else [source]
    return "aws.sagemaker" in sources


def _of_card(detail: Mapping[str, Any], kind: str, at: str) -> Hint | Irrelevant:
    """A card may name the package that it is about; one that names another model is nobody's evidence."""
    named = detail.get("ModelId")
    try:
        return Hint(kind, at, package=parse_arn(named if isinstance(named, str) else "").text)
    except ArnError:
        # Whoever writes a card names its model as they like.
        return Irrelevant("the card names no model package")


def _of_call(detail: Mapping[str, Any], at: str) -> Hint | Irrelevant:
    name = detail.get("eventName")
    if detail.get("errorCode"):
        return Irrelevant("the call failed")
    asked, answered = _member(detail, "requestParameters"), _member(detail, "responseElements")
    if name in _RUNS:
        named = answered.get("endpointArn")
        return Hint(str(name), at, endpoint=_endpoint(named)) if named else Irrelevant("the call names no endpoint")
    if name not in _SETS:
        return Irrelevant("nothing follows from this call")
    package = answered.get("modelPackageArn") or asked.get("modelPackageArn")
    if not package:
        return Irrelevant("the call names no package, since CloudTrail left its parameters out")
    approves = asked.get("modelApprovalStatus") == "Approved"
    return Hint(str(name), _time(detail.get("eventTime")) or at, _package(package), actor=_actor(detail, approves))


def _actor(detail: Mapping[str, Any], approves: bool) -> Principal | None:
    identity = _member(detail, "userIdentity")
    arn, person = identity.get("arn"), _member(identity, "sessionContext").get("sourceIdentity")
    if not approves or not isinstance(arn, str) or not arn:
        return None
    found = who(arn, source_identity=person if isinstance(person, str) and person else None)
    return Principal(found.principal, found.identity, found.kind, found.state, TRAIL)


def _package(value: Any) -> str:
    try:
        return parse_arn(value if isinstance(value, str) else "").text
    except ArnError as error:
        raise Malformed(str(error)) from error


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not _ENDPOINT.fullmatch(value):
        raise Malformed("no ARN of an endpoint")
    return value


def _member(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def _time(value: Any) -> str:
    """ISO text, as UTC to the second; empty for anything else."""
    try:
        found = datetime.fromisoformat(value)
        return utc(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (TypeError, ValueError, OverflowError):
        return ""
