"""`modelwarden baseline`: waivers for what fails today, proposed to a person."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import click

from modelwarden.baseline import propose
from modelwarden.cli.options import now
from modelwarden.errors import UserError
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

    The proposal belongs into the organization layer, and is refused there until somebody other than the owner has signed it.
    """
    files = [file for path in runs for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise UserError(
            f"{', '.join(map(str, runs))}: holds no run", "`modelwarden gate` records each run in .modelwarden/runs"
        )
    today = date.fromisoformat(now()[:10])
    expires = (today + timedelta(days=days)).isoformat()
    text = propose(
        [read(file) for file in files], owner=owner, ticket=ticket, granted=today.isoformat(), expires=expires
    )
    if not text:
        print("no failure that is not waived already: nothing to propose", file=sys.stderr)
        return
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(
            f"{output}: cannot be written: {error.strerror}", "choose a name that does not exist yet"
        ) from error
    print(f"{text.count('[[waiver]]')} waivers proposed in {output}: fill in the approvers", file=sys.stderr)
