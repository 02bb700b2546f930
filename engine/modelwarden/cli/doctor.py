"""`modelwarden doctor`: what can be read, and which controls suffer from what cannot."""

from __future__ import annotations

import os
from typing import Any

import click
from msgspec import structs

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import house_options
from modelwarden.cli.reader import reader_options, region_of
from modelwarden.clock import now


@click.command()
@click.argument("arn", required=False)
@house_options
@reader_options
@click.option(
    "--scan", "scanning", is_flag=True, help="Try what only a scan asks, too: accounts, lists, endpoints, cards."
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def doctor(
    context: click.Context, /, arn: str | None, region: str | None, scanning: bool, format_: str, **options: Any
) -> None:
    """Probe identity, role and every read permission on the model package ARN; nothing is written.

    Without ARN the newest package of the caller's account in the region is read. Exit codes: 0 all that the enabled
    controls need can be read, 2 usage or no credentials, 3 a permission is missing.
    """
    from modelwarden.collect.probe import probe
    from modelwarden.doctor import base_images, examine
    from modelwarden.render import diagnosis

    where = region_of(region, arn)
    house = gating.load_house(sources_from(options), os.environ)
    at = now()
    collector = gating.collector_of(house)
    probed = probe(
        collector, arn, where, lambda evidence: base_images(house, evidence, at), house.settings.collect.role
    )
    checkup = examine(house, probed, at)
    if scanning:
        from modelwarden.collect.scan_probe import probe_scan

        checkup = structs.replace(checkup, scan=probe_scan(collector, house.settings.scan, probed))
    click.echo(diagnosis.text(checkup, probed) if format_ == "text" else diagnosis.document(checkup, probed), nl=False)
    context.exit(checkup.exit_code)
