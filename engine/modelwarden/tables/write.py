"""Writing tables: row by row into row groups of bounded size, so that memory does not grow with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec

from modelwarden.arn import ArnError, parse_arn
from modelwarden.evidence import Present
from modelwarden.finding import ControlInfo, Decision
from modelwarden.run import decision_to_json
from modelwarden.scan.record import Record
from modelwarden.scan.visibility import Visibility
from modelwarden.tables.schema import COLUMNS, ROWS, TablesError, library, opened, schema

_SILENT: Final = ("pass", "not-applicable")
"""Outcomes of which no detail is kept: the evidence proves them."""
_OWNERS: Final = ("/tag/owner", "/tag/Owner", "/card/content/model_overview/model_owner")
"""Facts that name who answers for a model, the tag of the group before the words of the card."""
_PAGE_ROWS: Final = 16
"""After so many documents it is looked whether a page is full."""


class TablesWriter:
    """Writes the tables of some packages into a folder; a `with` block that ends with an error leaves none of them."""

    def __init__(self, folder: Path, controls: Mapping[str, ControlInfo]) -> None:
        self._controls = controls
        self._tables = {name: _Table(folder / f"{name}.parquet", name) for name in COLUMNS}

    def __enter__(self) -> TablesWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._drop()
            return
        try:
            for table in self._tables.values():
                table.close()
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        for table in self._tables.values():
            table.drop()

    def add(self, record: Record) -> None:
        """Write one package.

        Raises:
            TablesError: the disk refuses.
        """
        place = _place(record)
        self._tables["packages"].add({**place, **_package(record)})
        if record.decision is not None:
            for row in _findings(record.decision, self._controls):
                self._tables["findings"].add({**place, **row})
        if record.evidence is not None:
            digest, asserted = record.evidence.digest(), record.evidence.asserted
            document = msgspec.json.encode(record.evidence.to_json()).decode()
            self._tables["evidence"].add({**place, "digest": digest, "asserted": asserted, "document": document})

    def add_columns(self, table: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write rows of one table that are at hand as columns; one that is left out is null in all of them.

        Raises:
            TablesError: the disk refuses.
        """
        self._tables[table].add_columns(columns)


