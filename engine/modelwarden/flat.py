"""The form in which policies are judged: every attribute lies directly in one entity, named by its path.

`resource.artifact.kmsKey.manager` becomes `resource["resource.artifact.kmsKey.manager"]`, and so do the attributes of
`principal` and `context`: Cedar takes twice as long to read nested records, and longer still to read a context. What
the parameters say is an entity of its own, which is read once for many packages. Controls are written, checked and
explained in the nested form of the schema; only the sets that judge are flat.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from modelwarden import syntax
from modelwarden.attributes import NAMESPACE, PARAMETERS_PATH, Path, records
from modelwarden.cedar import PolicyJson
from modelwarden.syntax import Expr

PACKAGE: Final = {"type": f"{NAMESPACE}::Package", "id": "package"}
METADATA: Final = {"type": f"{NAMESPACE}::Metadata", "id": "metadata"}
PARAMETERS: Final = {"type": f"{NAMESPACE}::Parameters", "id": "parameters"}


@cache
def request(moment: str) -> dict[str, Any]:
    """The request of every package at a moment; all that differs is in its entities."""
    return {
        "principal": {"type": f"{NAMESPACE}::Principal", "id": "principal"},
        "action": {"type": f"{NAMESPACE}::Action", "id": moment},
        "resource": PACKAGE,
        "context": "{}",
    }


def name_of(path: Path) -> str:
    """The flat attribute that stands for a path."""
    return ".".join(path)


def flat(policy: PolicyJson) -> PolicyJson:
    """A policy that says of the flat entity what this one says of nested records.

    Every record counts as there, even if nothing is in it: what a `has` says depends on the facts that it names and not
    on what else is in the bundle.
    """
    conditions = [{**condition, "body": _flat(condition["body"])} for condition in policy["conditions"]]
    return {**policy, "conditions": conditions}


def _flat(expr: Expr) -> Expr:
    match expr:
        case {"has": {"left": left, "attr": attribute}} if path := syntax.path_of(left):
            asked = (*path, attribute)
            return syntax.TRUE if asked in records() else {"has": _place(asked)}
        case {".": _} if path := syntax.path_of(expr):
            return {".": _place(path)}
    return syntax.mapped(expr, _flat)


def _place(path: Path) -> Expr:
    if path[: len(PARAMETERS_PATH)] == PARAMETERS_PATH:
        return {"left": {"Value": {"__entity": PARAMETERS}}, "attr": name_of(path)}
    return {"left": {"Var": "resource"}, "attr": name_of(path)}
