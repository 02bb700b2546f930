"""Files that commands write."""

from __future__ import annotations

from pathlib import Path

from modelwarden.errors import UserError


def write_text(file: Path, text: str) -> None:
    """Raises UserError where it cannot be written."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written: {error.strerror}", "choose a folder that exists and is writable"
        ) from error


def append_text(file: Path, text: str) -> None:
    """At the end of a file that somebody follows. Raises UserError where it cannot be written."""
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written: {error.strerror}", "choose a folder that exists and is writable"
        ) from error
