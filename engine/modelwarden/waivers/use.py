"""Use: whether recorded scans found anything for a waiver to cover, and whether it covers more than it said.

A waiver is no longer needed only where everything that it could cover was read and judged. What was not read, not judged
or could not be told never makes it unneeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct, field

from modelwarden.audit.coverage import coverage_of
from modelwarden.audit.source import Source
from modelwarden.errors import UserError
from modelwarden.estate import OF_ACCOUNTS, OF_REGIONS
from modelwarden.evidence import Evidence, Unknown
from modelwarden.scan.folder import Folder
from modelwarden.scope import Subject
from modelwarden.settings.effective import instant
from modelwarden.waiver import Waiver

Need = Literal["needed", "no longer needed", "cannot tell"]

_WILD: Final = "*?"
_UNIT: Final = Unknown("not asked")
_NOTHING: Final = Evidence("")


class Use(Struct, frozen=True):
    """What scans say of one waiver."""

    waiver: Waiver
    need: Need
    why: str
    packages: int
    """The most that one scan found of those that it covers."""

    @property
    def too_wide(self) -> bool:
        """Whether it covers more packages than it was asked for. What was not read could only add to them."""
        expected = self.waiver.expected_packages
        return expected is not None and self.packages > expected

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.waiver.id,
            "need": self.need,
            "why": self.why,
            "packages": self.packages,
            "expected_packages": self.waiver.expected_packages,
            "too_wide": self.too_wide,
        }


class _Seen(Struct):
    """What one scan says of one waiver."""

    packages: int = 0
    judged: int = 0
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(control, outcome) -> findings of packages that it covers."""


def uses(waivers: Sequence[Waiver], scans: Sequence[Path]) -> tuple[Use, ...]:
    """By the order of `waivers`. Needed in one of the scans is needed; no longer needed is what all of them agree on.

    Raises:
        UserError: a folder is no scan that came to its end, was changed, or was judged as of an asserted time.
    """
    told: dict[str, list[tuple[Need, str, int]]] = {one.id: [] for one in waivers}
    for path in scans:
        with Source(Folder(path)) as source:
            if source.manifest.as_of_asserted:
                raise UserError(
                    f"scan {source.manifest.id} was judged as of an asserted time, and does not tell what is needed",
                    "name scans that were made without --as-of",
                )
            for waiver, seen in zip(waivers, _read(source, waivers), strict=True):
                told[waiver.id].append((*_need(source, waiver, seen), seen.packages))
    return tuple(_together(one, told[one.id]) for one in waivers)


def _together(waiver: Waiver, told: Sequence[tuple[Need, str, int]]) -> Use:
    order: tuple[Need, ...] = ("needed", "cannot tell", "no longer needed")
    need, why, _ = min(told, key=lambda one: order.index(one[0]))
    return Use(waiver, need, why, max(packages for _, _, packages in told))


def _read(source: Source, waivers: Sequence[Waiver]) -> list[_Seen]:
    """One pass over the packages, and one over the findings of the controls that are waived."""
    found = [_Seen() for _ in waivers]
    covering: dict[str, list[int]] = {}
    for package in source.packages():
        if package.role == "gone":
            continue
        subject = Subject(package.package, package.account, package.region, package.group or None, _UNIT, _NOTHING)
        numbers = [number for number, one in enumerate(waivers) if one.covers(subject, one.controls[0])]
        for number in numbers:
            found[number].packages += 1
            found[number].judged += package.verdict != ""
        if numbers and package.verdict:
            covering[package.package] = numbers
    controls = sorted({id_ for one in waivers for id_ in one.controls})
    marks = ", ".join("?" * len(controls))
    question = f"SELECT package, control, outcome FROM findings WHERE control IN ({marks})"  # noqa: S608 - marks only
    for arn, control, outcome in source.rows(question, *controls) if controls else ():
        for number in covering.get(arn, ()):
            if control in waivers[number].controls:
                found[number].findings[control, outcome] += 1
    return found


