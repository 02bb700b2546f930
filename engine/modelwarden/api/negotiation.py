"""Negotiation: which form an answer may have, and which a body has. Everything is JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.api.message import JSON, MAX_BODY, Call
from modelwarden.api.refusal import Refusal
from modelwarden.document import parse
from modelwarden.evidence import EvidenceError

_RANGES: Final = {JSON: 2, "application/*": 1, "*/*": 0}
"""Media ranges that JSON is in, and how much each says about it."""
_NEVER: Final = re.compile(r"0(?:\.0{0,3})?")


def check_accept(headers: Mapping[str, str]) -> None:
    """RFC 9110, 12.5.1: of the ranges that JSON is in, the most specific one holds; with weight 0 it excludes.

    Raises:
        Refusal: JSON is not among what the caller takes.
    """
    accept = headers.get("accept", "").strip()
    if not accept:
        return
    weights: dict[int, bool] = {}
    for one in accept.lower().split(","):
        range_, *parameters = (part.strip() for part in one.split(";"))
        if range_ in _RANGES:
            weight = next((text.removeprefix("q=") for text in parameters if text.startswith("q=")), "1")
            weights[_RANGES[range_]] = not _NEVER.fullmatch(weight)
    if not weights or not weights[max(weights)]:
        raise Refusal("not-acceptable", f"answers are {JSON}, and `accept` leaves that out", f"send `accept: {JSON}`")


def body_of(call: Call) -> Any:
    """The JSON document of a call.

    Raises:
        Refusal: another media type, too large, or no JSON.
    """
    kind, *parameters = (part.strip().lower() for part in call.headers.get("content-type", "").split(";"))
    if kind != JSON or any(one and one not in ("charset=utf-8", 'charset="utf-8"') for one in parameters):
        raise Refusal("not-json", f"the body must be {JSON} in UTF-8", f"send `content-type: {JSON}`")
    if len(call.body) > MAX_BODY:
        raise Refusal("too-large", f"the body has more than {MAX_BODY} bytes", "send one question")
    try:
        return parse(call.body, "the body")
    except EvidenceError as error:
        raise Refusal("malformed", str(error), "send one JSON object in UTF-8") from error
