"""Sharing a scan: machines that see no common disk hand each other its files through a place.

    <id>/plan.json                            what was asked
    <id>/running/<account>.<region>.json      what one task found of what runs, and the same of cards/
    <id>/told.tar                             all of them, for every task that collects
    <id>/references/<digest>.json             facts that belong to no package
    <id>/slices/<account>.<region>/*          parts of a cell that no task came to the end of alone
    <id>/judged/<account>.<region>.tar        all that is left of a cell: one document, so that of two tasks one leaves it
    <id>/failed/<account>.<region>.json       why a cell was given up

What is there is asked by listing: of what is not there S3 says that it is forbidden, to whoever may list some names alone.

INVARIANT: what cannot be fetched is an error, and never a cell without packages.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import Struct

from modelwarden.evidence import Unknown
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.store.place import Place
from modelwarden.whole_file import whole

MOST_BYTES: Final = 2_000_000_000
"""Of one document."""
_AT_ONCE: Final = 8


class Share(Struct, frozen=True):
    """The files of one scan, here and in the place."""

    folder: Folder
    place: Place

    def put(self, *names: str) -> None:
        """Let the others have files of the folder.

        Raises:
            NotKept: the place refuses.
        """
        for name in names:
            self.place.replace(f"{self.folder.id}/{name}", (self.folder.path / name).read_bytes())

    def fetch(self, *names: str) -> None:
        """Have files that others put.

        Raises:
            ScanError: one is not there, or cannot be read.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._fetch, names))

    def names(self, folder: str) -> list[str]:
        """What others put into a folder, sorted.

        Raises:
            ScanError: nobody can tell.
        """
        found = self.place.names("/".join(filter(None, (self.folder.id, folder))))
        if isinstance(found, Unknown):
            raise _unread(folder, found)
        return [name.removeprefix(f"{self.folder.id}/") for name in found]

    def put_together(self, name: str, names: Iterable[str]) -> None:
        """Put files of the folder as one document.

        Raises:
            NotKept: the place refuses.
        """
        self.place.replace(f"{self.folder.id}/{name}", packed(self.folder.path, names))

    def keep_together(self, name: str, names: Iterable[str]) -> None:
        """The same, for ever: what is there is never written over.

        Raises:
            AlreadyThere: it is there, with something else.
            NotKept: the place refuses.
        """
        self.place.write(f"{self.folder.id}/{name}", packed(self.folder.path, names))

    def fetch_together(self, *names: str) -> None:
        """Have the files of such documents.

        Raises:
            ScanError: one is not there, cannot be read, or holds what is no file of a scan.
        """
        self.fetch(*names)
        for name in names:
            path = self.folder.path / name
            unpack(path.read_bytes(), self.folder.path, name)
            path.unlink()

    def _fetch(self, name: str) -> None:
        self._write(name, self.place.read(f"{self.folder.id}/{name}"))

    def _write(self, name: str, data: bytes | Unknown) -> None:
        if isinstance(data, Unknown):
            raise _unread(name, data)
        if len(data) > MOST_BYTES:
            raise ScanError(f"{name}: larger than {MOST_BYTES} bytes", "scan on one machine, which has no such limit")
        _put(self.folder.path, name, data, name)


def packed(root: Path, names: Iterable[str]) -> bytes:
    """Files below a folder as one archive; the same files make the same bytes."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in sorted(names):
            content = (root / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def unpack(data: bytes, root: Path, shown: str) -> None:
    """Write the files of such an archive below a folder.

    Raises:
        ScanError: it is none, or a member would not lie below the folder.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise ScanError(f"{shown}: holds `{member.name}`, which is no file of a scan")
                _put(root, member.name, content.read(), shown)
    except tarfile.TarError as error:
        raise ScanError(f"{shown}: is no archive of a scan: {error}") from error


def _put(root: Path, name: str, data: bytes, shown: str) -> None:
    """Write a file below a folder; whoever named it may have meant another place.

    Raises:
        ScanError: it would not lie there.
    """
    path = root / name
    if ".." in path.parts or not path.is_relative_to(root):
        raise ScanError(f"{shown}: holds `{name}`, which is no file of a scan")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as out:
        out.write(data)


def _unread(name: str, why: Unknown) -> ScanError:
    told = ": ".join(filter(None, (why.reason, why.detail)))
    return ScanError(f"{name}: cannot be read: {told}", "look into the place where the scan is shared")
