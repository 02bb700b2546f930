"""An expression of Cedar's JSON form as an author would write it: no needless brackets, `has a.b.c` in one piece.

The law: parsing what is spelled gives the same tree. Cedar's own printer puts every operand in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from modelwarden.syntax import has_chain

_IF, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER, _ALONE = range(9)
_INFIX: Final = {
    "||": (_OR, _OR, _RELATION),
    "&&": (_AND, _AND, _RELATION),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), (_RELATION, _SUM, _SUM)),
    "+": (_SUM, _SUM, _PRODUCT),
    "-": (_SUM, _SUM, _PRODUCT),
    "*": (_PRODUCT, _PRODUCT, _UNARY),
}
"""Operator -> (its own level, least level of the left operand, least level of the right one)."""
_METHODS: Final = frozenset({"contains", "containsAll", "containsAny", "getTag", "hasTag"})
_CONSTRUCTORS: Final = frozenset({"datetime", "decimal", "duration", "ip"})
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_RESERVED: Final = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def spell(expr: Any) -> str:
    """The text of an expression."""
    return _spell(expr, _IF)


def _spell(expr: Any, least: int) -> str:
    text, level = _text(expr)
    return text if level >= least else f"({text})"


def _text(expr: Any) -> tuple[str, int]:
    """The text and how tightly it binds."""
    chain = has_chain(expr)
    if chain and (len(chain[1]) == 1 or all(map(_is_plain, chain[1]))):
        return f"{_spell(chain[0], _SUM)} has {_attributes(chain[1])}", _RELATION
    operator, body = next(iter(expr.items()))
    if operator in _INFIX:
        level, left, right = _INFIX[operator]
        if operator == "||" and "||" not in body["left"]:
            left = _RELATION  # not needed, but nobody should have to know which of `||` and `&&` binds tighter
        return f"{_spell(body['left'], left)} {operator} {_spell(body['right'], right)}", level
    if operator in _METHODS:
        return f"{_spell(body['left'], _MEMBER)}.{operator}({spell(body['right'])})", _MEMBER
    match operator:
        case "Value":
            return _value(body)
        case "Var":
            return str(body), _MEMBER
        case ".":
            return _spell(body["left"], _MEMBER) + _member(body["attr"]), _MEMBER
        case "!":
            return f"!{_spell(body['arg'], _UNARY)}", _UNARY
        case "neg":
            # `-7` is a number and `-(7)` an operation.
            return f"-{_spell(body['arg'], _ALONE if 'Value' in body['arg'] else _UNARY)}", _UNARY
        case "isEmpty":
            return f"{_spell(body['arg'], _MEMBER)}.isEmpty()", _MEMBER
        case "like":
            return f"{_spell(body['left'], _SUM)} like {_pattern(body['pattern'])}", _RELATION
        case "is":
            inside = f" in {_spell(body['in'], _SUM)}" if "in" in body else ""
            return f"{_spell(body['left'], _SUM)} is {body['entity_type']}{inside}", _RELATION
        case "if-then-else":
            return f"if {spell(body['if'])} then {spell(body['then'])} else {spell(body['else'])}", _IF
        case "Set":
            return f"[{_listed(body)}]", _MEMBER
        case "Record":
            return "{" + ", ".join(f"{_quoted(key)}: {spell(value)}" for key, value in body.items()) + "}", _MEMBER
    if operator in _CONSTRUCTORS:
        return f"{operator}({_listed(body)})", _MEMBER
    return f"{_spell(body[0], _MEMBER)}.{operator}({_listed(body[1:])})", _MEMBER


def _listed(members: Iterable[Any]) -> str:
    return ", ".join(map(spell, members))


def _attributes(names: list[str]) -> str:
    return ".".join(names) if all(map(_is_plain, names)) else _quoted(names[0])


def _member(name: str) -> str:
    return f".{name}" if _is_plain(name) else f"[{_quoted(name)}]"


def _is_plain(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in _RESERVED


def _value(value: Any) -> tuple[str, int]:
    match value:
        case bool():
            return str(value).lower(), _MEMBER
        case int():
            return str(value), _MEMBER if value >= 0 else _UNARY
        case str():
            return _quoted(value), _MEMBER
        case {"__entity": {"type": kind, "id": id_}}:
            return f"{kind}::{_quoted(id_)}", _MEMBER
        case {"__extn": {"fn": function, "arg": argument}}:
            return f"{function}({_quoted(argument)})", _MEMBER
    return str(value), _MEMBER


def _pattern(pieces: list[Any]) -> str:
    inside = ("*" if piece == "Wildcard" else _escaped(piece["Literal"]).replace("*", "\\*") for piece in pieces)
    return f'"{"".join(inside)}"'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text)
