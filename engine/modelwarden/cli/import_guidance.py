"""`modelwarden import-guidance`: what a deployment of AWS's guidance recorded goes into the store, marked as partial."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.reader import region_of
from modelwarden.cli.runs import state_options
from modelwarden.clock import now, run_id
from modelwarden.errors import UserError

if TYPE_CHECKING:
    from modelwarden.collect.aws import Aws
    from modelwarden.guidance.value import Row
    from modelwarden.store.state import Hearsay


@click.command("import-guidance")
@click.option("--table", metavar="NAME", required=True, help="Of the guidance: its rows about model packages.")
@click.option(
    "--endpoint-table",
    "endpoint_tables",
    metavar="NAME",
    multiple=True,
    help="Of the guidance: its rows about endpoints, which are listed and not kept; repeatable.",
)
@click.option("--region", metavar="REGION", help="Of the tables (default: as for the AWS CLI).")
@click.option("--dry-run", is_flag=True, help="Read the tables and say what would be imported.")
@state_options
@click.pass_context
def import_guidance(
    context: click.Context,
    /,
    table: str,
    endpoint_tables: tuple[str, ...],
    region: str | None,
    dry_run: bool,
    format_: str,
    **options: Any,
) -> None:
    """Import what AWS's guidance for multi-account model governance recorded into the store, as partial history.

    Nothing is judged, and what a scan said stands. It may be repeated: what was imported before is not doubled.
    Exit codes: 0 every row was understood, 2 usage, no such table or no row, 3 a row was left out or a page not read.
    """
    from modelwarden.guidance.endpoints import measured
    from modelwarden.guidance.packages import heard
    from modelwarden.guidance.table import location
    from modelwarden.guidance.value import precise
    from modelwarden.render.imported import Imported, document, text

    where = region_of(region, None)
    house = gating.load_house(sources_from(options), os.environ)
    aws = gating.collector_of(house).aws
    rows, about_endpoints = _read(aws, table, endpoint_tables, where)
    at = precise(datetime.now(UTC))
    found, endpoints = heard(rows, at), measured(about_endpoints)
    run, new = ("", 0) if dry_run or not found.packages else _keep(house, location(table, where), found.packages, at)
    imported = Imported(
        run,
        location(table, where),
        tuple(location(one, where) for one in endpoint_tables),
        len(rows) + len(about_endpoints),
        new,
        found.packages,
        endpoints.endpoints,
        found.left_out + endpoints.left_out,
        found.not_kept + endpoints.not_kept,
    )
    click.echo(document(imported) if format_ == "json" else text(imported), nl=False)
    context.exit(3 if imported.left_out else 0)


def _read(aws: Aws, table: str, endpoint_tables: tuple[str, ...], region: str) -> tuple[list[Row], list[Row]]:
    """Rows about packages and about endpoints: all of every table, before anything is written.

    Raises:
        UserError: there is no such table, or no row about a package.
        NotRead: a page could not be read.
    """
    from modelwarden.guidance.table import location, rows

    packages = rows(aws, table, region)
    if not packages:
        raise UserError(
            f"{location(table, region)}: holds no row", "name the table that the guidance writes about packages"
        )
    return packages, [row for one in dict.fromkeys(endpoint_tables) for row in rows(aws, one, region)]


def _keep(house: gating.House, where: str, packages: tuple[Hearsay, ...], at: str) -> tuple[str, int]:
    """The id of the import, and how many packages were news to the store.

    Raises:
        StateError: the store refuses; the import may be repeated.
    """
    from msgspec.structs import replace

    from modelwarden.store.location import location_of, state_at
    from modelwarden.store.state import RunRow

    run = RunRow(run_id(), at, now(), where, "import")
    state = state_at(location_of(house.settings.store, house.settings.runs), lambda: gating.collector_of(house).aws)
    try:
        state.begin(run)
        new = state.put_heard(run.id, packages, at)
        state.finish(replace(run, finished_at=at))
    finally:
        state.close()
    return run.id, new
