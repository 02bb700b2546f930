"""`modelwarden runs`: the scans that the store knows, newest first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import house_options
from modelwarden.errors import UserError

if TYPE_CHECKING:
    from modelwarden.store.state import RunRow, State

F = TypeVar("F", bound=Callable[..., Any])


def state_options(command: F) -> F:
    """Where the state is, and how to print it."""
    command = click.option(
        "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
    )(command)
    command = click.option(
        "--runs", type=click.Path(path_type=Path), help="Folder of the scans (default: .modelwarden/runs)."
    )(command)
    return house_options(command)


@contextmanager
def opened(options: dict[str, Any]) -> Iterator[State]:
    """The state that the settings name, for reading.

    Raises:
        UserError: settings that cannot be used, or no state.
    """
    from modelwarden.store.location import location_of, state_at

    house = gating.load_house(sources_from(options), os.environ)
    location = location_of(house.settings.store, house.settings.runs)
    state = state_at(location, lambda: gating.collector_of(house).aws, create=False)
    try:
        yield state
    finally:
        state.close()


@click.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@state_options
def runs(limit: int, format_: str, **options: Any) -> None:
    """List the scans, newest first: when, how much was read, and what was found. Imports are among them, marked."""
    from modelwarden.render.json import dump
    from modelwarden.store.state import RUNS

    with opened(options) as state:
        found = state.runs(limit)
    if not found:
        raise UserError("the store knows no run", "run `modelwarden scan` first")
    if format_ == "json":
        click.echo(dump({"schema": RUNS, "runs": found}), nl=False)
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Sequence[RunRow]) -> list[str]:
    from modelwarden.render.text import printable

    return [printable(f"{run.id}  {_ended(run):<10}  {_found(run)}".rstrip()) for run in found]


def _found(run: RunRow) -> str:
    if run.kind == "import":
        return f"imported from {run.location}; nothing was judged"
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(run.verdicts.items()))
    return f"{f'{run.read_cells}/{run.expected_cells}':>11} read  {verdicts}"


def _ended(run: RunRow) -> str:
    if not run.finished_at:
        return "unfinished"
    if run.kind == "import":
        return "partial"
    return "complete" if run.complete else "incomplete"
