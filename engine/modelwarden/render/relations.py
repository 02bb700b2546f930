"""What a summary and the page of a scan say of copies, and of a hub: who sees what, and what is registered elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from modelwarden.render.text import cut, printable, short
from modelwarden.scan.relations import Copies, Copy, Hub, Link, Outsider

SHOWN: Final = 10
"""Of one kind that are spelled out; the others are counted."""
_WIDTH: Final = 300

Row = tuple[str, str]
"""(name, what there is to say of it), both printable."""

_UNLINKED: Final[dict[Link, str]] = {
    "not there": "whose original is not there",
    "not read": "whose original was not read",
    "malformed": "that name no original",
}
_WHY: Final[dict[Link, str]] = {
    "not there": "its original is not there:",
    "not read": "its original was not read by this scan:",
    "malformed": "malformed, it names no other package:",
}


class Section(Struct, frozen=True):
    """A headline, and what it is about, spelled out."""

    word: str
    """That a line of text begins with."""
    title: str
    note: str
    """What it means, in a sentence; empty where the title says it."""
    rows: Sequence[Row]
    more: int
    """How many are not spelled out."""


def sections(copies: Copies | None, hub: Hub | None) -> list[Section]:
    """What there is to say; nothing of copies where there are none, nor of a hub where none is named."""
    return [*(_hub(hub) if hub else ()), *(_copies(copies) if copies else ())]


def _copies(copies: Copies) -> list[Section]:
    total = sum(copies.counts.values())
    if not total:
        return []
    outliving = [one for one in copies.named if one.outlives]
    unlinked = [one for one in copies.named if not one.outlives]
    links = [f"{copies.counts.get('linked', 0)} of packages of this scan"]
    links += [f"{copies.counts[kind]} {what}" for kind, what in _UNLINKED.items() if copies.counts.get(kind)]
    undescribed = f"; {_number(copies.unread, 'package was', 'packages were')} not described and may be copies, too"
    found = []
    if copies.outliving:
        title = f"{_number(copies.outliving, 'copy', 'copies')} allowed, and the original is blocked"
        note = "A copy is judged by itself: what blocks its original may hold for it, too."
        rows = [(_name(one.package), _outlives(one)) for one in outliving[:SHOWN]]
        found.append(Section("copy", title, note, rows, copies.outliving - len(rows)))
    rows = [(_name(one.package), cut(f"{_WHY[one.link]} {_name(one.origin)}", _WIDTH)) for one in unlinked[:SHOWN]]
    others = sum(copies.counts.get(kind, 0) for kind in _UNLINKED)
    note = "A copy is judged by itself, and nothing that was read of its original counts for it."
    title = f"{_number(total, 'copy', 'copies')}: {', '.join(links)}{undescribed if copies.unread else ''}"
    return [*found, Section("copy", title, note, rows, others - len(rows))]


def _outlives(one: Copy) -> str:
    original = f"its original {_name(one.origin)} is blocked for {one.original_stage}"
    return cut(printable(f"{one.verdict} for {one.stage}; {original}"), _WIDTH)


def _hub(hub: Hub) -> list[Section]:
    unsure = f"; of {_number(hub.unsure, 'package', 'packages')} not every account could tell" if hub.unsure else ""
    found = [
        Section(
            "",
            f"hub {hub.account}: {_number(hub.shared, 'package is', 'packages are')} seen from other accounts{unsure}",
            "",
            (),
            0,
        )
    ]
    if hub.outside:
        title = f"{_number(hub.outside, 'package', 'packages')} registered outside the hub"
        # What nobody judges comes last, and a copy, which says where it comes from, after what does not.
        chosen = sorted(hub.outsiders, key=lambda one: (one.role == "inventory", one.origin != ""))[:SHOWN]
        rows = [(_name(one.package), _outsider(one)) for one in chosen]
        found.append(Section("stray", title, "They are judged like any other.", rows, hub.outside - len(rows)))
    if hub.unjudged:
        title = f"{_number(len(hub.unjudged), 'group', 'groups')} shared from outside the scan"
        note = "Accounts of the scan see these groups, and nobody judged their packages."
        rows = [
            (_name(one.group), cut(printable(f"{one.why}; seen from {', '.join(one.seen_from)}"), _WIDTH))
            for one in hub.unjudged[:SHOWN]
        ]
        found.append(Section("shared", title, note, rows, len(hub.unjudged) - len(rows)))
    if hub.blind:
        title = (
            f"{_number(len(hub.blind), 'account-region', 'account-regions')} could not tell what others share with them"
        )
        note = "Not told is not the same as not seen."
        rows = [(f"{one.account}/{one.region}", cut(printable(one.why), _WIDTH)) for one in hub.blind[:SHOWN]]
        found.append(Section("unseen", title, note, rows, len(hub.blind) - len(rows)))
    return found


def _outsider(one: Outsider) -> str:
    said = one.verdict or one.role
    return cut(f"{said}; it says that it is a copy of {_name(one.origin)}", _WIDTH) if one.origin else said


def _name(text: str) -> str:
    return cut(printable(short(text)), _WIDTH)


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
