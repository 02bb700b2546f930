"""TOML that people wrote: bounded, typed, and never a traceback.

Every function that takes `where` puts it in front of its message: the file, or the file and the setting.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from modelwarden.errors import UserError

MAX_BYTES: Final = 4_000_000
"""Of one file."""
MAX_DEPTH: Final = 16
"""Of tables and arrays inside one another."""

Table = dict[str, Any]


class SettingsError(UserError):
    """Settings that cannot be used: the message names the file and the setting."""

    help = "`modelwarden config show` prints the settings that hold"


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file.

    Raises:
        SettingsError: it is missing, no regular file, unreadable or too large.
    """
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            raise SettingsError(f"{printable(path)}: {what}", "name a TOML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{printable(path)}: cannot be read: {reason}", "check the path and its rights") from error
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{printable(path)}: larger than {MAX_BYTES} bytes", "split it")
    return data


def parse(data: bytes | str, where: str) -> Table:
    """A TOML document; numbers with a decimal point are exact (`Decimal`).

    Raises:
        SettingsError: wrong encoding, no TOML, duplicate keys, nested too deeply.
    """
    import tomllib  # only where there is TOML to read: a gate with built-in settings has none

    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        document = tomllib.loads(text, parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{where}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error
    except (ValueError, ArithmeticError) as error:
        reason = printable(str(error) or "no valid number")
        raise SettingsError(f"{where}: {reason[:1].lower()}{reason[1:]}", "TOML: https://toml.io") from error
    except RecursionError as error:
        raise SettingsError(f"{where}: nested too deeply", "flatten the tables") from error
    if _depth(document) > MAX_DEPTH:
        raise SettingsError(f"{where}: nested more than {MAX_DEPTH} deep", "flatten the tables")
    return document


def plain(value: Any) -> Any:
    """The value as JSON holds it: dates as ISO text, exact numbers as text."""
    match value:
        case Mapping():
            return {str(key): plain(member) for key, member in value.items()}
        case list() | tuple():
            return [plain(member) for member in value]
        case str() | bool() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else str(value)
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)


def encodable(text: str) -> bool:
    """Whether it is text: bytes of a name or a variable that are not UTF-8 arrive as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(value: object) -> str:
    """One line without control characters, cut at 300 characters."""
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(value))
    return text if len(text) <= 300 else text[:299] + "…"


def quoted(value: object) -> str:
    """User input in backticks."""
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{printable(plain(value) if isinstance(value, Mapping | list | tuple) else value)}`"


def inside(where: str, key: str) -> str:
    """The place of a key below a place: `scope` and `match` in backticks give `scope.match` in one pair of them."""
    return f"{where[:-1]}.{printable(key)}`" if where.endswith("`") else f"{where}.{printable(key)}"


def suggest(name: str, known: Collection[str]) -> str:
    """The next step after a name that does not exist."""
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    close = close or [one for one in known if len(name) > 2 and one.casefold().startswith(name.casefold())]
    if close:
        return f"did you mean `{close[0]}`?"
    return f"use one of {', '.join(sorted(known))}" if known else "none exists"


def table(value: Any, where: str, known: Collection[str] | None = None) -> Table:
    """A table; with `known`, one that holds no other keys."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: a table is expected, not {quoted(value)}", "write it as `[table]` or `{ ... }`")
    for key in value:
        if known is not None and key not in known:
            raise SettingsError(f"{where}: unknown setting {quoted(key)}", suggest(key, known))
    return value


def tables(value: Any, where: str) -> list[Table]:
    """An array of tables."""
    if not isinstance(value, list) or not all(isinstance(member, dict) for member in value):
        raise SettingsError(f"{where}: an array of tables is expected", f"write each as `[[{where.split()[-1]}]]`")
    return value


def text(value: Any, where: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: a text is expected, not {quoted(value)}", "write it in quotes")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A text or an array of them, as a tuple."""
    members = value if isinstance(value, list) else [value]
    if not members:
        raise SettingsError(f"{where}: the list is empty", "name at least one, or leave the setting out")
    return tuple(text(member, where) for member in members)


def flag(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: true or false is expected, not {quoted(value)}", "write it without quotes")
    return value


def one_of(value: Any, known: Collection[str], where: str, what: str) -> str:
    """One of the names."""
    if not isinstance(value, str) or value not in known:
        raise SettingsError(f"{where}: unknown {what} {quoted(value)}", suggest(str(value), known))
    return value


def day(value: Any, where: str) -> date:
    """A date; the ISO text of one is taken too."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise SettingsError(f"{where}: a date is expected, not {quoted(value)}", "write it as 2027-01-15") from None


def _depth(document: Any) -> int:
    """How deep a document nests; without recursion, since that is what it guards."""
    depth, level = 0, [document]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
