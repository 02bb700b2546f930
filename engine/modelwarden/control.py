"""How a Python control is written, and what it may read.

from modelwarden.control import Fail, Parameters, Pass, Verdict, View, control

    @control(id="IMG-99", title="...", reads=("/container_count", "/container/*/image/tag", "parameter:forbidden_tags"), ...)
    def check(evidence: View, parameters: Parameters) -> Verdict:
        ...

`check` returns `Pass`, `Fail`, `Unknown` or `NotApplicable`. A `Pass` that touched an unknown fact becomes unknown, and
so does a `Fail` that points only at unknown facts; the engine sees to it, not the author.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Fact, Present
from modelwarden.facts import kind_of, kinds
from modelwarden.finding import ControlInfo
from modelwarden.problem import Complaint

ParameterValue = str | int | bool | tuple[str, ...] | Mapping[str, Any]

SEVERITIES: Final = ("low", "medium", "high", "critical")
ALL_MOMENTS: Final = ("approve", "deploy", "serve")
ATTRIBUTE: Final = "__modelwarden_control__"
"""Where `@control` leaves the metadata on the function."""

_FACTS: Final = "docs/facts.md lists them"
_ID = re.compile(r"[A-Z][A-Z0-9]{1,15}-\d{2,3}")


class ControlError(UserError):
    """A control whose metadata cannot be used: the message names the id, `help` the next step."""

    help = "compare with `modelwarden controls show ENC-02`"


class UnsetParameter(Exception):
    """A parameter that the control needs and nobody set: the finding becomes unknown."""


class UndeclaredRead(Exception):
    """A fact or parameter that the control reads and does not declare: the finding becomes unknown."""


class Pass(Struct, frozen=True):
    """Positive proof."""


class Fail(Struct, frozen=True):
    """A violation, proven by the facts at `at` (pointers)."""

    expected: str
    at: Sequence[str]
    reason: str = ""


class Unknown(Struct, frozen=True):
    """Cannot tell; `at` are the pointers of the facts that would decide it."""

    reason: str
    at: Sequence[str] = ()


class NotApplicable(Struct, frozen=True):
    """Out of scope; `at` must hold a present fact (or a parameter, `parameter:NAME`) that says so."""

    reason: str
    at: Sequence[str] = ()


Verdict = Pass | Fail | Unknown | NotApplicable


class View:
    """Evidence, request and reference as one control sees them: it notes what was touched and refuses undeclared reads."""

    def __init__(self, facts: Evidence, declared: frozenset[str]) -> None:
        self._facts = facts
        self._declared = declared
        self.touched: dict[str, Fact] = {}
        """Pointer -> fact, in the order of reading."""
        self.refused = ""
        """The last undeclared read, which counts even if the control caught the exception."""

    def get(self, pointer: str) -> Fact:
        """The fact at a concrete pointer.

        Raises:
            UndeclaredRead: the control does not declare it.
        """
        self._check(pointer)
        fact = self._facts.get(pointer)
        self.touched[pointer] = fact
        return fact

    def value(self, pointer: str) -> Any:
        """The value of a present fact, else None: absent or unknown, which only `get` tells apart."""
        fact = self.get(pointer)
        return fact.value if isinstance(fact, Present) else None

    def each(self, pattern: str) -> list[tuple[str, Fact]]:
        """`[(pointer, fact)]` for each member that AWS listed; a count that was not read stands for itself."""
        self._check(pattern)
        found = self._facts.each(pattern)
        self.touched.update(found)
        return found

    def members(self, prefix: str) -> list[str]:
        """Prefixes of the members of a list (`/container` -> `/container/0`, ...); touches the count."""
        count = f"{prefix}_count"
        self._check(count)
        self.touched[count], indices = self._facts.listing(prefix)
        return [f"{prefix}/{index}" for index in indices]

    def _check(self, pointer: str) -> None:
        if pointer in self._declared:
            return
        kind = kind_of(pointer)
        if kind is None or kind.pattern not in self._declared:
            self.refused = f"reads `{pointer}` without declaring it"
            raise UndeclaredRead(self.refused)


class Parameters(Mapping[str, Any]):
    """The parameters that hold for this package; reading one that nobody set makes the control unknown."""

    def __init__(self, values: Mapping[str, ParameterValue], declared: frozenset[str]) -> None:
        self._values = values
        self._declared = declared
        self.refused = ""
        """As for `View`."""
        self.missed = ""
        """The last unset parameter that was read."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._declared:
            self.refused = f"reads `parameter:{name}` without declaring it"
            raise UndeclaredRead(self.refused)
        if name not in self._values:
            self.missed = name
            raise UnsetParameter(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._declared and name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared & self._values.keys())

    def __len__(self) -> int:
        return len(self._declared & self._values.keys())


