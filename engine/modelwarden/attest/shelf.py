"""Shelves: where the files of a log lie, in a folder or in S3. What lies there is never written over.

    entries/000000/000000001.json ...        a thousand to a folder
    checkpoints/000000/000000001.txt ...     named after the size that they are of

A file for each entry, and not one that grows: two gates that write at once cannot both take a number, on a disk as in S3,
and a copy of a bucket (`aws s3 sync`) is a folder that is verified offline.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, NoReturn, Protocol

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
    """What is wrong with how it is kept: a link, more versions than one, deleted; empty: nothing."""


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

        INVARIANT: what cannot be listed or read is never passed over.

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


def highest(kind: Kind, names: Iterable[str], where: str) -> int:
    """The number of the last of the names of one folder; 0 where there is none.

    Raises:
        ShelfProblem: the last one is no name of that kind: whoever went on behind it would go on from nothing.
    """
    last = max(names, default="")
    number = number_in(last)
    if last and (number == 0 or last != name_of(kind, number)):
        raise ShelfProblem(f"{where}: `{last}` belongs to no log", "find out who put it there, and verify the log")
    return number


class Folder(Struct, frozen=True):
    """A log in a folder, which holds folders and regular files alone: behind a link anything could stand tomorrow."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    def last(self, kind: Kind) -> int:
        for folder in reversed(self._listed(kind, folders=True)):
            names = [one for one in self._listed(folder, folders=False) if not _is_part(one)]
            # A process that was stopped between making a thousand's folder and its first file leaves an empty one.
            if names:
                return highest(kind, names, self.where)
        return 0

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
        # Checkpoints first: what is added meanwhile is then no checkpoint without its entries.
        early = sorted(self._below("checkpoints"))
        late = (one for one in self._below("") if one.relative_to(self.path).parts[0] != "checkpoints")
        for path in (*early, *sorted(late)):
            if not _is_part(path.name):
                yield self._read(path)

    def _listed(self, name: str, *, folders: bool) -> list[str]:
        """What lies in a folder of the log, by name from the log's own; nothing where there is no such folder."""
        path = self.path / name
        try:
            if path.is_symlink():
                raise ShelfProblem(f"{path}: is a link, and no part of a log", "find out who put it there")
            with os.scandir(path) as found:
                listed = [(f"{name}/{one.name}", one.is_dir(follow_symlinks=False)) for one in found]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._problem(error) from error
        for one, is_folder in listed:
            if is_folder is not folders:
                raise ShelfProblem(f"{self.path}: `{one}` belongs to no log", "find out who put it there")
        return sorted(one for one, _ in listed)

    def _below(self, name: str) -> Iterator[Path]:
        """Everything in a folder and its folders that is no folder itself; nothing where there is no such folder."""

        def fail(error: OSError) -> NoReturn:
            raise self._problem(error)

        top = self.path / name
        if not os.path.lexists(top):
            return
        if name and not stat.S_ISDIR(top.lstat().st_mode):
            yield top
            return
        for at, folders, files in os.walk(top, onerror=fail):
            yield from (Path(at, one) for one in files)
            yield from (path for one in folders if (path := Path(at, one)).is_symlink())

    def _read(self, path: Path) -> Stored:
        name = path.relative_to(self.path).as_posix()
        try:
            if path.is_symlink():
                return Stored(name, b"", problem="is a link")
            # A pipe would keep whoever opens it waiting.
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return Stored(name, b"", problem="is no regular file")
                return Stored(name, file.read(MAX_BYTES + 1))
        except OSError as error:
            raise ShelfProblem(f"{path}: cannot be read: {error.strerror}") from error

    def _problem(self, error: OSError) -> ShelfProblem:
        return ShelfProblem(f"{error.filename or self.path}: {error.strerror}")


def _is_part(name: str) -> bool:
    """Whether it is a file that somebody writes, or did when he was stopped; it has no name yet."""
    name = name.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".part")
