"""Proposals: TOML that people read before it counts, out of values that nobody can trust.

A value is a TOML string that holds it whole; a comment is one line on which nothing acts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from modelwarden.errors import UserError
from modelwarden.render.text import printable

MAX_COMMENT: Final = 300


def text(value: str) -> str:
    """A TOML basic string; the law: TOML reads the value back, and all of it prints.

    Lone surrogates, which no file can hold, are spelled out.
    """
    whole = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return '"' + "".join(map(_character, whole)) + '"'


def texts(values: Iterable[str]) -> str:
    """A TOML array on one line."""
    return "[" + ", ".join(map(text, values)) + "]"


def comment(words: str) -> str:
    """`# words`, on one line."""
    shown = printable(words)
    return f"# {shown if len(shown) <= MAX_COMMENT else shown[: MAX_COMMENT - 1] + '…'}"


def write(path: Path, content: str) -> None:
    """Write a file that does not exist yet.

    Raises:
        UserError: it exists, or cannot be written.
    """
    check_free(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}", "choose a folder that exists and is writable"
        ) from error


def check_free(path: Path) -> None:
    """Raises UserError where something is there already, before anybody has waited for an answer."""
    if path.is_symlink() or path.exists():
        raise UserError(f"{path}: exists already", "move it away, or name another file with -o")


def _character(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
