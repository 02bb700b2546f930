"""Baseline: the present failures of recorded runs as waivers that somebody may own, for a person to approve.

The proposal cannot be used as it is: `approver` is left out, so the settings refuse it until somebody else than the
owner has put a name there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from modelwarden.run import Run

_HEAD = """\
# Proposed waivers for failures that were there when the gate was introduced. They count only in the organization layer,
# and only after a review: fill in `approver` (somebody other than the owner) and `reason`, or delete the waiver and mend
# the package. Unknown findings are not covered: nobody knows yet what is wrong with them.
"""


def propose(runs: Iterable[Run], *, owner: str, ticket: str, granted: str, expires: str) -> str:
    """TOML with one waiver for each package that has failures, newest run first; `granted` and `expires` are dates."""
    newest: dict[str, Run] = {}
    for run in runs:
        known = newest.get(run.decision.package)
        if known is None or known.started_at < run.started_at:
            newest[run.decision.package] = run
    blocks = []
    for package, run in sorted(newest.items()):
        failed = sorted(
            {r.finding.control for r in run.decision.rulings if r.finding.outcome == "fail" and r.waiver is None}
        )
        if failed:
            blocks.append(_block(package, failed, run, owner=owner, ticket=ticket, granted=granted, expires=expires))
    return "\n".join([_HEAD, *blocks]) if blocks else ""


def _block(
    package: str, controls: Sequence[str], run: Run, *, owner: str, ticket: str, granted: str, expires: str
) -> str:
    # JSON strings are TOML basic strings, except for DEL, which TOML wants escaped.
    rows = {
        "id": f"baseline-{run.id}",
        "package": package,
        "controls": list(controls),
        "owner": owner,
        "ticket": ticket,
        "granted": granted,
        "expires": expires,
    }
    lines = ["[[waiver]]", *(f"{name} = {_toml(value)}" for name, value in rows.items())]
    lines += ['reason = "present when the gate was introduced"', '# approver = "somebody other than the owner"']
    titles = [f"#   {id_}: {run.controls[id_].title}" for id_ in controls if id_ in run.controls]
    return "\n".join([*lines, *titles]) + "\n"


def _toml(value: object) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")
