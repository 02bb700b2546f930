"""Files that commands write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from modelwarden.errors import UserError


def format_files(texts: Iterable[str], formats: Sequence[str]) -> list[tuple[str, Path]]:
    """(format, file) of each `FORMAT=FILE`.

    Raises:
        UserError: another form, a format that is none of these, or a file that is named twice.
    """
    found: list[tuple[str, Path]] = []
    for text in texts:
        format_, separator, file = text.partition("=")
        if not separator or not file or format_ not in formats:
            raise UserError(f"-o: `{text}` is not FORMAT=FILE", f"formats are {', '.join(formats)}")
        if any(Path(file) == other for _, other in found):
            raise UserError(f"-o: two formats go to `{file}`, and the last one would be left", "name a file for each")
        found.append((format_, Path(file)))
    return found


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
