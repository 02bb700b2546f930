"""How facts appear in Cedar: one attribute for each row of the dictionary, and the schema made of them.

A pointer's segments become camelCase attribute names: `/package/kms_key/manager` is `resource.package.kmsKey.manager`.
The members of a list share one attribute: `/artifact/*/kms_key/manager` is `resource.artifact.kmsKey.manager`, and a
policy that reads it is judged once for each artifact; it passes when all of them comply. Numbers become whole basis
points, rounded down (`valueFloorBp`) and up (`valueCeilBp`), so that a policy can round against the model.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal

from msgspec import Struct

from modelwarden.evidence import Absent, Fact, Present, Unknown
from modelwarden.facts import FactKind, kinds

Path = tuple[str, ...]
"""Attribute path from its variable: `("resource", "package", "kmsKey", "manager")`."""

NAMESPACE: Final = "Modelwarden"
PARAMETERS_PATH: Final[Path] = ("context", "parameters")
RISK_PATH: Final[Path] = ("resource", "effectiveRiskRating")
RISK_POINTER: Final = "/card/content/intended_uses/risk_rating"
TAGS: Final[dict[Path, str]] = {("resource",): "/tag/", ("resource", "metadata"): "/customer_metadata/"}
"""Entities that carry Cedar tags -> prefix of the facts behind them."""

_BASIS_POINTS: Final = 10_000
_CEDAR_TYPES: Final = {
    "string": "String",
    "long": "Long",
    "bool": "Bool",
    "set": "Set<String>",
    "list": "Set<String>",
    "time": "datetime",
    "number": "Long",
}
_NOT_IN_CEDAR: Final = ("/reference/", "/card/text/", "/tag/", "/customer_metadata/")

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")

Rounding = Literal["", "floor", "ceil"]


class Attribute(Struct, frozen=True):
    """One attribute that a policy may read."""

    path: Path
    pattern: str
    """The fact behind it; `{approver}` rows resolve by moment (`approver_pointer`)."""
    type: str
    """Type of the fact (facts.FactType)."""
    rounding: Rounding = ""
    required: bool = False
    """The schema demands it: what scopes may read. It is left out only where it was not read, and then Cedar errs."""

    @property
    def chain(self) -> str:
        """The lists it lies in, up to the last `*`: `/container/*/image/manifest/*`; empty for a plain fact."""
        head, star, _ = self.pattern.rpartition("*")
        return head + star


def camel(name: str) -> str:
    """`kms_key` -> `kmsKey`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _path(pattern: str) -> Path:
    return tuple(camel(segment) for segment in pattern.strip("/").split("/") if segment != "*")


def _attributes_of(kind: FactKind) -> list[Attribute]:
    pattern = kind.pattern
    if pattern.startswith(_NOT_IN_CEDAR):
        return []
    if pattern == "/request/principal/state":
        return [Attribute(("context", "principalState"), pattern, kind.type, required=True)]
    if pattern.startswith("/request/principal/"):
        return [Attribute(("principal", *_path(pattern.removeprefix("/request/principal"))), pattern, kind.type)]
    if pattern.startswith("/request/"):
        return [Attribute(("context", *_path(pattern.removeprefix("/request"))), pattern, kind.type, required=True)]
    base: Path = ("context",) if pattern.startswith("/approver/") else ("resource",)
    path = (*base, *_path(pattern))
    if kind.type == "number":
        return [
            Attribute((*path[:-1], path[-1] + "FloorBp"), pattern, kind.type, "floor"),
            Attribute((*path[:-1], path[-1] + "CeilBp"), pattern, kind.type, "ceil"),
        ]
    top_level_count = pattern.endswith("_count") and pattern.count("/") == 1
    return [Attribute(path, pattern, kind.type, required=top_level_count)]


@cache
def attributes() -> dict[Path, Attribute]:
    """Every attribute by its path."""
    table = {attribute.path: attribute for kind in kinds().values() for attribute in _attributes_of(kind)}
    table[RISK_PATH] = Attribute(RISK_PATH, RISK_POINTER, "string", required=True)
    return table


@cache
def records() -> frozenset[Path]:
    """Every path that names a record of attributes instead of one."""
    found = {path[:depth] for path in attributes() for depth in range(2, len(path))}
    return frozenset({*found, PARAMETERS_PATH})


