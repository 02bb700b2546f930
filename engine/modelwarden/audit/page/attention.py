"""What a reader should look at first, of the scope: what is live and blocked, approved beside the gate, new, or runs unjudged."""

from __future__ import annotations

from typing import Any, Final

from modelwarden.audit.source import Source
from modelwarden.render.cards import section
from modelwarden.render.relations import Section, sections
from modelwarden.render.text import short

MAX: Final = 50
"""Packages of one kind that are listed; the others are counted."""
MAX_STRAYS: Final = 500


def live(source: Source) -> dict[str, Any]:
    """What is approved or deployed, and blocked now."""
    condition = "verdict = 'block' AND moment = 'serve'"
    ((count,),) = source.ask(f"SELECT count(*) FROM judged WHERE {condition}")  # noqa: S608
    rows = source.ask(
        f"""
        SELECT p.package, any_value(p.why), list(DISTINCT f.control ORDER BY f.control) FILTER (f.control IS NOT NULL)
        FROM (SELECT * FROM judged WHERE {condition} ORDER BY account, region, package LIMIT {MAX}) p
        LEFT JOIN findings f ON f.package = p.package AND f.effect IN ('blocks', 'undecides')
        GROUP BY p.package, p.account, p.region ORDER BY p.account, p.region, p.package
        """  # noqa: S608 - no text from outside
    )
    names = [
        {"name": short(package), "why": why, "controls": [str(one) for one in controls or ()]}
        for package, why, controls in rows
    ]
    return {"count": count, "names": names, "more": count - len(names)}


def approvals(source: Source) -> list[dict[str, Any]]:
    """Approved packages that no recorded decision is known to approve, by state; none where no records are kept."""
    kinds = []
    for state in ("out of band", "not told"):
        ((count,),) = source.ask("SELECT count(*) FROM packages WHERE approval_record = ?", state)
        question = "SELECT package, approval_record_why FROM packages WHERE approval_record = ? ORDER BY account, region, package"
        rows = [{"name": short(package), "why": why} for package, why in source.ask(f"{question} LIMIT {MAX}", state)]
        if count:
            kinds.append({"state": state, "count": count, "rows": rows, "more": count - len(rows)})
    return kinds


def relations(source: Source) -> list[Section]:
    """Of copies and a hub; they are told of the whole organization alone."""
    return sections(source.manifest.copies, source.manifest.hub) if source.whole else []


def cards(source: Source) -> dict[str, Any] | None:
    """Model cards that belong to no package; told of the whole organization alone. None where there is nothing to say."""
    found = section(source.manifest) if source.whole else None
    return found if found and found["headline"] else None


def new(source: Source) -> dict[str, Any] | None:
    """Packages that must be looked at and were not there in the run before; None where nothing was compared."""
    if not (source.manifest.previous or source.manifest.new):
        return None
    found = list(source.manifest.new)
    if not source.whole:
        there = source.ask("SELECT package FROM packages WHERE package IN (SELECT unnest(?::VARCHAR[]))", found)
        within = {package for (package,) in there}
        found = [one for one in found if one in within]
    names = [short(one) for one in found[:MAX]]
    return {"since": source.manifest.previous, "count": len(found), "names": names, "more": len(found) - len(names)}


def endpoints(source: Source) -> dict[str, Any] | None:
    """Containers behind endpoints, and those of which nobody judged the package; None where nobody asked.

    An endpoint without a package has neither a group nor a stage: a scope leaves out those of other accounts alone.
    """
    told, named = source.manifest, source.accounts
    if not told.endpoints:
        return None
    strays = [one for one in told.strays if named is None or _account(one.endpoint) in named]
    total = sum(told.endpoints.values())
    rows = [
        {"kind": one.kind, "name": short(one.endpoint), "variant": one.variant, "what": one.what}
        for one in strays[:MAX_STRAYS]
    ]
    beyond = total - told.endpoints.get("judged", 0) - len(told.strays)
    return {
        "judged": told.endpoints.get("judged", 0),
        "total": total,
        "whole": source.whole,
        "rows": rows,
        "more": len(strays) - len(rows) + beyond,
    }


def _account(arn: str) -> str:
    """The fifth part; empty where it is none."""
    return (arn.split(":", 5) + [""] * 5)[4]
