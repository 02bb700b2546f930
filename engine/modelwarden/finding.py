"""Findings and decisions: the values that evaluation makes and that every format renders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from modelwarden.evidence import Absent, Fact, Present, Unknown, digest
from modelwarden.request import Moment, Request

Outcome = Literal["pass", "fail", "unknown", "not-applicable"]
Level = Literal["block", "flag", "off"]
Verdict = Literal["allow", "flag", "block", "undecided"]
EXIT_CODES: Final[dict[Verdict, int]] = {"allow": 0, "flag": 0, "block": 1, "undecided": 3}
Effect = Literal["blocks", "undecides", "flags", "none"]


class Observation(Struct, frozen=True, gc=False):
    """One fact that a finding rests on."""

    pointer: str
    fact: Fact

    def __str__(self) -> str:
        """`/a/b = "AES256"`, `/a/b is absent` or `/a/b is unknown: AccessDenied`; not escaped."""
        match self.fact:
            case Present(value):
                return f"{self.pointer} = {json.dumps(value, ensure_ascii=False)}"
            case Absent():
                return f"{self.pointer} is absent"
            case Unknown(reason):
                return f"{self.pointer} is unknown: {reason}"


class Finding(Struct, frozen=True, gc=False):
    """What one control says of one package for one request."""

    control: str
    outcome: Outcome
    expected: str = ""
    """What would have passed; empty for a pass."""
    observed: tuple[Observation, ...] = ()
    """For a fail the facts that prove it; for an unknown those that would decide it come first; for not-applicable those that say so."""
    reason: str = ""
    """Why, in words, where the facts alone do not say it (`parameter approved_image_sources is not set`)."""
    unset_parameters: tuple[str, ...] = ()
    """Parameters that nobody set and that made the control unknown."""


class AppliedWaiver(Struct, frozen=True):
    """The waiver that the decision applied to a finding."""

    id: str
    owner: str
    approver: str
    reason: str
    expires: str
    """Date, `2026-12-31`; it counts up to and including that day (UTC)."""
    ticket: str = ""
    break_glass: bool = False


class Ruling(Struct, frozen=True):
    """A finding and what the decision made of it."""

    finding: Finding
    level: Level
    effect: Effect
    why_level: str = ""
    """Which setting gave the level: `profile recommended`, `enforcement ENC-02 (organization)`, `block from 2027-01-15`."""
    waiver: AppliedWaiver | None = None

    @property
    def without_waiver(self) -> Effect:
        """What the finding would do at its level if no waiver covered it."""
        return self.effect if self.waiver is None else effect_of(self.finding.outcome, self.level)


def effect_of(outcome: Outcome, level: Level) -> Effect:
    """What a finding does at its level."""
    if outcome in ("pass", "not-applicable"):
        return "none"
    if level != "block":
        return "flags"
    return "blocks" if outcome == "fail" else "undecides"


class Digests(Struct, frozen=True):
    """`sha256:<hex>` of everything the decision rests on."""

    evidence: str
    reference: str
    bundle: str
    settings: str
    waivers: str
    material: str
    """Over what the package would run (image digests, model data, environment, card, reports): an approval binds to it.
    Empty where a part of it is unknown."""


class Rollback(Struct, frozen=True):
    """The earlier decision that a rollback returns to: what was allowed once, and is the very same material still."""

    run: str
    verdict: Literal["allow", "flag"]
    moment: Moment
    decided_at: str
    """UTC."""
    decided_by: str
    """The principal of that run, as its ARN."""
    bundle: str
    """`sha256:<hex>` of the controls that allowed it."""


class Decision(Struct, frozen=True):
    """The answer for one package and one request. Exit code: `allow` and `flag` 0, `block` 1, `undecided` 3."""

    package: str
    request: Request
    verdict: Verdict
    rulings: tuple[Ruling, ...]
    """One for each control that is not off, sorted by control id."""
    digests: Digests
    advisory: bool
    """True where no pinned organization layer stood behind the settings."""
    asserted: tuple[str, ...] = ()
    """What was asserted instead of read: `evidence`, `principal`, `as_of`."""
    notices: tuple[str, ...] = ()
    """Said once for the whole decision: unset parameters, controls that are off, why it is undecided."""
    off: tuple[str, ...] = ()
    """Controls that the settings switched off."""
    rollback: Rollback | None = None
    """Set where this is a rollback: what fails flags instead of blocking."""
    without_waivers: Verdict | None = None
    """The shadow verdict: what it would be if no waiver counted."""

    def count(self) -> Mapping[str, int]:
        """`blocked, flagged, unknown, passed, not_applicable` -> number of findings; each finding counts once."""
        counts = {"blocked": 0, "flagged": 0, "unknown": 0, "passed": 0, "not_applicable": 0}
        for ruling in self.rulings:
            match ruling.finding.outcome:
                case "pass":
                    counts["passed"] += 1
                case "not-applicable":
                    counts["not_applicable"] += 1
                case "unknown":
                    counts["unknown"] += 1
                case "fail":
                    counts["blocked" if ruling.effect == "blocks" else "flagged"] += 1
        return counts


class ControlInfo(Struct, frozen=True):
    """What a reader of a finding needs to know of its control (all that formats print)."""

    id: str
    title: str
    severity: Literal["low", "medium", "high", "critical"]
    rationale: str
    remediation: str
    reads: tuple[str, ...]
    """Fact patterns."""
    parameters: tuple[str, ...]
    source: str
    since: str
    engine: Literal["cedar", "python"]
    path: str
    """`policies/unencrypted_artifact.cedar`."""
    line: int
    """Of the `forbid` or `def`."""
    moments: tuple[str, ...] = ("approve", "deploy", "serve")
    expected: str = ""
    origin: Literal["built-in", "user"] = "built-in"
    undecidable_without: tuple[str, ...] = ()
    """Patterns whose absence, too, makes the control unknown."""


class Found(Struct, frozen=True):
    """A ruling with what it is about, as reports over many packages show it."""

    package: str
    account: str
    region: str
    group: str
    stage: str
    moment: str
    ruling: Ruling
    info: ControlInfo

    @property
    def identity(self) -> str:
        """64 hex digits that stay the same from scan to scan, whatever becomes of the finding."""
        return digest([self.ruling.finding.control, self.package]).removeprefix("sha256:")

    @property
    def is_open(self) -> bool:
        """Whether it failed or could not be told, waived or not."""
        return self.ruling.finding.outcome in ("fail", "unknown")
