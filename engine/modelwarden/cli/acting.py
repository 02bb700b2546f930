"""Options of commands that change waivers: where they are, and who acts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from modelwarden.act import Act
from modelwarden.gate import collector_of
from modelwarden.waivers import life
from modelwarden.waivers.pack import Pack

F = TypeVar("F", bound=Callable[..., Any])

pack_option: Final = click.option(
    "--pack",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Working copy of the organization layer, a folder.",
)


def step_options(command: F) -> F:
    """Where the waivers are, and who acts."""
    command = click.option(
        "--as",
        "name",
        metavar="NAME",
        help="Who acts, asserted and marked so (default: whoever the credentials prove).",
    )(command)
    return pack_option(command)


def act_of(pack: Pack, name: str | None, reason: str | None = None) -> Act:
    """Who acts now: the name, asserted, else whoever the credentials prove.

    Raises:
        UserError: neither names a person.
    """
    told = None if name is not None else collector_of(pack.house).caller()
    return life.actor(told, name, clock(), reason)


def clock() -> datetime:
    """Now, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
