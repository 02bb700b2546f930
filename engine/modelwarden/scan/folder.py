"""The folder of a scan: the plan first, each cell when it was read to its end, the manifest last.

    <id>/plan.json                       what was asked, by which rules, and which cells are expected
    <id>/running/<account>.<region>.json what the endpoints of a cell run
    <id>/references/<digest>.json        facts that belong to no package
    <id>/cells/<account>.<region>.jsonl  a line for each package, and a last one that says how the reading ended
    <id>/manifest.json                   coverage and counts

A file appears under its name when it is whole. So a scan that was killed leaves finished cells and nothing half.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.evidence import EvidenceError, digest
from modelwarden.run import write_new
from modelwarden.scan.record import CellEnd, Record, Reference, Running, ScanError
from modelwarden.snapshot import LedgerRow

PLAN: Final = "modelwarden.plan/1"
MANIFEST: Final = "modelwarden.scan/1"


class Folder(Struct, frozen=True):
    """One scan on disk."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Raises ScanError where the folder cannot be written, or has a plan."""
        self._write("plan.json", {"schema": PLAN, **plan})

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
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                write_new(path, msgspec.json.encode(reference))

    def references(self) -> Iterator[Reference]:
        """Everything that belongs to no package.

        Raises:
            ScanError: a file of it cannot be read.
        """
        for path in sorted((self.path / "references").glob("*.json")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Reference)
            except OSError as error:
                raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
            except msgspec.MsgspecError as error:
                raise ScanError(f"{path}: holds no reference facts: {error}") from error

    def write_running(self, account: str, region: str, running: Running) -> None:
        """What runs in a cell; an earlier answer is replaced.

        Raises:
            ScanError: the disk refuses.
        """
        path = self.path / "running" / f"{account}.{region}.json"
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            write_new(path, msgspec.json.encode(running))

    def running(self, account: str, region: str) -> Running | None:
        """What runs in a cell; None where nobody asked.

        Raises:
            ScanError: its file cannot be read.
        """
        path = self.path / "running" / f"{account}.{region}.json"
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Running)
        except OSError as error:
            raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise ScanError(f"{path}: does not say what runs: {error}") from error

    def cell(self, account: str, region: str) -> CellWriter:
        return CellWriter(self.path / "cells" / f"{account}.{region}.jsonl", account, region)

    def end(self, account: str, region: str) -> CellEnd | None:
        """How the reading of a cell ended; None where it was not read to its end.

        Raises:
            ScanError: its file was changed.
        """
        path = self.path / "cells" / f"{account}.{region}.jsonl"
        if not path.exists():
            return None
        for sha256, line in _lines(path):
            before, last = sha256, line
        return _whole(path, _decoded(path, last), before)

    def cells(self) -> list[tuple[str, str]]:
        """(account, region) of every cell that was read to its end, sorted."""
        names = sorted(path.name.removesuffix(".jsonl") for path in (self.path / "cells").glob("*.jsonl"))
        return [(name.partition(".")[0], name.partition(".")[2]) for name in names]

    def records(self, account: str, region: str, *, with_evidence: bool = True) -> Iterator[Record]:
        """The packages of a cell, one by one.

        Raises:
            ScanError: its file was changed.
        """
        path = self.path / "cells" / f"{account}.{region}.jsonl"
        for sha256, line in _lines(path):
            raw = _decoded(path, line)
            if "end" in raw:
                _whole(path, raw, sha256)
                return
            try:
                yield Record.from_json(raw, with_evidence=with_evidence)
            except (KeyError, TypeError, AttributeError, EvidenceError) as error:
                raise ScanError(f"{path}: not a record of this version: {' '.join(str(error).split())}") from error
        raise ScanError(f"{path}: its last line does not say how the reading ended")

    def _write(self, name: str, document: dict[str, Any]) -> None:
        with _told(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(self.path / name, msgspec.json.encode({**document, "checksum": digest(document)}))

    def _read(self, name: str, schema: str) -> dict[str, Any]:
        path = self.path / name
        try:
            document = msgspec.json.decode(path.read_bytes())
        except OSError as error:
            raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise ScanError(f"{path}: not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("schema") != schema:
            raise ScanError(f"{path}: `schema` is not `{schema}`")
        stated = document.pop("checksum", None)
        if stated != digest(document):
            raise ScanError(f"{path}: the checksum does not fit: it was changed after it was written")
        return document


class CellWriter:
    """Writes the records of one cell beside its place, and moves them there when the cell has ended."""

    def __init__(self, path: Path, account: str, region: str) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._account, self._region = account, region
        self._encoder = msgspec.json.Encoder()
        self._count = 0
        self._sha256 = hashlib.sha256()
        self._digests: list[Any] = []
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")

    def add(self, record: Record) -> None:
        """Raises ScanError where the disk refuses."""
        line = self._encoder.encode(record.to_json()) + b"\n"
        self._sha256.update(line)
        with _told(self._path):
            self._file.write(line)
        self._count += 1
        said = record.decision
        self._digests.append(
            [record.package, record.role, said and [said.verdict, said.digests.evidence, said.request.moment]]
        )

    def close(self, unread: str, ledger: tuple[LedgerRow, ...], unread_by: tuple[str, ...] = ()) -> CellEnd:
        """The cell has ended; a file of an earlier, unfinished reading is replaced.

        Raises:
            ScanError: the disk refuses.
        """
        sha256 = self._sha256.hexdigest()
        end = CellEnd(
            self._account, self._region, self._count, unread, ledger, digest(self._digests), sha256, unread_by
        )
        with _told(self._path):
            self._file.write(self._encoder.encode(end.to_json()) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._path)
        return end

    def drop(self) -> None:
        """The cell was not read to its end: nothing of it is kept."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """(SHA-256 of all lines before it, line) of each line; there is one at least."""
    sha256, line = hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            for line in file:
                yield sha256.hexdigest(), line
                sha256.update(line)
    except OSError as error:
        raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
    if not line:
        raise ScanError(f"{path}: is empty")


def _decoded(path: Path, line: bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ScanError(f"{path}: not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ScanError(f"{path}: holds a line that is no record")
    return raw


def _whole(path: Path, raw: dict[str, Any], sha256: str) -> CellEnd:
    """The last line of a cell, if what stands before it is what was written."""
    try:
        end = CellEnd.from_json(raw)
    except (KeyError, TypeError) as error:
        raise ScanError(f"{path}: its last line does not say how the reading ended") from error
    if end.sha256 != sha256:
        raise ScanError(f"{path}: was changed after it was written", "restore it, or scan anew")
    return end


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise ScanError(f"{path}: there is a scan of this name", "go on with it by --resume") from error
    except OSError as error:
        raise ScanError(f"{path}: cannot be written: {error.strerror}", "name a writable folder with --runs") from error
