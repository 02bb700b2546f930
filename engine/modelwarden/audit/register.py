"""The register of a hub: which findings it was told, and what it has yet to be told. A file of SQLite.

A finding is entered before it is sent, and is owed until the hub has taken it: whatever fails, or is killed, is sent the
next time. A finding that was closed leaves the register once the hub knows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.errors import UserError
from modelwarden.evidence import digest
from modelwarden.render.asff import MEMBERS

VERSION: Final = 1
BATCH: Final = 1_000
_CREATE: Final = """
    CREATE TABLE IF NOT EXISTS finding (
        id TEXT PRIMARY KEY, control TEXT NOT NULL, package TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
        run TEXT NOT NULL, state TEXT NOT NULL, open INTEGER NOT NULL, owed INTEGER NOT NULL, document BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS owed ON finding (id) WHERE owed = 1;
    CREATE TABLE IF NOT EXISTS scan (run TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_FLEETING: Final = ("CreatedAt", "UpdatedAt", "ProductFields")
"""What changes with every scan, and makes no other finding."""


class RegisterError(UserError):
    """A register that cannot be used."""

    help = "choose a folder that is writable; without the file everything open is sent anew"


class Entry(Struct, frozen=True):
    """An open finding that the latest scan did not name."""

    id: str
    control: str
    package: str
    """ARN; empty for what was not read."""
    account: str
    region: str


class Register:
    """Open it in a `with` block."""

    def __init__(self, path: Path) -> None:
        """Raises RegisterError where it cannot be opened, or is of another version."""
        self._path = path
        with self._told():
            self._connection = sqlite3.connect(path, isolation_level=None)
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                self._connection.close()
                raise RegisterError(f"{path}: is of another version", "use the release of modelwarden that wrote it")
            self._connection.executescript(f"{_CREATE} PRAGMA user_version = {VERSION};")

    def __enter__(self) -> Register:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def latest(self) -> str:
        """The newest run whose findings were entered; empty where none was."""
        with self._told():
            return str(self._connection.execute("SELECT coalesce(max(run), '') FROM scan").fetchone()[0])

    @contextmanager
    def entering(self, run: str) -> Iterator[None]:
        """A block that enters the findings of a run: all of them, or, where it ends with an error, none."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("INSERT OR REPLACE INTO scan VALUES (?)", (run,))
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def enter(self, run: str, document: dict[str, Any]) -> None:
        """An open finding of a run: owed where the hub was told nothing of it, or something else."""
        fields = document["ProductFields"]
        state = digest({name: value for name, value in document.items() if name not in _FLEETING})
        row = self._connection.execute(
            "SELECT state, open, document FROM finding WHERE id = ?", (document["Id"],)
        ).fetchone()
        if row is not None and (row[0], row[1]) == (state, 1):
            self._connection.execute("UPDATE finding SET run = ? WHERE id = ?", (run, document["Id"]))
            return
        if row is not None:
            document = {**document, "CreatedAt": msgspec.json.decode(row[2])["CreatedAt"]}
        place = [fields.get(f"modelwarden/{name}", "") for name in ("control", "package", "account", "region")]
        self._connection.execute(
            "INSERT OR REPLACE INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, 1, 1, ?)",
            (document["Id"], *place, run, state, msgspec.json.encode(document)),
        )

    def adopt(self, document: Mapping[str, Any]) -> None:
        """What somebody else told the hub of a finding: it is what the hub holds, whatever was told before."""
        fields = document["ProductFields"]
        self._connection.execute("DELETE FROM finding WHERE id = ?", (document["Id"],))
        if document.get("RecordState", "ACTIVE") == "ACTIVE":
            place = [fields.get(f"modelwarden/{name}", "") for name in ("control", "package", "account", "region")]
            told = msgspec.json.encode({name: document[name] for name in MEMBERS if name in document})
            self._connection.execute(
                "INSERT INTO finding VALUES (?, ?, ?, ?, ?, '', '', 1, 0, ?)", (document["Id"], *place, told)
            )

    def stale(self, run: str) -> Iterator[list[Entry]]:
        """Open findings that a run did not name, some at a time."""
        last = ""
        while rows := self._connection.execute(
            "SELECT id, control, package, account, region FROM finding WHERE open = 1 AND run != ? AND id > ?"
            " ORDER BY id LIMIT ?",
            (run, last, BATCH),
        ).fetchall():
            yield [Entry(*row) for row in rows]
            last = rows[-1][0]

    def close(self, id_: str, changes: Mapping[str, Any]) -> None:
        """A finding that is no more; `changes`: members of its document."""
        row = self._connection.execute("SELECT document FROM finding WHERE id = ?", (id_,)).fetchone()
        document = msgspec.json.encode(msgspec.json.decode(row[0]) | dict(changes))
        self._connection.execute("UPDATE finding SET open = 0, owed = 1, document = ? WHERE id = ?", (document, id_))

    def owed(self, most: int) -> Iterator[list[dict[str, Any]]]:
        """What the hub has yet to be told, at most so many at a time; each once, whatever becomes of it."""
        last = ""
        while True:
            with self._told():
                rows = self._connection.execute(
                    "SELECT id, document FROM finding WHERE owed = 1 AND id > ? ORDER BY id LIMIT ?", (last, most)
                ).fetchall()
            if not rows:
                return
            yield [msgspec.json.decode(document) for _, document in rows]
            last = rows[-1][0]

    def settle(self, ids: Sequence[str]) -> None:
        """The hub has taken these."""
        marks = ", ".join("?" * len(ids))
        with self._told(), closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute(f"DELETE FROM finding WHERE open = 0 AND id IN ({marks})", list(ids))  # noqa: S608 - marks alone
            cursor.execute(f"UPDATE finding SET owed = 0 WHERE id IN ({marks})", list(ids))  # noqa: S608 - marks alone
            cursor.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RegisterError(f"{self._path}: {error}") from error
