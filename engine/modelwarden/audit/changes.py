"""Changes: what became of the packages of a scope since an earlier scan, as `modelwarden compare` tells it."""

from __future__ import annotations

from itertools import chain
from typing import Final

from msgspec import Struct

from modelwarden.audit.source import Source
from modelwarden.compare import Change, Standing, compare, recorded
from modelwarden.compare.comparison import KINDS
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.tables.schema import TablesError

MOST: Final = 50
"""Packages of each kind that are named."""


class Changed(Struct, frozen=True):
    """One package."""

    package: str
    kind: str
    before: str
    """Verdict, else role; empty where it was not there."""
    after: str
    controls: tuple[str, ...]
    """Those that block or leave it undecided now."""
    causes: tuple[str, ...]
    """Kinds of what differs behind its findings: `evidence`, `policy`, `clock` ..."""


class Changes(Struct, frozen=True):
    """Since one earlier scan."""

    run: str
    as_of: str
    problem: str = ""
    """Why nothing can be told; then everything below is empty."""
    notes: tuple[str, ...] = ()
    kinds: dict[str, int] = {}
    """Kind -> packages; what a scan did not read is `not read`, and never gone or fixed."""
    newly_blocked: int = 0
    named: tuple[Changed, ...] = ()


def changes_of(source: Source, before: Folder) -> Changes:
    """What changed in the scope of the source. What cannot be compared is told as a problem."""
    as_of = str(before.manifest()["as_of"])
    try:
        keep = None if source.scope.whole else _in_scope(source, before)
        found = compare(recorded(before), recorded(source.folder), MOST, keep)
    except (ScanError, TablesError) as error:
        return Changes(before.id, as_of, str(error))
    named = (_changed(change) for kind in KINDS for change in found.named.get(kind, ())[:MOST])
    kinds: dict[str, int] = {kind: found.kinds[kind] for kind in KINDS if found.kinds[kind]}
    return Changes(before.id, as_of, "", tuple(found.notes), kinds, found.newly_blocked, tuple(named))


def _in_scope(source: Source, before: Folder) -> frozenset[str]:
    """Packages that are in the scope in one of the scans: one that left the scope changed, too."""
    with Source(before, source.scope) as earlier:
        return frozenset(one.package for one in chain(source.packages(), earlier.packages()))


def _changed(change: Change) -> Changed:
    causes = dict.fromkeys(cause.kind for one in change.differences for cause in one.causes)
    controls = change.after.controls if change.after else ()
    return Changed(change.package, change.kind, _said(change.before), _said(change.after), controls, tuple(causes))


def _said(standing: Standing | None) -> str:
    return (standing.verdict or standing.role) if standing else ""
