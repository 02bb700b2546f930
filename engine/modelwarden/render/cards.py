"""Model cards that belong to no package, as the summary of a scan and its page list them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from modelwarden.render.text import printable, short
from modelwarden.scan.cards import Loose
from modelwarden.scan.shape import Manifest

MAX: Final = 50
"""Cards that the page lists; the others are counted."""


def headline(counts: Mapping[str, int], unread: int) -> str:
    """How many there are, and of how many account-regions nobody knows; empty where nobody asked, or there are none."""
    alone, untold = counts.get("standalone", 0), counts.get("not told", 0)
    if not (alone or untold or unread):
        return ""
    said = f"{alone} standalone model cards without a package"
    said += f", {untold} of which nobody can tell what they belong to" if untold else ""
    return said + (f"; unknown in {unread} account-regions, whose cards were not listed" if unread else "")


def rows(loose: Iterable[Loose], as_of: str) -> list[dict[str, str]]:
    """Cards without a package first, then those of which that cannot be told."""
    order = sorted(loose, key=lambda one: (one.kind == "not told", one.card))
    return [
        {
            "kind": one.kind,
            "name": short(one.card),
            "status": printable(one.status),
            "age": _age(one.changed, as_of),
            "what": printable(one.what),
        }
        for one in order
    ]


def section(manifest: Manifest) -> dict[str, Any]:
    """What the page shows of them."""
    found = rows(manifest.loose_cards, manifest.as_of)[:MAX]
    count = manifest.cards.get("standalone", 0) + manifest.cards.get("not told", 0)
    return {
        "headline": headline(manifest.cards, len(manifest.cards_unread)),
        "owned": manifest.cards.get("of a package", 0),
        "rows": found,
        "more": count - len(found),
    }


def _age(changed: str, as_of: str) -> str:
    """Both are UTC as AWS and the scan write it; `changed` is empty where AWS did not say."""
    try:
        days = (datetime.fromisoformat(as_of) - datetime.fromisoformat(changed)).days
    except ValueError:
        return "changed nobody knows when"
    return f"changed {days} days ago" if days > 0 else "changed today"
