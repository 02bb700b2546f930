"""Projection: the facts that some policy reads, as the entities of Cedar requests.

Building a request costs more than judging it, so only attributes that some policy reads are handed over, in the flat
form that `flat` gives the policies. Members of a list become one request each; members with equal facts share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.attributes import RISK_PATH, Attribute, Path, approver_pointer, attributes, to_cedar
from modelwarden.control import ParameterValue
from modelwarden.evidence import Evidence, Fact, Present, Unknown
from modelwarden.finding import Observation
from modelwarden.flat import METADATA, PACKAGE, PARAMETERS, name_of
from modelwarden.policy import CedarPolicy
from modelwarden.request import MOMENTS
from modelwarden.syntax import TAG_MARK

_METADATA_PATH: Final = ("resource", "metadata")

Tree = dict[str, Any]

_KEPT: Final = 4_096
"""How many members of a list keep their places."""


class Places(Struct, frozen=True, gc=False):
    """Attributes, and the facts behind them."""

    pointers: Mapping[Path, str]
    """Path -> pointer."""
    texts: tuple[tuple[str, str], ...]
    """(pointer, name) of those that show a text just as it stands."""
    others: tuple[tuple[str, str, Attribute], ...]
    """The same of those whose value depends on their type."""


def places(found: Iterable[tuple[Attribute, str]]) -> Places:
    """`found`: (attribute, pointer) of each."""
    found = list(found)
    texts = {one.path for one, _ in found if one.type == "string" and one.path != RISK_PATH}
    return Places(
        {one.path: pointer for one, pointer in found},
        tuple((pointer, name_of(one.path)) for one, pointer in found if one.path in texts),
        tuple((pointer, name_of(one.path), one) for one, pointer in found if one.path not in texts),
    )


class Shown(Struct, gc=False):
    """Attributes of the package (or of one member) and where each came from."""

    record: Evidence
    places: Places
    values: dict[str, Any]
    """Name -> Cedar JSON value, for present facts that fit their type."""
    missing: Observation | None = None
    """The count behind attributes of a member that is not there, since its list is empty or was not read."""

    def seen(self, path: Path) -> Observation:
        """The fact behind an attribute."""
        pointer = self.places.pointers.get(path)
        if pointer is None:
            assert self.missing is not None
            return self.missing
        fact = self.record.get(pointer)
        if isinstance(fact, Present) and name_of(path) not in self.values:
            fact = Unknown("does not fit its type", fact.source, f"{attributes()[path].type} expected")
        return Observation(pointer, fact)


def show(record: Evidence, at: Places, missing: Observation | None = None) -> Shown:
    """What the record says at these places. One loop without calls for most of them, since this is what projection costs."""
    facts, values = record.facts, dict[str, Any]()
    for pointer, name in at.texts:
        fact = facts.get(pointer)
        if type(fact) is Present and type(fact.value) is str:
            values[name] = fact.value
    for pointer, name, attribute in at.others:
        value = to_cedar(attribute, record.get(pointer))
        if value is not None:
            values[name] = value
    return Shown(record, at, values, missing)


class Member(Struct, gc=False):
    """One member of a list, or several with equal facts."""

    shown: Shown
    indices: list[tuple[int, ...]]
    """Index of each list on the way; shorter than the chain where a list is empty or was not read."""


class Family(Struct, gc=False):
    """The members of one list and of the lists inside it."""

    members: list[Member]


class Projection(Struct, gc=False):
    """One package, ready for Cedar."""

    plain: Shown
    families: dict[str, Family]
    """First list of the chain (`/container/*`) -> its members."""
    unset: dict[Path, str]
    """Path of each parameter that has no value -> why."""
    parameters: bytes
    """The entity document of the parameters; the very same for packages whose parameters are the same."""
    tags: dict[str, dict[str, str]]
    """`package` and `metadata` -> key -> value; without those of which no policy reads a tag."""
    tag_facts: dict[Path, Observation]

    def calls(self) -> int:
        """How many requests it takes to show every member once."""
        return max((len(family.members) for family in self.families.values()), default=1)

    def members(self, chain: str) -> list[Member]:
        """The members that policies of that chain see, one in each of the first calls."""
        return self.families[family_of(chain)].members

    def entities(self, call: int) -> bytes:
        """The entities document of one call."""
        values = dict(self.plain.values)
        for family in self.families.values():
            values |= family.members[min(call, len(family.members) - 1)].shown.values
        package: Tree = {"uid": PACKAGE, "attrs": values, "parents": []}
        others: list[Tree] = []
        if self.tags:
            package["tags"] = self.tags["package"]
            values[name_of(_METADATA_PATH)] = {"__entity": METADATA}
            others = [{"uid": METADATA, "attrs": {}, "tags": self.tags["metadata"], "parents": []}]
        return msgspec.json.encode([package, *others])


class Projector:
    """Knows which attributes a set of policies reads; made once for a bundle."""

    def __init__(self, policies: Iterable[CedarPolicy]) -> None:
        policies = list(policies)
        read = {attribute.path: attribute for policy in policies for attribute in policy.attributes}
        self._plain = {
            str(moment): places((one, approver_pointer(one.pattern, moment)) for one in read.values() if not one.chain)
            for moment in MOMENTS
        }
        self._last: tuple[Any, Any, tuple[dict[Path, str], bytes]] | None = None
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
        plain = show(facts, self._plain[moment])
        families = {name: listed.members(facts) for name, listed in self._lists.items()}
        unset, given = self._parameter_values(parameters, unknown_parameters)
        tags, tag_facts = self._tag_values(facts)
        return Projection(plain, families, unset, given, tags, tag_facts)

    def _parameter_values(
        self, values: Mapping[str, ParameterValue], unknown: Mapping[str, str]
    ) -> tuple[dict[Path, str], bytes]:
        """Packages for which the same scopes hold have the very same parameters, so the last answer mostly fits."""
        last = self._last  # read once: another thread may judge a package with other parameters meanwhile
        if last is None or last[0] is not values or last[1] is not unknown:
            self._last = last = values, unknown, _parameters(self._parameters, values, unknown)
        return last[2]

    def _tag_values(self, facts: Evidence) -> tuple[dict[str, dict[str, str]], dict[Path, Observation]]:
        found: dict[Path, Observation] = {}
        if not self._tags:
            return {}, found
        tags: dict[str, dict[str, str]] = {"package": {}, "metadata": {}}
        for path, pointer in self._tags.items():
            fact = facts.get(pointer)
            found[path] = Observation(pointer, fact)
            if isinstance(fact, Present) and isinstance(fact.value, str):
                holder = "metadata" if path[path.index(TAG_MARK) - 1] == "metadata" else "package"
                tags[holder][path[-1]] = fact.value
        return tags, found


def _parameters(
    wanted: Mapping[Path, str], values: Mapping[str, ParameterValue], unknown: Mapping[str, str]
) -> tuple[dict[Path, str], bytes]:
    unset: dict[Path, str] = {}
    given: Tree = {}
    for path, name in wanted.items():
        if name in unknown:
            unset[path] = f"parameter {name} cannot be told: {unknown[name]}"
        elif name not in values:
            unset[path] = f"parameter {name} is not set"
        else:
            value = values[name]
            given[name_of(path)] = list(value) if isinstance(value, tuple) else value
    return unset, msgspec.json.encode([{"uid": PARAMETERS, "attrs": given, "parents": []}])


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
        self._placed: dict[tuple[int, ...], Places] = {}

    def members(self, facts: Evidence) -> Family:
        """Every member; those with equal facts as one."""
        found: list[Member] = []
        for indices, missing in self._walk(facts, ()):
            found.append(Member(show(facts, self._at(indices), missing), [indices]))
        return Family(found if len(found) == 1 else self._distinct(found))

    def _at(self, indices: tuple[int, ...]) -> Places:
        """The attributes that lie no deeper than the indices."""
        found = self._placed.get(indices)
        if found is None:
            if len(self._placed) > _KEPT:
                self._placed.clear()
            lying = [one for one in self._attributes if one.pattern.count("*") <= len(indices)]
            self._placed[indices] = found = places((one, pointer_of(one.pattern, indices)) for one in lying)
        return found

    def _distinct(self, members: list[Member]) -> list[Member]:
        """The members with equal facts joined."""
        by_signature: dict[tuple[Any, ...], Member] = {}
        for member in members:
            # How deep it lies belongs to it: the count 0 of an empty list is not the value 0 of a member.
            facts = (_signed(member.shown.seen(attribute.path).fact) for attribute in self._attributes)
            known = by_signature.setdefault((len(member.indices[0]), *facts), member)
            if known is not member:
                known.indices += member.indices
        return list(by_signature.values())

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


def _signed(fact: Fact) -> Any:
    """Equal for facts that no policy can tell apart."""
    return (fact.value,) if type(fact) is Present else type(fact)
