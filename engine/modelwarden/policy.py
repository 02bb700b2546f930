"""A Cedar control: its metadata from the annotations, and what it reads from its syntax tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final, Literal

from msgspec import Struct

from modelwarden import cedar, syntax
from modelwarden.attributes import Attribute, Path, attributes, camel
from modelwarden.cedar import PolicyJson
from modelwarden.control import ControlError, check_info, split_reads
from modelwarden.facts import kind_of
from modelwarden.finding import ControlInfo

REQUIRED_ANNOTATIONS: Final = ("id", "title", "severity", "rationale", "remediation", "reads", "source", "since")
OPTIONAL_ANNOTATIONS: Final = ("expected", "undecidable_without")

_PARAMETERS: Final[Path] = ("context", "parameters")


class CedarPolicy(Struct, frozen=True, dict=True):
    """One compiled control."""

    info: ControlInfo
    json: PolicyJson
    attributes: tuple[Attribute, ...]
    """Read anywhere, in the order of the tree."""
    scope: tuple[Attribute, ...]
    """Read in `when`."""
    tags: tuple[tuple[Path, str], ...]
    """(path, pointer) of each literal tag it reads."""
    parameters: tuple[tuple[Path, str], ...]
    """(path, name) of each parameter it reads."""

    @property
    def id(self) -> str:
        return self.info.id

    @cached_property
    def chain(self) -> str:
        """The deepest list whose members it reads; empty where it reads none."""
        return max((attribute.chain for attribute in self.attributes), key=len, default="")

    @cached_property
    def extra_reads(self) -> tuple[str, ...]:
        """Patterns of `@reads` that the tree does not read: worth showing, never deciding."""
        read = {attribute.pattern for attribute in self.attributes} | {pointer for _, pointer in self.tags}
        return tuple(pattern for pattern in self.info.reads if pattern not in read)


def compile_file(
    text: str, path: str, origin: Literal["built-in", "user"], parameters: Sequence[str]
) -> list[CedarPolicy]:
    """The controls of one `.cedar` file; `parameters` are the declared names.

    Raises:
        ControlError: syntax, metadata or reads that cannot be used; the message names the file.
    """
    try:
        policies = cedar.parse(text)
        lines, clauses = _lines(text), _unless_texts(text)
        return [
            _compile(
                policy,
                path,
                origin,
                parameters,
                line=lines[index],
                clause=clauses[index] if index < len(clauses) else "",
            )
            for index, policy in enumerate(policies)
        ]
    except (cedar.CedarError, ControlError) as error:
        raise ControlError(f"{path}: {error}") from error


def _compile(
    policy: PolicyJson,
    path: str,
    origin: Literal["built-in", "user"],
    declared: Sequence[str],
    *,
    line: int,
    clause: str,
) -> CedarPolicy:
    annotations = policy.get("annotations", {})
    missing = [name for name in REQUIRED_ANNOTATIONS if not str(annotations.get(name) or "").strip()]
    if missing:
        raise ControlError(f"line {line}: annotation `@{missing[0]}` is missing")
    unknown = [name for name in annotations if name not in (*REQUIRED_ANNOTATIONS, *OPTIONAL_ANNOTATIONS)]
    if unknown:
        raise ControlError(f"line {line}: unknown annotation `@{unknown[0]}`")
    moments = syntax.moments_of(policy)
    if moments is None:
        raise ControlError(f'line {line}: the action must be `in Modelwarden::Action::"promote"` or name moments')
    facts, names = split_reads(annotations["id"], annotations["reads"].split())
    info = ControlInfo(
        **{name: annotations[name] for name in REQUIRED_ANNOTATIONS if name != "reads"},
        reads=facts,
        parameters=names,
        engine="cedar",
        path=path,
        line=line,
        moments=moments,
        expected=annotations.get("expected") or clause,
        origin=origin,
        undecidable_without=tuple((annotations.get("undecidable_without") or "").split()),
    )
    check_info(info)
    compiled = _with_reads(info, policy, declared)
    _check_reads(compiled)
    return compiled


def _with_reads(info: ControlInfo, policy: PolicyJson, declared: Sequence[str]) -> CedarPolicy:
    names = {(*_PARAMETERS, camel(name)): name for name in declared}
    found: dict[Path, Attribute] = {}
    tags: dict[Path, str] = {}
    parameters: dict[Path, str] = {}
    scope: dict[Path, Attribute] = {}
    for kind, into in (("when", scope), ("unless", found)):
        for body in syntax.bodies(policy, kind):
            for access in syntax.accesses(body):
                pointer = syntax.tag_pointer(access.path)
                if pointer is not None:
                    tags[access.path] = pointer
                elif access.path[:2] == _PARAMETERS:
                    _note_parameter(info.id, access, names, parameters)
                else:
                    _note_attribute(info.id, access, into)
    everything = {**scope, **found}
    return CedarPolicy(
        info, policy, tuple(everything.values()), tuple(scope.values()), tuple(tags.items()), tuple(parameters.items())
    )


def _note_parameter(id_: str, access: syntax.Access, names: dict[Path, str], into: dict[Path, str]) -> None:
    if access.path in names:
        into[access.path] = names[access.path]
    elif access.path != _PARAMETERS:
        raise ControlError(f"{id_}: unknown parameter `{access.path[-1]}`; declare it in parameters.toml")


def _note_attribute(id_: str, access: syntax.Access, into: dict[Path, Attribute]) -> None:
    table = attributes()
    if access.path in table:
        into[access.path] = table[access.path]
    elif not (access.guard and any(path[: len(access.path)] == access.path for path in table)):
        raise ControlError(
            f"{id_}: unknown attribute `{'.'.join(access.path)}`; policies/modelwarden.cedarschema lists them"
        )


def _check_reads(policy: CedarPolicy) -> None:
    """`@reads` must cover the tree; the lists a policy reads must lie in one chain."""
    declared = set(policy.info.reads)
    for attribute in policy.attributes:
        if not attribute.pattern.startswith("/request/") and attribute.pattern not in declared:
            raise ControlError(f"{policy.id}: reads `{attribute.pattern}`; add it to `@reads`")
    for path, pointer in policy.tags:
        if path[-1] == "*":
            raise ControlError(f"{policy.id}: a tag key must be a literal")
        if pointer not in declared:
            raise ControlError(f"{policy.id}: reads `{pointer}`; add it to `@reads`")
    for _, name in policy.parameters:
        if name not in policy.info.parameters:
            raise ControlError(f"{policy.id}: reads parameter `{name}`; add `parameter:{name}` to `@reads`")
    for attribute in policy.attributes:
        if not policy.chain.startswith(attribute.chain):
            raise ControlError(
                f"{policy.id}: reads members of two lists, `{attribute.chain}` and `{policy.chain}`; write two controls"
            )
    for pattern in policy.info.undecidable_without:
        if kind_of(pattern) is None:
            raise ControlError(f"{policy.id}: `@undecidable_without` names `{pattern}`, which is not a fact")


def _lines(text: str) -> list[int]:
    """Line of the effect keyword of each policy, in order; comments and strings cannot start with one."""
    return [number for number, line in enumerate(text.splitlines(), 1) if re.match(r"\s*(forbid|permit)\b", line)] or [
        1
    ]


def _unless_texts(text: str) -> list[str]:
    """The text between the braces of each `unless`, as the author wrote it, on one line."""
    stripped = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("//", "@")))
    return [" ".join(found.split()) for found in re.findall(r"\bunless\s*\{(.*?)\}\s*;", stripped, re.DOTALL)]


def recompile(policy: CedarPolicy, unless: syntax.Expr, parameters: Sequence[str]) -> CedarPolicy:
    """The same control with another `unless`; used to judge one of its conditions alone."""
    changed = syntax.without_unless(policy.json)
    changed = {**changed, "conditions": [*changed["conditions"], {"kind": "unless", "body": unless}]}
    return _with_reads(policy.info, changed, parameters)
