"""Options of `modelwarden scan`, and which of them fit each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from modelwarden.cli.options import house_options, retries_option
from modelwarden.cli.output import append_text
from modelwarden.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])


def scan_options(command: F) -> F:
    """What is read, by whom, and what is told of it."""
    for option in (*_TOLD, *_WORK, *_READ):
        command = option(command)
    return house_options(command)


_READ = tuple(
    reversed(
        [
            click.option("--role", metavar="NAME", help="Role to assume in each account; `{account}` is replaced."),
            click.option("--external-id", metavar="ID", help="ExternalId for that role."),
            retries_option,
            click.option(
                "--as-of", "as_of", metavar="TIME", help="Judge as of this UTC time, asserted (default: now)."
            ),
            click.option(
                "--runs", type=click.Path(path_type=Path), help="Folder of the record (default: .modelwarden/runs)."
            ),
            click.option(
                "--resume",
                type=click.Path(path_type=Path),
                metavar="FOLDER",
                help="Go on with a scan that did not come to its end.",
            ),
            click.option(
                "--since",
                metavar="RUN",
                help="Read what changed since an earlier scan: `last`, its id or its folder. All is judged anew.",
            ),
        ]
    )
)
_WORK = tuple(
    reversed(
        [
            click.option(
                "--judges",
                type=click.IntRange(0, 64),
                metavar="N",
                help="Processes that judge; 0: none but this one (default: CPUs).",
            ),
            click.option(
                "--executor",
                "kind",
                type=click.Choice(["local", "dask"]),
                default="local",
                show_default=True,
                help="Who collects and judges: this machine, or a cluster.",
            ),
            click.option("--scheduler", metavar="ADDRESS", help="Scheduler of the Dask cluster, tcp://HOST:PORT."),
            click.option(
                "--dry-run",
                is_flag=True,
                help="Print what would be read, and about how many calls that takes; judge nothing.",
            ),
        ]
    )
)
_TOLD = tuple(
    reversed(
        [
            click.option(
                "--log-format",
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                help="Of what is told on stderr.",
            ),
            click.option("--quiet", is_flag=True, help="No progress and no log lines."),
            click.option("--log", metavar="FOLDER|s3://...", help="Enter the scan into this log."),
            click.option("--metrics", metavar="FILE|-", help="Add CloudWatch metrics (EMF) to a file, or to stdout."),
            click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True),
            click.option(
                "-o",
                "--output",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Write the summary to a file too.",
            ),
        ]
    )
)


def check(options: dict[str, Any]) -> None:
    """Before hours of work. Raises UserError where options do not fit each other, or metrics cannot be written."""
    _check_metrics(options)
    _check_executor(options)
    for name in ("as_of", "since"):
        if options["resume"] and options[name]:
            said = f"--{name.replace('_', '-')}"
            raise UserError(f"--resume refuses {said}: a scan goes on as it was begun", "leave it out")


def _check_metrics(options: dict[str, Any]) -> None:
    """Raises UserError where they cannot be written, or would be mixed with the summary's JSON."""
    if options["metrics"] == "-" and options["format_"] == "json":
        raise UserError("--metrics - and --format json both write JSON to stdout", "name a file for one of them")
    if options["metrics"] not in (None, "-") and not options["dry_run"]:
        append_text(Path(options["metrics"]), "")


def _check_executor(options: dict[str, Any]) -> None:
    """Raises UserError where the options do not fit each other."""
    if options["kind"] == "dask" and not options["scheduler"]:
        raise UserError("--executor dask needs a cluster", "name its scheduler: --scheduler tcp://HOST:8786")
    if options["kind"] == "dask" and options["judges"] is not None:
        raise UserError("--executor dask refuses --judges: the workers of the cluster judge", "leave it out")
    if options["kind"] == "local" and options["scheduler"]:
        raise UserError("--scheduler is of use only to a cluster", "add --executor dask, or leave it out")
