"""Tells how a long scan goes, on stderr alone: a display on a terminal, else a line for each cell, or lines of JSON."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TextIO

from msgspec import Struct, field

from modelwarden.render.log import Event, json_line, text_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from modelwarden.scan.record import CellEnd
    from modelwarden.snapshot import LedgerRow

QUIET_SECONDS: Final = 60.0
"""After so long without a line there is one that says that the scan goes on."""
_FINE: Final = ("read", "skipped", "disabled")


class Sink(Protocol):
    """Takes events to where somebody sees them. Its methods are called under the teller's lock."""

    def begun(self, tally: Tally) -> None: ...

    def moved(self, tally: Tally) -> None:
        """The counts changed."""

    def say(self, event: Event) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it was; called more than once."""


class Tally(Struct):
    """How far a scan is."""

    cells: int = 0
    done: int = 0
    already: int = 0
    """Cells of `done` that an earlier process read."""
    listed: int = 0
    """Packages that are known, in cells that have not ended too."""
    packages: int = 0
    """Packages that were read."""
    unread: int = 0
    """Cells that were not read."""
    errors: int = 0
    """APIs of cells that failed."""
    verdicts: Counter[str] = field(default_factory=Counter)

    def words(self) -> str:
        """`12/80 cells  340/400 packages  3 blocked  1 not read  2 APIs failed`."""
        known = f"/{self.listed}" if self.listed > self.packages else ""
        parts = [f"{self.done}/{self.cells} cells", f"{self.packages}{known} packages"]
        parts += [f"{self.verdicts['block']} blocked"] if self.verdicts["block"] else []
        parts += [f"{self.unread} not read"] if self.unread else []
        parts += [f"{self.errors} APIs failed"] if self.errors else []
        return "  ".join(parts)


class Teller:
    """A `Watcher` of a scan that counts, and hands what is worth a line to a sink. A context that ends whatever happens."""

    def __init__(
        self, sink: Sink, *, clock: Callable[[], float] = time.monotonic, quiet: float = QUIET_SECONDS
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._quiet = quiet
        self._tally = Tally()
        # Reentrant: a signal handler of the main thread tells that it stops, perhaps while that thread tells something.
        self._lock = threading.RLock()
        self._read: Counter[tuple[str, str]] = Counter()
        """Cell that has not ended -> packages that were read of it."""
        self._started = self._last = clock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Teller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begun(self, cells: int, already: int) -> None:
        with self._lock:
            self._tally.cells, self._tally.done, self._tally.already = cells, already, already
            self._started = self._clock()
            self._sink.begun(self._tally)
            self._say(Event("begun", fields={"cells": cells, "already": already}))
            self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
            self._thread.start()

    def listed(self, account: str, region: str, packages: int) -> None:
        with self._lock:
            self._tally.listed += packages
            self._sink.moved(self._tally)
            self._say(Event("listed", account=account, region=region, fields={"packages": packages}))

    def read(self, account: str, region: str) -> None:
        with self._lock:
            self._read[account, region] += 1
            self._tally.packages += 1
            self._sink.moved(self._tally)

    def ended(self, end: CellEnd) -> None:
        failed = [row for row in end.ledger if row.state not in _FINE]
        with self._lock:
            tally = self._tally
            tally.done += 1
            # Packages are counted one by one where that is told, and at the end of their cell where it is not.
            tally.packages += max(0, end.records - self._read.pop((end.account, end.region), 0))
            tally.unread += bool(end.unread)
            tally.errors += 0 if end.unread else len(failed)
            self._sink.moved(tally)
            self._say(_cell(end, failed, tally))

    def judged(self, account: str, region: str, packages: int, verdicts: Mapping[str, int]) -> None:
        with self._lock:
            self._tally.verdicts.update(verdicts)
            self._sink.moved(self._tally)
            fields = {"packages": packages, "verdicts": dict(verdicts)}
            self._say(Event("judged", account=account, region=region, fields=fields))

    def finished(self, manifest: Mapping[str, Any]) -> None:
        coverage = manifest["coverage"]
        fields = {
            "expected": coverage["expected"],
            "read": coverage["read"],
            "complete": manifest["complete"],
            "verdicts": manifest["verdicts"],
            "seconds": round(self._clock() - self._started, 1),
        }
        self.say(Event("finished", level="info" if manifest["complete"] else "warning", fields=fields))
        self.close()

    def say(self, event: Event) -> None:
        """Tell something that is not of one cell."""
        with self._lock:
            self._say(event)

    def stopping(self) -> None:
        """Somebody stops the scan: the display ends, since the next signal ends the process without a chance to do so."""
        with self._lock:
            self._sink.close()
            text = "stopping: packages that are being read come to their end"
            self._say(Event("stopping", text, "warning"))

    def close(self) -> None:
        """Nothing is told by itself after it, and the terminal is as it was."""
        self._over.set()
        with self._lock:
            self._sink.close()

    def _say(self, event: Event) -> None:
        self._sink.say(event)
        if event.text:
            self._last = self._clock()

    def _watch(self) -> None:
        """Whoever reads lines knows at least each minute that the scan lives."""
        while not self._over.wait(self._quiet / 10):
            with self._lock:
                if self._clock() - self._last >= self._quiet and not self._over.is_set():
                    self._going()

    def _going(self) -> None:
        tally = self._tally
        seconds = round(self._clock() - self._started)
        fields = {"done": tally.done, "cells": tally.cells, "packages": tally.packages, "seconds": seconds}
        self._say(Event("going", f"still going after {seconds} s: {tally.words()}", fields=fields))


def _cell(end: CellEnd, failed: list[LedgerRow], tally: Tally) -> Event:
    what = f"NOT READ: {end.unread}" if end.unread else f"{end.records} packages"
    more = f", {len(failed)} APIs failed" if failed and not end.unread else ""
    fields: dict[str, object] = {
        "done": tally.done,
        "cells": tally.cells,
        "packages": end.records,
        "calls": sum(row.calls for row in end.ledger),
        "failed": [{"api": row.api, "state": row.state, "error": row.error} for row in failed],
    }
    if end.unread:
        fields["unread"] = end.unread
    text = f"{tally.done}/{tally.cells}  {end.account}/{end.region}  {what}{more}"
    return Event("cell", text, "warning" if end.unread or failed else "info", end.account, end.region, fields)


class Silence:
    """`--quiet`: no line."""

    def begun(self, tally: Tally) -> None: ...

    def moved(self, tally: Tally) -> None: ...

    def say(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Lines:
    """A line for each event that has one."""

    def __init__(self, out: TextIO, format_: Literal["text", "json"], now: Callable[[], str]) -> None:
        self._out, self._format, self._now = out, format_, now

    def begun(self, tally: Tally) -> None: ...

    def moved(self, tally: Tally) -> None: ...

    def say(self, event: Event) -> None:
        if self._format == "json":
            line = json_line(event, self._now())
        elif event.text:
            line = text_line(event)
        else:
            return
        # Whoever read the lines may be gone: the scan is worth more than they are.
        with contextlib.suppress(OSError):
            # One write, so that lines of several threads and processes stay apart.
            self._out.write(line + "\n")
            self._out.flush()

    def close(self) -> None: ...


def teller(format_: Literal["text", "json"], now: Callable[[], str], *, quiet: bool) -> Teller:
    """Whoever tells it as the options and the terminal want it; `now` gives UTC times for lines of JSON."""
    if quiet or sys.stderr is None:  # None: the process was started with stderr closed
        return Teller(Silence())
    if format_ == "text" and _can_draw(sys.stderr):
        from modelwarden.cli.display import Display

        return Teller(Display(sys.stderr))
    return Teller(Lines(sys.stderr, format_, now))


def _can_draw(out: TextIO) -> bool:
    terminal = out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return terminal and importlib.util.find_spec("rich") is not None
