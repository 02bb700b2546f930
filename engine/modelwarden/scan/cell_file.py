"""The file of a cell: a line of JSON for each package, and a last one that says how the reading ended.

It appears under its name when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from modelwarden.evidence import EvidenceError
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.scan.record import CellEnd, Record, ScanError
from modelwarden.snapshot import LedgerRow


class CellWriter:
    """Writes the records of one cell beside its place, and moves them there when the cell has ended."""

    def __init__(self, path: Path, account: str, region: str) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{uuid4().hex}.part")
        self._account, self._region = account, region
        self._encoder = msgspec.json.Encoder()
        self._count = 0
        self._sha256 = hashlib.sha256()
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")

    def add(self, record: Record) -> None:
        """Raises ScanError where the disk refuses."""
        line = self._encoder.encode(record.to_json()) + b"\n"
        self._sha256.update(line)
        with told(self._path):
            self._file.write(line)
        self._count += 1

    def close(self, unread: str, ledger: tuple[LedgerRow, ...], unread_by: tuple[str, ...] = ()) -> CellEnd:
        """The cell has ended; a file of an earlier, unfinished reading is replaced.

        Raises:
            ScanError: the disk refuses.
        """
        sha256 = self._sha256.hexdigest()
        end = CellEnd(self._account, self._region, self._count, unread, ledger, sha256, unread_by)
        with told(self._path):
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


def read_end(path: Path) -> CellEnd | None:
    """How the reading of a cell ended; None where it was not read to its end.

    Raises:
        ScanError: its file was changed.
    """
    if not path.exists():
        return None
    for sha256, line in _lines(path):
        before, last = sha256, line
    return _whole(path, _decoded(path, last), before)


def read_records(path: Path, *, with_evidence: bool = True) -> Iterator[Record]:
    """The packages of a cell as they were collected, one by one.

    Raises:
        ScanError: its file was changed.
    """
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
        raw = decoded(line)
    except NotJson as error:
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
def told(path: Path) -> Iterator[None]:
    """Raises ScanError for what the disk refuses."""
    try:
        yield
    except FileExistsError as error:
        raise ScanError(f"{path}: there is a scan of this name", "go on with it by --resume") from error
    except OSError as error:
        raise ScanError(f"{path}: cannot be written: {error.strerror}", "name a writable folder with --runs") from error
