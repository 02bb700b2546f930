"""State in a file of SQLite: many processes of one machine may write at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from modelwarden.store import transition
from modelwarden.store.migration import migrate
from modelwarden.store.state import (
    Change,
    Hearsay,
    NoState,
    RunRow,
    Seen,
    Standing,
    StateError,
    check_heard,
    check_run,
    check_seen,
    check_time,
    unknown_run,
)
from modelwarden.store.transition import Step
from modelwarden.typed import decoder

BUSY_SECONDS: Final = 60
"""How long a writer waits for another one."""
BATCH: Final = 500
"""Packages of one transaction, and of one page."""

_KEPT: Final = (
    *("package", "account", "region", "role", "run", "at", "stage", "moment", "verdict"),
    *("controls", "evidence", "material"),
)
"""Members of Seen in the order of the columns; its rules follow."""
_SAID: Final = (
    *("run", "first_seen", "last_seen", "changed_at", "changed_by", "previous_verdict"),
    *("closed_at", "closed_why", "imported"),
)
"""Members of Standing in the order of the columns."""
_SELECT: Final = (
    "SELECT package, account, region, role, seen_by, at, stage, moment, verdict, controls, evidence, material,"
    " run, first_seen, last_seen, changed_at, changed_by, previous_verdict, closed_at, closed_why,"
    " imported, bundle, settings, waivers FROM package JOIN rules ON rules.id = package.rules"
)
_UPSERT: Final = f"INSERT OR REPLACE INTO package VALUES ({', '.join('?' * (len(_KEPT) + 1 + len(_SAID)))})"  # noqa: S608
_CELL: Final = f"{_SELECT} WHERE account = ? AND region = ? AND package > ? ORDER BY package LIMIT {BATCH}"
_UNLISTED: Final = (
    f"{_SELECT} WHERE account = ? AND region = ? AND package > ? AND run < ? AND closed_at = ''"
    f" ORDER BY package LIMIT {BATCH}"
)


class SqliteState:
    """One file; `state.State` says what its operations are for."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open a file, and bring one of an earlier release up to date.

        Raises:
            NoState: there is none, and none is to be made.
            StateError: it cannot be read or written, is no state, or is of a newer release.
        """
        self.path = path
        self._lock = threading.RLock()
        self._rules: dict[tuple[str, str, str], int] = {}
        """(bundle, settings, waivers) -> number; a row that was committed keeps its number."""
        with self._told():
            if create:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif not path.exists():
                raise NoState(f"{path}: there is no state")
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                _into_wal(self._connection)
                self._connection.execute("PRAGMA synchronous = FULL")
                migrate(self._connection, str(path))
            except BaseException:
                self._connection.close()
                raise

    def begin(self, run: RunRow) -> None:
        check_run(run)
        with self._writing():
            before = self.run(run.id)
            self._write_run(replace(run, finished_at="", started_at=before.started_at if before else run.started_at))

    def put(self, run_id: str, seen: Iterable[Seen]) -> None:
        if self.run(run_id) is None:
            raise unknown_run(run_id)
        left = iter(seen)
        # The sightings are made outside of the lock, since collecting them may take long.
        while batch := list(islice(left, BATCH)):
            for one in batch:
                check_seen(one, run_id)
            with self._writing():
                self._put(batch)

    def put_heard(self, run_id: str, heard: Iterable[Hearsay], at: str) -> int:
        if self.run(run_id) is None:
            raise unknown_run(run_id)
        news = 0
        left = iter(heard)
        while batch := list(islice(left, BATCH)):
            for one in batch:
                check_heard(one, at)
            with self._writing():
                known = self._known(one.package for one in batch)
                steps = []
                for one in batch:
                    step = transition.heard(known.get(one.package), one, run_id, at)
                    if step:
                        known[one.package] = step.standing
                        steps.append(step)
                self._keep(steps)
            news += len(steps)
        return news

    def close_missing(self, run_id: str, account: str, region: str, at: str) -> None:
        check_time(at)
        if self.run(run_id) is None:
            raise unknown_run(run_id)
        last: str | None = ""
        while last is not None:
            with self._writing():
                page = self._standings(_UNLISTED, account, region, last, run_id)
                self._keep([step for one in page if (step := transition.unlisted(one, run_id, at))])
            last = page[-1].seen.package if len(page) == BATCH else None

    def finish(self, run: RunRow) -> None:
        check_run(run)
        with self._writing():
            before = self.run(run.id)
            if before is None:
                raise unknown_run(run.id)
            self._write_run(replace(run, started_at=before.started_at))

    def run(self, run_id: str) -> RunRow | None:
        return next(iter(self._runs("WHERE id = ?", run_id)), None)

    def runs(self, limit: int, before: str = "") -> list[RunRow]:
        return self._runs("WHERE id < ? OR ? = '' ORDER BY id DESC LIMIT ?", before, before, limit)

    def standing(self, package: str) -> Standing | None:
        return next(iter(self._standings(f"{_SELECT} WHERE package = ?", package)), None)

    def standings(self, account: str, region: str) -> Iterator[Standing]:
        last = ""
        while page := self._standings(_CELL, account, region, last):
            yield from page
            last = page[-1].seen.package

    def history(self, package: str) -> Iterator[Change]:
        # What changed of one package is short: once a run at most, and twice where a run contradicts itself.
        for row in self._select("SELECT * FROM change WHERE package = ? ORDER BY run, at, event", package):
            values = dict(zip(Change.__struct_fields__, row, strict=True))
            with self._told():
                values["why"] = tuple(decoder(list[str]).decode(values["why"]))
                values["declared"] = decoder(dict[str, str]).decode(values["declared"])
            yield Change(**values)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _put(self, batch: Sequence[Seen]) -> None:
        known = self._known(one.package for one in batch)
        steps = []
        for seen in batch:
            step = transition.sighted(known.get(seen.package), seen)
            if step:
                known[seen.package] = step.standing
                steps.append(step)
        self._keep(steps)

    def _known(self, packages: Iterable[str]) -> dict[str, Standing]:
        names = list(set(packages))
        marks = ", ".join("?" * len(names))
        return {one.seen.package: one for one in self._standings(f"{_SELECT} WHERE package IN ({marks})", *names)}

    def _keep(self, steps: Sequence[Step]) -> None:
        changes = [step.change for step in steps if step.change]
        self._connection.executemany(_UPSERT, [self._row(step.standing) for step in steps])
        self._connection.executemany(
            "INSERT OR IGNORE INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_line, changes)
        )

    def _row(self, standing: Standing) -> tuple[Any, ...]:
        seen = standing.seen
        kept = [getattr(seen, name) for name in _KEPT]
        kept[_KEPT.index("controls")] = _text(seen.controls)
        rules = self._number(seen.bundle, seen.settings, seen.waivers)
        return (*kept, rules, *(getattr(standing, name) for name in _SAID))

    def _number(self, *rules: str) -> int:
        """Of a combination of bundle, settings and waivers, which a million packages share."""
        bundle, settings, waivers = rules
        if (bundle, settings, waivers) not in self._rules:
            self._connection.execute("INSERT OR IGNORE INTO rules (bundle, settings, waivers) VALUES (?, ?, ?)", rules)
            found = "SELECT id FROM rules WHERE bundle = ? AND settings = ? AND waivers = ?"
            (number,) = self._connection.execute(found, rules).fetchone()
            self._rules[bundle, settings, waivers] = number
        return self._rules[bundle, settings, waivers]

    def _write_run(self, run: RunRow) -> None:
        self._connection.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?)", (run.id, run.finished_at, _text(run)))

    def _runs(self, which: str, *values: Any) -> list[RunRow]:
        rows = self._select(f"SELECT row FROM run {which}", *values)  # noqa: S608
        with self._told():
            return [decoder(RunRow).decode(row) for (row,) in rows]

    def _standings(self, query: str, *values: Any) -> list[Standing]:
        rows = self._select(query, *values)
        with self._told():
            return [_standing(row) for row in rows]

    def _select(self, query: str, *values: Any) -> list[Any]:
        with self._told(), self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, whole or not at all."""
        with self._told(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._rules.clear()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            raise _state_error(self.path, error) from error


def _state_error(path: Path, error: Exception) -> StateError:
    if isinstance(error, OSError):
        return StateError(f"{path}: cannot be opened: {error.strerror}", "name a writable folder with --runs")
    # The most general class stands for a broken file; those below it for what the machine refuses.
    if type(error) is sqlite3.DatabaseError or not isinstance(error, sqlite3.Error):
        return StateError(
            f"{path}: the state is damaged: {error}",
            "restore it from a copy, or move it away: the next scan begins anew",
        )
    if "locked" in str(error):
        return StateError(f"{path}: another process holds the state for more than {BUSY_SECONDS} s", "try again")
    return StateError(
        f"{path}: the state cannot be used: {error}", "give it space and the right to write, and try again"
    )


def _into_wal(connection: sqlite3.Connection) -> None:
    """Readers and a writer at once. Only the first to open a file changes its mode, and SQLite waits for no lock there."""
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _standing(row: Sequence[Any]) -> Standing:
    kept, said, rules = row[: len(_KEPT)], row[len(_KEPT) : -3], row[-3:]
    values = dict(zip(_KEPT, kept, strict=True)) | dict(zip(("bundle", "settings", "waivers"), rules, strict=True))
    values["controls"] = tuple(decoder(list[str]).decode(values["controls"]))
    return Standing(Seen(**values), **dict(zip(_SAID, said, strict=True)))


def _line(change: Change) -> tuple[str, ...]:
    *plain, why, bundle, declared = (getattr(change, name) for name in change.__struct_fields__)
    return (*plain, _text(why), bundle, _text(declared))


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
