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
from modelwarden.request import MOMENTS
from modelwarden.syntax import TAG_MARK

_PACKAGE: Final = {"type": f"{NAMESPACE}::Package", "id": "package"}
_METADATA: Final = {"type": f"{NAMESPACE}::Metadata", "id": "metadata"}
_PRINCIPAL: Final = {"type": f"{NAMESPACE}::Principal", "id": "principal"}

_KEPT: Final = 4_096
"""How many members of a list keep their pointers."""

Tree = dict[str, Any]
Layout = tuple[tuple[str, Path, Any], ...]
"""(name, path, the layout of a record or None for an attribute) of each member of a record."""


Place = tuple[Path, str, bool, Attribute]
"""An attribute's path, the pointer of the fact behind it, whether it is shown just as it stands if it is a text."""


def place(attribute: Attribute, pointer: str) -> Place:
    """Where an attribute comes from."""
    return attribute.path, pointer, attribute.type == "string" and attribute.path != RISK_PATH, attribute


class Shown(Struct, gc=False):
    """Attributes of the package (or of one member) and where each came from."""

    values: dict[Path, Any] = field(default_factory=dict)
    """Path -> Cedar JSON value, for present facts that fit their type."""
    facts: dict[Path, Observation] = field(default_factory=dict)
    """Path -> the fact behind it."""

    def add(self, places: Iterable[Place], record: Evidence) -> None:
        """The attributes at these places. One loop without calls for most of them, since this is what projection costs."""
        values, seen, facts = self.values, self.facts, record.facts
        for path, pointer, is_text, attribute in places:
            fact = facts.get(pointer) or record.get(pointer)
            if is_text and type(fact) is Present and type(fact.value) is str:
                values[path] = fact.value
            elif type(fact) is Present or path == RISK_PATH:
                value = to_cedar(attribute, effective_risk(fact) if path == RISK_PATH else fact)
                if value is not None:
                    values[path] = value
                elif isinstance(fact, Present):
                    fact = Unknown("does not fit its type", fact.source, f"{attribute.type} expected")
            seen[path] = Observation(pointer, fact)

    def lack(self, attribute: Attribute, count: Observation) -> None:
        """An attribute of a member that is not there, since the list is empty or was not read."""
        self.facts[attribute.path] = count


class Member(Struct, gc=False):
    """One member of a list, or several with equal facts."""

    shown: Shown
    indices: list[tuple[int, ...]]
    """Index of each list on the way; shorter than the chain where a list is empty or was not read."""


class Family(Struct, gc=False):
    """The members of one list and of the lists inside it."""

    members: list[Member] = field(default_factory=list)


class Projection(Struct, gc=False):
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
    layout: Mapping[str, Layout]
    """Variable -> what some policy reads of it.

    INVARIANT: every record is there even if nothing is in it. So what a policy's `has` says depends on its own facts
    only, not on what else is in the bundle.
    """

    def calls(self) -> int:
        """How many requests it takes to show every member once."""
        return max((len(family.members) for family in self.families.values()), default=1)

    def members(self, chain: str) -> list[Member]:
        """The members that policies of that chain see, one in each of the first calls."""
        return self.families[family_of(chain)].members

    def entities(self, call: int) -> bytes:
        """The entities document of one call."""
        values = self.plain.values
        for family in self.families.values():
            values = values | family.members[min(call, len(family.members) - 1)].shown.values
        resource = _record(self.layout["resource"], values)
        resource["metadata"] = {"__entity": _METADATA}
        principal = _record(self.layout["principal"], values)
        return msgspec.json.encode(
            [
                {"uid": _PACKAGE, "attrs": resource, "tags": self.tags["package"], "parents": []},
                {"uid": _METADATA, "attrs": {}, "tags": self.tags["metadata"], "parents": []},
                {"uid": _PRINCIPAL, "attrs": principal, "parents": []},
            ]
        )

    def request(self, moment: str) -> Tree:
        """The request of every call."""
        context = _record(self.layout["context"], self.plain.values)
        context["parameters"] = self.parameters
        return {
            "principal": _PRINCIPAL,
            "action": {"type": f"{NAMESPACE}::Action", "id": moment},
            "resource": _PACKAGE,
            "context": msgspec.json.encode(context).decode(),
        }


