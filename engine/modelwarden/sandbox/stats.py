"""How often each operation was called, so that budgets can be asserted."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any


class Stats:
    """Calls by account of the caller, region and operation. Requests that a fault answered count too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str, str]] = Counter()

    def count(self, account: str, region: str, operation: str) -> None:
        """Note one request; the account is empty where the caller is unknown."""
        with self._lock:
            self._calls[account, region, operation] += 1

    def clear(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._calls.clear()

    def told(self) -> dict[str, Any]:
        """`total`, `operations` (operation -> count), and `calls`, one row for each account, region and operation."""
        with self._lock:
            calls = sorted(self._calls.items())
        operations: Counter[str] = Counter()
        for (_, _, operation), count in calls:
            operations[operation] += count
        rows = [{"account": a, "region": r, "op": op, "count": count} for (a, r, op), count in calls]
        return {"total": sum(operations.values()), "operations": dict(sorted(operations.items())), "calls": rows}
