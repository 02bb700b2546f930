"""The API behind API Gateway: an HTTP API whose routes have IAM authorization, payload format 2.0.

Whoever signed the call is its caller: API Gateway proves it. For what scans found, the organization layer must name `store` in a
table, as it must name `records` in a bucket.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from msgspec.structs import replace

from modelwarden import gate
from modelwarden.api.answer import answer
from modelwarden.api.message import LONGEST_SECONDS, MAX_BODY, Call, Reply
from modelwarden.api.refusal import Refusal
from modelwarden.api.service import Service
from modelwarden.aws.service import deployed, log_line
from modelwarden.errors import UserError
from modelwarden.identity import who
from modelwarden.render.log import Event
from modelwarden.request import Principal

PROVEN_BY: Final = "execute-api:Invoke"
"""The action that API Gateway authorized the caller for."""
_SCHEME: Final = "AWS4-HMAC-SHA256"
"""How a call is signed."""
_MOST_BYTES: Final = 6_000_000
"""Of an answer; Lambda's own limit is some more."""
_VALUE: Final = re.compile(r"\{(\w+)\+?\}")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """What API Gateway calls; an event of another form is an error of the deployment, and raised."""
    caller = _caller(event)
    if caller is None:
        help_ = "let whoever deploys the API give each route IAM authorization"
        return _told(
            Refusal("not-proven", "the route has no IAM authorization", help_, www_authenticate=_SCHEME).reply()
        )
    try:
        service = _service()
    except UserError as error:
        log_line(Event("start", level="error", fields={"error": str(error), "help": error.help}))
        return _told(Refusal("unavailable", "the API is not set up", "its log says what is missing").reply())
    found = answer(service, replace(_call(event), caller=caller, seconds=_seconds(context)))
    if len(found.body) > _MOST_BYTES:
        found = Refusal("unavailable", "the answer is larger than Lambda hands on", "read it from the records").reply()
    return _told(found)


@cache
def _service() -> Service:
    """Made at the first call and kept; what fails is tried again at the next."""
    return deployed(os.environ, log_line)


def _call(event: Mapping[str, Any]) -> Call:
    return Call(
        method=event["requestContext"]["http"]["method"],
        path=_path(event),
        query=event.get("rawQueryString", ""),
        headers={name.lower(): value for name, value in event.get("headers", {}).items()},
        body=_body(event),
    )


def _caller(event: Mapping[str, Any]) -> Principal | None:
    """Who signed the call, without the session of a role; None where nobody had to."""
    iam = event["requestContext"].get("authorizer", {}).get("iam") or {}
    arn = iam.get("userArn")
    return replace(who(arn), source=PROVEN_BY) if isinstance(arn, str) and gate.is_arn(arn) else None


def _seconds(context: object) -> int:
    """Until Lambda ends the call; the clocks of two instances differ by less than what is added."""
    left: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    return left() // 1000 + 5 if left else LONGEST_SECONDS


def _path(event: Mapping[str, Any]) -> str:
    """From the API's root on. A route's own template knows neither of stages nor of the base path of a domain."""
    _, _, template = str(event.get("routeKey", "")).partition(" ")
    values = event.get("pathParameters") or {}
    if template:
        return _VALUE.sub(lambda found: str(values[found[1]]), template)
    stage = event["requestContext"].get("stage", "$default")
    path = str(event["rawPath"])
    return path.removeprefix(f"/{stage}") if path.startswith(f"/{stage}/") else path


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode("utf-8", "backslashreplace")
    if len(text) > 2 * MAX_BODY:
        return b" " * (MAX_BODY + 1)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b"\xff"


def _told(found: Reply) -> dict[str, Any]:
    return {
        "statusCode": found.status,
        "headers": dict(found.headers),
        "body": found.body.decode(),
        "isBase64Encoded": False,
    }
