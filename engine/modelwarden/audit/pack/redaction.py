"""Redaction: what may not leave the organization is taken out of every file of a pack, and each pattern is listed with its count.

A pattern names facts (`/customer_metadata/*`) or places in raw responses (`/CustomerMetadataProperties/*`); `*` stands for
any text. A value that a pattern takes out is then taken out wherever else it stands, as a text or in one, as a number, in a
key: else a name hidden in one file would be read in the next. Where two values overlap, both go, to their ends. Values are
replaced, and no digest of them is kept: of a short value that would give it away.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from modelwarden import builtin
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Fact, Present
from modelwarden.facts import KEYED, escape, kind_of
from modelwarden.finding import Decision, Finding, Observation

REDACTED: Final = "(redacted)"
_LEAST: Final = 8
"""Characters from which on a value is looked for inside other texts; a shorter one would take out words that are not it."""
_LEAST_NUMBER: Final = 4
"""Digits from which on a number counts as a value that may be met elsewhere."""
_LEAST_DIGITS: Final = 5
"""Digits from which on a number is looked for inside other texts, where it stands alone; a shorter one may be a year."""
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_KEYED: Final = (*KEYED, "/card/text/")
"""Pointers that end in a key of somebody's choice."""
_SCHEMAS: Final = "reports.schemas"
_BYTES: Final = "$bytes"
"""How a recording marks bytes."""


class RedactionError(UserError):
    """A pattern that is none."""


class Redacted(Struct, frozen=True, forbid_unknown_fields=True):
    """What one pattern took out."""

    pattern: str
    facts: int
    """Different facts of all packages."""
    raw: int
    """Places in raw responses."""


class Redaction:
    """The patterns of one pack, and what they took out so far."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises RedactionError for a pattern that can match nothing."""
        self.patterns = tuple(dict.fromkeys(patterns))
        for one in self.patterns:
            if not one.startswith("/") or one == "/":
                raise RedactionError(f"`{one}` names no facts", "write it as a pointer: `/customer_metadata/*`")
        self._facts: dict[str, set[tuple[str, str]]] = {one: set() for one in self.patterns}
        self._raw = dict.fromkeys(self.patterns, 0)
        self._values: set[str] = set()
        self._sought: tuple[tuple[str, ...], tuple[re.Pattern[str], ...]] | None = None

    @property
    def active(self) -> bool:
        return bool(self.patterns)

    def learn(self, package: str, facts: Mapping[str, Fact]) -> None:
        """What is to be taken out, before anything is written."""
        for pointer, fact in facts.items():
            for pattern in self._matching(pointer):
                self._facts[pattern].add((package, pointer))
                if isinstance(fact, Present):
                    self._hide(fact.value)

    def learn_raw(self, document: Any) -> None:
        """The same for one raw response."""
        for place, value in _leaves(document.get("data"), ""):
            for pattern in self._matching(place):
                self._raw[pattern] += 1
                self._hide(value)

    def evidence(self, evidence: Evidence) -> Evidence:
        """As pages may show it."""
        facts = {pointer: self._fact(pointer, fact) for pointer, fact in evidence.facts.items()}
        return replace(evidence, facts=facts)

    def decision(self, decision: Decision) -> Decision:
        """As pages may show it."""
        rulings = tuple(replace(one, finding=self._finding(one.finding)) for one in decision.rulings)
        return replace(decision, rulings=rulings)

    def document(self, document: Any) -> Any:
        """A document as it may be shown: facts below their pointers, and values in every text."""
        if not self.active:
            return document
        if isinstance(document, dict):
            return {self._key(key, at): self._member(key, inner) for at, (key, inner) in enumerate(document.items())}
        if isinstance(document, list | tuple):
            return [self.document(inner) for inner in document]
        return self._scalar(document)

    def raw(self, document: Any) -> Any:
        """A raw response as it may be shown."""
        if not self.active:
            return document
        return {**self.document(document), "data": self._raw_part(document.get("data"), "")}

    def text(self, text: str) -> str:
        """A text without the values that were taken out."""
        if text in self._values:
            return REDACTED
        kept, end = [], 0
        for first, last in _joined(self._spans(text)):
            kept += [text[end:first], REDACTED]
            end = last
        return "".join([*kept, text[end:]])

    def told(self) -> tuple[Redacted, ...]:
        """Every pattern, also one that took out nothing."""
        return tuple(Redacted(one, len(self._facts[one]), self._raw[one]) for one in self.patterns)

    def _spans(self, text: str) -> Iterable[tuple[int, int]]:
        """(first, last) of each place where a value stands, also of those that overlap; `last` is the character behind it."""
        if self._sought is None:
            self._sought = _sought(self._values)
        plain, patterns = self._sought
        for spelled in plain:
            at = text.find(spelled)
            while at >= 0:
                yield at, at + len(spelled)
                at = text.find(spelled, at + 1)
        for pattern in patterns:
            yield from (found.span(1) for found in pattern.finditer(text))

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return REDACTED if number and _plain(value) in self._values else value

    def _key(self, key: Any, at: int) -> Any:
        """A key as it may be shown: that of a tag may be what nobody shall read. `at` keeps several apart."""
        if not isinstance(key, str) or key in _members():
            return key
        shown = self.text(key)
        return key if shown == key else f"{shown}~{at}"

    def _fact(self, pointer: str, fact: Fact) -> Fact:
        return Present(REDACTED, fact.source) if isinstance(fact, Present) and self._matching(pointer) else fact

    def _finding(self, finding: Finding) -> Finding:
        observed = tuple(Observation(one.pointer, self._fact(one.pointer, one.fact)) for one in finding.observed)
        return replace(finding, observed=observed)

    def _member(self, key: str, inner: Any) -> Any:
        if isinstance(key, str) and key.startswith("/") and isinstance(inner, dict) and self._matching(key):
            kept = {name: value for name, value in inner.items() if name == "source"}
            return {"state": "redacted", **kept} if inner.get("state") == "present" else inner
        return self.document(inner)

    def _raw_part(self, value: Any, place: str) -> Any:
        if isinstance(value, dict) and value.keys() != {_BYTES}:
            return {
                self._key(key, at): self._raw_part(inner, f"{place}/{key}")
                for at, (key, inner) in enumerate(value.items())
            }
        if isinstance(value, list):
            return [self._raw_part(inner, f"{place}/{number}") for number, inner in enumerate(value)]
        if value is None:
            return value
        if self._matching(place) or self._holds(value):
            return REDACTED
        return self.text(value) if isinstance(value, str) else value

    def _holds(self, value: Any) -> bool:
        """Whether it is a value that was taken out, or bytes that hold one."""
        if not isinstance(value, dict):
            return _plain(value) in self._values
        try:
            text = base64.b64decode(value[_BYTES], validate=True).decode("utf-8", "replace")
        except (binascii.Error, TypeError, ValueError):
            return True  # nobody can tell what it holds
        return any(spelled in text for one in self._values for spelled in _spellings(one))

    def _matching(self, place: str) -> list[str]:
        return [one for one in self.patterns if fnmatchcase(place, one)]

    def _hide(self, value: Any) -> None:
        for one in value if isinstance(value, list | tuple) else [value]:
            text = _plain(one)
            if isinstance(one, bool) or (not isinstance(one, str) and len(text) < _LEAST_NUMBER):
                continue  # taken out where the pattern matches; elsewhere 1 or true is anything
            if text.strip() and text != REDACTED and not _is_field(text):
                self._values.add(text)
                self._sought = None


