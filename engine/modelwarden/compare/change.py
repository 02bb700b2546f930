"""What became of a package from one scan to another. Pure.

INVARIANT: what the later scan did not read is neither gone nor fixed, and what the earlier one did not read is not new.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from modelwarden.tables.pairs import Found, Said

Kind = Literal[
    "broken",
    "new",
    "now judged",
    "changed",
    "not read",
    "no longer judged",
    "not in scope",
    "not read before",
    "not in scope before",
    "fixed",
    "gone",
]
"""In the order in which they are told."""

Reach = Literal["read", "not read", "not in scope"]
"""What a scan made of an account and region: it read all of its packages; it was to and did not; it was not to."""

CauseKind = Literal[
    "evidence",
    "reference",
    "policy",
    "parameters",
    "request",
    "enforcement",
    "waiver",
    "engine",
    "clock",
    "not told",
]

_WORST: Final = ("block", "undecided", "flag", "allow", "")
_BAD: Final = ("block", "undecided")
_ABSENT: Final[dict[Reach, tuple[Kind, Kind]]] = {
    "read": ("new", "gone"),
    "not read": ("not read before", "not read"),
    "not in scope": ("not in scope before", "not in scope"),
}
"""What a scan made of the cell -> what a package is that it does not have: if that is the earlier scan, the later one."""


class Cause(Struct, frozen=True):
    """One thing that differs between two scans, and on which a finding rests."""

    kind: CauseKind
    name: str = ""
    """The fact, file, parameter, waiver or package of software; empty where the records do not tell which."""
    before: str = ""
    after: str = ""


class Difference(Struct, frozen=True):
    """A control that said something else of a package, or whose finding was treated otherwise."""

    control: str
    before: Said | None
    """None where it was not judged."""
    after: Said | None
    causes: tuple[Cause, ...]
    hidden: int = 0
    """Further facts that differ, and are not among the causes."""


class Standing(Struct, frozen=True):
    """What one scan recorded of a package."""

    role: str
    why: str
    """Why it was judged, or why it was not."""
    stage: str
    moment: str
    verdict: str
    """Empty where it was not judged."""
    controls: tuple[str, ...]
    """Those that block or leave it undecided, sorted."""


class Change(Struct, frozen=True):
    """One package."""

    package: str
    kind: Kind
    before: Standing | None
    after: Standing | None
    differences: tuple[Difference, ...] = ()

    @property
    def newly_blocked(self) -> bool:
        """Blocked, and not known to have been."""
        return _verdict(self.after) == "block" != _verdict(self.before)

    @property
    def lost(self) -> bool:
        """Whether the earlier scan could decide, and the later one could not."""
        if self.after is None or _verdict(self.before) not in ("allow", "flag", "block"):
            return False
        return self.after.role == "unmapped" or self.after.verdict == "undecided"

    def weight(self) -> tuple[object, ...]:
        """Sorts by how much it matters: newly blocked, by verdict, what is live, by name."""
        told = self.after or self.before
        verdict, moment = (told.verdict, told.moment) if told else ("", "")
        return not self.newly_blocked, _WORST.index(verdict), moment != "serve", self.package


class Group(Struct, frozen=True):
    """Findings of one control that changed alike and for the same kinds of causes."""

    control: str
    before: str
    """`fail, blocks`; empty where it was not judged."""
    after: str
    causes: tuple[CauseKind, ...]


def kind_of(before: Found | None, after: Found | None, earlier: Reach, later: Reach, *, differs: bool) -> Kind | None:
    """What became of a package; None where nothing did. `differs`: whether any of its findings does.

    A package that a scan saw deleted is not there, however much of its account and region was read.
    """
    here, there = _there(before), _there(after)
    if here is None and there is None:
        return None
    if here is None:
        return "new" if before is not None else _ABSENT[earlier][0]
    if there is None:
        return "gone" if after is not None else _ABSENT[later][1]
    if not here.verdict or not there.verdict:
        return _unjudged(here, there)
    bad, worse = here.verdict in _BAD, there.verdict in _BAD
    if bad != worse:
        return "broken" if worse else "fixed"
    asked = (here.stage, here.moment, here.verdict) != (there.stage, there.moment, there.verdict)
    return "changed" if asked or differs else None


def differ(before: Said | None, after: Said | None) -> bool:
    """Whether a finding, or what the decision made of it, is another one. What was not judged has no effect."""
    if before is None or after is None:
        told = before or after
        return told is not None and told.effect != "none"
    return (before.outcome, before.effect, before.waiver) != (after.outcome, after.effect, after.waiver)


def phrase(said: Said | None) -> str:
    """`fail, blocks`; empty where it was not judged."""
    if said is None:
        return ""
    return said.outcome if said.effect == "none" else f"{said.outcome}, {said.effect}"


def _there(found: Found | None) -> Found | None:
    return found if found is not None and found.role != "gone" else None


def _unjudged(before: Found, after: Found) -> Kind | None:
    if before.verdict:
        return "no longer judged"
    if after.verdict:
        return "now judged"
    return "changed" if before.role != after.role else None


def _verdict(standing: Standing | None) -> str:
    return standing.verdict if standing else ""
