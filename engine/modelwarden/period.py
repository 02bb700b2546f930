"""Times and periods as people write and read them: where a date or a time begins and ends, and how long something lasts. UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from modelwarden import toml
from modelwarden.errors import UserError
from modelwarden.toml import SettingsError, quoted

_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([dhm])")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


def utc(moment: datetime) -> str:
    """`2026-11-22T02:10:00Z`, rounded down to the second."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def duration(text: str, where: str) -> timedelta:
    """From `30d`, `12h` or `45m`.

    Raises:
        UserError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise UserError(f"{where}: {quoted(text)} is no length of time", "write it as 30d, 12h or 45m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


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
