"""Publishing: the tables of one scan are put where Athena reads them, and the scan shows itself last.

    <table>/run_date=2026-11-20/<run>-<edition>.parquet     every table but `runs`
    runs/run_date=2026-11-20/<run>.parquet                  one row, written when all others are there

INVARIANT: every view takes only rows of the edition that the row of `runs` names. So a publication that was broken off
shows nothing, one that replaces an earlier one shows the old rows or the new ones, and repeating one changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final

from msgspec import Struct

from modelwarden.analytics.rows import Rows, time_of
from modelwarden.analytics.tables import PARTITION, TABLES, VERSION, Table
from modelwarden.audit.source import Source
from modelwarden.errors import UserError
from modelwarden.evidence import Unknown, digest
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.store.place import NotKept, Place
from modelwarden.tables.schema import library

_ROWS: Final = 10_000
"""Of one row group."""
_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6,12}Z-[0-9a-f]{8}")
"""A folder may have been renamed, so the id is the one of the manifest; it sorts by time."""
_KEYS: Final = ("run", "edition")


class NotPublished(UserError):
    """Tables that were not put, or not shown."""

    help = "let whoever publishes read, list and write below that place, and publish again"


class Published(Struct, frozen=True):
    """A scan that is shown."""

    run: str
    edition: str
    where: str
    """Of its row in `runs`."""
    rows: Mapping[str, int]
    """Table -> rows; nothing where this very edition was published before."""


def publish(folder: Folder, place: Place) -> Published:
    """Put the tables of a scan that came to its end.

    Raises:
        ScanError, TablesError: the record cannot be read, or was changed.
        NotPublished: the place refuses, or a later record of the same scan is published there.
    """
    with Source(folder) as source:
        manifest = source.manifest
        started, run, edition = time_of(manifest.started_at), manifest.id, edition_of(folder)
        if started is None or not _ID.fullmatch(run):
            raise ScanError(f"{folder.path}: manifest.json does not say when the scan began, or what its id is")
        day = f"{PARTITION}={started:%Y-%m-%d}"
        shown = f"runs/{day}/{run}.parquet"
        if _standing(place, shown, source, edition):
            return Published(run, edition, shown, {})
        with TemporaryDirectory(prefix="modelwarden-") as aside:
            files = _written(Path(aside), Rows(source), {"run": run, "edition": edition})
            for name in (*(name for name in TABLES if name != "runs"), "runs"):
                to = shown if name == "runs" else f"{name}/{day}/{run}-{edition}.parquet"
                try:
                    where = place.replace(to, files[name].path.read_bytes())
                except NotKept as error:
                    raise NotPublished(str(error)) from error
    return Published(run, edition, where, {name: file.rows for name, file in files.items()})


def edition_of(folder: Folder) -> str:
    """What was recorded, in the tables of this version; a scan that goes on, or is published by a release with other
    columns, has another one."""
    return digest([VERSION, folder.manifest()]).removeprefix("sha256:")[:16]


def _standing(place: Place, name: str, source: Source, edition: str) -> bool:
    """Whether this edition is shown already.

    Raises:
        NotPublished: nobody can tell, or what is shown is a later record of the scan.
    """
    names = place.names(name.rpartition("/")[0])
    data = names if isinstance(names, Unknown) else place.read(name) if name in names else None
    if data is None:
        return False
    if isinstance(data, Unknown):
        raise NotPublished(f"{name}: cannot be read: {data.reason}{f': {data.detail}' if data.detail else ''}")
    lib = library()
    try:
        table = lib.parquet.read_table(lib.arrow.BufferReader(data), columns=["edition", "finished_at"])
        (row,) = table.to_pylist()
    except (lib.arrow.ArrowException, ValueError, KeyError) as error:
        raise NotPublished(f"{name}: is no row of a published scan", "remove it, and publish again") from error
    ended = time_of(source.manifest.finished_at)
    if row["edition"] != edition and row["finished_at"] and ended and row["finished_at"] > ended:
        raise NotPublished(
            f"{name}: a later record of this scan is published there", "publish the folder in which the scan went on"
        )
    return bool(row["edition"] == edition)


class _File:
    """One table that is being written; in a `with` block that ends without an error it is whole."""

    def __init__(self, folder: Path, table: Table, key: Mapping[str, str]) -> None:
        self.path = folder / f"{table.name}.parquet"
        self.rows = 0
        self._key = key
        self._columns = [column.name for column in table.columns if column.name not in _KEYS]
        self._held: list[Mapping[str, Any]] = []
        self._schema = arrow_schema(table)
        self._file = library().parquet.ParquetWriter(self.path, self._schema, compression="snappy")

    def __enter__(self) -> _File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        self._held.append(row)
        if len(self._held) == _ROWS:
            self._flush()

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self.add(row)

    def _flush(self) -> None:
        """INVARIANT: each row says every column: one that is forgotten is an error and never null."""
        count = len(self._held)
        columns = {name: [value] * count for name, value in self._key.items()}
        columns |= {name: [row[name] for row in self._held] for name in self._columns}
        self._file.write_table(library().arrow.table(columns, schema=self._schema))
        self.rows += count
        self._held = []


def _written(folder: Path, rows: Rows, key: Mapping[str, str]) -> dict[str, _File]:
    """Table -> its file, which is whole.

    Raises:
        NotPublished: the disk refuses.
    """
    with _told(folder), ExitStack() as stack:
        files = {name: stack.enter_context(_File(folder, table, key)) for name, table in TABLES.items()}
        files["runs"].add(rows.run())
        for package, metrics in rows.packages():
            files["packages"].add(package)
            files["metrics"].add_all(metrics)
        for name, found in _plain(rows):
            files[name].add_all(found)
    return files


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, library().arrow.ArrowException) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise NotPublished(f"{folder}: cannot be written: {said}", "make room there, or set TMPDIR") from error


def _plain(rows: Rows) -> Iterator[tuple[str, Iterable[Mapping[str, Any]]]]:
    yield "coverage", rows.coverage()
    yield "holes", rows.holes()
    yield "findings", rows.findings()
    yield "controls", rows.controls()
    yield "waivers", rows.waivers()
    yield "endpoints", rows.endpoints()
    yield "endpoint_metrics", rows.endpoint_metrics()
    yield "cards", rows.cards()


def arrow_schema(table: Table) -> Any:
    """Of one file."""
    arrow = library().arrow
    types = {
        "text": arrow.string(),
        "count": arrow.int64(),
        "number": arrow.float64(),
        "flag": arrow.bool_(),
        "time": arrow.timestamp("ms", tz="UTC"),
        "day": arrow.date32(),
    }
    fields = [arrow.field(column.name, types[column.kind]) for column in table.columns]
    return arrow.schema(fields, metadata={b"modelwarden": VERSION.encode()})
