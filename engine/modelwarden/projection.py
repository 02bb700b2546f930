"""Projection: the facts that some policy reads, as the entities and context of Cedar requests.

Building a request costs more than judging it, so only attributes that some policy reads are handed over. Members of a
list become one request each; members with equal facts share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from modelwarden.attributes import (
    NAMESPACE,
    RISK_PATH,
    Attribute,
    Path,
    approver_pointer,
    camel,
    effective_risk,
    to_cedar,
)
from modelwarden.control import ParameterValue
from modelwarden.evidence import Evidence, Fact, Present, Unknown
from modelwarden.finding import Observation
from modelwarden.policy import CedarPolicy
from modelwarden.syntax import TAG_MARK

_PACKAGE: Final = {"type": f"{NAMESPACE}::Package", "id": "package"}
_METADATA: Final = {"type": f"{NAMESPACE}::Metadata", "id": "metadata"}
_PRINCIPAL: Final = {"type": f"{NAMESPACE}::Principal", "id": "principal"}

Tree = dict[str, Any]


class Shown(Struct):
    """Attributes of the package (or of one member) and where each came from."""

    values: dict[Path, Any] = field(default_factory=dict)
    """Path -> Cedar JSON value, for present facts that fit their type."""
    facts: dict[Path, Observation] = field(default_factory=dict)
    """Path -> the fact behind it."""

    def add(self, attribute: Attribute, pointer: str, fact: Fact) -> None:
        path = attribute.path
        if type(fact) is Present or path == RISK_PATH:
            value = to_cedar(attribute, effective_risk(fact) if path == RISK_PATH else fact)
            if value is not None:
                self.values[path] = value
            elif isinstance(fact, Present):
                fact = Unknown("does not fit its type", fact.source, f"{attribute.type} expected")
        self.facts[path] = Observation(pointer, fact)

    def lack(self, attribute: Attribute, count: Observation) -> None:
        """An attribute of a member that is not there, since the list is empty or was not read."""
        self.facts[attribute.path] = count


class Member(Struct):
    """One member of a list, or several with equal facts."""

    shown: Shown
    indices: list[tuple[int, ...]]
    """Index of each list on the way; shorter than the chain where a list is empty or was not read."""


class Family(Struct):
    """The members of one list and of the lists inside it."""

    members: list[Member] = field(default_factory=list)


class Projection(Struct):
    """One package, ready for Cedar."""

    plain: Shown
    families: dict[str, Family]
    """First list of the chain (`/container/*`) -> its members."""
    unset: dict[Path, str]
    """Path of each parameter that has no value -> why."""
    parameters: Tree
    tags: dict[str, dict[str, str]]
    """`package` and `metadata` -> key -> value."""
    tag_facts: dict[Path, Observation]
    records: tuple[Path, ...]
    """Every record that holds an attribute which some policy reads, outer ones first.

    INVARIANT: they are there even if nothing is in them. So what a policy's `has` says depends on its own facts only,
    not on what else is in the bundle.
    """
    _entities: dict[int, bytes] = field(default_factory=dict)

    def calls(self) -> int:
        """How many requests it takes to show every member once."""
        return max((len(family.members) for family in self.families.values()), default=1)

    def members(self, chain: str) -> list[Member]:
        """The members that policies of that chain see, one in each of the first calls."""
        return self.families[family_of(chain)].members

    def entities(self, call: int) -> bytes:
        """The entities document of one call."""
        if call not in self._entities:
            trees = self._trees(("resource", "principal"))
            for family in self.families.values():
                _fill(family.members[min(call, len(family.members) - 1)].shown, trees)
            resource = trees["resource",]
            resource["metadata"] = {"__entity": _METADATA}
            self._entities[call] = msgspec.json.encode(
                [
                    {"uid": _PACKAGE, "attrs": resource, "tags": self.tags["package"], "parents": []},
                    {"uid": _METADATA, "attrs": {}, "tags": self.tags["metadata"], "parents": []},
                    {"uid": _PRINCIPAL, "attrs": trees["principal",], "parents": []},
                ]
            )
        return self._entities[call]

    def request(self, moment: str) -> Tree:
        """The request of every call."""
        context = self._trees(("context",))["context",]
        context["parameters"] = self.parameters
        return {
            "principal": _PRINCIPAL,
            "action": {"type": f"{NAMESPACE}::Action", "id": moment},
            "resource": _PACKAGE,
            "context": msgspec.json.encode(context).decode(),
        }

    def _trees(self, variables: tuple[str, ...]) -> dict[Path, Tree]:
        """Path of each record of some variables -> the record, with the plain attributes in it."""
        trees: dict[Path, Tree] = {(variable,): {} for variable in variables}
        for record in self.records:
            if record[0] in variables:
                trees[record] = trees[record[:-1]][record[-1]] = {}
        _fill(self.plain, trees)
        return trees


class Projector:
    """Knows which attributes a set of policies reads; made once for a bundle."""

    def __init__(self, policies: Iterable[CedarPolicy]) -> None:
        policies = list(policies)
        read = {attribute.path: attribute for policy in policies for attribute in policy.attributes}
        self._records = _records_of(read)
        self._pointers: dict[str, list[str]] = {}
        """Moment -> the fact behind each of the plain attributes."""
        self._plain = [attribute for attribute in read.values() if not attribute.chain]
        self._tags = {path: pointer for policy in policies for path, pointer in policy.tags}
        self._parameters = {path: name for policy in policies for path, name in policy.parameters}
        self._families: dict[str, tuple[str, list[Attribute]]] = {}
        for attribute in read.values():
            if attribute.chain:
                deepest, members = self._families.get(family_of(attribute.chain), ("", []))
                self._families[family_of(attribute.chain)] = (
                    max(deepest, attribute.chain, key=len),
                    [*members, attribute],
                )

    def project(
        self,
        facts: Evidence,
        parameters: Mapping[str, ParameterValue],
        unknown_parameters: Mapping[str, str],
        moment: str,
    ) -> Projection:
        """Facts and parameters of one package as Cedar input."""
        plain = Shown()
        if moment not in self._pointers:
            self._pointers[moment] = [approver_pointer(attribute.pattern, moment) for attribute in self._plain]
        for attribute, pointer in zip(self._plain, self._pointers[moment], strict=True):
            plain.add(attribute, pointer, facts.get(pointer))
        families = {name: _members(facts, deepest, members) for name, (deepest, members) in self._families.items()}
        unset, given = self._parameter_values(parameters, unknown_parameters)
        tags, tag_facts = self._tag_values(facts)
        return Projection(plain, families, unset, given, tags, tag_facts, self._records)

    def _parameter_values(
        self, values: Mapping[str, ParameterValue], unknown: Mapping[str, str]
    ) -> tuple[dict[Path, str], Tree]:
        unset: dict[Path, str] = {}
        given: Tree = {}
        for path, name in self._parameters.items():
            if name in unknown:
                unset[path] = f"parameter {name} cannot be told: {unknown[name]}"
            elif name not in values:
                unset[path] = f"parameter {name} is not set"
            else:
                value = values[name]
                given[camel(name)] = list(value) if isinstance(value, tuple) else value
        return unset, given

    def _tag_values(self, facts: Evidence) -> tuple[dict[str, dict[str, str]], dict[Path, Observation]]:
        tags: dict[str, dict[str, str]] = {"package": {}, "metadata": {}}
        found: dict[Path, Observation] = {}
        for path, pointer in self._tags.items():
            fact = facts.get(pointer)
            found[path] = Observation(pointer, fact)
            if isinstance(fact, Present) and isinstance(fact.value, str):
                holder = "metadata" if path[path.index(TAG_MARK) - 1] == "metadata" else "package"
                tags[holder][path[-1]] = fact.value
        return tags, found


@cache
def family_of(chain: str) -> str:
    """The first list of a chain: `/container/*/image/manifest/*` -> `/container/*`."""
    return chain[: chain.index("*") + 1]


@lru_cache(maxsize=65_536)
def pointer_of(pattern: str, indices: tuple[int, ...]) -> str:
    """A pattern with its first wildcards replaced; the law: a chain's pattern with all its indices is a pointer."""
    for index in indices:
        pattern = pattern.replace("*", str(index), 1)
    return pattern


