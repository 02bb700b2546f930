"""The one idiom of a Cedar control, checked on its syntax tree: what would open the gate, or decide nothing.

`forbid (principal, action in Action::"promote", resource) when { applies } unless { complies };` where `when` reads
required attributes only, and each `has` of `unless` stands under nothing but `&&` and `||`: then a fact that is not
there can only make the condition false. Cedar's validator accepts all that is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from modelwarden import syntax
from modelwarden.attributes import PARAMETERS_PATH, Path, attributes, records
from modelwarden.cedar import PolicyJson
from modelwarden.problem import Complaint
from modelwarden.spelling import spell
from modelwarden.syntax import Expr
from modelwarden.truth import Diagram, TooLarge

_JOINTS: Final = frozenset({"&&", "||"})
_BASES: Final = frozenset({".", "has", "getTag", "hasTag"})
_REFLEXIVE: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "containsAll", "containsAny"})
_SETS: Final = frozenset({"contains", "containsAll", "containsAny", "isEmpty"})


def complaints(policy: PolicyJson) -> Iterator[Complaint]:
    """Everything that is wrong with the form of one control."""
    yield from _head(policy)
    for kind in ("when", "unless"):
        for body in syntax.bodies(policy, kind):
            yield from dict.fromkeys(_of_clause(kind, body))


def readable(expression: Any) -> str:
    """Cedar's own text of an expression, as a message quotes it."""
    text = spell(expression)
    return text if len(text) <= 120 else text[:119] + "…"


def _head(policy: PolicyJson) -> Iterator[Complaint]:
    if policy["effect"] != "forbid":
        yield Complaint(
            "effect",
            "permit",
            "a control is a `forbid`, this is a `permit`",
            "write `forbid ... unless { what complies }`; the base `permit` is the engine's",
        )
    for variable in ("principal", "resource"):
        if policy[variable]["op"] != "All":
            yield Complaint(
                "scope",
                "forbid",
                f"the scope limits `{variable}`, so the control would silently not apply",
                f"write plain `{variable}` and say in `when` to whom it applies",
            )
    if syntax.moments_of(policy) is None:
        yield Complaint(
            "action",
            "forbid",
            "the action is none of the moments, so the control would silently not apply",
            'write `action in Modelwarden::Action::"promote"`, or `==` with "approve", "deploy" or "serve"',
        )
    clauses = len(syntax.bodies(policy, "unless"))
    if clauses == 0 and policy["effect"] == "forbid":
        yield Complaint(
            "no-unless",
            "forbid",
            "without `unless` it can never pass",
            "say in `unless` what complies, each optional attribute behind `has`",
        )
    if clauses > 1:
        yield Complaint(
            "two-unless", "unless", "of several `unless` any one would do", "write one `unless`, with `&&` or `||`"
        )


def _of_clause(kind: str, body: Expr) -> Iterator[Complaint]:
    told = [
        one for check in (_guards, _computed, _records, _scope_reads, _constants, _vacuous) for one in check(kind, body)
    ]
    # What never changes the answer is told last: mostly it follows from another mistake.
    for rule, message, help_ in told or _idle(kind, body):
        yield Complaint(rule, kind, message, help_)


Told = Iterator[tuple[str, str, str]]


def _guards(kind: str, body: Expr) -> Told:
    for guard, inside in _guards_in(body):
        if kind == "when":
            yield (
                "guard-in-scope",
                f"`{readable(guard)}` in `when` lets a package without it through",
                "move what is good into `unless`; `when` reads only what is always there",
            )
        elif not _JOINTS.issuperset(inside):
            around = next(operator for operator in inside if operator not in _JOINTS)
            yield (
                "guard-position",
                f"`{readable(guard)}` stands under `{_OPERATORS.get(around, around)}`, where a missing fact can pass",
                "only `&&` and `||` may stand around `has` and `hasTag`",
            )


def _guards_in(expr: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[Expr, tuple[str, ...]]]:
    """Every guard with the operators around it; `has a.b` is one."""
    if isinstance(expr, dict) and (syntax.is_guard(expr) or syntax.has_chain(expr)):
        yield expr, inside
    else:
        for child in syntax.children(expr):
            yield from _guards_in(child, (*inside, next(iter(expr))))


_IN_SCOPE: Final = ("context.stage", "context.moment", "context.principalState", "resource.effectiveRiskRating")
_OPERATORS: Final = {"if-then-else": "if"}


def _computed(kind: str, body: Expr) -> Told:
    """Data that is reached by another way than a path: the engine could not tell which fact it is."""
    for expr, inside in syntax.walk(body):
        operator = next(iter(expr), "") if isinstance(expr, dict) else ""
        if operator in _BASES and syntax.path_of(expr[operator]["left"]) is None:
            if not (inside and inside[-1] in _BASES):
                yield (
                    "computed-access",
                    f"`{readable(expr)}` reads no plain path",
                    "write `resource.a.b`, without computing the record",
                )
        elif operator in ("getTag", "hasTag") and "Value" not in expr[operator]["right"]:
            yield (
                "tag-key",
                f"the tag key of `{readable(expr)}` is no literal",
                'write the key in quotes: `resource.getTag("owner")`',
            )
        elif operator == "Var" and not (inside and inside[-1] in _BASES):
            yield (
                "whole-entity",
                f"`{expr['Var']}` is used as a whole, and its id says nothing about the package",
                "compare attributes; the moment is `context.moment`",
            )


