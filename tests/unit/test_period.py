"""Times and periods: one spelling for each moment, and one way to write how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from modelwarden.errors import UserError
from modelwarden.period import duration, start_of, utc


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 2, 10, tzinfo=UTC), "2026-11-22T02:10:00Z"),
        (datetime(2026, 11, 22, 2, 10, 9, 999_999, tzinfo=UTC), "2026-11-22T02:10:09Z"),
        (datetime(2026, 11, 22, 2, 10, tzinfo=timezone(timedelta(hours=5))), "2026-11-21T21:10:00Z"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_written_in_utc_to_the_second_and_reads_back(moment: datetime, text: str) -> None:
    assert utc(moment) == text
    assert start_of(text, "x") == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "long"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("45m", timedelta(minutes=45))],
)
def test_a_length_of_time(text: str, long: timedelta) -> None:
    assert duration(text, "--max-age") == long


@pytest.mark.parametrize("text", ["", "30", "0d", "-1d", "1y", "1.5h", "100000d", "30d ", "\u0663d", "1d12h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--max-age: `.*` is no length of time$") as caught:
        duration(text, "--max-age")
    assert caught.value.help == "write it as 30d, 12h or 45m"
