"""Files that commands read as they are, by their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from modelwarden.errors import UserError


def sha256_of(path: Path) -> str:
    """Hex, of a file of whatever size. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "name a file") from error


def read_file(path: Path, most: int) -> bytes:
    """At most one byte more than that. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "name a file that modelwarden wrote") from error
