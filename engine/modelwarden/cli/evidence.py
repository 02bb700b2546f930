"""`modelwarden evidence`: what was read about one package, without judging it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import collect_options
from modelwarden.cli.output import write_text
from modelwarden.document import to_document
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Unknown
from modelwarden.render.json import dump


@click.command()
@click.argument("arn")
@collect_options
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (default: ./modelwarden.toml).")
@click.option(
    "--base-image",
    "base_images",
    multiple=True,
    metavar="URI",
    help="Approved base image whose layers to add as reference; repeatable.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file instead of stdout."
)
@click.pass_context
def evidence(
    context: click.Context, /, arn: str, base_images: tuple[str, ...], output: Path | None, **options: Any
) -> None:
    """Read the model package ARN from whichever account owns it and print the evidence as JSON.

    Exit code 3 where something could not be read.
    """
    if not gating.is_arn(arn):
        raise UserError(
            f"`{arn}` is not the ARN of a model package", "find it with `aws sagemaker list-model-packages`"
        )
    house = gating.load_house(sources_from(options), os.environ)
    collector = gating.collector_of(house, record=options["record"], replay=options["replay"])
    found = collector.package(arn, None)
    reference = collector.reference(base_images) if base_images else {}
    text = dump(to_document(found, reference))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
    unread = _unread(found)
    print(f"{len(found.facts)} facts, {unread} unknown; {len(collector.ledger)} APIs read", file=sys.stderr)
    context.exit(3 if unread else 0)


def _unread(found: Evidence) -> int:
    return sum(isinstance(fact, Unknown) for fact in found.facts.values())