Check = Callable[[View, Parameters], Verdict]


class Control(Struct, frozen=True):
    """One requirement. Exactly one of `check` (Python) and a policy of the same id in the Cedar set judges it."""

    info: ControlInfo
    check: Check | None = None

    @property
    def id(self) -> str:
        return self.info.id

    def declared_facts(self) -> frozenset[str]:
        """Patterns that the control may read, with the counts of the lists on the way."""
        return _with_counts(self.info.reads)


@lru_cache(maxsize=1_000)
def _with_counts(reads: tuple[str, ...]) -> frozenset[str]:
    patterns = set(reads)
    for pattern in reads:
        parts = pattern.split("/*")
        patterns.update("/*".join(parts[:depth]) + "_count" for depth in range(1, len(parts)))
    return frozenset(patterns)


def control(
    *,
    id: str,  # noqa: A002 - the annotation has this name in Cedar too
    title: str,
    severity: Literal["low", "medium", "high", "critical"],
    rationale: str,
    remediation: str,
    reads: Sequence[str],
    source: str,
    since: str,
    moments: Sequence[str] = ALL_MOMENTS,
) -> Callable[[Check], Check]:
    """Make a function a control. `reads` holds fact patterns and `parameter:NAME`.

    Raises:
        ControlError: an id, severity, moment or fact pattern that does not exist.
    """
    if isinstance(reads, str):
        raise ControlError(f"{id}: `reads` is a text", 'write a tuple: reads=("/container_count",)')
    facts, parameters = split_reads(reads)

    def decorate(check: Check) -> Check:
        info = ControlInfo(
            id=id,
            title=title,
            severity=severity,
            rationale=rationale,
            remediation=remediation,
            reads=facts,
            parameters=parameters,
            source=source,
            since=since,
            engine="python",
            path="",
            line=check.__code__.co_firstlineno,
            moments=tuple(moments),
        )
        wrong = [f"{complaint.message}; {complaint.help}" for complaint in complaints(info)]
        if wrong:
            raise ControlError(f"{info.id}: {'; '.join(wrong)}")
        setattr(check, ATTRIBUTE, info)
        return check

    return decorate


def split_reads(reads: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fact patterns and parameter names of a `reads` list."""
    facts = tuple(entry for entry in reads if not entry.startswith("parameter:"))
    return facts, tuple(entry.removeprefix("parameter:") for entry in reads if entry.startswith("parameter:"))


def complaints(info: ControlInfo) -> Iterator[Complaint]:
    """Metadata that no reader could use."""
    if not isinstance(info.id, str) or not _ID.fullmatch(info.id):
        yield Complaint("id", "@id", f"control id `{info.id}` is not of the form FAMILY-01", "write it like ACME-01")
    if info.severity not in SEVERITIES:
        help_ = f"use one of {', '.join(SEVERITIES)}"
        yield Complaint("severity", "@severity", f"unknown severity `{info.severity}`", help_)
    unknown = [moment for moment in info.moments if moment not in ALL_MOMENTS]
    if unknown or not info.moments:
        what = f"unknown moment `{', '.join(map(str, unknown)) or 'none'}`"
        yield Complaint("action", "forbid", what, f"use {', '.join(ALL_MOMENTS)}")
    for name in ("title", "rationale", "remediation", "source", "since"):
        if not str(getattr(info, name)).strip():
            yield Complaint("missing-annotation", f"@{name}", f"`{name}` is empty", "say it in one sentence")
    for pattern in info.reads:
        if pattern not in kinds() and kind_of(pattern) is None:
            yield Complaint("unknown-fact", "@reads", f"reads `{pattern}`, which is not a fact", _FACTS)
    if not info.reads:
        yield Complaint("no-facts", "@reads", "reads no fact, so it can prove nothing", "name the facts it reads")


def placed(info: ControlInfo, text: str, path: str, origin: Literal["built-in", "user"]) -> ControlInfo:
    """The same metadata with the file it came from, and the line of its `def`: Python knows that of the decorator."""
    lines = text.splitlines()
    below = range(info.line, len(lines) + 1)
    line = next((number for number in below if lines[number - 1].lstrip().startswith("def ")), info.line)
    return replace(info, path=path, line=line, origin=origin)