def _members(facts: Evidence, deepest: str, attributes: list[Attribute]) -> Family:
    family = Family()
    by_signature: dict[tuple[Any, ...], Member] = {}
    for indices, missing in _walk(facts, deepest, ()):
        shown = Shown()
        for attribute in attributes:
            if missing is not None and attribute.pattern.count("*") > len(indices):
                shown.lack(attribute, missing)
            else:
                pointer = pointer_of(attribute.pattern, indices)
                shown.add(attribute, pointer, facts.get(pointer))
        # How deep it lies belongs to it: the count 0 of an empty list is not the value 0 of a member.
        signature = (len(indices), *(_signed(seen.fact) for seen in shown.facts.values()))
        known = by_signature.get(signature)
        if known is None:
            by_signature[signature] = member = Member(shown, [indices])
            family.members.append(member)
        else:
            known.indices.append(indices)
    return family


def _signed(fact: Fact) -> Any:
    """Equal for facts that no policy can tell apart."""
    return (fact.value,) if type(fact) is Present else type(fact)


def _walk(
    facts: Evidence, deepest: str, indices: tuple[int, ...]
) -> Iterable[tuple[tuple[int, ...], Observation | None]]:
    """Index tuples of every listed member.

    A list that is empty, not there or not read yields the tuple so far with its count, as a member of which nothing is
    there or nothing is known: the members in hand of such a list prove nothing good.
    """
    depth = len(indices)
    parts = deepest.split("*")
    if depth == len(parts) - 1:
        yield indices, None
        return
    head = pointer_of("*".join(parts[: depth + 1]), indices).removesuffix("/")
    count, listed = facts.listing(head)
    if not listed or not isinstance(count, Present):
        yield indices, Observation(f"{head}_count", count)
    for index in listed:
        yield from _walk(facts, deepest, (*indices, index))


def _fill(shown: Shown, into: Mapping[Path, Tree]) -> None:
    for path, value in shown.values.items():
        record = into.get(path[:-1])
        if record is not None:
            record[path[-1]] = value


def _records_of(paths: Iterable[Path]) -> tuple[Path, ...]:
    records = {path[:depth]: None for path in paths for depth in range(2, len(path))}
    return tuple(sorted(records, key=len))
