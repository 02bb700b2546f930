"""`modelwarden history`: what became of one model package, scan by scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from modelwarden.arn import parse_arn
from modelwarden.cli.runs import opened, state_options
from modelwarden.errors import UserError

if TYPE_CHECKING:
    from modelwarden.store.state import Change, Standing


@click.command()
@click.argument("arn")
@state_options
def history(arn: str, format_: str, **options: Any) -> None:
    """Show what scans found of the model package ARN: its state, and each change with what brought it."""
    from modelwarden.render.json import dump
    from modelwarden.store.state import HISTORY

    parse_arn(arn)
    with opened(options) as state:
        standing = state.standing(arn)
        if standing is None:
            raise UserError(f"no scan has seen `{arn}`", "`modelwarden runs` shows what was scanned")
        changes = list(state.history(arn))
    if format_ == "json":
        click.echo(dump({"schema": HISTORY, "standing": standing, "changes": changes}), nl=False)
    else:
        click.echo("\n".join(_lines(standing, changes)))


def _lines(standing: Standing, changes: Sequence[Change]) -> list[str]:
    from modelwarden.render.text import printable

    seen = standing.seen
    now = f"closed: {standing.closed_why}" if standing.closed_at else _outcome(seen.role, seen.verdict)
    asked = f" for {seen.stage} ({seen.moment})" if seen.verdict and not standing.closed_at else ""
    rows = {
        "now": f"{now}{asked}",
        "since": f"{standing.changed_at}  run {standing.changed_by}",
        "seen": f"{standing.first_seen} to {standing.last_seen}",
        "controls": ", ".join(seen.controls),
        "evidence": seen.evidence,
        "imported": "partial: a part of its history was imported, and proves nothing" if standing.imported else "",
    }
    lines = [seen.package, *(f"  {name:<10}{value}" for name, value in rows.items() if value), ""]
    for one in changes:
        lines += _change(one)
    return [printable(line) for line in [*lines, f"{len(changes)} changes"]]


def _change(one: Change) -> list[str]:
    if one.event == "imported":
        declared = [f"    declared {name} = {value}" for name, value in sorted(one.declared.items())]
        return [f"{one.at}  {one.event:<9} {'partial':<10} {', '.join(one.why)}", *declared]
    return [f"{one.at}  {one.event:<9} {_outcome(one.role, one.verdict):<10} {', '.join(one.why)}".rstrip()]


def _outcome(role: str, verdict: str) -> str:
    return verdict or ("" if role == "judged" else role)