class Projector:
    """Knows which attributes a set of policies reads; made once for a bundle."""

    def __init__(self, policies: Iterable[CedarPolicy]) -> None:
        policies = list(policies)
        read = {attribute.path: attribute for policy in policies for attribute in policy.attributes}
        self._layout = {name: _layout_of(read, (name,)) for name in ("principal", "resource", "context")}
        self._plain = {
            str(moment): [place(one, approver_pointer(one.pattern, moment)) for one in read.values() if not one.chain]
            for moment in MOMENTS
        }
        self._last: tuple[Any, Any, tuple[dict[Path, str], Tree]] | None = None
        self._tags = {path: pointer for policy in policies for path, pointer in policy.tags}
        self._parameters = {path: name for policy in policies for path, name in policy.parameters}
        listed: dict[str, list[Attribute]] = {}
        for attribute in read.values():
            if attribute.chain:
                listed.setdefault(family_of(attribute.chain), []).append(attribute)
        self._lists = {name: _Listed(tuple(inside)) for name, inside in listed.items()}

    def project(
        self,
        facts: Evidence,
        parameters: Mapping[str, ParameterValue],
        unknown_parameters: Mapping[str, str],
        moment: str,
    ) -> Projection:
        """Facts and parameters of one package as Cedar input."""
        plain = Shown()
        plain.add(self._plain[moment], facts)
        families = {name: listed.members(facts) for name, listed in self._lists.items()}
        unset, given = self._parameter_values(parameters, unknown_parameters)
        tags, tag_facts = self._tag_values(facts)
        return Projection(plain, families, unset, given, tags, tag_facts, self._layout)

    def _parameter_values(
        self, values: Mapping[str, ParameterValue], unknown: Mapping[str, str]
    ) -> tuple[dict[Path, str], Tree]:
        """Packages for which the same scopes hold have the very same parameters, so the last answer mostly fits."""
        last = self._last  # read once: another thread may judge a package with other parameters meanwhile
        if last is None or last[0] is not values or last[1] is not unknown:
            self._last = last = values, unknown, _parameters(self._parameters, values, unknown)
        return last[2]

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


def _parameters(
    wanted: Mapping[Path, str], values: Mapping[str, ParameterValue], unknown: Mapping[str, str]
) -> tuple[dict[Path, str], Tree]:
    unset: dict[Path, str] = {}
    given: Tree = {}
    for path, name in wanted.items():
        if name in unknown:
            unset[path] = f"parameter {name} cannot be told: {unknown[name]}"
        elif name not in values:
            unset[path] = f"parameter {name} is not set"
        else:
            value = values[name]
            given[camel(name)] = list(value) if isinstance(value, tuple) else value
    return unset, given


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


class _Listed:
    """The attributes of one list and of the lists inside it."""

    def __init__(self, attributes: tuple[Attribute, ...]) -> None:
        self._attributes = attributes
        parts = max((attribute.chain for attribute in attributes), key=len).split("*")
        self._heads = tuple("*".join(parts[:depth]).removesuffix("/") for depth in range(1, len(parts)))
        """Pattern of each list on the way to the deepest one."""
        self._placed: dict[tuple[int, ...], list[Place]] = {}

    def members(self, facts: Evidence) -> Family:
        """Every member; those with equal facts as one."""
        found: list[Member] = []
        for indices, missing in self._walk(facts, ()):
            shown = Shown()
            shown.add(self._at(indices), facts)
            if missing is not None:
                for attribute in self._attributes:
                    if attribute.pattern.count("*") > len(indices):
                        shown.lack(attribute, missing)
            found.append(Member(shown, [indices]))
        return Family(found if len(found) == 1 else _distinct(found))

    def _at(self, indices: tuple[int, ...]) -> list[Place]:
        """The attributes that lie no deeper than the indices."""
        found = self._placed.get(indices)
        if found is None:
            if len(self._placed) > _KEPT:
                self._placed.clear()
            lying = [one for one in self._attributes if one.pattern.count("*") <= len(indices)]
            self._placed[indices] = found = [place(one, pointer_of(one.pattern, indices)) for one in lying]
        return found

    def _walk(self, facts: Evidence, indices: tuple[int, ...]) -> Iterable[tuple[tuple[int, ...], Observation | None]]:
        """Index tuples of every listed member.

        A list that is empty, not there or not read yields the tuple so far with its count, as a member of which nothing
        is there or nothing is known: the members in hand of such a list prove nothing good.
        """
        if len(indices) == len(self._heads):
            yield indices, None
            return
        head = pointer_of(self._heads[len(indices)], indices)
        count, listed = facts.listing(head)
        if not listed or not isinstance(count, Present):
            yield indices, Observation(f"{head}_count", count)
        for index in listed:
            yield from self._walk(facts, (*indices, index))


def _distinct(members: list[Member]) -> list[Member]:
    """The members with equal facts joined."""
    by_signature: dict[tuple[Any, ...], Member] = {}
    for member in members:
        # How deep it lies belongs to it: the count 0 of an empty list is not the value 0 of a member.
        facts = member.shown.facts.values()
        known = by_signature.setdefault((len(member.indices[0]), *(_signed(seen.fact) for seen in facts)), member)
        if known is not member:
            known.indices += member.indices
    return list(by_signature.values())


def _signed(fact: Fact) -> Any:
    """Equal for facts that no policy can tell apart."""
    return (fact.value,) if type(fact) is Present else type(fact)


def _record(layout: Layout, values: Mapping[Path, Any]) -> Tree:
    """A record with what is known of its attributes; the records in it are there even if nothing is in them."""
    record: Tree = {}
    for name, path, inside in layout:
        if inside is not None:
            record[name] = _record(inside, values)
        elif path in values:
            record[name] = values[path]
    return record


def _layout_of(paths: Iterable[Path], above: Path) -> Layout:
    """The attributes and records below a path, in the order in which they are first read."""
    depth = len(above)
    below = [path for path in paths if path[:depth] == above and len(path) > depth]
    return tuple(
        (name, (*above, name), None if (*above, name) in below else _layout_of(below, (*above, name)))
        for name in dict.fromkeys(path[depth] for path in below)
    )
