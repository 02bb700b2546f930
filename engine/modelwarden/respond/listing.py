"""Listing: what Security Hub holds of a package after a decision about it. Pure.

Findings have the `Id` and the form that a scan gives them, so that either goes on with what the other told.
"""

from __future__ import annotations

from typing import Any

from modelwarden.arn import parse_arn
from modelwarden.finding import Found
from modelwarden.render.asff import About, Hub, Maker, closing
from modelwarden.render.text import coverage
from modelwarden.run import Run


def listing(run: Run, before: Run | None, hub: Hub) -> list[dict[str, Any]]:
    """Documents of what is open by a run, and of what was by the run `before` it and passes now.

    What was open and is not judged any more stays: that it is no more is for a scan to tell.
    """
    maker = Maker(_about(run), hub, {})
    package, place = run.decision.package, _place(run)
    mended = _open(before) if before else set()
    documents = []
    for found in _findings(run):
        if found.is_open:
            documents.append(maker.finding(found))
        elif found.ruling.finding.outcome == "pass" and found.info.id in mended:
            documents.append(maker.finding(found) | closing(run.finished_at, passed=True))
    unsaid = maker.undecided(package, place, "undecided, and no finding says why")
    if _is_unsaid(run):
        documents.append(unsaid)
    elif before and _is_unsaid(before):
        documents.append(unsaid | closing(run.finished_at, passed=True))
    return documents


def _about(run: Run) -> About:
    whole = all(row.state == "read" or row.covered_by for row in run.ledger)
    times = (run.decision.request.as_of, run.started_at, run.finished_at)
    return About(run.id, whole, coverage(run), *times, told_by="event")


def _findings(run: Run) -> list[Found]:
    account, region = _place(run)
    group, request = parse_arn(run.decision.package).group, run.decision.request
    about = (run.decision.package, account, region, group or "", request.stage, request.moment)
    return [Found(*about, ruling, run.controls[ruling.finding.control]) for ruling in run.decision.rulings]


def _open(run: Run) -> set[str]:
    """Ids of controls."""
    return {found.info.id for found in _findings(run) if found.is_open}


def _is_unsaid(run: Run) -> bool:
    """Whether it is undecided while no finding says so."""
    decision = run.decision
    return decision.verdict == "undecided" and all(one.effect != "undecides" for one in decision.rulings)


def _place(run: Run) -> tuple[str, str]:
    arn = parse_arn(run.decision.package)
    return arn.account, arn.region
