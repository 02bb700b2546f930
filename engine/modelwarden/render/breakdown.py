"""A scan by organizational unit and by severity, from what its manifest and plan hold. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

SEVERITIES: Final = ("critical", "high", "medium", "low")
UNKNOWN: Final = "(unit not known)"
"""Nobody asked AWS Organizations, or the place of the account could not be read."""
NONE: Final = "(no unit)"
"""The account is directly below the root."""
_WORST: Final = ("block", "undecided", "unmapped", "flag")


class Unit(Struct, frozen=True):
    """What is known of the accounts of one unit."""

    name: str
    """Path below the root, or one of the two words for none."""
    accounts: int
    """Those that are expected, with packages or without."""
    counts: Mapping[str, int]
    """Verdicts, and roles of packages that were not judged."""
    unread: int
    """Account-regions that were not read."""


class Severity(Struct, frozen=True):
    """The findings of the controls of one severity."""

    name: str
    controls: int
    """Those with a finding."""
    failing: int
    """Those with a failed finding."""
    outcomes: Mapping[str, int]


def units_of(estate: Mapping[str, Any]) -> dict[str, str]:
    """Account -> unit of each account that a plan's `estate` expects, with a word for none."""
    expected = {account for account, _ in estate["cells"]}
    return {
        one["id"]: one["unit"] or (NONE if one.get("at_root") else UNKNOWN)
        for one in estate["accounts"]
        if one["id"] in expected
    }


def by_unit(manifest: Mapping[str, Any], units: Mapping[str, str]) -> list[Unit]:
    """A row for each unit with packages or with a hole, most blocked first. An account without a unit is never left out."""
    holes = Counter(hole["account"] for hole in manifest["coverage"]["unread"])
    members: dict[str, set[str]] = {}
    for account in {*units, *manifest["accounts"], *holes}:
        members.setdefault(units.get(account, UNKNOWN), set()).add(account)
    rows = []
    for unit, accounts in members.items():
        counts = _sum(manifest["accounts"].get(account, {}) for account in accounts)
        unread = sum(holes[account] for account in accounts)
        if counts or unread:
            rows.append(Unit(unit, len(accounts), dict(counts), unread))
    return sorted(rows, key=lambda row: (*(-row.counts.get(kind, 0) for kind in _WORST), -row.unread, row.name))


def folded(rows: Sequence[Unit], most: int) -> tuple[list[Unit], Unit | None]:
    """The first `most` rows and one that sums the others, if there are any. Law: no count is lost."""
    others = rows[most:]
    if not others:
        return list(rows), None
    accounts, unread = sum(row.accounts for row in others), sum(row.unread for row in others)
    counts = dict(_sum(row.counts for row in others))
    return list(rows[:most]), Unit(f"{len(others)} more units", accounts, counts, unread)


def by_severity(outcomes: Mapping[str, Mapping[str, int]], severities: Mapping[str, str]) -> list[Severity]:
    """A row for each severity of which a control has a finding, the gravest first.

    Args:
        outcomes: control -> outcome -> findings.
        severities: control -> severity. A control that is missing counts as `unknown`, which comes first.
    """
    controls: dict[str, list[Mapping[str, int]]] = {}
    for id_, told in outcomes.items():
        controls.setdefault(severities.get(id_, "unknown"), []).append(told)
    order = ("unknown", *SEVERITIES)
    return [_severity(name, controls[name]) for name in order if name in controls]


def _severity(name: str, controls: Sequence[Mapping[str, int]]) -> Severity:
    return Severity(name, len(controls), sum(1 for told in controls if told.get("fail")), dict(_sum(controls)))


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for told in counts:
        total.update(told)
    return total
