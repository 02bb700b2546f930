"""Cedar's syntax tree (its JSON form): what a policy reads, where its guards stand, and how to rewrite it.

An expression is a dict with one key, the operator; `&&` and `||` hold `left` and `right`, `.` and `has` hold `left`
and `attr`, `hasTag` and `getTag` hold `left` and `right`, an extension call holds a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any

from msgspec import Struct

from modelwarden.attributes import NAMESPACE, TAGS, Path
from modelwarden.request import MOMENTS

Expr = dict[str, Any]

TRUE: Expr = {"Value": True}
TAG_MARK = "[tag]"
"""Segment after an entity's path that marks a tag; the key follows: `("resource", "[tag]", "owner")`."""


class Access(Struct, frozen=True):
    """One place where an expression names data."""

    path: Path
    """From the variable; a tag is `(..., "[tag]", key)`, with the key `*` where it is not a literal."""
    guard: bool
    """True for `has` and `hasTag`."""


def children(expr: Any) -> Iterator[Any]:
    """The sub-expressions, one level down."""
    if not isinstance(expr, dict):
        return
    for operator, body in expr.items():
        if operator in ("Value", "Var", "Slot"):
            continue
        if operator == "Set":
            yield from body
        elif operator == "Record":
            yield from body.values()
        elif operator == "if-then-else":
            yield from (body["if"], body["then"], body["else"])
        elif isinstance(body, list):
            yield from body
        elif isinstance(body, dict):
            yield from (body[side] for side in ("left", "right", "arg", "in") if isinstance(body.get(side), dict))


