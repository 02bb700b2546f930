"""`modelwarden waiver`: ask for a waiver, approve it, go on with it, take it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from modelwarden.act import Act
from modelwarden.cli.acting import act_of, step_options
from modelwarden.cli.waivers import list_, prune, show
from modelwarden.errors import UserError
from modelwarden.period import utc
from modelwarden.waivers import life
from modelwarden.waivers.pack import open_pack

F = TypeVar("F", bound=Callable[..., Any])

_NEXT: Final = "it counts once the organization layer is reviewed and pinned anew: modelwarden config digest"


@click.group()
def waiver() -> None:
    """Ask for, approve, renew, revoke and list waivers, which are files of the organization layer."""


def period_options(command: F) -> F:
    command = click.option("--hours", type=click.IntRange(1, 72), help="How long it counts, instead of --expires.")(
        command
    )
    return click.option("--expires", metavar="TIME", help="Last day, or UTC time: 2026-12-31, 2026-12-31T18:00:00Z.")(
        command
    )


@waiver.command()
@click.option("--id", "id_", required=True, help="Its id, and the name of its file.")
@click.option(
    "--control", "controls", multiple=True, required=True, metavar="ID", help="What it excepts from; repeatable."
)
@click.option("--package", metavar="ARN", help="The model package that it is about.")
@click.option("--group", metavar="NAME", help="Or the model package group.")
@click.option("--pattern", metavar="PATTERN", help="Or a pattern of ARNs, with --expected-packages.")
@click.option("--account", metavar="ID", help="Narrows a group to an account.")
@click.option("--region", metavar="NAME", help="Narrows a group to a region.")
@click.option("--expected-packages", type=click.IntRange(1), help="How many packages it is to cover at most.")
@click.option("--owner", required=True, help="Who answers for mending what it excepts.")
@click.option("--reason", required=True, help="Why.")
@click.option("--ticket", required=True, help="Where the work is tracked.")
@click.option("--unknown", is_flag=True, help="Cover also what cannot be told.")
@click.option("--break-glass", is_flag=True, help="An emergency: two persons, 72 hours at most, first in every report.")
@period_options
@step_options
def request(pack: Path, name: str | None, id_: str, expires: str | None, hours: int | None, **fields: Any) -> None:
    """Write a waiver that counts only once two persons have approved it, neither its owner nor you."""
    opened = open_pack(pack)
    act = act_of(opened, name)
    given = {key: value for key, value in fields.items() if value not in (None, False, ())}
    path = life.request(opened, {"id": id_, **given, "expires": _end(expires, hours, act)}, act)
    click.echo(f"{path}: asked for by {act}; `modelwarden waiver approve {id_}` takes two persons")


@waiver.command()
@click.argument("id_", metavar="ID")
@step_options
def approve(id_: str, pack: Path, name: str | None) -> None:
    """Approve a waiver that was asked for. Cedar decides who may; two different persons must."""
    opened = open_pack(pack)
    act = act_of(opened, name)
    path, missing = life.approve(opened, id_, act)
    click.echo(
        f"{path}: approved by {act}; " + (f"{missing} more approval is needed" if missing else f"{_NEXT} {pack}")
    )


@waiver.command()
@click.argument("id_", metavar="ID")
@click.option("--id", "new", help="Id of the new waiver (default: ID-r2, ID-r3 ...).")
@click.option("--reason", help="Why it is needed still (default: the old reason).")
@click.option("--ticket", help="Where the work is tracked now.")
@click.option("--owner", help="Who answers for it now.")
@click.option("--expected-packages", type=click.IntRange(1), help="How many packages it is to cover at most.")
@period_options
@step_options
def renew(
    id_: str, pack: Path, name: str | None, new: str | None, expires: str | None, hours: int | None, **changes: Any
) -> None:
    """Ask for a waiver that goes on with another one. The old one stays on file; two persons approve anew."""
    opened = open_pack(pack)
    act = act_of(opened, name)
    given, path = life.renew(opened, id_, {**changes, "id": new, "expires": _end(expires, hours, act)}, act)
    click.echo(f"{path}: asked for by {act}; `modelwarden waiver approve {given}` takes two persons")


@waiver.command()
@click.argument("id_", metavar="ID")
@click.option("--reason", required=True, help="Why it counts no more.")
@step_options
def revoke(id_: str, reason: str, pack: Path, name: str | None) -> None:
    """Take a waiver back for good. It stays on file."""
    opened = open_pack(pack)
    act = act_of(opened, name, reason)
    path = life.revoke(opened, id_, act)
    click.echo(f"{path}: revoked by {act}; it counts until the organization layer is pinned anew")


for _command in (list_, show, prune):
    waiver.add_command(_command)


def _end(expires: str | None, hours: int | None, act: Act) -> str:
    if (expires is None) == (hours is None):
        raise UserError("when does it end?", "add either --expires or --hours")
    if expires is not None:
        return expires
    assert hours is not None
    return utc(act.at + timedelta(hours=hours))
