"""Evidence: what was read about one model package, as facts addressed by pointers.

A fact is present, absent (AWS answered: it is not there) or unknown (it could not be read). None of the three is ever
written as `None`, `""`, `0` or `[]`. A pointer that the record does not hold is unknown: "not collected".
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct, field

from modelwarden.errors import UserError
from modelwarden.facts import KEYED, kind_of, lists, unescape

Value = str | int | float | bool | tuple[str, ...]
"""What a present fact holds; `tuple[str, ...]` for the types `set` (sorted) and `list` (in order)."""

SCHEMA_VERSION = "modelwarden.evidence/1"

MAX_MEMBERS = 10_000
"""A list that claims more members is not believed: its count is unknown."""


class Source(Struct, frozen=True, gc=False):
    """The call that a fact was read by."""

    api: str
    """As IAM spells it: `s3:HeadObject`."""
    at: str | None = None
    """UTC time of the answer, `2026-11-22T02:10:00Z`; None in hand-written evidence."""
    request_id: str | None = None


class Present(Struct, frozen=True, gc=False):
    """AWS answered with this value."""

    value: Value
    source: Source | None = None


class Absent(Struct, frozen=True, gc=False):
    """AWS answered that it is not there."""

    source: Source | None = None


class Unknown(Struct, frozen=True, gc=False):
    """It could not be read."""

    reason: str
    """A short name: an AWS error code (`AccessDenied`), or words such as `not collected`."""
    source: Source | None = None
    detail: str = ""
    """The service's message without secrets; for people."""


Fact = Present | Absent | Unknown

NOT_COLLECTED = Unknown("not collected")


class EvidenceError(UserError):
    """An evidence document that cannot be read; the message names the place, `help` the next step."""

    help = "write it with `modelwarden evidence ARN -o FILE`; its schema is reports/schemas/evidence.schema.json"


class Evidence(Struct, frozen=True, dict=True):
    """Facts of one package. Values are plain and frozen; two records are equal when their facts are."""

    package: str
    """ARN of the model package."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Pointer -> fact, in the order of collection."""
    asserted: bool = False
    """True for facts that come from a file instead of from AWS."""

    def get(self, pointer: str) -> Fact:
        """The fact at a concrete pointer; unknown where the record has none. Never raises."""
        fact = self.facts.get(pointer)
        if fact is not None:
            return fact
        for prefix, keys in KEYED.items():
            if pointer.startswith(prefix):
                return self._unlisted(pointer.removeprefix(prefix), keys)
        return NOT_COLLECTED

    def _unlisted(self, key: str, keys_pointer: str) -> Fact:
        """A map member without a fact: absent only if the listing was read and does not name it."""
        listing = self.get(keys_pointer)
        if isinstance(listing, Present) and isinstance(listing.value, tuple):
            return NOT_COLLECTED if unescape(key) in listing.value else Absent(listing.source)
        return listing if not isinstance(listing, Present) else NOT_COLLECTED

    def each(self, pattern: str) -> list[tuple[str, Fact]]:
        """`[(pointer, fact)]` for every member that the counts list.

        INVARIANT: a count that is not present contributes itself, so a caller that demands `Present` of every fact
        can never succeed on a list that was not read to the end.
        """
        return list(self._expand(pattern))

    def _expand(self, pattern: str) -> Iterator[tuple[str, Fact]]:
        head, star, tail = pattern.partition("/*")
        if not star:
            yield pattern, self.get(pattern)
            return
        count, indices = self.listing(head)
        if not isinstance(count, Present):
            yield f"{head}_count", count
        for index in indices:
            yield from self._expand(f"{head}/{index}{tail}")

    def listing(self, head: str) -> tuple[Fact, list[int]]:
        """The count of `head/*` and the indices it lists; without a usable count, the indices in hand.

        Members in hand are enough to prove a violation and never to exclude one.
        """
        count = self.get(f"{head}_count")
        if isinstance(count, Present):
            if isinstance(count.value, int) and not isinstance(count.value, bool) and 0 <= count.value <= MAX_MEMBERS:
                return count, list(range(count.value))
            count = Unknown("not a usable count", count.source)
        member = re.compile(re.escape(head) + r"/(\d{1,6})(?:/|$)")
        return count, sorted({int(found[1]) for pointer in self.facts if (found := member.match(pointer))})

    def digest(self) -> str:
        """sha256 over states and values, without times and request ids: the same facts have the same digest."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        """Made once from facts that nobody changes; whatever is checked against it was read, and made it anew."""
        states = {pointer: _state(fact) for pointer, fact in self.facts.items()}
        return digest({"package": self.package, "facts": states})

    def to_json(self) -> dict[str, Any]:
        """The document of `reports/schemas/evidence.schema.json`; `Evidence.from_json` reads it back unchanged."""
        head = {"schema": SCHEMA_VERSION, "package": self.package, "digest": self.digest()}
        return head | facts_to_json(self.facts)

    @staticmethod
    def from_json(document: Any, *, asserted: bool = True, prefixes: tuple[str, ...] = ("/",)) -> Evidence:
        """Read an evidence document; `prefixes` limits the pointers it may hold.

        Raises:
            EvidenceError: the document has another shape, a pointer is not in the dictionary, or a digest does not fit.
        """
        if not isinstance(document, dict) or document.get("schema") != SCHEMA_VERSION:
            raise EvidenceError(f"not an evidence document: `schema` is not `{SCHEMA_VERSION}`")
        package = document.get("package")
        if not isinstance(package, str):
            raise EvidenceError("`package` must be the ARN of a model package")
        facts = facts_from_json(document.get("facts"), document.get("sources", []), prefixes)
        evidence = Evidence(package, facts, asserted=asserted)
        stated = document.get("digest")
        if stated is not None and stated != evidence.digest():
            raise EvidenceError(f"the digest says `{stated}`, the facts give `{evidence.digest()}`: it was changed")
        return evidence


def _refuse_inflated_counts(facts: Mapping[str, Fact]) -> None:
    """Lists may not claim far more members than the document holds: expanding them would take for ever."""
    claimed = sum(
        fact.value
        for pointer, fact in facts.items()
        if pointer.endswith("_count")
        and isinstance(fact, Present)
        and isinstance(fact.value, int)
        and kind_of(pointer) in lists()
    )
    if claimed > 10 * len(facts) + 1_000:
        raise EvidenceError(f"the lists claim {claimed} members, but there are only {len(facts)} facts")


def digest(document: Any) -> str:
    """`sha256:<hex>` over the canonical JSON (sorted keys, no blanks) of a document."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


