"""Periods that people wrote: the moment at which a date or a time begins, and at which it ends. UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from modelwarden import toml
from modelwarden.toml import SettingsError, quoted


def end_of(value: Any, where: str) -> datetime:
    """The first moment after a date, which counts to its end, or after a time.

    Raises:
        SettingsError: it is neither.
    """
    instant = _moment_or_day(value, where)
    if isinstance(instant, datetime):
        return instant
    try:
        return datetime.combine(instant + timedelta(days=1), time(), UTC)
    except OverflowError:
        raise SettingsError(
            f"{where}: {quoted(value)} is too far away", "name a day that somebody can review"
        ) from None


def start_of(value: Any, where: str) -> datetime:
    """The first moment of a date, or a time.

    Raises:
        SettingsError: it is neither.
    """
    instant = _moment_or_day(value, where)
    return instant if isinstance(instant, datetime) else datetime.combine(instant, time(), UTC)


def _moment_or_day(value: Any, where: str) -> datetime | date:
    if isinstance(value, str) and "T" in value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise SettingsError(f"{where}: {quoted(value)} is not a time", "write it as 2026-12-31T18:00:00Z") from None
    if not isinstance(value, datetime):
        return toml.day(value, where)
    if value.tzinfo is None:
        raise SettingsError(f"{where}: {quoted(value)} names no time zone", "write it as 2026-12-31T18:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise SettingsError(
            f"{where}: {quoted(value)} is too far away", "name a day that somebody can review"
        ) from None
