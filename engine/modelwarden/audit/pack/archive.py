"""The archive of a pack: the same files are the same bytes, on every machine.

INVARIANT: nothing is compressed. So the bytes depend on no version of a library, a changed byte lies in one file, which
can be named, and a pack cannot be a small archive of something huge.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.audit.pack.redaction import Redacted
from modelwarden.errors import UserError

SCHEMA_VERSION: Final = "modelwarden.pack/1"
MANIFEST: Final = "MANIFEST.json"
MAX_BYTES: Final = 256_000_000
"""Of the whole archive."""
MAX_FILES: Final = 20_000

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*){0,7}")
_MAX_NAME: Final = 200
_VERSION: Final = 20
"""2.0, the least that any reader knows."""
_UNIX: Final = 3
_FLAGS: Final = 0
_STORED: Final = 0
_MODE: Final = 0o100600 << 16
"""A regular file for its owner's eyes."""
_TIME: Final = 0
_DATE: Final = 1 << 5 | 1
"""1980-01-01, the first that an archive can hold; when something was read stands in the records."""
LOCAL_SIGN: Final = b"PK\x03\x04"
LOCAL: Final = struct.Struct("<4s5H3L2H")
"""Before each file."""
DIRECTORY_SIGN: Final = b"PK\x01\x02"
DIRECTORY: Final = struct.Struct("<4s4B4H3L5H2L")
"""A line of the directory behind the files."""
_END: Final = struct.Struct("<4s4H2LH")


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
    """`sha256:<hex>`."""
    size: int
    """Bytes."""


class PackManifest(Struct, frozen=True, forbid_unknown_fields=True):
    """`MANIFEST.json`: every file of the archive but itself."""

    schema: str
    purpose: str
    engine: str
    """Version of modelwarden that made the pack."""
    runs: tuple[str, ...]
    packages: dict[str, str]
    """Folder -> ARN."""
    redactions: tuple[Redacted, ...]
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
    """The archive of these files, sorted by name, with one date and one mode for all.

    Written here and not by the standard library, so that no later version of it can write, and thus demand, other bytes.
    Layout: APPNOTE.TXT of PKWARE, 4.3.7 (before each file), 4.3.12 (directory), 4.3.16 (end).
    """
    out, directory = io.BytesIO(), io.BytesIO()
    for name, data in sorted(files.items()):
        told = (_FLAGS, _STORED, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(name), 0)
        line = DIRECTORY.pack(DIRECTORY_SIGN, _VERSION, _UNIX, _VERSION, 0, *told, 0, 0, 0, _MODE, out.tell())
        directory.write(line + name.encode())
        out.write(LOCAL.pack(LOCAL_SIGN, _VERSION, *told) + name.encode() + data)
    start, lines = out.tell(), directory.getvalue()
    end = _END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(lines), start, 0)
    return out.getvalue() + lines + end
