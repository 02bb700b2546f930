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


def misfit(shape: Any, value: Any, where: str = "") -> str:
    """Where a value first departs from a botocore shape, and what should stand there; empty where nothing does.

    Members that the shape does not know are no departure: services grow. A streaming body must have been read.
    """
    kind = shape.type_name
    if kind == "structure":
        return "" if getattr(shape, "is_document_type", False) else _in_structure(shape, value, where)
    if kind == "list":
        return _in_list(shape, value, where)
    if kind == "map":
        return _in_map(shape, value, where)
    expected = _TYPES[kind]
    is_truth = isinstance(value, bool) and bool not in expected
    return "" if isinstance(value, expected) and not is_truth else f"{where or '/'} is no {kind}"


def _in_structure(shape: Any, value: Any, where: str) -> str:
    if not isinstance(value, Mapping):
        return f"{where or '/'} is no structure"
    members = shape.members
    found = (misfit(members[name], inner, f"{where}/{name}") for name, inner in value.items() if name in members)
    return next(filter(None, found), "")


def _in_list(shape: Any, value: Any, where: str) -> str:
    if not isinstance(value, list):
        return f"{where or '/'} is no list"
    found = (misfit(shape.member, inner, f"{where}/{index}") for index, inner in enumerate(value))
    return next(filter(None, found), "")


def _in_map(shape: Any, value: Any, where: str) -> str:
    if not isinstance(value, Mapping):
        return f"{where or '/'} is no map"
    if not all(isinstance(key, str) for key in value):
        return f"{where or '/'} has a key that is no string"
    # The keys may be secret or endless, so the place of a value is told without its key.
    return next(filter(None, (misfit(shape.value, inner, f"{where}/*") for inner in value.values())), "")