def _state(fact: Fact) -> tuple[Any, ...]:
    if isinstance(fact, Present):
        return "present", fact.value
    return ("absent",) if isinstance(fact, Absent) else ("unknown", fact.reason)


def _source_to_json(source: Source) -> dict[str, Any]:
    return {"api": source.api, "at": source.at, "request_id": source.request_id}


def _source_from_json(entry: Any, index: int) -> Source:
    if not isinstance(entry, dict) or not isinstance(entry.get("api"), str):
        raise EvidenceError(f"/sources/{index}: an object with `api` is expected")
    at, request_id = entry.get("at"), entry.get("request_id")
    if not isinstance(at, str | None) or not isinstance(request_id, str | None):
        raise EvidenceError(f"/sources/{index}: `at` and `request_id` must be strings")
    return Source(entry["api"], at, request_id)


def _fact_to_json(fact: Fact, sources: dict[Source, int]) -> dict[str, Any]:
    document = _stated(fact)
    if fact.source is not None:
        document["source"] = sources.setdefault(fact.source, len(sources))
    return document


def _stated(fact: Fact) -> dict[str, Any]:
    """A fact without its source."""
    if isinstance(fact, Present):
        return {"state": "present", "value": list(fact.value) if isinstance(fact.value, tuple) else fact.value}
    if isinstance(fact, Absent):
        return {"state": "absent"}
    return {"state": "unknown", "reason": fact.reason} | ({"detail": fact.detail} if fact.detail else {})


def facts_from_json(raw: Any, listed: Any, prefixes: tuple[str, ...]) -> dict[str, Fact]:
    """Pointer -> fact; every pointer must start with one of the prefixes.

    Raises:
        EvidenceError: another shape, a pointer outside of the dictionary or of the prefixes, a mistyped value.
    """
    if not isinstance(raw, dict) or not isinstance(listed, list):
        raise EvidenceError("`facts` must be an object and `sources` a list")
    sources = [_source_from_json(entry, index) for index, entry in enumerate(listed)]
    stray = next((pointer for pointer in raw if not pointer.startswith(prefixes)), None)
    if stray is not None:
        raise EvidenceError(f"`{stray}` does not belong here: only facts below {', '.join(prefixes)}")
    facts = {pointer: fact_from_json(pointer, entry, sources) for pointer, entry in raw.items()}
    _refuse_inflated_counts(facts)
    return facts


def facts_to_json(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """`{"sources": [...], "facts": {pointer: fact}}`; `facts_from_json` reads it back unchanged."""
    sources: dict[Source, int] = {}
    written = {pointer: _fact_to_json(fact, sources) for pointer, fact in facts.items()}
    return {"sources": [_source_to_json(source) for source in sources], "facts": written}


def fact_from_json(pointer: str, entry: Any, sources: list[Source] | None = None) -> Fact:
    """One fact: a bare value is present; `{"state": ...}` spells out the others; `api` may stand in for a source.

    Raises:
        EvidenceError: an unknown pointer, state or type.
    """
    kind = kind_of(pointer)
    if kind is None or ("*" in pointer and "*" in pointer.split("/")):
        raise EvidenceError(f"`{pointer}` is not a fact; docs/facts.md lists them")
    if not isinstance(entry, dict):
        return Present(_value(pointer, kind.type, entry))
    source, state = _entry_source(pointer, entry, sources or []), entry.get("state")
    if state == "present" and "value" in entry:
        return Present(_value(pointer, kind.type, entry["value"]), source)
    if state == "absent":
        return Absent(source)
    if state == "unknown" and isinstance(entry.get("reason"), str) and isinstance(entry.get("detail", ""), str):
        return Unknown(entry["reason"], source, entry.get("detail", ""))
    raise EvidenceError(f"`{pointer}`: a fact is a value, or an object with `state` and what belongs to it")


def _entry_source(pointer: str, entry: dict[str, Any], sources: list[Source]) -> Source | None:
    if "source" in entry:
        number = entry["source"]
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(sources):
            raise EvidenceError(f"`{pointer}`: `source` is not an index into `sources`")
        return sources[number]
    if "api" in entry:
        return _source_from_json(entry, 0)
    return None


def _value(pointer: str, type_: str, value: Any) -> Value:
    """The value in our types; a mistyped value is an error here, so no control ever meets one."""
    match type_:
        case "string" | "time":
            fits = isinstance(value, str)
        case "bool":
            fits = isinstance(value, bool)
        case "long":
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "number":
            fits = _is_number(value) or value in ("Infinity", "-Infinity")
        case _:
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                return tuple(sorted(set(value))) if type_ == "set" else tuple(value)
            fits = False
    if fits:
        plain: Value = value
        return plain
    raise EvidenceError(f"`{pointer}` must be a {type_}")


def _is_number(value: Any) -> bool:
    """A JSON text such as 1e999 becomes infinite in Python, and no JSON could hold it again."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) != math.inf
