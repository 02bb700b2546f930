"""How fast a registry is asked: buckets of tokens, since AWS publishes no rates and shares them with everybody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.answer import is_throttle

SEARCHES_PER_SECOND: Final = 5
READS_PER_SECOND: Final = 10
BURST_SECONDS: Final = 5
"""A bucket holds what flows in in so long: a gate, and a cell of few packages, never wait."""
LEAST: Final = 1 / 16
"""Share of its rate below which no bucket falls."""
RECOVERY_SECONDS: Final = 60
"""From nothing back to the full rate."""
_ONCE_SECONDS: Final = 1
"""Calls under way together meet the same throttle together; it counts once."""

Clock = Callable[[], float]


class Pace(Struct, frozen=True):
    """Calls a second, for each account, region and operation of the registry; no other service is slowed down."""

    searches: float = SEARCHES_PER_SECOND
    reads: float = READS_PER_SECOND

    def of(self, api: str) -> float | None:
        """None: as fast as it goes."""
        if api == "sagemaker:Search":
            return self.searches
        return self.reads if api.startswith("sagemaker:") else None


class Bucket:
    """Tokens of one operation; not thread-safe."""

    def __init__(self, rate: float, now: float) -> None:
        self._full, self._since, self._struck = rate, now, float("-inf")
        self.rate = rate
        """A second, at present."""
        self._tokens = rate * BURST_SECONDS

    def take(self, now: float) -> float:
        """Seconds to wait before the call; the token is spent at once, so that nobody overtakes."""
        self._flow(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self.rate)

    def strike(self, now: float) -> None:
        """AWS throttled a call: half as fast from here on, and nothing in hand."""
        self._flow(now)
        if now - self._struck < _ONCE_SECONDS:
            return
        self._struck = now
        self.rate = max(self.rate / 2, self._full * LEAST)
        self._tokens = min(self._tokens, 0.0)

    def _flow(self, now: float) -> None:
        passed, self._since = now - self._since, now
        self._tokens = min(self._full * BURST_SECONDS, self._tokens + passed * self.rate)
        self.rate = min(self._full, self.rate + passed * self._full / RECOVERY_SECONDS)


class Rates:
    """The buckets of one collector; for all its threads."""

    def __init__(self, pace: Pace, clock: Clock = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pace, self._clock, self._sleep = pace, clock, sleep
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self._slowest: dict[tuple[str, str, str], float] = {}

    def wait(self, holder: str, region: str, api: str) -> None:
        """Until the holder of credentials may make a call."""
        with self._lock:
            bucket = self._bucket(holder, region, api)
            seconds = bucket.take(self._clock()) if bucket else 0.0
        if seconds:
            self._sleep(seconds)

    def heard(self, holder: str, region: str, service: str, response: Any, operation: Any) -> None:
        """What an attempt came back with, as botocore tells it: (HTTP, what was parsed), or None where nothing did."""
        code = response[1].get("Error", {}).get("Code") if response else None
        if code is None or not is_throttle(str(code)):
            return
        with self._lock:
            bucket = self._bucket(holder, region, f"{service}:{operation.name}")
            if bucket:
                bucket.strike(self._clock())
                key = (holder, region, f"{service}:{operation.name}")
                self._slowest[key] = min(bucket.rate, self._slowest.get(key, bucket.rate))

    def slowest(self, holder: str, region: str, api: str) -> float:
        """The rate to which AWS brought an operation down since `forget`; 0 where it throttled nothing."""
        with self._lock:
            return self._slowest.get((holder, region, api), 0.0)

    def forget(self) -> None:
        """How slow it was until now; what is slow now stays so."""
        with self._lock:
            self._slowest.clear()

    def _bucket(self, holder: str, region: str, api: str) -> Bucket | None:
        rate = self._pace.of(api)
        if rate is None:
            return None
        key = (holder, region, api)
        if key not in self._buckets:
            self._buckets[key] = Bucket(rate, self._clock())
        return self._buckets[key]