def mapped(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The expression with its sub-expressions changed, one level down (those that `children` yields)."""
    return {operator: _mapped(operator, body, change) for operator, body in expr.items()}


def _mapped(operator: str, body: Any, change: Callable[[Expr], Expr]) -> Any:
    if operator in ("Value", "Var", "Slot"):
        return body
    if isinstance(body, list):
        return [change(one) for one in body]
    if not isinstance(body, dict):
        return body
    if operator == "Record":
        return {name: change(one) for name, one in body.items()}
    sides = ("if", "then", "else") if operator == "if-then-else" else ("left", "right", "arg", "in")
    return {side: change(one) if side in sides and isinstance(one, dict) else one for side, one in body.items()}


def path_of(expr: Any) -> Path | None:
    """The path that an expression spells (`resource.artifact.kmsKey`, `resource.getTag("x")`), if it is one."""
    if not isinstance(expr, dict):
        return None
    if "Var" in expr:
        return (str(expr["Var"]),)
    if "." in expr:
        left = path_of(expr["."]["left"])
        return None if left is None else (*left, expr["."]["attr"])
    if "getTag" in expr:
        return _tag_path(expr["getTag"])
    return None


def _tag_path(body: Expr) -> Path | None:
    left = path_of(body["left"])
    key = body["right"].get("Value") if isinstance(body["right"], dict) else None
    return None if left is None else (*left, TAG_MARK, key if isinstance(key, str) else "*")


def accesses(expr: Any) -> Iterator[Access]:
    """Every access, outermost only: `resource.a.b` is one access and not also `resource.a`."""
    if not isinstance(expr, dict):
        return
    if "has" in expr:
        left = path_of(expr["has"]["left"])
        if left is not None:
            yield Access((*left, expr["has"]["attr"]), guard=True)
            return
    if "hasTag" in expr:
        tag = _tag_path(expr["hasTag"])
        if tag is not None:
            yield Access(tag, guard=True)
            return
    path = path_of(expr)
    if path is not None:
        if len(path) > 1:
            yield Access(path, guard=False)
        return
    for child in children(expr):
        yield from accesses(child)


def names_any(expr: Any, paths: Set[Path]) -> bool:
    """Whether an expression names one of the paths, a record above it, or a member below it."""
    return any(_related(access.path, path) for access in accesses(expr) for path in paths)


def _related(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def assume_true(expr: Expr, paths: Set[Path]) -> Expr:
    """Replace by `true` each largest part that is neither `&&` nor `||` and names one of the paths.

    The law: if the result is false, no value of what the paths stand for can make `expr` true.
    """
    for operator in ("&&", "||"):
        if operator in expr:
            body = expr[operator]
            return {operator: {side: assume_true(body[side], paths) for side in ("left", "right")}}
    return TRUE if names_any(expr, paths) else expr


def walk(expr: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every sub-expression with the operators around it, outermost first."""
    yield expr, inside
    if isinstance(expr, dict):
        operator = next(iter(expr), "")
        for child in children(expr):
            yield from walk(child, (*inside, operator))


def bodies(policy: Expr, kind: str) -> list[Expr]:
    """The bodies of the `when` or `unless` clauses."""
    return [condition["body"] for condition in policy["conditions"] if condition["kind"] == kind]


def without_unless(policy: Expr) -> Expr:
    """The policy reduced to its scope."""
    return {**policy, "conditions": [c for c in policy["conditions"] if c["kind"] == "when"]}


def rewrite_unless(policy: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The policy with every `unless` body changed."""
    conditions = [{**c, "body": change(c["body"])} if c["kind"] == "unless" else c for c in policy["conditions"]]
    return {**policy, "conditions": conditions}


def moments_of(policy: Expr) -> tuple[str, ...] | None:
    """The moments that the action scope takes; None where it is none of the forms that a control may use."""
    action = policy["action"]
    entities = action.get("entities") or ([action["entity"]] if "entity" in action else [])
    names = [str(entity.get("id")) if entity.get("type") == f"{NAMESPACE}::Action" else "" for entity in entities]
    if action.get("op") not in ("==", "in") or not names:
        return None
    if action["op"] == "in" and "promote" in names:
        names = [*MOMENTS, *(name for name in names if name != "promote")]
    return tuple(dict.fromkeys(names)) if set(names) <= set(MOMENTS) else None


def tag_pointer(path: Path) -> str | None:
    """The fact behind a tag access, as a prefix plus key; None for other paths."""
    if TAG_MARK not in path:
        return None
    at = path.index(TAG_MARK)
    prefix = TAGS.get(path[:at])
    return None if prefix is None else prefix + path[at + 1].replace("~", "~0").replace("/", "~1")


def conjuncts(expr: Expr) -> Iterator[Expr]:
    """The operands of a chain of `&&`, from left to right."""
    if "&&" in expr:
        yield from conjuncts(expr["&&"]["left"])
        yield from conjuncts(expr["&&"]["right"])
    else:
        yield expr


def disjuncts(expr: Expr) -> Iterator[Expr]:
    """The operands of a chain of `||`, from left to right."""
    if "||" in expr:
        yield from disjuncts(expr["||"]["left"])
        yield from disjuncts(expr["||"]["right"])
    else:
        yield expr


def conjunction(operands: list[Expr]) -> Expr:
    """The law: `list(conjuncts(conjunction(x))) == x` for operands that are no conjunctions themselves."""
    combined = operands[0]
    for operand in operands[1:]:
        combined = {"&&": {"left": combined, "right": operand}}
    return combined


def is_guard(expr: Expr) -> bool:
    """A bare `has` or `hasTag`."""
    return isinstance(expr, dict) and ("has" in expr or "hasTag" in expr)


def has_chain(expr: Expr) -> tuple[Expr, list[str]] | None:
    """`resource has a && resource.a has b`, which is what Cedar makes of `resource has a.b`, as (resource, [a, b])."""
    match expr:
        case {"has": {"left": left, "attr": attribute}}:
            return left, [attribute]
        case {"&&": {"left": before, "right": {"has": {"left": left, "attr": attribute}}}}:
            chain = has_chain(before)
            if chain and left == _reach(*chain):
                return chain[0], [*chain[1], attribute]
    return None


def _reach(expr: Expr, attributes: list[str]) -> Expr:
    for attribute in attributes:
        expr = {".": {"left": expr, "attr": attribute}}
    return expr
