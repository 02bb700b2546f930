"""`modelwarden init`: settings proposed to a person, from what an account holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from modelwarden import __version__
from modelwarden import gate as gating
from modelwarden.arn import parse_arn
from modelwarden.cli.gate import sources_from
from modelwarden.cli.reader import reader_options, region_of
from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.init import gaps, propose
from modelwarden.proposal import check_free, write
from modelwarden.render.text import printable

_STDOUT = Path("-")


@click.command()
@click.argument("arn", required=False)
@click.option("--scan-account", is_flag=True, help="Read the newest package of each group of the caller's account.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("modelwarden.toml"),
    show_default=True,
    metavar="FILE",
    help="`-` for stdout; a file that exists is never overwritten.",
)
@reader_options
@click.pass_context
def init(
    context: click.Context,
    /,
    arn: str | None,
    output: Path,
    region: str | None,
    *,
    scan_account: bool,
    **options: Any,
) -> None:
    """Propose settings from the model package ARN, or from an account; without either, write a skeleton.

    Nothing of the proposal blocks: a person reads it first. Exit code 3 where something could not be read.
    """
    if arn is not None and scan_account:
        raise UserError("--scan-account and ARN exclude each other", "leave out one of them")
    if output != _STDOUT:
        check_free(output)
    found = None
    if arn is not None:
        parse_arn(arn)
    house = gating.load_house(sources_from(options), os.environ)
    if arn is not None or scan_account:
        from modelwarden.collect.survey import survey

        found = survey(gating.collector_of(house), arn, region_of(region, arn))
    missing = gaps(found) if found else []
    if found and missing and not found.read:
        print(f"error: nothing could be read: {printable(missing[0])}", file=sys.stderr)
        print("  help: `modelwarden doctor` with the same arguments names what is missing", file=sys.stderr)
        context.exit(3)
    role = house.settings.collect.role if found else None
    content = propose(house.bundle, found, version=__version__, day=now()[:10], role=role)
    if output == _STDOUT:
        click.echo(content, nl=False)
    else:
        write(output, content)
        print(f"settings proposed in {output}: read them, then `modelwarden gate ARN --to STAGE`", file=sys.stderr)
    for gap in missing:
        print(f"not read: {printable(gap)}", file=sys.stderr)
    context.exit(3 if missing else 0)
