"""Relations: which packages are copies of which, and with a hub, who sees what and what is registered elsewhere.

None of it changes a verdict. A copy is judged by what was read of it: nothing of its original counts for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct, structs
from msgspec.structs import asdict

from modelwarden.arn import ArnError, parse_arn
from modelwarden.estate import Estate
from modelwarden.scan.folder import Folder
from modelwarden.scan.tally import MOST
from modelwarden.scan.visibility import Blind, Unjudged, Visibility
from modelwarden.tables import packages as tables

Link = Literal["linked", "not there", "not read", "malformed"]

_LIVE: Final = ("allow", "flag")

T = TypeVar("T")


class Copy(Struct, frozen=True):
    """A package that says what it is a copy of (`CustomerMetadataProperties.OriginalARN`)."""

    package: str
    origin: str
    """As the package has it: anybody who registers one can write what they like."""
    link: Link
    """`linked`: the original is a package of the scan. `not there`: its account and region were read whole, and it is
    not among their packages. `not read`: they were not. `malformed`: no ARN of another package."""
    verdict: str
    stage: str
    original_verdict: str = ""
    """Empty where the original was not judged."""
    original_stage: str = ""

    @property
    def outlives(self) -> bool:
        """Whether it may go live while its original may not."""
        return self.verdict in _LIVE and self.original_verdict == "block"


class Copies(Struct, frozen=True):
    """The copies of a scan."""

    counts: Mapping[Link, int]
    outliving: int
    """Copies that may go live while their original is blocked."""
    unread: int
    """Packages of which nobody read whether they are copies."""
    named: tuple[Copy, ...]
    """Those that outlive their original first, then those that are not linked; at most `MOST` of each kind."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"counts": dict(self.counts), "named": [asdict(one) for one in self.named]}


class Outsider(Struct, frozen=True):
    """A package that is registered in another account than the hub."""

    package: str
    role: str
    verdict: str
    """Empty where it was not judged."""
    origin: str
    """What it says that it is a copy of; empty where it says nothing, or nobody read it."""


class Hub(Struct, frozen=True):
    """What a scan with a hub says besides."""

    account: str
    shared: int
    """Packages that another account of the scan sees."""
    unsure: int
    """Packages of which some account could not tell whether it sees them."""
    outside: int
    """Packages that are registered outside the hub."""
    outsiders: tuple[Outsider, ...]
    """The first `MOST` of them."""
    blind: tuple[Blind, ...]
    """Where nobody could tell what an account sees."""
    unjudged: tuple[Unjudged, ...]
    """Groups that accounts of the scan see, and whose packages it does not judge."""

    def to_json(self) -> dict[str, Any]:
        rows = {name: [asdict(one) for one in getattr(self, name)] for name in ("outsiders", "blind", "unjudged")}
        return asdict(self) | rows


def copies_of(folder: Folder, estate: Estate, unread: int) -> Copies:
    """The copies of a scan whose tables are written; `unread` as in `Copies`.

    Raises:
        ScanError, TablesError: the folder cannot be read.
    """
    whole = {cell for cell in estate.cells if (end := folder.end(*cell)) is not None and not end.unread}
    origins = {row["origin"].lower() for row in tables.copies(folder.path)}
    originals = {row["package"].lower(): row for row in tables.named(folder.path, origins)}
    counts: Counter[Link] = Counter()
    outliving = 0
    named: dict[str, list[Copy]] = {}
    for row in tables.copies(folder.path):
        copy = _copy(row, originals.get(row["origin"].lower()), whole)
        counts[copy.link] += 1
        outliving += copy.outlives
        if copy.outlives or copy.link != "linked":
            _keep(named.setdefault("" if copy.outlives else copy.link, []), copy)
    return Copies(counts, outliving, unread, tuple(one for kind in sorted(named) for one in named[kind]))


def _copy(row: Mapping[str, Any], original: Mapping[str, Any] | None, whole: Collection[tuple[str, str]]) -> Copy:
    copy = Copy(row["package"], row["origin"], "malformed", row["verdict"] or "", row["stage"] or "")
    try:
        arn = parse_arn(row["origin"])
    except ArnError:
        return copy
    if arn.text.lower() == copy.package.lower():
        return copy
    if original is not None and original["role"] != "gone":
        return structs.replace(
            copy, link="linked", original_verdict=original["verdict"] or "", original_stage=original["stage"] or ""
        )
    return structs.replace(copy, link="not there" if (arn.account, arn.region) in whole else "not read")


def hub_of(folder: Path, sight: Visibility) -> Hub:
    """What there is to say of a hub, from tables that are written.

    Raises:
        TablesError: they cannot be read.
    """
    shared, unsure = tables.seen(folder)
    outside = 0
    named: list[Outsider] = []
    for row in tables.outside(folder, sight.hub):
        if row["role"] != "gone":
            outside += 1
            _keep(named, Outsider(row["package"], row["role"], row["verdict"] or "", row["origin"] or ""))
    return Hub(sight.hub, shared, unsure, outside, tuple(named), sight.blind, sight.unjudged)


def _keep(named: list[T], one: T) -> None:
    if len(named) < MOST:
        named.append(one)
