"""The tables of the state in SQLite, and how a file of an earlier release becomes one of this.

`PRAGMA user_version` of a file is the number of the last step that it went through. A step is never edited once a release
has written it: what changes is a further step, and a fixture of the version before it under tests/compat.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from modelwarden.store.state import StateError

APPLICATION: Final = 0x6D777374
"""`PRAGMA application_id`: a file of ours."""

_VERSION_1: Final = (
    """CREATE TABLE rules (
        id INTEGER PRIMARY KEY, bundle TEXT NOT NULL, settings TEXT NOT NULL, waivers TEXT NOT NULL,
        UNIQUE (bundle, settings, waivers)
    )""",
    """CREATE TABLE package (
        package TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, role TEXT NOT NULL,
        seen_by TEXT NOT NULL, at TEXT NOT NULL, stage TEXT NOT NULL, moment TEXT NOT NULL, verdict TEXT NOT NULL,
        controls TEXT NOT NULL, evidence TEXT NOT NULL, material TEXT NOT NULL, rules INTEGER NOT NULL,
        run TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, changed_at TEXT NOT NULL,
        changed_by TEXT NOT NULL, previous_verdict TEXT NOT NULL, closed_at TEXT NOT NULL, closed_why TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX cell ON package (account, region)",
    """CREATE TABLE change (
        package TEXT NOT NULL, run TEXT NOT NULL, at TEXT NOT NULL, event TEXT NOT NULL, role TEXT NOT NULL,
        verdict TEXT NOT NULL, previous TEXT NOT NULL, why TEXT NOT NULL, bundle TEXT NOT NULL,
        PRIMARY KEY (package, run, at, event)
    ) WITHOUT ROWID""",
    "CREATE TABLE run (id TEXT PRIMARY KEY, finished_at TEXT NOT NULL, row TEXT NOT NULL) WITHOUT ROWID",
)


def _to_1(connection: sqlite3.Connection) -> None:
    """An empty file becomes a state without packages."""
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    for statement in _VERSION_1:
        connection.execute(statement)


def _to_2(connection: sqlite3.Connection) -> None:
    """What was imported: of a package by its digest, of a line of history by what was heard."""
    connection.execute("ALTER TABLE package ADD COLUMN imported TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE change ADD COLUMN declared TEXT NOT NULL DEFAULT '{}'")


STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {1: _to_1, 2: _to_2}
"""Version -> what makes it of the version before."""
VERSION: Final = max(STEPS)


def migrate(connection: sqlite3.Connection, where: str) -> None:
    """Bring a file to the version of this release, whole or not at all.

    Raises:
        StateError: a file of a newer release, or one that is no state.
        sqlite3.Error: it cannot be read or written.
    """
    if check(connection, where) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been here between the look and the lock.
        for version in range(check(connection, where) + 1, VERSION + 1):
            STEPS[version](connection)
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def check(connection: sqlite3.Connection, where: str) -> int:
    """The version of a file; 0 for an empty one.

    Raises:
        StateError: a file of a newer release, or one that is no state.
        sqlite3.Error: it cannot be read.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (tables or version):
        raise StateError(f"{where}: is a database of something else", "name another file for the state")
    if version > VERSION:
        raise StateError(
            f"{where}: was written by a newer release: version {version}, and this one reads up to {VERSION}",
            "update modelwarden",
        )
    return int(version)
