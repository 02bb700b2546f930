"""What ships, compiled before: the trees of its policies and the documents of its parameters, by the digest of their text.

Parsing them takes longer than judging a package, and their text does not change. A text that the table does not know
is parsed; `scripts/generate.py` writes the table, and the drift check compares it with what Cedar says.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec

from modelwarden import builtin, cedar, toml
from modelwarden.statement import statements

NAME = "compiled.json"


def parse_policy(text: str) -> list[cedar.PolicyJson]:
    """As `cedar.parse`, with its errors; nobody may change what comes out."""
    known = _table().get(_key(text))
    return cedar.parse(text) if known is None else [known]


def parse_toml(text: str, where: str) -> toml.Table:
    """As `toml.parse`, with its errors; exact numbers may come as text."""
    known = _table().get(_key(text))
    return toml.parse(text, where) if known is None else known


def table(files: dict[str, str]) -> dict[str, Any]:
    """The table for built-in files: path -> text."""
    found: dict[str, Any] = {}
    for path, text in files.items():
        if path.endswith(".cedar"):
            for statement in statements(text):
                (found[_key(statement.text)],) = cedar.parse(statement.text)
        elif path.endswith(".toml"):
            found[_key(text)] = toml.plain(toml.parse(text, path))
    return found


@cache
def _table() -> dict[str, Any]:
    known: dict[str, Any] = msgspec.json.decode(builtin.read("", NAME))
    return known


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
