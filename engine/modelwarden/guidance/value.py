"""One value of a row, as DynamoDB writes it: what it says, nothing, or why it says nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from modelwarden.toml import encodable

Row = Mapping[str, Mapping[str, Any]]
"""Column -> value with its type: `{"S": "text"}`."""

MOST: Final = 1024
"""Characters of a text that is kept."""
_NOTHING: Final = ("", "N/A")
"""The guidance writes `N/A` for what is absent, unreadable and left at its default alike."""


class Loss(Struct, frozen=True):
    """A row that was left out, or a column that was not kept."""

    row: str
    """Its key; empty where it has none."""
    column: str
    """Empty for the whole row."""
    why: str


class Unclear(Exception):
    """A value that cannot be understood; the message says why."""


def text(value: Mapping[str, Any] | None) -> str:
    """A text; empty where there is none.

    Raises:
        Unclear: something else, or more than is kept.
    """
    if value is None or "NULL" in value:
        return ""
    found = value.get("S")
    if not isinstance(found, str) or not encodable(found):
        raise Unclear("is no text")
    if len(found) > MOST:
        raise Unclear(f"is longer than {MOST} characters")
    return "" if found in _NOTHING else found


def time(value: Mapping[str, Any] | None) -> str:
    """A time as UTC with microseconds; empty where there is none.

    Raises:
        Unclear: no text of a time with its zone.
    """
    found = text(value)
    if not found:
        return ""
    try:
        moment = datetime.fromisoformat(found)
        if moment.tzinfo is None:
            raise Unclear("is a time without its zone")
        return precise(moment)
    except (ValueError, OverflowError):
        raise Unclear("is no time") from None


def precise(moment: datetime) -> str:
    """`2026-11-22T02:10:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def key(row: Row, column: str) -> str:
    """How a row is named in messages: its key as far as it is a text, cut."""
    found = row.get(column, {}).get("S", "")
    return found[:300].encode("utf-8", "backslashreplace").decode() if isinstance(found, str) else ""
