"""`modelwarden report`: a page over recorded runs. Nothing is judged again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from modelwarden.cli.options import now
from modelwarden.cli.output import write_text
from modelwarden.errors import UserError
from modelwarden.render.page import page
from modelwarden.run import read


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--title", default="Promotion decisions", show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The page to write."
)
def report(runs: tuple[Path, ...], title: str, output: Path) -> None:
    """Write one self-contained HTML page over RUNS: files of recorded runs, or folders of them."""
    files = [file for path in runs for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise UserError(
            f"{', '.join(map(str, runs))}: holds no run", "`modelwarden gate` records each run in .modelwarden/runs"
        )
    text = page([read(file) for file in files], title=title, generated_at=now())
    write_text(output, text)
    print(f"{len(files)} runs on one page: {output}", file=sys.stderr)
