"""Files that appear under their names when they are whole: nobody reads half of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, that takes the place of what stands there when the block ends, and leaves it if that fails.

    A link stays, and its target is what is replaced. What is no regular file (a pipe, `/dev/stdout`) is written to as it is.
    OSError is the caller's.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        with place.open("wb") as out:
            yield out
        return
    aside = place.with_name(f".{place.name}.{uuid4().hex}.part")
    try:
        with aside.open("wb") as out:
            yield out
        aside.replace(place)
    finally:
        aside.unlink(missing_ok=True)
