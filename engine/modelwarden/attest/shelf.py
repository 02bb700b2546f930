"""Shelves: where the files of a log lie, in a folder or in S3. What lies there is never written over.

    entries/000000/000000001.json ...        a thousand to a folder
    checkpoints/000000/000000001.txt ...     named after the size that they are of

A file for each entry, and not one that grows: two gates that write at once cannot both take a number, on a disk as in S3,
and a copy of a bucket (`aws s3 sync`) is a folder that is verified offline.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Protocol

from msgspec import Struct

from modelwarden.errors import UserError
from modelwarden.run import write_new

Kind = Literal["entries", "checkpoints"]
ENDINGS: Final[dict[Kind, str]] = {"entries": ".json", "checkpoints": ".txt"}
MAX_BYTES: Final = 200_000
"""Of one file."""


class ShelfProblem(UserError):
    """A log that cannot be reached, read or written."""

    help = "check the place, and the rights of whoever writes there"


class Taken(Exception):
    """There is a file of that number."""


class Stored(Struct, frozen=True):
    """A file as it was read."""

    name: str
    data: bytes
    version: str = ""
    """VersionId in S3."""
    problem: str = ""
    """What is wrong with how it is kept: more versions than one, deleted; empty: nothing."""


class Shelf(Protocol):
    """Files by kind and number."""

    @property
    def where(self) -> str:
        """For messages."""
        ...

    def last(self, kind: Kind) -> int:
        """The highest number; 0 where there is none.

        Raises:
            ShelfProblem: it cannot be told.
        """
        ...

    def read(self, kind: Kind, number: int) -> Stored:
        """Raises ShelfProblem where there is none, or it cannot be read."""
        ...

    def put(self, kind: Kind, number: int, data: bytes) -> None:
        """Write a new file, whole or not at all.

        Raises:
            Taken: the number is.
            ShelfProblem: it cannot be written.
        """
        ...

    def everything(self) -> Iterator[Stored]:
        """Every file, checkpoints first, each kind by name; whatever else lies there, too.

        Raises:
            ShelfProblem: something cannot be read.
        """
        ...


def name_of(kind: Kind, number: int) -> str:
    """`entries/000000/000000007.json`."""
    return f"{kind}/{folder_of(number)}/{number:09}{ENDINGS[kind]}"


def folder_of(number: int) -> str:
    return f"{number // 1000:06}"


def number_in(name: str) -> int:
    """Of a file or folder; 0 where it has none."""
    stem = name.rpartition("/")[2].partition(".")[0]
    return int(stem) if stem.isascii() and stem.isdigit() else 0


class Folder(Struct, frozen=True):
    """A log in a folder."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    def last(self, kind: Kind) -> int:
        try:
            folders = sorted(one for one in (self.path / kind).iterdir() if one.is_dir())
            return number_in(max(one.name for one in folders[-1].iterdir() if not one.name.startswith(".")))
        except (FileNotFoundError, IndexError, ValueError) as error:
            if isinstance(error, ValueError) and len(folders) > 1:
                # A process was stopped between making the thousand's folder and its first file.
                return number_in(max(one.name for one in folders[-2].iterdir() if not one.name.startswith(".")))
            return 0
        except OSError as error:
            raise self._problem(error) from error

    def read(self, kind: Kind, number: int) -> Stored:
        return self._read(self.path / name_of(kind, number))

    def put(self, kind: Kind, number: int, data: bytes) -> None:
        path = self.path / name_of(kind, number)
        try:
            # A folder that is not there may be a share that is not mounted: nobody would look for the log below it.
            self.path.stat()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_new(path, data)
        except FileExistsError as error:
            raise Taken from error
        except OSError as error:
            raise self._problem(error) from error

    def everything(self) -> Iterator[Stored]:
        try:
            # Checkpoints first: what is added meanwhile is then no checkpoint without its entries.
            early = sorted((self.path / "checkpoints").rglob("*"))
            paths = [*early, *sorted({*self.path.rglob("*")} - {*(self.path / "checkpoints").rglob("*")})]
        except OSError as error:
            raise self._problem(error) from error
        for path in paths:
            if not path.is_dir() and not (path.name.startswith(".") and path.name.endswith(".part")):
                yield self._read(path)

    def _read(self, path: Path) -> Stored:
        try:
            with path.open("rb") as file:
                return Stored(path.relative_to(self.path).as_posix(), file.read(MAX_BYTES + 1))
        except OSError as error:
            raise ShelfProblem(f"{path}: cannot be read: {error.strerror}") from error

    def _problem(self, error: OSError) -> ShelfProblem:
        return ShelfProblem(f"{self.path}: {error.strerror}")
