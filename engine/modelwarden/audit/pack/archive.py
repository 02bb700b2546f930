"""The archive of a pack: the same files are the same bytes, on every machine.

INVARIANT: nothing is compressed. So the bytes depend on no version of a library, a changed byte lies in one file, which
can be named, and a pack cannot be a small archive of something huge.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.errors import UserError

SCHEMA_VERSION: Final = "modelwarden.pack/1"
MANIFEST: Final = "MANIFEST.json"
MAX_BYTES: Final = 256_000_000
"""Of the whole archive."""
MAX_FILES: Final = 20_000

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*){0,7}")
_MAX_NAME: Final = 200
_MODE: Final = 0o100600 << 16
"""A regular file for its owner's eyes."""
_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The first that an archive can hold; when something was read stands in the records."""


class PackError(UserError):
    """A pack that cannot be made or read."""


class PackRefused(UserError):
    """A pack that was changed, or is none."""

    help = "ask whoever made it for the pack as it was written"
    exit_code = 1


class FileEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the manifest."""

    path: str
    sha256: str
    size: int


class PackManifest(Struct, frozen=True, forbid_unknown_fields=True):
    """`MANIFEST.json`: every file of the archive but itself."""

    schema: str
    purpose: str
    engine: str
    """Version of modelwarden that made the pack."""
    runs: tuple[str, ...]
    packages: dict[str, str]
    """Folder -> ARN."""
    redactions: tuple[dict[str, Any], ...]
    files: tuple[FileEntry, ...]
    """Sorted by path."""


class Contents:
    """Files on their way into an archive."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._folded: set[str] = set()
        self._bytes = 0

    def add(self, name: str, data: bytes) -> str:
        """Add a file; the name that it got, which is another one where this one is not safe or is taken.

        Raises:
            PackError: there is more than a pack may hold.
        """
        if not is_safe(name) or name.casefold() in self._folded:
            folder = name.partition("/")[0] if is_safe(name.partition("/")[0]) else "other"
            name = f"{folder}/renamed/{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        self._bytes += len(data)
        if self._bytes > MAX_BYTES // 2 or len(self.files) >= MAX_FILES:
            raise PackError("this is more than a pack may hold", "narrow it by --package or --scope")
        self._folded.add(name.casefold())
        self.files[name] = data
        return name

    def entries(self) -> tuple[FileEntry, ...]:
        return tuple(FileEntry(name, sha256(data), len(data)) for name, data in sorted(self.files.items()))


def is_safe(name: str) -> bool:
    """Whether a name stays below the folder that somebody unpacks into, on every system."""
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def sha256(data: bytes) -> str:
    """`sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(document: Any) -> bytes:
    """JSON that people can read; the same document gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=1) + b"\n"


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files, sorted by name, with one date and one mode for all."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, _MODE  # else it would say which system wrote it
            archive.writestr(info, data)
    return out.getvalue()
