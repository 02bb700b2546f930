"""The schemas of the tables, and what loads the library that knows them.

A table is sorted as it was written: by account, region and package.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from modelwarden.errors import UserError

VERSION: Final = "modelwarden.tables/1"
_VERSION_KEY: Final = b"modelwarden"

_PLACE: Final = {"package": "text", "account": "word", "region": "word", "group": "word"}
DIGESTS: Final = ("evidence", "reference", "material", "bundle", "settings", "waivers")
"""Of a decision; each is a column `<name>_digest`."""

COLUMNS: Final[dict[str, dict[str, str]]] = {
    "packages": {
        **_PLACE,
        "version": "number",
        **dict.fromkeys(("role", "why", "approval", "claimed", "created", "modified"), "word"),
        "origin": "word",
        "owner": "word",
        **dict.fromkeys(("approval_record", "approval_record_why"), "word"),
        **dict.fromkeys(("stage", "moment", "verdict", "reads", "reference", "carried"), "word"),
        "endpoints": "words",
        "seen_from": "words",
        "seen_from_unknown": "number",
        **dict.fromkeys(("as_of",), "word"),
        **dict.fromkeys(("as_of_asserted", "advisory"), "flag"),
        **{f"{name}_digest": "text" if name in ("evidence", "material") else "word" for name in DIGESTS},
        **dict.fromkeys(("asserted", "notices", "off"), "words"),
    },
    "findings": {
        **_PLACE,
        **dict.fromkeys(("stage", "moment", "control", "severity", "outcome", "level", "effect", "why_level"), "word"),
        **dict.fromkeys(("expected", "reason", "waiver_id", "waiver"), "word"),
        "unset_parameters": "words",
        "observed": "text",
    },
    "evidence": {**_PLACE, "digest": "text", "asserted": "flag", "document": "text"},
}
"""Table -> column -> `word` (few different texts), `text` (many), `words`, `flag` or `number`. Times are UTC texts."""

ROWS: Final = {"packages": 1_000, "findings": 20_000, "evidence": 250}
"""Of one row group: whoever reads one account and region decodes those that hold it, and no others."""

_BUFFER: Final = 65_536
"""Bytes of a column that are read at once; else it is all of a row group's."""


class TablesError(UserError):
    """Tables that cannot be written or read."""

    help = "scan anew"


class Library(Struct, frozen=True):
    """pyarrow, and what of it is loaded apart."""

    arrow: Any
    parquet: Any
    compute: Any


@cache
def library() -> Library:
    """Loaded when first needed.

    Raises:
        TablesError: the extra is not installed.
    """
    # Its own allocators keep for each thread what it once used, and a scan reads from many; asked once, at the import.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise TablesError(
            "the tables of a scan need pyarrow, which is not installed", "pip install 'modelwarden[scan]'"
        ) from error
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    return Library(pyarrow, pyarrow.parquet, pyarrow.compute)


@cache
def schema(table: str) -> Any:
    """Of one table, with the version in its metadata."""
    arrow = library().arrow
    word = arrow.dictionary(arrow.int32(), arrow.string())
    types = {
        "word": word,
        "text": arrow.string(),
        "words": arrow.list_(arrow.string()),
        "flag": arrow.bool_(),
        "number": arrow.int64(),
    }
    fields = [arrow.field(name, types[kind]) for name, kind in COLUMNS[table].items()]
    return arrow.schema(fields, metadata={_VERSION_KEY: VERSION.encode()})


def opened(path: Path, footer: Any = None) -> Any:
    """A Parquet file of this version; `footer` is that of an earlier opening, which grows with the table.

    Raises:
        TablesError: it cannot be read, or is of another version.
    """
    lib = library()
    try:
        file = lib.parquet.ParquetFile(path, metadata=footer, buffer_size=_BUFFER, pre_buffer=False)
    except (OSError, lib.arrow.ArrowInvalid) as error:
        raise TablesError(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from error
    found = (file.schema_arrow.metadata or {}).get(_VERSION_KEY, b"no version").decode(errors="replace")
    if found != VERSION:
        raise TablesError(f"{path}: is `{found}`, not `{VERSION}`", "read it with the release that wrote it")
    return file