def _records(kind: str, body: Expr) -> Told:
    """`has` of a record is true as soon as anything in it is read; only a leaf behind it says something."""
    read = [access.path for access in syntax.accesses(body)]
    for access in syntax.accesses(body):
        if access.guard and access.path in records() and not any(_below(path, access.path) for path in read):
            name = ".".join(access.path[1:])
            yield (
                "record-guard",
                f"`{access.path[0]} has {name}` asks for a record and for no fact in it",
                f"name the fact: `{access.path[0]} has {name}.{_example(access.path)}`",
            )


def _below(path: Path, record: Path) -> bool:
    return len(path) > len(record) and path[: len(record)] == record


def _example(record: Path) -> str:
    return next(".".join(known[len(record) :]) for known in attributes() if _below(known, record))


def _scope_reads(kind: str, body: Expr) -> Told:
    if kind != "when":
        return
    for access in syntax.accesses(body):
        if not access.guard and _is_optional(access.path):
            yield (
                "optional-in-scope",
                f"`{spelled(access.path)}` in `when` is not always there",
                f"`when` may read {', '.join(_IN_SCOPE)} and counts; move the rest into `unless`",
            )


def _is_optional(path: Path) -> bool:
    attribute = attributes().get(path)
    return not attribute.required if attribute else syntax.TAG_MARK in path or path[:2] == PARAMETERS_PATH


def spelled(path: Path) -> str:
    """A path as a policy spells it."""
    if syntax.TAG_MARK in path:
        at = path.index(syntax.TAG_MARK)
        return f'{".".join(path[:at])}.getTag("{path[at + 1]}")'
    return ".".join(path)


def _constants(kind: str, body: Expr) -> Told:
    for part in _conditions(body):
        if is_constant(part):
            yield (
                "constant",
                f"`{readable(part)}` is the same for every package",
                "leave it out, or compare with a fact",
            )


def _idle(kind: str, body: Expr) -> Told:
    try:
        diagram = Diagram(body, _always)
    except (TooLarge, RecursionError):
        yield "too-large", f"the `{kind}` clause is too large to be checked", "write several controls"
        return
    if isinstance(diagram.root, bool):
        yield "constant", f"`{kind}` is {str(diagram.root).lower()} for every package", "say what must hold"
        return
    for part in diagram.idle():
        help_ = "leave it out, or correct the condition around it"
        yield "idle-part", f"`{readable(part)}` never changes the answer of `{kind}`", help_


def _conditions(body: Expr) -> Iterator[Expr]:
    """Every part that stands as a condition, outermost first; nothing below a constant one."""
    yield body
    if is_constant(body):
        return
    operator, inner = next(iter(body.items()))
    if operator in (*_JOINTS, "!", "if-then-else"):
        for child in syntax.children({operator: inner}):
            yield from _conditions(child)


def is_constant(part: Any) -> bool:
    """Whether a condition cannot vary: it names no data, or compares something with itself or with nothing."""
    if not any("Var" in expr for expr, _ in syntax.walk(part) if isinstance(expr, dict)):
        return True
    operator, body = next(iter(part.items()))
    if operator == "like":
        return all(piece == "Wildcard" for piece in body["pattern"])
    if operator in _SETS and {"Set": []} in (body.get("left"), body.get("right"), body.get("arg")):
        return True
    if operator == "contains":
        return body["right"] in body["left"].get("Set", ())
    return operator in _REFLEXIVE and same(body["left"], body["right"])


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _always(part: Any) -> bool | None:
    """Records are always there for a policy that reads a fact in them."""
    if "has" in part:
        path = syntax.path_of(part["has"]["left"])
        return True if path and (*path, part["has"]["attr"]) in records() else None
    return None


def _vacuous(kind: str, body: Expr, tested: tuple[str, ...] = ()) -> Told:
    """`x.containsAll(y)` is true for an empty y, so `!y.isEmpty()` must stand beside it."""
    operator, inner = next(iter(body.items()))
    if operator == "&&":
        operands = list(syntax.conjuncts(body))
        sure = [
            _key(one["!"]["arg"]["isEmpty"]["arg"]) for one in operands if "isEmpty" in one.get("!", {}).get("arg", {})
        ]
        for operand in operands:
            yield from _vacuous(kind, operand, (*tested, *sure))
    elif operator == "||":
        operands = list(syntax.disjuncts(body))
        empty = [_key(one["isEmpty"]["arg"]) for one in operands if "isEmpty" in one]
        for operand in operands:
            yield from _vacuous(kind, operand, (*tested, *empty))
    elif operator == "!":
        return  # Negated it is false for an empty y, and a control that demands it fails.
    elif operator == "containsAll" and "Set" not in inner["right"] and _key(inner["right"]) not in tested:
        name = readable(inner["right"])
        yield "empty-set", f"`{readable(body)}` is true for an empty `{name}`", f"put `!{name}.isEmpty() &&` before it"
    else:
        for child in syntax.children(body):
            if isinstance(child, dict):
                yield from _vacuous(kind, child, tested)


def _key(expr: Expr) -> str:
    return json.dumps(expr, sort_keys=True)
