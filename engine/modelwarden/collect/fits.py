"""Whether a document fits a JSON Schema, of the keywords that the schema of cards uses. Pure.

It only says yes or no, in a tenth of the time that jsonschema takes: most cards fit. What does not fit is described by
jsonschema, which has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Check = Callable[[Any], bool]

_TYPES: Final[Mapping[str, Check]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_SILENT: Final = ("$schema", "$defs", "title", "description", "then", "else")
"""Annotations, and what other keywords read."""


def compiled(schema: Mapping[str, Any]) -> Check:
    """A check that says what `jsonschema.Draft202012Validator(schema).is_valid` does.

    Raises:
        ValueError: the schema has something that is not known here; nothing is left out silently.
    """
    checks: dict[str, Check] = {}

    def ref(name: str) -> Check:
        if not name.startswith("#/$defs/"):
            raise ValueError(f"$ref {name}")
        return lambda value: checks[name](value)

    for name, one in schema.get("$defs", {}).items():
        checks[f"#/$defs/{name}"] = _schema(one, ref)
    return _schema(schema, ref)


def _schema(schema: Any, ref: Callable[[str], Check]) -> Check:
    if isinstance(schema, bool):
        return lambda value: schema
    checks = [_keyword(name, said, schema, ref) for name, said in schema.items() if name not in _SILENT]
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def _keyword(name: str, said: Any, schema: Mapping[str, Any], ref: Callable[[str], Check]) -> Check:
    match name:
        case "$ref":
            return ref(said)
        case "type" if isinstance(said, str) and said in _TYPES:
            return _TYPES[said]
        case "allOf":
            return _all([_schema(one, ref) for one in said])
        case "if":
            return _conditional(
                *(_schema(one, ref) for one in (said, schema.get("then", True), schema.get("else", True)))
            )
        case "const" if isinstance(said, str):
            return lambda value: bool(value == said)
        case "enum" if all(isinstance(one, str) for one in said):
            return lambda value: value in said
    return _of_object(name, said, schema, ref) or _of_list(name, said, ref) or _of_scalar(name, said)


def _all(checks: list[Check]) -> Check:
    return lambda value: all(check(value) for check in checks)


def _conditional(condition: Check, then: Check, otherwise: Check) -> Check:
    return lambda value: then(value) if condition(value) else otherwise(value)


def _of_object(name: str, said: Any, schema: Mapping[str, Any], ref: Callable[[str], Check]) -> Check | None:
    match name:
        case "properties":
            members = {key: _schema(one, ref) for key, one in said.items()}
            return lambda value: (
                not isinstance(value, dict)
                or all(members[key](inner) for key, inner in value.items() if key in members)
            )
        case "additionalProperties" if "patternProperties" not in schema:
            known, other = frozenset(schema.get("properties", {})), _schema(said, ref)
            return lambda value: (
                not isinstance(value, dict) or all(other(inner) for key, inner in value.items() if key not in known)
            )
        case "required":
            return lambda value: not isinstance(value, dict) or all(key in value for key in said)
    return None


def _of_list(name: str, said: Any, ref: Callable[[str], Check]) -> Check | None:
    match name:
        case "items":
            member = _schema(said, ref)
            return lambda value: not isinstance(value, list) or all(map(member, value))
        case "minItems":
            return lambda value: not isinstance(value, list) or len(value) >= said
        case "maxItems":
            return lambda value: not isinstance(value, list) or len(value) <= said
    return None


def _of_scalar(name: str, said: Any) -> Check:
    match name:
        case "minLength":
            return lambda value: not isinstance(value, str) or len(value) >= said
        case "maxLength":
            return lambda value: not isinstance(value, str) or len(value) <= said
        case "minimum":
            number = _TYPES["number"]
            return lambda value: not (number(value) and value < said)
    raise ValueError(f"{name}: {said!r}")
