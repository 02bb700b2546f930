"""Parameters: what a bundle declares, how a value is typed, and which of two values is the tighter.

A bundle folder may hold `parameters.toml`, one table a parameter:

    [approved_image_sources]
    type = "set"
    tighten = "subset"
    about = "HOST/REPOSITORY of images that may run"
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from modelwarden import compiled, toml
from modelwarden.control import ControlError, ParameterValue
from modelwarden.toml import SettingsError, quoted

ParameterType = Literal["set", "string", "long", "bool", "table"]
Tighten = Literal["subset", "superset", "pairs", "lower", "higher", "fixed", "table"]
"""Which way a layer below may move a value. `pairs` and `table`: see `tightest`."""

_DIRECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "set": ("subset", "superset", "pairs", "fixed"),
    "string": ("fixed",),
    "long": ("lower", "higher", "fixed"),
    "bool": ("lower", "higher", "fixed"),
    "table": ("table", "fixed"),
}
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
_PROSE: Final = ("source", "about")
"""Keys of a table that explain a value and do not decide."""


class ParameterDeclaration(Struct, frozen=True):
    """One parameter that controls may read."""

    name: str
    type: ParameterType
    about: str
    tighten: Tighten
    default: ParameterValue | None = None
    """None: whoever reads it is unknown until somebody sets it."""

    def typed(self, value: Any, where: str) -> ParameterValue:
        """A TOML value as controls read it: sets as sorted tuples, decimals inside tables as exact text.

        Raises:
            SettingsError: it is of another type.
        """
        fits: ParameterValue | None = None
        match self.type:
            case "set" if isinstance(value, list | tuple) and all(isinstance(one, str) and one for one in value):
                fits = tuple(sorted(set(value)))
            case "string" if isinstance(value, str):
                fits = value
            case "bool" if isinstance(value, bool):
                fits = value
            case "long" if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
                fits = value
            case "table" if isinstance(value, Mapping):
                fits = {key: _cell(member, toml.inside(where, key)) for key, member in value.items()}
        if fits is None:
            raise SettingsError(f"{where}: {_SHAPES[self.type]} is expected, not {quoted(value)}", self.about)
        return fits

    def tightest(self, upper: ParameterValue, lower: ParameterValue) -> ParameterValue:
        """The value that is as tight as both.

        Sets: intersection or union; `pairs` of `key=value`: the values that both allow for a key, and the keys of both,
        since a key that no longer occurs would allow every value. Numbers: the lower or higher one. `fixed`: the upper one. Tables: key by key, with
        the keys of both; `min...` the higher, `max...` the lower, true over false, lists joined, other texts the
        upper one.
        """
        value: ParameterValue = _tightest(self.tighten, upper, lower)
        return value

    def tightens(self, upper: ParameterValue, lower: ParameterValue) -> bool:
        """Whether `lower` gives up nothing that `upper` demands; what a table leaves out stays as it is."""
        stated = _overlay(upper, lower) if self.tighten == "table" else lower
        return same(_without_prose(self.tightest(upper, lower)), _without_prose(stated))


_SHAPES: Final = {
    "set": "an array of texts",
    "string": "a text",
    "long": "a whole number of 64 bits",
    "bool": "true or false",
    "table": "a table",
}


def load_declarations(toml_text: str, path: str) -> dict[str, ParameterDeclaration]:
    """Name -> declaration of one `parameters.toml`.

    Raises:
        ControlError: no TOML, a name or type that does not exist, a default of another type.
    """
    try:
        document = compiled.parse_toml(toml_text, path)
        return {name: _declaration(name, entry, f"{path}: {quoted(name)}") for name, entry in document.items()}
    except SettingsError as error:
        raise ControlError(str(error), error.help) from error


def same(one: ParameterValue, other: ParameterValue) -> bool:
    """Equal as controls see them; the order of keys does not matter, and 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _declaration(name: str, entry: Any, where: str) -> ParameterDeclaration:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{where}: not a name of a parameter", "write it like `approved_image_sources`")
    toml.table(entry, where, ("type", "tighten", "about", "default"))
    type_ = toml.one_of(entry.get("type"), get_args(ParameterType), toml.inside(where, "type"), "type")
    tighten = toml.one_of(
        entry.get("tighten", "fixed"), _DIRECTIONS[type_], toml.inside(where, "tighten"), f"way of a {type_}"
    )
    about = toml.text(entry.get("about"), toml.inside(where, "about"))
    declaration = ParameterDeclaration(name, type_, about, tighten)  # type: ignore[arg-type]
    if "default" not in entry:
        return declaration
    default = declaration.typed(entry["default"], toml.inside(where, "default"))
    return ParameterDeclaration(name, declaration.type, about, declaration.tighten, default)


def _cell(value: Any, where: str) -> Any:
    """A member of a table: numbers with a decimal point become exact text (no float ever decides)."""
    match value:
        case Decimal() if value.is_finite():
            return format(value.normalize(), "f") if -30 <= value.adjusted() <= 30 else str(value)
        case str() | bool():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case Mapping():
            return {key: _cell(member, toml.inside(where, key)) for key, member in value.items()}
        case list() | tuple():
            return tuple(_cell(member, where) for member in value)
    raise SettingsError(f"{where}: a finite number, a text, true, false, a list or a table is expected")


def _tightest(way: str, upper: Any, lower: Any) -> Any:
    match way:
        case "subset":
            return tuple(sorted(set(upper) & set(lower)))
        case "superset":
            return tuple(sorted(set(upper) | set(lower)))
        case "pairs":
            return _tightest_pairs(upper, lower)
        case "lower":
            return min(upper, lower)
        case "higher":
            return max(upper, lower)
        case "table":
            return _tightest_table(upper, lower)
    return upper


def _tightest_pairs(upper: tuple[str, ...], lower: tuple[str, ...]) -> tuple[str, ...]:
    of_upper, of_lower = ({pair.partition("=")[0] for pair in pairs} for pairs in (upper, lower))
    both = {pair.partition("=")[0] for pair in set(upper) & set(lower)}
    kept = {pair for pair in upper if pair in lower or pair.partition("=")[0] not in of_lower & both}
    return tuple(sorted(kept | {pair for pair in lower if pair.partition("=")[0] not in of_upper}))


def _tightest_table(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**lower, **upper}
    for key in upper.keys() & lower.keys():
        joined[key] = _tightest_cell(key, upper[key], lower[key])
    return joined


def _tightest_cell(key: str, upper: Any, lower: Any) -> Any:
    if isinstance(upper, Mapping) and isinstance(lower, Mapping):
        return _tightest_table(upper, lower)
    if isinstance(upper, bool) and isinstance(lower, bool):
        return upper or lower
    if isinstance(upper, tuple) and isinstance(lower, tuple):
        return upper + tuple(member for member in lower if member not in upper)
    numbers = _number(upper), _number(lower)
    if numbers[0] is not None and numbers[1] is not None:
        if key.startswith("min"):
            return upper if numbers[0] > numbers[1] else lower
        if key.startswith("max"):
            return upper if numbers[0] < numbers[1] else lower
    return upper


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _overlay(upper: Any, lower: Any) -> Any:
    if not isinstance(upper, Mapping) or not isinstance(lower, Mapping):
        return lower
    return {**upper, **{key: _overlay(upper.get(key), member) for key, member in lower.items()}}


def _without_prose(value: Any) -> Any:
    """Tables without their prose, and lists without their order."""
    if isinstance(value, Mapping):
        return {key: _without_prose(member) for key, member in value.items() if key not in _PROSE}
    if isinstance(value, tuple):
        return sorted(value, key=str)
    return value
