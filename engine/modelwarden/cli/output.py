"""Files that commands write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from modelwarden.errors import UserError
from modelwarden.run import write_new


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


def write_apart(file: Path, data: bytes) -> None:
    """A file for everybody's eyes, never over another one: a name that was mistyped may be that of a key.

    Raises:
        UserError: it is there, or cannot be written.
    """
    try:
        write_new(file, data)
        file.chmod(0o644)
    except FileExistsError as error:
        raise UserError(f"{file}: is there already", "name a file that is not there") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it names no file"
        raise UserError(f"{file}: cannot be written: {why}", "choose a folder that exists and is writable") from error


def append_text(file: Path, text: str) -> None:
    """At the end of a file that somebody follows. Raises UserError where it cannot be written."""
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written: {error.strerror}", "choose a folder that exists and is writable"
        ) from error
