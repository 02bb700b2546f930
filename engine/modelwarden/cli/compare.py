"""`modelwarden compare`: what changed from one scan to another, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from modelwarden import gate as gating
from modelwarden.cli.output import format_files, write_text
from modelwarden.run import RUNS
from modelwarden.settings import read_sources

if TYPE_CHECKING:
    from modelwarden.compare import Comparison

_FORMATS: Final = {"text": 20, "json": 1_000}
"""Format -> packages of each kind that it names unless somebody says otherwise."""


@click.command()
@click.argument("earlier")
@click.argument("later")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (default: ./modelwarden.toml).")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of the scans (default: .modelwarden/runs).")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Packages of each kind to name (default: 20 as text, 1000 as JSON); all are counted.",
)
@click.option("--format", "format_", type=click.Choice(list(_FORMATS)), default="text", show_default=True)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write a further format to a file; repeatable.",
)
@click.option(
    "--exit-code",
    is_flag=True,
    help="End with 3 if the later scan knows less, else with 1 if it blocks what was not blocked.",
)
@click.pass_context
def compare(
    context: click.Context,
    earlier: str,
    later: str,
    config: Path | None,
    runs: Path | None,
    limit: int | None,
    format_: str,
    outputs: tuple[str, ...],
    *,
    exit_code: bool,
) -> None:
    """Show what changed from the scan EARLIER to the scan LATER, and why: evidence, policy, parameters, waiver, clock.

    A scan is an id in the folder of runs, `last`, `previous` or a folder. The records are compared and nothing is
    judged again. The exit code is 0 unless --exit-code asks for another; 3 stands for accounts, regions or APIs that
    only the earlier scan read, and for packages that only the earlier one could decide.
    """
    from modelwarden.compare import compare as compared
    from modelwarden.compare import recorded
    from modelwarden.replay.recorded import check_apart
    from modelwarden.scan.find import named

    files = format_files(outputs, tuple(_FORMATS))
    where = runs_of(config, runs)
    folders = [named(text, where) for text in (earlier, later)]
    for _, file in files:
        for folder in folders:
            check_apart(file, folder.path)
    scans = [recorded(folder) for folder in folders]
    most = [limit or _FORMATS[one] for one in (format_, *(one for one, _ in files))]
    found = compared(scans[0], scans[1], max(most))
    click.echo(_render(found, format_, limit), nl=False)
    for one, file in files:
        write_text(file, _render(found, one, limit))
    context.exit(found.code() if exit_code else 0)


def _render(found: Comparison, format_: str, limit: int | None) -> str:
    if format_ == "json":
        from modelwarden.compare.document import document
        from modelwarden.render.json import dump

        return dump(document(found, limit or _FORMATS[format_]))
    from modelwarden.render.comparison import text

    return text(found, limit or _FORMATS[format_])


def runs_of(config: Path | None, runs: Path | None) -> Path:
    """The folder of runs, as a scan finds it."""
    if runs is not None:
        return runs
    read = read_sources(
        config=config,
        organization=None,
        organization_digest=None,
        environment=os.environ,
        flags={},
        fetch=gating.fetch_pack,
    )
    return read.runs or RUNS