def _need(source: Source, waiver: Waiver, seen: _Seen) -> tuple[Need, str]:
    """INVARIANT: `no longer needed` only where nothing is left that anybody would have had to look at."""
    scan = source.manifest.id
    covers = ("fail", "unknown") if waiver.unknown else ("fail",)
    count = sum(number for (_, outcome), number in seen.findings.items() if outcome in covers)
    if count:
        return "needed", f"scan {scan} found {count} findings that it covers"
    if hole := _hole(source, waiver):
        return "cannot tell", hole
    if seen.judged < seen.packages:
        return "cannot tell", f"scan {scan} judged {seen.judged} of the {seen.packages} packages that it covers"
    unknown = sum(number for (_, outcome), number in seen.findings.items() if outcome == "unknown")
    if unknown:
        return "cannot tell", f"scan {scan} could not tell {unknown} findings that it might cover"
    unasked = [
        id_ for id_ in waiver.controls if sum(n for (c, _), n in seen.findings.items() if c == id_) < seen.judged
    ]
    if unasked:
        return "cannot tell", f"scan {scan} did not judge all of its packages by {', '.join(unasked)}"
    if not seen.packages:
        return "no longer needed", f"scan {scan} found no package that it covers"
    return "no longer needed", f"scan {scan} found nothing that it covers: all of it passes or does not apply"


def _hole(source: Source, waiver: Waiver) -> str:
    """Why the scan cannot say that there is nothing for it to cover; empty where it can."""
    scan = source.manifest.id
    as_of = instant(source.manifest.as_of)
    begun = waiver.granted or (waiver.requested.at if waiver.requested else None)
    if as_of is None or (begun is not None and as_of < begun):
        return f"scan {scan} is older than the waiver"
    expected = set(source.plan.estate.cells)
    cells = {cell for cell in expected if _could_lie_in(waiver, *cell)}
    if not cells:
        return f"scan {scan} was to read no account and region that it is about"
    for place in sorted(coverage_of(source).places):
        # What belongs to no cell, as the list of accounts does, is a hole wherever one looks.
        if place in cells or place not in expected:
            return f"scan {scan} did not read all of {' '.join(place)}".rstrip()
    return _left_out(source, waiver)


def _left_out(source: Source, waiver: Waiver) -> str:
    """Why the waiver might be about an account or a region that the scan was not to read; empty where it cannot be.

    A suspended account promotes nothing; one that the settings leave out might.
    """
    scan, narrowed_by = source.manifest.id, source.plan.estate.narrowed_by
    region, account = _place(waiver)
    open_to = (*(() if account else OF_ACCOUNTS), *(() if region else (OF_REGIONS,)))
    if not open_to:
        return ""
    if narrowed_by is None:
        return f"scan {scan} does not say whether it was to read all accounts and regions"
    narrowing = [f"`scan.{name}`" for name in narrowed_by if name in open_to]
    if narrowing:
        return f"scan {scan} was narrowed by {', '.join(narrowing)}, and the waiver might be about what that left out"
    return ""


def _could_lie_in(waiver: Waiver, account: str, region: str) -> bool:
    """Whether a package of this cell may be one that the waiver names; where in doubt, yes."""
    kind, value = waiver.target
    if kind == "group":
        return waiver.account in (None, account) and waiver.region in (None, region)
    # An ARN of a package has as many colons as the pattern, so each part matches by itself; one in `[...]` is no colon.
    if "[" in value:
        return True
    their_region, their_account = value.split(":", 5)[3:5]
    return fnmatchcase(region, their_region) and fnmatchcase(account, their_account)


def _place(waiver: Waiver) -> tuple[str, str]:
    """(region, account) that it names; empty where it may be about more than one."""
    kind, value = waiver.target
    if kind != "group" and "[" in value:
        return "", ""
    region, account = (waiver.region, waiver.account) if kind == "group" else value.split(":", 5)[3:5]
    return _one(region), _one(account)


def _one(part: str | None) -> str:
    return "" if part is None or any(char in part for char in _WILD) else part


def found(told: Iterable[Use]) -> list[Use]:
    """Those that somebody should look at."""
    return [one for one in told if one.need == "no longer needed" or one.too_wide]
