"""Baseline: the present failures of recorded runs as waivers that somebody may own, for a person to approve.

The proposal cannot be used as it is: `approver` is left out, so the settings refuse it until somebody else than the
owner has put a name there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modelwarden.proposal import comment, text, texts
from modelwarden.run import Run

_HEAD = """\
# Proposed waivers for failures that were there when the gate was introduced. They count only in the organization layer,
# and only after a review: fill in `approver` (somebody other than the owner) and `reason`, or delete the waiver and mend
# the package. Unknown findings are not covered: nobody knows yet what is wrong with them.
"""


def propose(runs: Iterable[Run], *, owner: str, ticket: str, granted: str, expires: str) -> list[str]:
    """TOML blocks, one waiver for each package that fails in its newest run, after a head that explains them.

    Empty where nothing fails that is not waived already. `granted` and `expires` are dates.
    """
    newest: dict[str, Run] = {}
    for run in runs:
        known = newest.get(run.decision.package)
        if known is None or known.started_at < run.started_at:
            newest[run.decision.package] = run
    blocks = [
        _block(run, failed, owner=owner, ticket=ticket, granted=granted, expires=expires)
        for _, run in sorted(newest.items())
        if (failed := _failed(run))
    ]
    return [_HEAD, *blocks] if blocks else []


def _failed(run: Run) -> list[str]:
    """Controls with a failure that no waiver covers."""
    rulings = run.decision.rulings
    return sorted(one.finding.control for one in rulings if one.finding.outcome == "fail" and one.waiver is None)


def _block(run: Run, controls: Sequence[str], *, owner: str, ticket: str, granted: str, expires: str) -> str:
    lines = [
        "[[waiver]]",
        f"id = {text(f'baseline-{run.id}')}",
        f"package = {text(run.decision.package)}",
        f"controls = {texts(controls)}",
        *(comment(f"  {id_}: {run.controls[id_].title}") for id_ in controls if id_ in run.controls),
        f"owner = {text(owner)}",
        f"ticket = {text(ticket)}",
        f"granted = {granted}",
        f"expires = {expires}",
        'reason = "present when the gate was introduced"',
        '# approver = "somebody other than the owner"',
    ]
    return "\n".join(lines) + "\n"
