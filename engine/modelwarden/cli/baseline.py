"""`modelwarden baseline`: waivers for what fails today, proposed to a person."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import click

from modelwarden.baseline import propose
from modelwarden.clock import now
from modelwarden.entries import entries
from modelwarden.errors import UserError
from modelwarden.proposal import check_free, write
from modelwarden.run import read


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--owner", required=True, help="Who answers for mending the failures.")
@click.option("--ticket", required=True, help="Where the work is tracked.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long the waivers last.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file instead of stdout."
)
def baseline(runs: tuple[Path, ...], owner: str, ticket: str, days: int, output: Path | None) -> None:
    """Propose waivers for the failures in RUNS (files of recorded runs, or folders of them).

    Of each package the newest run counts. The proposal belongs into the organization layer, and is refused there until
    somebody other than the owner has signed it.
    """
    for name, value in (("--owner", owner), ("--ticket", ticket)):
        if not value.strip():
            raise UserError(f"{name} is empty", "somebody has to answer for a waiver, and something has to track it")
    if output is not None:
        check_free(output)
    files = [file for path in runs for file in (entries(path, ".json") if path.is_dir() else [path])]
    if not files:
        raise UserError(
            f"{', '.join(map(str, runs))}: holds no run", "`modelwarden gate` records each run in .modelwarden/runs"
        )
    today = date.fromisoformat(now()[:10])
    expires = today + timedelta(days=days)
    blocks = propose(
        map(read, files), owner=owner, ticket=ticket, granted=today.isoformat(), expires=expires.isoformat()
    )
    if not blocks:
        print("no failure that is not waived already: nothing to propose", file=sys.stderr)
        return
    if output is None:
        click.echo("\n".join(blocks), nl=False)
        return
    write(output, "\n".join(blocks))
    print(f"waivers proposed for {len(blocks) - 1} packages in {output}: fill in the approvers", file=sys.stderr)
