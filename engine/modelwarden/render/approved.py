"""What the page of a scan lists of packages that are approved or deployed and should not be, or by nobody's decision."""

from __future__ import annotations

from typing import Any, Final

from modelwarden.render.scan_shape import Manifest
from modelwarden.render.text import printable, short

MAX: Final = 50
"""Packages of one kind that are listed; the others are counted."""


def live(manifest: Manifest) -> dict[str, Any]:
    """What is approved or deployed, and blocked now."""
    count = manifest.blocked.get("serve", 0)
    names = [
        {"name": short(one.package), "why": printable(one.why), "controls": [printable(id_) for id_ in one.controls]}
        for one in manifest.named
        if (one.verdict, one.moment) == ("block", "serve")
    ][:MAX]
    return {"count": count, "names": names, "more": count - len(names)}


def approvals(manifest: Manifest) -> list[dict[str, Any]]:
    """Approved packages that no recorded decision is known to approve, by state; none where no records are kept."""
    kinds = []
    for state in ("out of band", "not told"):
        count = manifest.approvals.get(state, 0)
        found = [one for one in manifest.unrecorded if one.state == state][:MAX]
        rows = [{"name": short(one.package), "why": printable(one.why)} for one in found]
        kinds.append({"state": state, "count": count, "rows": rows, "more": count - len(rows)})
    return [kind for kind in kinds if kind["count"]]
