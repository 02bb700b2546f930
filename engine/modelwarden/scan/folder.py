"""The folder of a scan: the plan first, each cell when it was read to its end, the tables and the manifest last.

    <id>/plan.json                       what was asked, by which rules, and which cells are expected
    <id>/running/<account>.<region>.json what the endpoints of a cell run
    <id>/cards/<account>.<region>.json   its standalone model cards
    <id>/references/<digest>.json        facts that belong to no package
    <id>/cells/<account>.<region>.jsonl  a line for each package, and a last one that says how the reading ended
    <id>/slices/<account>.<region>/      the same of parts of a cell, where one task does not come to the end of it
    <id>/judged/<account>.<region>/      the tables of a cell, its counts, and how the reading ended
    <id>/*.parquet, cells.jsonl          the tables of the whole scan, and how the reading of each cell ended
    <id>/manifest.json                   coverage and counts

Whatever appears under its name is whole. So a scan that was killed leaves finished cells and nothing half. What lies
below `cells` and `judged` is needed only to go on with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct

from modelwarden.entries import entries
from modelwarden.evidence import Fact, digest, facts_from_json
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.run import write_new
from modelwarden.scan.cell_file import CellWriter, read_end, read_records, told
from modelwarden.scan.record import Cards, CellEnd, Record, Reference, Running, ScanError
from modelwarden.scan.slices import Slice
from modelwarden.scan.tally import Tally
from modelwarden.scan.visibility import Visibility
from modelwarden.tables import merge_tables, read_tables, there
from modelwarden.typed import decoder
from modelwarden.whole_file import whole

PLAN: Final = "modelwarden.plan/1"
MANIFEST: Final = "modelwarden.scan/1"
_CELLS: Final = "cells.jsonl"
_TALLY: Final = "tally.json"
_END: Final = "end.json"

T = TypeVar("T")


class Folder(Struct, frozen=True):
    """One scan on disk."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Raises ScanError where the folder cannot be written, or has a plan."""
        self._write("plan.json", {"schema": PLAN, **plan})

    def grow_plan(self, estate: dict[str, Any]) -> None:
        """What is expected by now; all else that was asked stays.

        Raises:
            ScanError: there is no plan, it was changed, or the folder cannot be written.
        """
        document = self.plan() | {"estate": estate}
        path = self.path / "plan.json"
        with told(path), whole(path) as out:
            out.write(_sealed(document))

    def plan(self) -> dict[str, Any]:
        """Raises ScanError where there is none, or it was changed."""
        return self._read("plan.json", PLAN)

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """The last thing that is written; a scan that goes on replaces the one before.

        Raises:
            ScanError: the folder cannot be written.
        """
        (self.path / "manifest.json").unlink(missing_ok=True)
        self._write("manifest.json", {"schema": MANIFEST, **manifest})

    def manifest(self) -> dict[str, Any]:
        """Raises ScanError where there is none, or it was changed."""
        return self._read("manifest.json", MANIFEST)

    def write_reference(self, name: str, reference: Reference) -> None:
        """Facts by their digest; a file that is there already holds the same."""
        path = self.path / "references" / f"{name.removeprefix('sha256:')}.json"
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                write_new(path, msgspec.json.encode(reference))

    def reference(self, name: str) -> dict[str, Fact]:
        """Facts that belong to no package, by their digest.

        Raises:
            ScanError: its file cannot be read.
        """
        path = self.path / "references" / f"{name.removeprefix('sha256:')}.json"
        found = _decoded(path, Reference).facts
        return facts_from_json(found["facts"], found["sources"], ("/reference/",))

    def references(self) -> Iterator[Reference]:
        """Everything that belongs to no package.

        Raises:
            ScanError: a file of it cannot be read.
            Unlisted: nobody can tell which files there are.
        """
        for path in entries(self.path / "references", ".json"):
            yield _decoded(path, Reference)

    def write_running(self, account: str, region: str, running: Running) -> None:
        """What runs in a cell; an earlier answer is replaced.

        Raises:
            ScanError: the disk refuses.
        """
        self._replace("running", account, region, running)

    def running(self, account: str, region: str) -> Running | None:
        """What runs in a cell; None where nobody asked.

        Raises:
            ScanError: its file cannot be read.
        """
        path = self.path / "running" / f"{account}.{region}.json"
        return _decoded(path, Running) if path.exists() else None

    def write_cards(self, account: str, region: str, cards: Cards) -> None:
        """The model cards of a cell; as `write_running`."""
        self._replace("cards", account, region, cards)

    def cards(self, account: str, region: str) -> Cards | None:
        """The model cards of a cell; None where nobody asked.

        Raises:
            ScanError: its file cannot be read.
        """
        path = self.path / "cards" / f"{account}.{region}.json"
        return _decoded(path, Cards) if path.exists() else None

    def cell(self, account: str, region: str) -> CellWriter:
        return CellWriter(self._cell(account, region), account, region)

    def slice(self, account: str, region: str, part: Slice) -> CellWriter:
        return CellWriter(self._slice(account, region, part), account, region)

    def slice_end(self, account: str, region: str, part: Slice) -> CellEnd | None:
        """As `end`, of one slice of a cell."""
        return read_end(self._slice(account, region, part))

    def slice_records(self, account: str, region: str, part: Slice) -> Iterator[Record]:
        """As `collected`, of one slice of a cell."""
        return read_records(self._slice(account, region, part))

    def end(self, account: str, region: str) -> CellEnd | None:
        """How the reading of a cell ended; None where it was not read to its end.

        Raises:
            ScanError: its file was changed.
        """
        known = self._ends.get((account, region)) or _end_of(self._cell(account, region))
        path = self._judged(account, region) / _END
        if known is None and path.exists():
            # Judged on another machine, which kept what it had collected.
            try:
                return CellEnd.from_json(_decoded(path, dict))
            except (KeyError, TypeError) as error:
                raise ScanError(f"{path}: does not say how the reading ended") from error
        return known

    def cells(self) -> list[tuple[str, str]]:
        """(account, region) of every cell that was read to its end, sorted.

        Raises:
            Unlisted: nobody can tell which there are.
        """
        paths = (path for path in entries(self.path / "cells", ".jsonl") if not path.name.startswith("."))
        names = (path.name.removesuffix(".jsonl") for path in paths)
        found = [(name.partition(".")[0], name.partition(".")[2]) for name in names]
        return sorted({*found, *self._ends})

    def collected(self, account: str, region: str) -> Iterator[Record]:
        """The packages of a cell that was read to its end, before they are judged.

        Raises:
            ScanError: there is none, or its file was changed.
        """
        return read_records(self._cell(account, region))

    def records(
        self, account: str, region: str, *, with_evidence: bool = True, with_decision: bool = True
    ) -> Iterator[Record]:
        """The packages of a cell as they were judged, in the order of their ARNs. Leaving parts out is faster.

        Raises:
            ScanError: its tables cannot be read.
        """
        tables = self._tables(account, region)
        return read_tables(tables, account, region, with_evidence=with_evidence, with_decision=with_decision)

    def there(self, account: str, region: str) -> Iterator[str]:
        """The ARNs of these packages, without those that were gone.

        Raises:
            ScanError: its tables cannot be read.
        """
        return there(self._tables(account, region), account, region)

    def _tables(self, account: str, region: str) -> Path:
        return self.path if self.sealed else self._judged(account, region)

    def tally(self, account: str, region: str) -> Tally | None:
        """The counts of a cell; None where it was not judged to its end.

        Raises:
            ScanError: its file was changed.
        """
        path = self._judged(account, region) / _TALLY
        return _decoded(path, Tally) if path.exists() else None

    @contextlib.contextmanager
    def judging(self, end: CellEnd) -> Iterator[tuple[Path, Tally]]:
        """A place for the tables of a cell that ended so, and for its counts. They appear under their names when both
        are whole.

        Raises:
            ScanError: the disk refuses.
        """
        path = self._judged(end.account, end.region)
        part = path.with_name(f".{path.name}.{uuid4().hex}.part")
        tally = Tally(end.account, end.region, end.sha256)
        with told(path):
            part.mkdir(parents=True)
        try:
            yield part, tally
            with told(path):
                write_new(part / _TALLY, msgspec.json.encode(tally))
                write_new(part / _END, msgspec.json.encode(end.to_json()))
                shutil.rmtree(path, ignore_errors=True)
                part.replace(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @property
    def sealed(self) -> bool:
        """Whether the tables of the whole scan are written."""
        return (self.path / _CELLS).exists()

    def seal(self, cells: Sequence[tuple[str, str]], sight: Visibility | None = None) -> dict[str, str]:
        """Write the tables of the whole scan from those of the cells that were judged.

        Returns name -> SHA-256 of each file from which the decisions can be made again. `sight` tells who sees a
        package; None where nobody asked.

        Raises:
            ScanError: the disk refuses, or a file was changed.
            Unlisted: nobody can tell which references there are.
        """
        ends = [end for end in (self.end(*cell) for cell in cells) if end is not None]
        judged = [self._judged(end.account, end.region) for end in ends]
        files = merge_tables([path for path in judged if path.is_dir()], self.path, sight)
        with told(self.path):
            data = b"".join(msgspec.json.encode(end.to_json()) + b"\n" for end in ends)
            write_new(self.path / _CELLS, data)
            references = {
                f"references/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
                for path in entries(self.path / "references", ".json")
            }
        return {**files, **references, _CELLS: hashlib.sha256(data).hexdigest()}

    def check(self, files: Mapping[str, str]) -> None:
        """Whether the tables are those that were written; `files` as `seal` told them.

        Raises:
            ScanError: one is missing, or was changed.
        """
        for name, sha256 in files.items():
            path = self.path / name
            try:
                told = path.stat()
                found = _sha256(path, told.st_mtime_ns, told.st_size, told.st_ino)
            except OSError as error:
                raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
            except ValueError as error:
                raise ScanError(f"{self.path}: names a file that nobody can have: `{name}`") from error
            if found != sha256:
                raise ScanError(f"{path}: was changed after it was written", "restore it, or scan anew")

    def refuse_ended(self) -> None:
        """Raises ScanError where nothing is kept to go on with."""
        if self.sealed and not (self.path / "cells").is_dir():
            raise ScanError(
                f"{self.path}: nothing is left to go on with: the scan came to its end, or a later one did",
                f"look at it by `modelwarden report {self.path}`, or scan anew",
            )

    def unseal(self) -> None:
        """Go on with the cells: what was written of the whole scan is written anew when it ends.

        Raises:
            ScanError: the cells are no longer there.
        """
        self.refuse_ended()
        with told(self.path):
            # Where no cell is expected yet, its folder alone says that somebody may go on.
            (self.path / "cells").mkdir(exist_ok=True)
            (self.path / _CELLS).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what is needed only to go on with the scan."""
        if self.sealed:
            for name in ("cells", "judged"):
                shutil.rmtree(self.path / name, ignore_errors=True)

    @property
    def _ends(self) -> dict[tuple[str, str], CellEnd]:
        """Of a sealed scan."""
        path = self.path / _CELLS
        try:
            return _ends(path, path.stat().st_mtime_ns)
        except FileNotFoundError:
            return {}
        except (OSError, NotJson, KeyError, TypeError) as error:
            raise ScanError(f"{path}: does not say how the reading of each cell ended") from error

    def _replace(self, kind: str, account: str, region: str, told_of_it: Running | Cards) -> None:
        path = self.path / kind / f"{account}.{region}.json"
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            write_new(path, msgspec.json.encode(told_of_it))

    def _cell(self, account: str, region: str) -> Path:
        return self.path / "cells" / f"{account}.{region}.jsonl"

    def _slice(self, account: str, region: str, part: Slice) -> Path:
        return self.path / "slices" / f"{account}.{region}" / f"{part.name}.jsonl"

    def _judged(self, account: str, region: str) -> Path:
        return self.path / "judged" / f"{account}.{region}"

    def _write(self, name: str, document: dict[str, Any]) -> None:
        with told(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(self.path / name, _sealed(document))

    def _read(self, name: str, schema: str) -> dict[str, Any]:
        path = self.path / name
        try:
            document = decoded(path.read_bytes())
        except OSError as error:
            raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
        except NotJson as error:
            raise ScanError(f"{path}: not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("schema") != schema:
            raise ScanError(f"{path}: `schema` is not `{schema}`")
        stated = document.pop("checksum", None)
        if stated != digest(document):
            raise ScanError(f"{path}: the checksum does not fit: it was changed after it was written")
        return document


def _sealed(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode({**document, "checksum": digest(document)})


@lru_cache(maxsize=1_024)
def _sha256(path: Path, _written: int, _size: int, _file: int) -> str:
    """One command asks for the same tables several times, and they may have gigabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _decoded(path: Path, kind: type[T]) -> T:
    try:
        found: T = decoded(path.read_bytes(), decoder(kind, _counter))
    except OSError as error:
        raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
    except NotJson as error:
        raise ScanError(f"{path}: not a file of this version: {error}") from error
    return found


def _counter(kind: type, value: Any) -> Any:
    """Counts, which msgspec knows as plain objects."""
    if getattr(kind, "__origin__", kind) is not Counter or not isinstance(value, dict):
        raise NotImplementedError
    return Counter(value)


def _end_of(path: Path) -> CellEnd | None:
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
    return _read_end(path, told.st_mtime_ns, told.st_size, told.st_ino)


@lru_cache(maxsize=8_192)
def _read_end(path: Path, _written: int, _size: int, _file: int) -> CellEnd | None:
    """The whole file is read to know that it is what was written: once as long as nobody writes it anew."""
    return read_end(path)


@lru_cache(maxsize=2)
def _ends(path: Path, _written: int) -> dict[tuple[str, str], CellEnd]:
    """(account, region) -> how the reading ended; read once as long as nobody writes it anew."""
    ends = [CellEnd.from_json(decoded(line)) for line in path.read_bytes().splitlines()]
    return {(end.account, end.region): end for end in ends}