def _is_field(text: str) -> bool:
    """Whether it is one of the pointers that docs/facts.md lists, which name no secret."""
    return text.startswith("/") and not text.startswith(_KEYED) and kind_of(text) is not None


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@cache
def _members() -> frozenset[str]:
    """The names of members in the documents that we publish: they are no secret, and without them nobody reads the rest."""
    found: set[str] = set()
    left: list[Any] = [
        json.loads(builtin.read(_SCHEMAS, name)) for name in builtin.names(_SCHEMAS) if name.endswith(".json")
    ]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            properties = node.get("properties")
            found.update(properties if isinstance(properties, dict) else ())
            left += node.values()
        elif isinstance(node, list):
            left += node
    return frozenset(found)


def _sought(values: Iterable[str]) -> tuple[tuple[str, ...], tuple[re.Pattern[str], ...]]:
    """What is looked for inside texts: (texts as they stand, patterns whose first group is what is taken out)."""
    plain = [spelled for value in sorted(values) if len(value) >= _LEAST for spelled in _spellings(value)]
    # A shorter one is taken out where it is plain what it is: the key of a tag; a number that stands alone.
    short = [value for value in sorted(values) if len(value) < _LEAST]
    keys = "|".join(re.escape(escape(value)) for value in short)
    numbers = "|".join(re.escape(value) for value in short if _is_number(value))
    patterns = [rf"{prefix}({keys})(?![\w.~-])" for prefix in _KEYED if keys]
    patterns += [rf"(?<![\w.])({numbers})(?!\w|\.\d)"] if numbers else []
    return tuple(dict.fromkeys(plain)), tuple(map(re.compile, patterns))


def _is_number(value: str) -> bool:
    """Whether it is one that is long enough to be looked for."""
    return _NUMBER.fullmatch(value) is not None and sum(map(str.isdigit, value)) >= _LEAST_DIGITS


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In their order, those that overlap as one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first < found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _spellings(value: str) -> tuple[str, ...]:
    """As it stands, as a part of a pointer, and in the text of a JSON document, whose quotes may be escaped once more."""
    spelled = [value, escape(value), *(json.dumps(value, ensure_ascii=ascii_)[1:-1] for ascii_ in (False, True))]
    return tuple(dict.fromkeys([*spelled, *(json.dumps(one)[1:-1] for one in spelled)]))


def _leaves(value: Any, place: str) -> Iterable[tuple[str, Any]]:
    """(place, value) of everything that holds nothing further."""
    if isinstance(value, dict) and value.keys() != {_BYTES}:
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}/{number}")
    elif value is not None and not isinstance(value, dict):
        yield place, value
