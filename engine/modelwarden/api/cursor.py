"""Cursors: where the next page begins, in a form that nobody takes apart. One that was not handed out is refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from modelwarden.api.refusal import Refusal
from modelwarden.run import is_id

_CHECK: Final = 6
"""Bytes that tell a cursor from a text that happens to decode. It guards nothing: what it names may be read anyway."""


def cursor(before: str) -> str:
    """The law: `begin(cursor(id)) == id` for every id of a run."""
    return base64.urlsafe_b64encode(_check(before) + before.encode()).decode().rstrip("=")


def begin(text: str) -> str:
    """The id of the run before which the page begins.

    Raises:
        Refusal: no cursor that was handed out.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        before = data[_CHECK:].decode("ascii")
    except (binascii.Error, ValueError):
        before = ""
    # Several texts decode to the same bytes; only one of them was handed out.
    if not is_id(before) or cursor(before) != text:
        raise Refusal("malformed", f"`cursor`: `{text[:100]}` was not handed out", "follow the link `next` of a page")
    return before


def _check(before: str) -> bytes:
    return hashlib.sha256(f"runs\n{before}".encode()).digest()[:_CHECK]
