"""Messages: what a caller sent, and what it is told. Whichever server stands in front makes one and sends the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field

from modelwarden.render.json import dump
from modelwarden.request import Principal

JSON: Final = "application/json"
_ALWAYS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""What is told holds for now and for this caller; no browser shall take it for anything else."""

MAX_BODY: Final = 8_192
"""Bytes of a call; the longest that makes sense has some 400."""

LONGEST_SECONDS: Final = 900
"""That a call takes where nobody says less: as long as a Lambda function runs at most."""


class Call(Struct, frozen=True):
    """What a caller sent."""

    method: str
    path: str
    """From the API's own root on; percent-encoded, or decoded by a server on the way: both lead to the same route."""
    query: str = ""
    """As it was sent, without its question mark."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case name -> value; what was sent more often is joined by commas."""
    body: bytes = b""
    caller: Principal | None = None
    """Who asks, as AWS proved it to the server; None: the server and the caller are one, and share credentials."""
    seconds: int = LONGEST_SECONDS
    """After which the server is certain to have ended the call, whatever becomes of it."""


class Reply(Struct, frozen=True):
    """What the caller is told."""

    status: int
    headers: Mapping[str, str]
    """Lower-case name -> value."""
    body: bytes


def reply(status: int, document: Any, kind: str = JSON, **headers: str) -> Reply:
    """A document as the command line prints it; `_` in the name of a header stands for `-`."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return as_is(status, dump(document).encode(), kind, **more)


def as_is(status: int, body: bytes, kind: str = JSON, **headers: str) -> Reply:
    """A text that is written already."""
    return Reply(status, {"content-type": kind, **_ALWAYS, **headers}, body)
