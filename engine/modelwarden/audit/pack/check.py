"""Check a pack, offline: every byte that differs from what was written is found, and the file that it lies in is named.

The archive is read from its first byte to its last by the one layout that `archive.zipped` writes. Whatever else an archive
can hold (compression, links, comments, further entries, names that lead elsewhere) is a problem, and is never unpacked.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from modelwarden.audit.pack.archive import (
    DIRECTORY,
    DIRECTORY_SIGN,
    LOCAL,
    LOCAL_SIGN,
    MANIFEST,
    MAX_BYTES,
    MAX_FILES,
    SCHEMA_VERSION,
    PackError,
    PackManifest,
    is_safe,
    sha256,
    zipped,
)
from modelwarden.typed import decoder

_DIRECTORY_FIELDS: Final = (
    *("sign", "written_by", "system", "needs", "reserved", "flags", "method", "time", "date", "crc", "packed"),
    *("size", "name_length", "extra_length", "comment_length", "disk", "internal", "external", "offset"),
)
_LINK: Final = 0o12
_SHOWN: Final = 5
"""Names of files that one message holds."""


class Flaw(Struct, frozen=True):
    """One thing that is wrong."""

    where: str
    """The file in the pack; `(archive)` for what belongs to none."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Checked(Struct, frozen=True):
    """What came of it."""

    flaws: tuple[Flaw, ...]
    digest: str
    """Of the manifest; empty where there is none."""
    manifest: PackManifest | None = None
    sha256: str = ""
    """Hex, of all its bytes; empty where these were not read."""


class _Entry(Struct, frozen=True):
    name: str
    crc: int
    data: bytes
    end: int
    """Offset of the first byte behind it."""


ARCHIVE: Final = "(archive)"


