"""Options that several commands share, and what they become."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click

from modelwarden.errors import UserError
from modelwarden.request import Moment, Stage

F = TypeVar("F", bound=Callable[..., Any])

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


def house_options(command: F) -> F:
    """Where settings and controls come from."""
    for option in reversed(
        [
            click.option(
                "--config", type=click.Path(path_type=Path), help="Settings file (default: ./modelwarden.toml)."
            ),
            click.option(
                "--organization",
                metavar="PACK",
                help="Policy pack of the organization: folder, archive or s3:// object.",
            ),
            click.option("--organization-digest", metavar="SHA256", help="Digest that pins the pack."),
            click.option(
                "--bundle",
                "bundles",
                multiple=True,
                type=click.Path(path_type=Path),
                help="Folder with further controls.",
            ),
            click.option(
                "--profile", type=click.Choice(["observe", "recommended", "strict"]), help="May only tighten."
            ),
            click.option(
                "--level",
                "levels",
                multiple=True,
                metavar="ID=LEVEL",
                help="block or flag for one control; may only tighten.",
            ),
        ]
    ):
        command = option(command)
    return command


def question_options(command: F) -> F:
    """What is asked, and how evidence is read."""
    for option in reversed(
        [
            click.option("--to", "stage", metavar="STAGE", required=True, help="Development, Staging or Production."),
            click.option(
                "--at",
                "moment",
                type=click.Choice(get_args(Moment)[:2]),
                default="approve",
                show_default=True,
                help="May it be approved for the stage, or go live there now?",
            ),
            click.option(
                "--principal", metavar="ARN", help="Who acts, asserted (default: whoever the credentials prove)."
            ),
            click.option(
                "--as-of", "as_of", metavar="TIME", help="Judge as of this UTC time, asserted (default: now)."
            ),
        ]
    ):
        command = option(command)
    return command


retries_option: Final = click.option(
    "--retries", type=click.IntRange(0, 20), help="Attempts after the first, of one call (default: 7)."
)


def collect_options(command: F) -> F:
    """How AWS is read."""
    for option in reversed(
        [
            click.option(
                "--role",
                metavar="NAME",
                help="Role to assume in the account that owns the package; `{account}` is replaced.",
            ),
            click.option("--external-id", metavar="ID", help="ExternalId for that role."),
            retries_option,
            click.option(
                "--record", type=click.Path(path_type=Path), metavar="DIR", help="Keep the redacted raw responses."
            ),
            click.option(
                "--replay",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="Answer from recorded responses, without AWS.",
            ),
        ]
    ):
        command = option(command)
    return command


def stage_of(text: str) -> Stage:
    """Raises UserError for anything but the three stages."""
    for stage in get_args(Stage):
        if text == stage:
            return stage  # type: ignore[no-any-return]
    near = next((stage for stage in get_args(Stage) if stage.lower().startswith(text.lower()[:4])), None)
    help_ = f"did you mean {near}?" if near and text else f"use one of {', '.join(get_args(Stage))}"
    raise UserError(f"unknown stage `{text}`", help_)


def time_of(text: str | None, option: str = "--as-of") -> str | None:
    """`2026-11-22` or `2026-11-22T02:10:00Z` as the latter; raises UserError for anything else."""
    if text is None:
        return None
    full = f"{text}T00:00:00Z" if len(text) == 10 else text
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        datetime.strptime(full, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise UserError(
            f"{option}: `{text}` is not a UTC time", "write it as 2026-11-22 or 2026-11-22T02:10:00Z"
        ) from error
    return full


def day_of(text: str | None, option: str) -> str | None:
    """A day as `2026-11-22`; raises UserError for anything else."""
    if text is None:
        return None
    try:
        if len(text) != 10:
            raise ValueError
        date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{option}: `{text}` is not a day", "write it as 2026-11-22") from error
    return text
