"""Options of the commands that read an account without judging a package, and the region that they mean."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from modelwarden.arn import parse_arn
from modelwarden.cli.options import retries_option
from modelwarden.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])

_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")


def reader_options(command: F) -> F:
    """Whose account is read, and where."""
    for option in (
        retries_option,
        click.option(
            "--region", metavar="REGION", help="Where there is no ARN to name it (default: as for the AWS CLI)."
        ),
        click.option("--external-id", metavar="ID", help="ExternalId for that role."),
        click.option(
            "--role", metavar="NAME", help="Role to assume in the package's account; `{account}` is replaced."
        ),
    ):
        command = option(command)
    return command


def region_of(region: str | None, package: str | None) -> str:
    """The region of the package, else the one named, else that of the environment or of the AWS configuration.

    Raises:
        UserError: no ARN of a model package, a region that contradicts it or is none, or none at all.
    """
    if region is not None and not _REGION.fullmatch(region):
        raise UserError(f"--region: `{region}` is not a region", "write it like eu-west-1")
    if package is not None:
        arn = parse_arn(package)
        if region not in (None, arn.region):
            raise UserError(f"--region: `{region}` is not where the package lies: {arn.region}", "leave it out")
        return arn.region
    found = region or os.environ.get("AWS_REGION") or _configured()
    if not found:
        raise UserError("no region is named", "add --region, or set AWS_DEFAULT_REGION")
    if not _REGION.fullmatch(found):
        raise UserError(f"the configured region `{found}` is none", "add --region, or set AWS_DEFAULT_REGION")
    return found


def _configured() -> str | None:
    from modelwarden.collect.probe import configured_region

    return configured_region()