def check(path: Path, digest: str | None = None) -> Checked:
    """`digest`: that of the manifest, kept elsewhere. Without it, somebody who can write the pack can write a manifest that fits.

    Raises:
        PackError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PackError(f"{path}: cannot be read: {error.strerror}", "name a pack") from error
    if len(data) > MAX_BYTES:
        return Checked((Flaw(ARCHIVE, f"larger than {MAX_BYTES} bytes, which no pack is"),), "")
    return check_bytes(data, digest)


def check_bytes(data: bytes, digest: str | None = None) -> Checked:
    """The same, of a pack in memory."""
    entries, flaws = _entries(data)
    broken = bool(flaws) and flaws[-1].what.startswith("nothing after it")
    files = {one.name: one.data for one in entries}
    flaws += _names(entries)
    found = sha256(files[MANIFEST]) if MANIFEST in files else ""
    if digest is not None and digest != found:
        flaws.append(Flaw(MANIFEST, f"its digest is {found or 'none'}, not {digest}"))
    manifest, said = _manifest(files)
    flaws += said
    if manifest is not None:
        flaws += _against(manifest, files, broken=broken)
    if not flaws:
        flaws += _layout(data, files, entries)
    return Checked(tuple(flaws), found, manifest, hashlib.sha256(data).hexdigest())


def _entries(data: bytes) -> tuple[list[_Entry], list[Flaw]]:
    """Every file, one after the other, and what is wrong with how it lies there."""
    found: list[_Entry] = []
    flaws: list[Flaw] = []
    at = 0
    while data[at : at + 4] != DIRECTORY_SIGN:
        before = found[-1].name if found else ARCHIVE
        if data[at : at + 4] != LOCAL_SIGN or at + LOCAL.size > len(data) or len(found) >= MAX_FILES:
            flaws.append(Flaw(before, f"nothing after it can be read: damaged or cut off at byte {at}"))
            break
        _, _, flags, method, _, _, crc, packed, size, name_length, extra = LOCAL.unpack_from(data, at)
        start = at + LOCAL.size
        try:
            name = data[start : start + name_length].decode("ascii")
        except UnicodeDecodeError:
            name = f"(entry at byte {at})"
            flaws.append(Flaw(name, "a name that is not ASCII"))
        body = start + name_length + extra
        flaws += [Flaw(name, what) for what in _strange(flags, method, packed, size, extra)]
        if body + packed > len(data):
            flaws.append(Flaw(name, f"nothing after it can be read: cut off, or its length of {packed} is damaged"))
            break
        at = body + packed
        found.append(_Entry(name, crc, data[body:at], at))
    return found, flaws


def _strange(flags: int, method: int, packed: int, size: int, extra: int) -> Iterator[str]:
    """What no entry of a pack has."""
    if method or packed != size:
        yield "is compressed, or its header is damaged"
    if flags & 1:
        yield "is encrypted, or its header is damaged"
    elif flags:
        yield "has flags that no pack has, or its header is damaged"
    if extra:
        yield "has a further field, or its header is damaged"


def _names(entries: list[_Entry]) -> Iterator[Flaw]:
    seen: dict[str, str] = {}
    for one in entries:
        if not is_safe(one.name):
            yield Flaw(one.name, "a name that leads elsewhere, or that no pack has")
        other = seen.get(one.name.casefold())
        if other is not None:
            yield Flaw(one.name, "stands twice" if other == one.name else f"differs from `{other}` only in case")
        seen[one.name.casefold()] = one.name
        if zlib.crc32(one.data) != one.crc:
            yield Flaw(one.name, "its content was changed, or the checksum in front of it")


def _manifest(files: dict[str, bytes]) -> tuple[PackManifest | None, list[Flaw]]:
    if MANIFEST not in files:
        return None, [Flaw(MANIFEST, "is missing")]
    try:
        manifest = decoder(PackManifest).decode(files[MANIFEST])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return None, [Flaw(MANIFEST, f"is no manifest: {' '.join(str(error).split())}")]
    if manifest.schema != SCHEMA_VERSION:
        return None, [Flaw(MANIFEST, f"`schema` is `{manifest.schema}`, not `{SCHEMA_VERSION}`")]
    return manifest, []


def _against(manifest: PackManifest, files: dict[str, bytes], *, broken: bool) -> Iterator[Flaw]:
    """The files against the manifest."""
    listed = {one.path: one for one in manifest.files}
    if len(listed) != len(manifest.files) or MANIFEST in listed:
        yield Flaw(MANIFEST, "lists a file twice, or itself")
    for name, one in listed.items():
        if name in files and (sha256(files[name]), len(files[name])) != (one.sha256, one.size):
            yield Flaw(name, f"was changed: {sha256(files[name])}, not {one.sha256} as {MANIFEST} says")
    missing = sorted(listed.keys() - files.keys())
    if broken and missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        yield Flaw(ARCHIVE, f"{len(missing)} files are not reached: {', '.join(missing[:_SHOWN])}{more}")
    elif not broken:
        yield from (Flaw(name, "is missing") for name in missing)
    yield from (Flaw(name, f"is not in {MANIFEST}") for name in sorted(files.keys() - listed.keys() - {MANIFEST}))


def _layout(data: bytes, files: dict[str, bytes], entries: list[_Entry]) -> Iterator[Flaw]:
    """All that is no content must be as it is written: headers, order, directory, end."""
    expected = zipped(files)
    if data == expected:
        return
    at = next((at for at, (one, other) in enumerate(zip(data, expected, strict=False)) if one != other), None)
    if at is None:
        shorter = len(data) < len(expected)
        yield Flaw(
            ARCHIVE, f"cut off at byte {len(data)}" if shorter else f"further bytes from byte {len(expected)} on"
        )
        return
    ends = [0, *(one.end for one in entries)]
    for (start, end), one in zip(pairwise(ends), entries, strict=True):
        if start <= at < end:
            yield Flaw(one.name, f"its header was changed at byte {at}")
            return
    yield from _directory(data, at, ends[-1], len(entries))


def _directory(data: bytes, at: int, start: int, count: int) -> Iterator[Flaw]:
    """Which line of the directory behind the files holds a byte."""
    for _ in range(count):
        if start + DIRECTORY.size > len(data):
            break
        record = dict(zip(_DIRECTORY_FIELDS, DIRECTORY.unpack_from(data, start), strict=True))
        name = data[start + DIRECTORY.size :][: record["name_length"]].decode("ascii", "replace")
        end = start + DIRECTORY.size + sum(record[f"{one}_length"] for one in ("name", "extra", "comment"))
        if at < end:
            link = record["external"] >> 28 == _LINK
            yield Flaw(name, "is a link" if link else f"its line in the directory was changed at byte {at}")
            return
        start = end
    yield Flaw(ARCHIVE, f"its directory was changed at byte {at}")
