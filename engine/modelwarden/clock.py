"""The clock, and ids that begin with it. Whoever judges is handed both."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from modelwarden.period import utc


def now() -> str:
    """UTC, to the second."""
    return utc(datetime.now(UTC))


def run_id() -> str:
    """Ids sort by time, to the microsecond; the suffix keeps apart what began at once."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z-{os.urandom(4).hex()}"
