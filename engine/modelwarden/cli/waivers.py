"""`modelwarden waiver list`, `show` and `prune`: how waivers stand, and which of them nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden.act import LONGEST_TEXT
from modelwarden.cli.acting import act_of, clock, pack_option, step_options
from modelwarden.cli.options import time_of
from modelwarden.errors import UserError
from modelwarden.period import duration, start_of, utc
from modelwarden.render.json import dump
from modelwarden.render.text import cut, printable
from modelwarden.waiver import Waiver
from modelwarden.waivers import life
from modelwarden.waivers.pack import open_pack
from modelwarden.waivers.standing import SCHEMA_VERSION, Standing, standing_of, standings

if TYPE_CHECKING:
    from modelwarden.waivers.use import Use

SOON: Final = timedelta(days=30)
FOUND: Final = 1
"""Exit code with `--exit-code`, where something was found."""
_FORMAT: Final = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
)
_AS_OF: Final = click.option("--as-of", metavar="TIME", help="How they stood at this UTC time (default: now).")
_EXIT_CODE: Final = click.option("--exit-code", is_flag=True, help="Exit 1 where something is found.")


@click.command("list")
@pack_option
@click.option("--expiring", metavar="DURATION", help="Only those that count and end within so long: 30d, 12h.")
@click.option(
    "--unused",
    "scans",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Only those that no longer have anything to cover in this scan, or cover too much; repeatable.",
)
@_AS_OF
@_EXIT_CODE
@_FORMAT
@click.pass_context
def list_(
    context: click.Context,
    pack: Path,
    expiring: str | None,
    scans: tuple[Path, ...],
    as_of: str | None,
    exit_code: bool,
    format_: str,
) -> None:
    """List the waivers: how each stands, until when, and who asked and approved. What ends first comes first."""
    if exit_code and not (expiring or scans):
        raise UserError("--exit-code has no effect here", "add --expiring or --unused, or leave it out")
    found = standings(
        open_pack(pack), _moment(as_of), duration(expiring, "--expiring") if expiring is not None else SOON
    )
    if expiring is not None:
        found = tuple(one for one in found if one.state == "expiring")
    told: dict[str, Use] = {}
    if scans:
        told = {use.waiver.id: use for use in _uses([one.waiver for one in found], scans)}
        found = tuple(one for one in found if one.waiver.id in told)
    if format_ == "json":
        rows = [one.to_json() | ({"use": told[one.waiver.id].to_json()} if told else {}) for one in found]
        click.echo(dump({"schema": SCHEMA_VERSION, "waivers": rows}), nl=False)
    elif found:
        uses = [(one, told.get(one.waiver.id)) for one in found]
        click.echo("\n".join(line for one, use in uses for line in (_line(one), *(_use_lines(use) if use else ()))))
    else:
        click.echo("no waiver" + (" of these" if expiring or scans else ""))
    context.exit(FOUND if exit_code and found else 0)


@click.command()
@click.argument("id_", metavar="ID")
@pack_option
@_AS_OF
@_FORMAT
def show(id_: str, pack: Path, as_of: str | None, format_: str) -> None:
    """Show one waiver with its history."""
    opened = open_pack(pack)
    one = standing_of(opened, opened.find(id_), _moment(as_of), SOON)
    if format_ == "json":
        click.echo(dump({"schema": SCHEMA_VERSION, "waivers": [one.to_json()]}), nl=False)
        return
    for name, value in _rows(one, opened.waivers):
        click.echo(printable(f"{name:<12} {value}"))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Revoke those that are no longer needed; they stay on file.")
@_EXIT_CODE
@_FORMAT
@step_options
@click.pass_context
def prune(
    context: click.Context,
    runs: tuple[Path, ...],
    write: bool,
    exit_code: bool,
    format_: str,
    pack: Path,
    name: str | None,
) -> None:
    """Name the waivers that RUNS, folders of scans, found nothing to cover for, and those that cover more than they said.

    What was not read, not judged or could not be told never makes a waiver unneeded.
    """
    if name is not None and not write:
        raise UserError("--as has no effect without --write", "leave it out")
    opened = open_pack(pack)
    now = clock()
    live = [one for one in opened.waivers if one.state(now) in ("live", "expired")]
    told = _uses(live, runs)
    if format_ == "json":
        click.echo(dump({"schema": SCHEMA_VERSION, "uses": [use.to_json() for use in told]}), nl=False)
    else:
        click.echo(
            "\n".join(line for use in told for line in _use_lines(use))
            or "every waiver is needed, and as wide as it said"
        )
    if write:
        for use in told:
            if use.need == "no longer needed":
                act = act_of(opened, name, cut(f"no longer needed: {use.why}", LONGEST_TEXT))
                path = life.revoke(opened, use.waiver.id, act)
                click.echo(f"{printable(str(path))}: revoked by {printable(str(act))}", err=True)
    context.exit(FOUND if exit_code and told else 0)


def _uses(waivers: Iterable[Waiver], scans: tuple[Path, ...]) -> list[Use]:
    """Those to look at. Imported only here: it loads what reads tables."""
    from modelwarden.waivers.use import found, uses

    return found(uses(list(waivers), scans))


def _moment(as_of: str | None) -> datetime:
    given = time_of(as_of)
    return start_of(given, "--as-of") if given is not None else clock()


def _line(one: Standing) -> str:
    waiver = one.waiver
    left = f" ({one.days_left} days)" if one.days_left is not None else ""
    people = f"owner {waiver.owner}" + (f", approved by {waiver.approved_by}" if waiver.approvers else "")
    why = f"; {one.why}" if one.why else ""
    target = " ".join(waiver.target)
    return printable(
        f"{waiver.id}  {one.state}  until {waiver.expires}{left}  {', '.join(waiver.controls)}  {target}  {people}{why}"
    )


def _use_lines(use: Use) -> Iterator[str]:
    id_ = use.waiver.id
    if use.need == "no longer needed":
        yield printable(f"{id_}: no longer needed: {use.why}")
    if use.too_wide:
        yield printable(
            f"{id_}: covers more than its scope said: {use.packages} packages, not {use.waiver.expected_packages}"
        )


def _rows(one: Standing, others: Iterable[Waiver]) -> Iterator[tuple[str, Any]]:
    waiver = one.waiver
    yield "waiver", waiver.id
    yield "state", one.state + (f": {one.why}" if one.why else "")
    yield waiver.target[0], waiver.target[1]
    for name in ("account", "region"):
        if value := getattr(waiver, name):
            yield name, value
    yield "controls", ", ".join(waiver.controls) + (", also where they cannot tell" if waiver.unknown else "")
    if waiver.expected_packages is not None:
        yield "packages", f"{waiver.expected_packages} at most"
    yield "owner", waiver.owner
    yield "reason", f"{waiver.reason} ({waiver.ticket})"
    if waiver.break_glass:
        yield "break-glass", "yes"
    if waiver.requested is not None:
        yield "asked for", f"by {waiver.requested}"
        for act in waiver.approvals:
            yield "approved", f"by {act}"
    else:
        yield "approved", f"by {', '.join(waiver.approvers)}"
    if waiver.granted is not None:
        yield "counts from", utc(waiver.granted)
    yield "until", waiver.expires
    if waiver.revoked is not None:
        yield "revoked", f"by {waiver.revoked}"
    if waiver.renews is not None:
        yield "renews", waiver.renews
    for other in others:
        if other.renews == waiver.id:
            yield "renewed by", other.id
    yield "file", waiver.path
