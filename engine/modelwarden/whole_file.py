"""Files that appear under their names when they are whole: nobody reads half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

_SPECIAL: Final = (Path("/dev"), Path("/proc"))
"""What lies here stands for something that is open already, such as `/dev/stdout`, and is not to be replaced."""
_LINKS: Final = 40
"""One after the other, as Linux follows them."""


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, that takes the place of what stands there when the block ends, and leaves it if that fails.

    A link stays, and its target is what is replaced. What is no regular file (a pipe, `/dev/stdout`) is written to as it
    is, at its end. OSError is the caller's.
    """
    if as_it_is(path):
        with path.open("ab") as out:
            yield out
        return
    place = Path(realpath(path))
    aside = place.with_name(f".{place.name}.{uuid4().hex}.part")
    try:
        with aside.open("wb") as out:
            yield out
        aside.replace(place)
    finally:
        aside.unlink(missing_ok=True)


def as_it_is(path: Path) -> bool:
    """Whether it is no regular file, or leads through a place of special files: its end may look regular, or like nothing.

    Raises:
        OSError: it is a link to itself.
    """
    if path.exists() and not path.is_file():
        return True
    for _ in range(_LINKS):
        at = Path(realpath(path.parent)) / path.name
        if any(at.is_relative_to(place) for place in _SPECIAL):
            return True
        if not at.is_symlink():
            return False
        path = at.parent / at.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