class _Table:
    """One table that is being written."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._columns = tuple(COLUMNS[name])
        self._rows: list[tuple[Any, ...]] = []
        with _told(path):
            self._file = _writer(path, name)

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(tuple(map(row.get, self._columns)))
        if len(self._rows) == ROWS[self._name]:
            self._flush()

    def add_columns(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """After the rows that were added before, in row groups of their own."""
        if self._rows:
            self._flush()
        count = len(next(iter(columns.values())))
        self._write({column: columns.get(column) or [None] * count for column in self._columns})

    def close(self) -> None:
        with _told(self._path):
            if self._rows:
                self._flush()
            self._file.close()

    def drop(self) -> None:
        """Leave no file: a part of a table is a table, too, and nobody could tell that rows are missing."""
        with suppress(OSError, library().arrow.ArrowException):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._write(dict(zip(self._columns, zip(*self._rows, strict=True), strict=True)))
        self._rows = []

    def _write(self, columns: Mapping[str, Sequence[Any]]) -> None:
        with _told(self._path):
            self._file.write_table(library().arrow.table(columns, schema=schema(self._name)), ROWS[self._name])


def _writer(path: Path, name: str) -> Any:
    """Documents are long and each is another one: a dictionary of them is only in the way, and a page of all that stand
    in a row group would be in memory as a whole for whoever reads a few."""
    words = [column for column, kind in COLUMNS[name].items() if kind == "word"]
    pages = {"use_dictionary": words, "write_batch_size": _PAGE_ROWS} if name == "evidence" else {}
    return library().parquet.ParquetWriter(path, schema(name), compression="zstd", **pages)


def merge_tables(parts: Sequence[Path], into: Path, sight: Visibility | None = None) -> dict[str, str]:
    """The tables of some folders as one each, in their order; name -> SHA-256 of each file.

    Who sees a package is known only when every account has told, so it is added here: `seen_from` and
    `seen_from_unknown` are null without `sight`.

    Raises:
        TablesError: a table cannot be read, or the disk refuses.
    """
    return {f"{name}.parquet": _merged(name, parts, into, sight) for name in COLUMNS}


def _merged(name: str, parts: Iterable[Path], into: Path, sight: Visibility | None) -> str:
    path = into / f"{name}.parquet"
    aside = into / f".{name}.parquet.part"
    limit = ROWS[name]
    with _told(path), _writer(aside, name) as file:
        held: list[Any] = []
        rows = 0
        for part in parts:
            for batch in opened(part / f"{name}.parquet").iter_batches(batch_size=limit):
                held.append(batch)
                rows += len(batch)
                if rows >= limit:
                    file.write_table(_table(held, name, sight), limit)
                    held, rows = [], 0
        if held:
            file.write_table(_table(held, name, sight), limit)
    with _told(path):
        sha256 = _sha256(aside)
        aside.replace(path)
    return sha256


def _table(batches: list[Any], name: str, sight: Visibility | None) -> Any:
    """Each batch has a dictionary of its own; one table has one."""
    table = library().arrow.Table.from_batches(batches).cast(schema(name)).unify_dictionaries()
    return table if sight is None or name != "packages" else _seen(table, sight)


def _seen(table: Any, sight: Visibility) -> Any:
    """The packages with the accounts that see them, and how many could not tell."""
    places = zip(*(table[name].to_pylist() for name in ("account", "region", "group")), strict=True)
    for name, values in zip(("seen_from", "seen_from_unknown"), zip(*sight.of(places), strict=True), strict=True):
        index = table.schema.get_field_index(name)
        field = table.schema.field(index)
        table = table.set_column(index, field, library().arrow.array(values, field.type))
    return table


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {"package": record.package}
    try:
        arn = parse_arn(record.package)
    except ArnError:
        # What AWS named otherwise than we know keeps its row.
        parts = record.package.split(":")
        return row | {"account": parts[4], "region": parts[3]}
    return row | {"account": arn.account, "region": arn.region, "group": arn.group, "version": arn.version}


def _package(record: Record) -> dict[str, Any]:
    names = ("role", "why", "approval", "claimed", "created", "modified", "stage", "moment", "reads", "reference")
    more = ("carried", "approval_record", "approval_record_why")
    row = {name: getattr(record, name) for name in (*names, *more)}
    origin = record.evidence.get("/package/original_arn") if record.evidence else None
    row |= {"origin": origin.value if isinstance(origin, Present) else None, "endpoints": list(record.endpoints)}
    row["owner"] = _owner(record)
    decision = record.decision
    if decision is None:
        return row
    digests = {f"{name}_digest": getattr(decision.digests, name) for name in decision.digests.__struct_fields__}
    lists = {name: list(getattr(decision, name)) for name in ("asserted", "notices", "off")}
    request = decision.request
    asked: dict[str, Any] = {
        "stage": request.stage,
        "moment": request.moment,
        "as_of": request.as_of,
        "as_of_asserted": request.as_of_asserted,
        "advisory": decision.advisory,
    }
    return row | digests | lists | asked | {"verdict": decision.verdict}


def _owner(record: Record) -> str | None:
    """Who answers for it by the first of `_OWNERS` that says so; a report may be narrowed to it."""
    told = (record.evidence.get(pointer) if record.evidence else None for pointer in _OWNERS)
    return next((str(fact.value) for fact in told if isinstance(fact, Present)), None)


def _findings(decision: Decision, controls: Mapping[str, ControlInfo]) -> Iterable[dict[str, Any]]:
    request = decision.request
    for ruling in decision_to_json(decision)["rulings"]:
        waiver, observed = ruling["waiver"], ruling["observed"]
        kept = ruling["outcome"] not in _SILENT and observed["facts"]
        yield {
            **ruling,
            "stage": request.stage,
            "moment": request.moment,
            "severity": info.severity if (info := controls.get(ruling["control"])) else None,
            "expected": ruling["expected"] or None,
            "reason": ruling["reason"] or None,
            "unset_parameters": ruling["unset_parameters"] or None,
            "waiver_id": waiver and waiver["id"],
            "waiver": waiver and msgspec.json.encode(waiver).decode(),
            "observed": msgspec.json.encode(observed).decode() if kept else None,
        }


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, library().arrow.ArrowException) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise TablesError(f"{path}: cannot be written: {said}", "name a writable folder with --runs") from error