@cache
def by_pattern() -> dict[str, tuple[Path, ...]]:
    """Pattern -> paths that show it."""
    found: dict[str, tuple[Path, ...]] = {}
    for path, attribute in attributes().items():
        found[attribute.pattern] = (*found.get(attribute.pattern, ()), path)
    return found


def approver_pointer(pattern: str, moment: str) -> str:
    """Who approves: the principal while approving; afterwards whoever the evidence names."""
    return (
        pattern.replace("/approver/", "/request/principal/")
        if moment == "approve" and pattern != "/approver/approved_at"
        else pattern
    )


def effective_risk(fact: Fact) -> Fact:
    """The risk rating that scopes go by: High, Medium or Low as written; anything else that was read counts as High."""
    match fact:
        case Present(value, source):
            return fact if value in ("High", "Medium", "Low") else Present("High", source)
        case Absent(source):
            return Present("High", source)
        case Unknown():
            return fact


def to_cedar(attribute: Attribute, fact: Fact) -> Any:
    """The JSON that Cedar takes for a present fact; None for anything that must be left out.

    INVARIANT: a value that does not fit its type is left out like an unknown one. Under `==` Cedar would call it
    merely unequal, which is a false fail, or under `!=` a false pass.
    """
    if attribute.path == RISK_PATH:
        fact = effective_risk(fact)
    if not isinstance(fact, Present):
        return None
    value = fact.value
    if attribute.type == "string":  # most are
        return value if isinstance(value, str) else None
    match attribute.type:
        case "bool" if isinstance(value, bool):
            return value
        case "long" if isinstance(value, int) and not isinstance(value, bool):
            return value if -(2**63) <= value < 2**63 else None
        case "set" | "list" if isinstance(value, tuple):
            return list(value)
        case "time" if isinstance(value, str) and _TIME.fullmatch(value):
            return {"__extn": {"fn": "datetime", "arg": value}}
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return _basis_points(value, attribute.rounding)
    return None


def _basis_points(value: float, rounding: Rounding) -> int | None:
    if not math.isfinite(value) or abs(value) >= 2**62 / _BASIS_POINTS:
        return None
    # As decimal text, since 0.8 * 10000 in binary may miss the integer that the report's author wrote.
    scaled = Decimal(repr(value)) * _BASIS_POINTS
    return math.floor(scaled) if rounding == "floor" else math.ceil(scaled)


def schema_text(parameters: dict[str, str]) -> str:
    """The Cedar schema; `parameters` is name -> `set | string | long | bool` (tables are for Python controls only).

    Parameters need no `has`: one that nobody set is left out, so that Cedar errs and the control is unknown.
    """
    resource = _record([a for a in attributes().values() if a.path[0] == "resource"], 1, "    metadata: Metadata,\n")
    principal = _record([a for a in attributes().values() if a.path[0] == "principal"], 1)
    declared = "".join(
        f"        {camel(name)}: {_CEDAR_TYPES[type_]},\n"
        for name, type_ in sorted(parameters.items())
        if type_ != "table"
    )
    context = _record(
        [a for a in attributes().values() if a.path[0] == "context"], 1, f"    parameters: {{\n{declared}    }},\n"
    )
    return (
        "// Generated from engine/modelwarden/facts.py by `make docs`. Do not edit.\n"
        f"namespace {NAMESPACE} {{\n"
        "  entity Metadata tags String;\n"
        f"  entity Principal = {principal};\n"
        f"  entity Package = {resource} tags String;\n"
        '  action "promote";\n'
        '  action "approve", "deploy", "serve" in ["promote"] appliesTo {\n    principal: [Principal],\n    resource: [Package],\n'
        f"    context: {context},\n  }};\n"
        "}\n"
    )


def _record(members: list[Attribute], depth: int, extra: str = "") -> str:
    """A Cedar record type of the attributes, nested by their paths."""
    pad = "  " * (depth + 1)
    lines = [extra]
    names = dict.fromkeys(member.path[depth] for member in members)
    for name in names:
        below = [member for member in members if member.path[depth] == name]
        leaf = next((member for member in below if len(member.path) == depth + 1), None)
        if leaf:
            lines.append(f"{pad}{name}{'' if leaf.required else '?'}: {_CEDAR_TYPES[leaf.type]},\n")
        else:
            lines.append(f"{pad}{name}?: {_record(below, depth + 1)},\n")
    return "{\n" + "".join(lines) + "  " * depth + "}"
