"""Texts and times of AWS's answers as evidence writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from modelwarden.evidence import Absent, Fact, Present, Source
from modelwarden.period import utc


def whole(text: str) -> str:
    """Text that every encoder takes, uncut: lone surrogates are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of which no reader sees another value than the next one does (`object_pairs_hook`).

    Raises:
        ValueError: a key stands twice; the message names no content, which may be sensitive.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def text_fact(value: Any, source: Source) -> Fact:
    """A text; absent where the answer has none or an empty one."""
    return Present(whole(value), source) if isinstance(value, str) and value else Absent(source)


def time_fact(value: Any, source: Source) -> Fact:
    """A time; absent where the answer has none."""
    return Present(time_text(value), source) if isinstance(value, datetime) else Absent(source)


def time_text(value: datetime) -> str:
    """`2026-11-22T02:10:00Z`."""
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        # Within a day of the first or last moment that Python can tell; the zone does not matter there.
        value = value.replace(tzinfo=UTC)
    return utc(value)
