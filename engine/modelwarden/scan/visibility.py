"""Visibility: which accounts see the packages that another account owns and shares, and who could not tell.

It changes no verdict: a package is judged once, where it lies. INVARIANT: an account that could not tell is never one
that does not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from modelwarden.arn import parse_group_arn
from modelwarden.estate import Estate
from modelwarden.scan.record import Running

Group = tuple[str, str, str]
"""(owner, region, name in small letters)."""


class Unjudged(Struct, frozen=True):
    """A group that accounts of the scan see, and whose packages the scan does not judge."""

    group: str
    """ARN."""
    why: str
    seen_from: tuple[str, ...]


class Blind(Struct, frozen=True):
    """An account that could not tell what it sees in a region."""

    account: str
    region: str
    why: str


class Visibility(Struct, frozen=True):
    """What the accounts of a scan see of each other."""

    hub: str
    viewers: Mapping[Group, tuple[str, ...]]
    """The accounts that see a group, sorted."""
    blind: tuple[Blind, ...]
    unjudged: tuple[Unjudged, ...]
    """Sorted by ARN."""

    def of(self, places: Iterable[tuple[str, str, str | None]]) -> list[tuple[tuple[str, ...], int]]:
        """(accounts that see a package, how many others could not tell) for each (account, region, group) of one.

        What has no group is shared with nobody: AWS shares groups.
        """
        blind: dict[str, set[str]] = {}
        for one in self.blind:
            blind.setdefault(one.region, set()).add(one.account)
        return [
            (self.viewers.get((account, region, group.casefold()), ()), len(unknown) - (account in unknown))
            if group is not None
            else ((), 0)
            for account, region, group in places
            for unknown in [blind.get(region, set())]
        ]


def visibility(estate: Estate, running: Callable[[str, str], Running | None]) -> Visibility | None:
    """What each expected cell told; None where no hub is named, since then nobody asks.

    `running` is what a cell told before its packages were read, None where it told nothing.

    Raises:
        ScanError: what a cell told cannot be read.
    """
    if not estate.hub:
        return None
    viewers: dict[str, set[str]] = {}
    blind: list[Blind] = []
    for account, region in estate.cells:
        told = running(account, region)
        why = "not asked: the scan ended before" if told is None else told.sees_unread
        if why:
            blind.append(Blind(account, region, why))
        for text in told.sees if told else ():
            viewers.setdefault(text, set()).add(account)
    expected, left_out = set(estate.cells), {row.account: row.error for row in estate.skipped}
    judged: dict[Group, set[str]] = {}
    unjudged: list[Unjudged] = []
    for text, accounts in sorted(viewers.items()):
        group = parse_group_arn(text)
        if (group.account, group.region) in expected:
            judged.setdefault((group.account, group.region, group.name.casefold()), set()).update(accounts)
        else:
            why = left_out.get(group.account, "its account and region are not of this scan")
            unjudged.append(Unjudged(text, why, tuple(sorted(accounts))))
    seen_from = {group: tuple(sorted(accounts)) for group, accounts in judged.items()}
    return Visibility(estate.hub, seen_from, tuple(blind), tuple(unjudged))
