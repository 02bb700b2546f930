"""What is written of waivers: a file that asks for one, and the acts that are added at its end. Pure.

Nothing that stands in a file already is changed: the history of a waiver is its file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from modelwarden import proposal
from modelwarden.act import Act

_DAY_OR_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")
_ORDER: Final = (
    *("id", "renews", "package", "group", "account", "region", "pattern", "expected_packages", "controls"),
    *("unknown", "break_glass", "loud", "owner", "reason", "ticket", "expires"),
)


def asked(fields: Mapping[str, Any], act: Act) -> str:
    """The file of a waiver that somebody asks for; `fields` as the file spells them."""
    rows = [f"{name} = {_value(fields[name])}" for name in _ORDER if fields.get(name) not in (None, False)]
    return "\n".join(["[[waiver]]", *rows, ""]) + added("requested", act)


def added(name: str, act: Act) -> str:
    """An act as a table behind the last waiver of a file."""
    head = f"[[waiver.{name}]]" if name == "approval" else f"[waiver.{name}]"
    return "\n".join(["", head, *(f"{key} = {_value(value)}" for key, value in act.to_json().items()), ""])


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return value if _DAY_OR_TIME.fullmatch(value) else proposal.text(value)
        case _:
            return proposal.texts(value)
