"""Whether an answer has the types of its service model. Pure.

botocore picks the members that it knows out of an answer and hands over whatever stands there: a list in the place of a
text, a null inside a list. What passes this check may be read without asking again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime,),
    "blob": (bytes,),
}
_OBJECT: Final = (dict, Mapping)
"""The first is what botocore makes, and quicker to tell."""


def misfit(shape: Any, value: Any) -> str:
    """Where a value first departs from a botocore shape, and what should stand there; empty where nothing does.

    Members that the shape does not know are no departure: services grow. A streaming body must have been read.
    """
    found = _departure(shape, value)
    return f"{found[0] or '/'} {found[1]}" if found else ""


def _departure(shape: Any, value: Any) -> tuple[str, str] | None:
    """(where, what is wrong there). Every answer of a scan comes by, so the way to a place is spelled only where it is one."""
    kind = shape.type_name
    if kind == "structure":
        return None if getattr(shape, "is_document_type", False) else _in_structure(shape, value)
    if kind == "list":
        return _in_list(shape, value)
    if kind == "map":
        return _in_map(shape, value)
    expected = _TYPES[kind]
    if isinstance(value, expected) and (bool in expected or not isinstance(value, bool)):
        return None
    return "", f"is no {kind}"


def _in_structure(shape: Any, value: Any) -> tuple[str, str] | None:
    if not isinstance(value, _OBJECT):
        return "", "is no structure"
    members = shape.members
    for name, inner in value.items():
        if name in members and (found := _departure(members[name], inner)):
            return f"/{name}{found[0]}", found[1]
    return None


def _in_list(shape: Any, value: Any) -> tuple[str, str] | None:
    if not isinstance(value, list):
        return "", "is no list"
    member = shape.member
    for index, inner in enumerate(value):
        if found := _departure(member, inner):
            return f"/{index}{found[0]}", found[1]
    return None


def _in_map(shape: Any, value: Any) -> tuple[str, str] | None:
    if not isinstance(value, _OBJECT):
        return "", "is no map"
    if not all(isinstance(key, str) for key in value):
        return "", "has a key that is no string"
    member = shape.value
    for inner in value.values():
        if found := _departure(member, inner):
            # The keys may be secret or endless, so the place of a value is told without its key.
            return f"/*{found[0]}", found[1]
    return None
