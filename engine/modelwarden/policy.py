"""A Cedar control: its metadata from the annotations, and what it reads from its syntax tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, Literal

from msgspec import Struct

from modelwarden import cedar, compiled, syntax
from modelwarden.attributes import PARAMETERS_PATH, Attribute, Path, approver_pointer, attributes, camel, records
from modelwarden.cedar import PolicyJson
from modelwarden.control import complaints, split_reads
from modelwarden.facts import kind_of
from modelwarden.finding import ControlInfo, Finding
from modelwarden.problem import Complaint, Problem
from modelwarden.statement import Statement, statements

REQUIRED_ANNOTATIONS: Final = ("id", "title", "severity", "rationale", "remediation", "reads", "source", "since")
OPTIONAL_ANNOTATIONS: Final = ("expected", "undecidable_without")

_FALLIBLE: Final = frozenset({"+", "-", "*", "neg", "offset", "durationSince", "toDate", "toTime"})
"""Operators that overflow for some values."""


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
        return tuple(pattern for pattern in self.info.reads if pattern not in read and "{" not in pattern)

    @cached_property
    def passed(self) -> Finding:
        """What it says of a package that complies."""
        return Finding(self.id, "pass")

    @cached_property
    def places(self) -> tuple[tuple[Path, bool], ...]:
        """(path, whether it is one of a list's member) of each attribute."""
        return tuple((attribute.path, bool(attribute.chain)) for attribute in self.attributes)

    @cached_property
    def required(self) -> frozenset[Path]:
        """What it reads and the schema requires."""
        return frozenset(attribute.path for attribute in self.attributes if attribute.required)

    @cached_property
    def fallible(self) -> frozenset[Path]:
        """What it calculates with: a value that was not read might have made the condition err."""
        return frozenset(
            access.path
            for body in syntax.bodies(self.json, "unless")
            for expr, inside in syntax.walk(body)
            if not _FALLIBLE.isdisjoint(inside)
            for access in syntax.accesses(expr)
        )


def read_file(
    text: str, path: str, origin: Literal["built-in", "user"], declared: Mapping[str, str], *, thorough: bool = True
) -> tuple[list[CedarPolicy], list[Problem]]:
    """The controls of one `.cedar` file, and everything that is wrong with it; `declared` is parameter -> type.

    A control without usable metadata, or one that names what does not exist, is only in the problems. `thorough`
    checks the idiom and what is declared as well, which what ships needs only once.
    """
    policies: list[CedarPolicy] = []
    problems: list[Problem] = []
    for statement in statements(text):
        policy, found = _read(statement, path, origin, declared, thorough)
        problems += [
            Problem(one.rule, path, statement.line_of(one.place), one.message, one.help, one.warning) for one in found
        ]
        policies += [policy] if policy else []
    if not policies and not problems:
        problems.append(Problem("no-control", path, 0, "holds no policy", "write one, or remove the file"))
    return policies, problems


def _read(
    statement: Statement, path: str, origin: Literal["built-in", "user"], declared: Mapping[str, str], thorough: bool
) -> tuple[CedarPolicy | None, list[Complaint]]:
    try:
        policies = compiled.parse_policy(statement.text)
    except cedar.CedarError as error:
        return None, [Complaint("syntax", "", str(error), "docs/writing-controls.md shows the form of a control")]
    if len(policies) != 1:
        return None, [Complaint("syntax", "", "holds no policy", "remove the semicolon")]
    return _compile(statement, policies[0], path, origin, declared, thorough)


def _compile(
    statement: Statement,
    policy: PolicyJson,
    path: str,
    origin: Literal["built-in", "user"],
    declared: Mapping[str, str],
    thorough: bool,
) -> tuple[CedarPolicy | None, list[Complaint]]:
    annotations = {name: str(value or "") for name, value in policy.get("annotations", {}).items()}
    found = list(_annotation_complaints(annotations))
    if thorough:
        from modelwarden import idiom

        found += idiom.complaints(policy)
    facts, names = split_reads(annotations.get("reads", "").split())
    info = ControlInfo(
        **{name: annotations.get(name, "") for name in REQUIRED_ANNOTATIONS if name != "reads"},  # type: ignore[arg-type]
        reads=facts,
        parameters=names,
        engine="cedar",
        path=path,
        line=statement.line_of("forbid"),
        moments=syntax.moments_of(policy) or (),
        expected=annotations.get("expected") or statement.clauses.get("unless", ""),
        origin=origin,
        undecidable_without=tuple(annotations.get("undecidable_without", "").split()),
    )
    missing = {complaint.place for complaint in found if complaint.rule in ("missing-annotation", "action")}
    compiled, unresolved = _with_reads(info, policy, declared)
    if thorough:
        found += [complaint for complaint in complaints(info) if complaint.place not in missing]
        found += () if unresolved else _read_complaints(compiled, declared)
    found += unresolved
    usable = not unresolved and not missing and info.moments
    return (compiled if usable else None), found


def _annotation_complaints(annotations: Mapping[str, str]) -> Iterator[Complaint]:
    for name in REQUIRED_ANNOTATIONS:
        if not annotations.get(name, "").strip():
            yield Complaint(
                "missing-annotation", f"@{name}", f"annotation `@{name}` is missing", f'write `@{name}("...")`'
            )
    known = (*REQUIRED_ANNOTATIONS, *OPTIONAL_ANNOTATIONS)
    for name in annotations:
        if name not in known:
            yield Complaint("unknown-annotation", f"@{name}", f"unknown annotation `@{name}`", _near(name, known))


def _near(name: str, known: tuple[str, ...]) -> str:
    from modelwarden.toml import suggest

    return suggest(name, known)


def _with_reads(
    info: ControlInfo, policy: PolicyJson, declared: Mapping[str, str]
) -> tuple[CedarPolicy, list[Complaint]]:
    names = {(*PARAMETERS_PATH, camel(name)): name for name, type_ in declared.items() if type_ != "table"}
    table = attributes()
    found: dict[str, dict[Path, Attribute]] = {"when": {}, "unless": {}}
    tags: dict[Path, str] = {}
    parameters: dict[Path, str] = {}
    unresolved: dict[Complaint, None] = {}
    for kind in found:
        for body in syntax.bodies(policy, kind):
            for access in syntax.accesses(body):
                pointer = syntax.tag_pointer(access.path)
                if pointer is not None:
                    tags[access.path] = pointer
                elif access.path in names:
                    parameters[access.path] = names[access.path]
                elif access.path in table:
                    found[kind][access.path] = table[access.path]
                elif not (access.guard and access.path in records()):
                    unresolved[_unresolved(kind, access.path, declared)] = None
    everything = {**found["when"], **found["unless"]}
    compiled = CedarPolicy(
        info,
        policy,
        tuple(everything.values()),
        tuple(found["when"].values()),
        tuple(tags.items()),
        tuple(parameters.items()),
    )
    return compiled, list(unresolved)


def _unresolved(kind: str, path: Path, declared: Mapping[str, str]) -> Complaint:
    spelled = ".".join(path)
    if path[:2] != PARAMETERS_PATH:
        if path in records():
            return Complaint("unknown-attribute", kind, f"`{spelled}` is a record and no value", "name a member of it")
        near = _near(spelled, tuple(map(".".join, attributes())))
        help_ = near if near.startswith("did") else "policies/modelwarden.cedarschema lists them"
        return Complaint("unknown-attribute", kind, f"unknown attribute `{spelled}`", help_)
    named = {camel(name): name for name in declared}
    if path[2:3] and path[2] in named:
        what = f"parameter `{named[path[2]]}` is a {declared[named[path[2]]]}, which a policy cannot read like this"
        return Complaint("unknown-parameter", kind, what, "write a Python control for tables")
    what = f"unknown parameter `{path[-1]}`" if path[2:] else "`context.parameters` is used as a whole"
    return Complaint("unknown-parameter", kind, what, "declare it in a parameters.toml beside the policy")


def _read_complaints(policy: CedarPolicy, declared: Mapping[str, str]) -> Iterator[Complaint]:
    """`@reads` must cover the tree; the lists a policy reads must lie in one chain."""
    needed = [a.pattern for a in policy.attributes if not a.pattern.startswith("/request/")]
    needed += [pointer for path, pointer in policy.tags if path[-1] != "*"]
    for pattern in dict.fromkeys(needed):
        kind = kind_of(pattern)
        # `/tag/{key}` covers each tag; a key with a blank in it cannot be written otherwise.
        if pattern not in policy.info.reads and (kind is None or kind.pattern not in policy.info.reads):
            yield Complaint(
                "undeclared-read", "@reads", f"reads `{pattern}`, and `@reads` does not say so", "add it to `@reads`"
            )
    names = [name for _, name in policy.parameters]
    for name in dict.fromkeys(names):
        if name not in policy.info.parameters:
            what = f"reads parameter `{name}`, and `@reads` does not say so"
            yield Complaint("undeclared-read", "@reads", what, f"add `parameter:{name}` to `@reads`")
    for name in policy.info.parameters:
        if name not in declared:
            yield Complaint(
                "unknown-parameter", "@reads", f"unknown parameter `{name}`", "declare it in a parameters.toml"
            )
        elif name not in names:
            yield Complaint(
                "unused-parameter",
                "@reads",
                f"parameter `{name}` is not read",
                "leave it out of `@reads`",
                warning=True,
            )
    for attribute in policy.attributes:
        if not policy.chain.startswith(attribute.chain):
            lists = f"`{attribute.chain}` and `{policy.chain}`"
            yield Complaint("two-lists", "unless", f"reads members of two lists, {lists}", "write two controls")
    yield from _undecidable_complaints(policy)


def _undecidable_complaints(policy: CedarPolicy) -> Iterator[Complaint]:
    patterns = {attribute.pattern for attribute in policy.attributes} | {pointer for _, pointer in policy.tags}
    patterns |= {approver_pointer(pattern, moment) for pattern in patterns for moment in policy.info.moments}
    for pattern in policy.info.undecidable_without:
        if kind_of(pattern) is None:
            what, help_ = "is not a fact", "docs/facts.md lists them"
        elif pattern not in patterns:
            what, help_ = "the policy does not read", "name facts that `unless` reads, or leave it out"
        else:
            continue
        yield Complaint(
            "undecidable", "@undecidable_without", f"`@undecidable_without` names `{pattern}`, which {what}", help_
        )


def recompile(
    policy: CedarPolicy, when: Sequence[syntax.Expr], unless: syntax.Expr, declared: Mapping[str, str]
) -> CedarPolicy:
    """The same control with other conditions; used to judge one of them alone."""
    conditions = [*({"kind": "when", "body": body} for body in when), {"kind": "unless", "body": unless}]
    return _with_reads(policy.info, {**policy.json, "conditions": conditions}, declared)[0]
