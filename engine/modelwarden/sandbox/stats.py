"""How often each operation was called, and when, so that budgets can be asserted."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_KEPT: Final = 10_000
"""Requests whose times are remembered."""


class Stats:
    """Calls by account of the caller, region and operation. Requests that a fault answered count too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._spans: deque[tuple[float, float, str]] = deque(maxlen=_KEPT)

    @contextmanager
    def call(self, account: str, region: str, operation: str) -> Iterator[None]:
        """Note one request while it is answered; the account is empty where the caller is unknown."""
        began = time.monotonic()
        with self._lock:
            self._calls[account, region, operation] += 1
        try:
            yield
        finally:
            with self._lock:
                self._spans.append((began, time.monotonic(), operation))

    def clear(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._calls.clear()
            self._spans.clear()

    def told(self) -> dict[str, Any]:
        """`total`, `operations` (operation -> count), and `calls`, one row for each account, region and operation."""
        with self._lock:
            calls = sorted(self._calls.items())
        operations: Counter[str] = Counter()
        for (_, _, operation), count in calls:
            operations[operation] += count
        rows = [{"account": a, "region": r, "op": op, "count": count} for (a, r, op), count in calls]
        return {"total": sum(operations.values()), "operations": dict(sorted(operations.items())), "calls": rows}

    def timeline(self) -> list[dict[str, Any]]:
        """When each request was being answered, in seconds of some clock, in the order in which they began."""
        with self._lock:
            spans = sorted(self._spans)
        return [{"op": operation, "began": began, "ended": ended} for began, ended, operation in spans]
