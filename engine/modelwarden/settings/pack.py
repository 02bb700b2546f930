"""Policy packs: the organization layer as a folder, an archive or an S3 object, pinned by digest.

A pack is read once, completely, into memory and its digest taken over what was read; whatever is used afterwards (its
controls among it) comes from a private copy of those bytes, so nothing can change behind the pin. Names that begin
with a dot, and `__pycache__`, are neither hashed nor used.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from modelwarden.settings.sources import SETTINGS
from modelwarden.toml import MAX_BYTES, SettingsError, printable, quoted

MAX_FILES: Final = 2_000
MAX_TOTAL: Final = 64_000_000
"""Bytes of all files of a pack together."""

Fetch = Callable[[str], bytes]
"""`s3://bucket/key` -> the object; raises SettingsError."""

_BROKEN: Final = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)
"""What the libraries raise over archives with wrong bits (measured by flipping them); RuntimeError: encrypted."""
_REFUSED: Final = "make the archive anew with `git archive` or `tar`: plain files in folders, nothing else"


def read_pack(where: str, fetch: Fetch | None) -> dict[str, bytes]:
    """Path inside the pack -> bytes, sorted; `where` is a folder, an archive or `s3://bucket/key`.

    Raises:
        SettingsError: it cannot be read, has no `modelwarden.toml`, or is an archive that a careful person would not
            unpack (links, absolute or climbing paths, duplicates, too large).
    """
    shown = printable(where)
    if where.startswith("s3://"):
        if fetch is None:
            raise SettingsError(f"{shown}: packs in S3 are not available here", "fetch it and name the file")
        found = _archive(fetch(where), shown)
    else:
        path = Path(where)
        found = _folder(path, shown) if path.is_dir() else _archive(_read(path, shown), shown)
    found = _rooted(found)
    if SETTINGS not in found:
        raise SettingsError(f"{shown}: holds no {SETTINGS}", "a policy pack has one in its top folder")
    return dict(sorted(found.items()))


def digest_pack(files: Mapping[str, bytes]) -> str:
    """`sha256:<hex>` over sorted paths and contents; the same for a folder and for an archive of it."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n".encode())
    return "sha256:" + whole.hexdigest()


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a private copy below an empty folder."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _read(path: Path, shown: str) -> bytes:
    try:
        if not path.is_file():
            what = "is neither a folder nor a file" if path.exists() else "does not exist"
            raise SettingsError(f"{shown}: {what}", "name a policy pack: a folder, an archive or s3://bucket/key")
        with path.open("rb") as file:
            data = file.read(MAX_TOTAL + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{shown}: cannot be read: {_reason(error)}", "check the path and its rights") from error
    if len(data) > MAX_TOTAL:
        raise SettingsError(f"{shown}: larger than {MAX_TOTAL} bytes", _REFUSED)
    return data


def _folder(root: Path, shown: str) -> dict[str, bytes]:
    found = _Files(shown)
    try:
        inside = root.resolve()
        for path in _walk(root):
            name = path.relative_to(root).as_posix()
            if _skipped(name):
                continue
            if not path.resolve().is_relative_to(inside):
                raise SettingsError(f"{shown}: {quoted(name)} is a link out of the pack", "copy the file into the pack")
            if not stat.S_ISREG(path.stat().st_mode):
                raise SettingsError(f"{shown}: {quoted(name)} is no regular file", "remove it from the pack")
            with path.open("rb") as file:
                found.add(name, file.read(MAX_BYTES + 1))
    except (OSError, RuntimeError) as error:
        raise SettingsError(f"{shown}: cannot be read: {_reason(error)}", "check the pack's rights") from error
    return found.files


def _walk(root: Path) -> Iterator[Path]:
    """Every file below; a folder that cannot be listed raises instead of being left out."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if not _skipped(name))
        for name in folders:
            if Path(folder, name).is_symlink():
                raise SettingsError(f"{root}: {quoted(name)} is a link to a folder", "copy the folder into the pack")
        yield from (Path(folder, name) for name in sorted(names))


def _archive(data: bytes, shown: str) -> dict[str, bytes]:
    if len(data) > MAX_TOTAL:
        raise SettingsError(f"{shown}: larger than {MAX_TOTAL} bytes", _REFUSED)
    try:
        if data[:4] == b"PK\x03\x04":
            return _zip(data, shown)
        if data[:2] == b"\x1f\x8b":
            return _tar(data, shown)
    except _BROKEN as error:
        raise SettingsError(f"{shown}: is a broken archive: {_reason(error)}", _REFUSED) from error
    raise SettingsError(f"{shown}: is no policy pack", "name a folder, a .zip or a .tar.gz")


def _zip(data: bytes, shown: str) -> dict[str, bytes]:
    found = _Files(shown)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise SettingsError(f"{shown}: {quoted(member.filename)} is a link or device", _REFUSED)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SettingsError(f"{shown}: {quoted(member.filename)} is compressed in an odd way", _REFUSED)
            # orig_filename: what the archive says, before the library cuts it at a NUL or turns separators.
            found.claim(member.orig_filename, member.file_size)
            with archive.open(member) as file:
                found.add(member.orig_filename, file.read(MAX_BYTES + 1))
    return found.files


def _tar(data: bytes, shown: str) -> dict[str, bytes]:
    found = _Files(shown)
    # Unpacked by ourselves, with a limit: headers of a tar may claim any amount of memory.
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        unpacked = packed.read(2 * MAX_TOTAL + 1)
    if len(unpacked) > 2 * MAX_TOTAL:
        raise SettingsError(f"{shown}: unpacks to more than {2 * MAX_TOTAL} bytes", _REFUSED)
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg():
                raise SettingsError(f"{shown}: {quoted(member.name)} is a link or device", _REFUSED)
            found.claim(member.name, member.size)
            file = archive.extractfile(member)
            assert file is not None
            found.add(member.name, file.read(MAX_BYTES + 1))
    return found.files


class _Files:
    """Collects files and holds every limit."""

    def __init__(self, shown: str) -> None:
        self.files: dict[str, bytes] = {}
        self._shown = shown
        self._seen: set[str] = set()
        self._total = 0
        self._count = 0

    def claim(self, name: str, size: int) -> None:
        """Refuse by what the header says, before anything is unpacked."""
        self._count += 1
        if self._count > MAX_FILES:
            raise SettingsError(f"{self._shown}: holds more than {MAX_FILES} files", _REFUSED)
        if size > MAX_BYTES:
            raise SettingsError(f"{self._shown}: {quoted(name)} is larger than {MAX_BYTES} bytes", _REFUSED)

    def add(self, name: str, data: bytes) -> None:
        parts = PurePosixPath(name).parts
        odd = "\\" in name or ":" in name or not name.isprintable()
        if odd or not parts or name.startswith("/") or ".." in parts:
            raise SettingsError(f"{self._shown}: {quoted(name)} is no path inside the pack", _REFUSED)
        clean = "/".join(parts)
        if clean.casefold() in self._seen:
            raise SettingsError(f"{self._shown}: {quoted(clean)} occurs twice", _REFUSED)
        self._seen.add(clean.casefold())
        self._total += len(data)
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{self._shown}: {quoted(clean)} is larger than {MAX_BYTES} bytes", "split it")
        if self._total > MAX_TOTAL or len(self._seen) > MAX_FILES:
            raise SettingsError(f"{self._shown}: more than {MAX_TOTAL} bytes or {MAX_FILES} files", "split the pack")
        if not _skipped(clean):
            self.files[clean] = data


def _skipped(name: str) -> bool:
    return any(part.startswith(".") or part in ("__pycache__", "__MACOSX") for part in PurePosixPath(name).parts)


def _rooted(files: dict[str, bytes]) -> dict[str, bytes]:
    """An archive of one folder is that folder."""
    tops = {path.partition("/")[0] for path in files}
    if SETTINGS in files or len(tops) != 1:
        return files
    prefix = f"{tops.pop()}/"
    return {path.removeprefix(prefix): data for path, data in files.items() if path.startswith(prefix)}


def _reason(error: Exception) -> str:
    return printable(error.strerror if isinstance(error, OSError) and error.strerror else error)
