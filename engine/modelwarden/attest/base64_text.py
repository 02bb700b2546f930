"""Base64 in the one spelling that some bytes have: a text that was changed never means the same."""

from __future__ import annotations

import base64
import binascii


def text_of(raw: bytes) -> str:
    """The law: `bytes_of(text_of(raw)) == raw`."""
    return base64.b64encode(raw).decode()


def bytes_of(text: str) -> bytes:
    """The law: `text_of(bytes_of(text)) == text`.

    Raises:
        ValueError: it is none, or another spelling of some bytes; the message says which.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64") from error
    if text_of(raw) != text:
        raise ValueError("not the canonical base64 of its bytes")
    return raw
