"""`modelwarden doctor`: what can be read, and which controls suffer from what cannot."""

from __future__ import annotations

import os
from typing import Any

import click
from click.core import ParameterSource
from msgspec import structs

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import house_options
from modelwarden.cli.reader import reader_options, region_of
from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.estate import ACCOUNT


@click.command()
@click.argument("arn", required=False)
@house_options
@reader_options
@click.option(
    "--scan", "scanning", is_flag=True, help="Try what only a scan asks, too: accounts, lists, endpoints, cards."
)
@click.option(
    "--deployment", "stack", metavar="STACK", help="Check a deployed hub instead: the stack of deploy/hub.yaml."
)
@click.option("--account", metavar="ID", help="With --deployment: an account whose roles are tried, too.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def doctor(
    context: click.Context,
    /,
    arn: str | None,
    region: str | None,
    scanning: bool,
    stack: str | None,
    account: str | None,
    format_: str,
    **options: Any,
) -> None:
    """Probe identity, role and every read permission on the model package ARN; nothing is written.

    Without ARN the newest package of the caller's account in the region is read. Exit codes: 0 all that the enabled
    controls need can be read, 2 usage or no credentials, 3 a permission is missing.

    With --deployment each part of a hub is read back instead, by the settings that its function is pinned to. Exit codes
    then: 0 all is as deployed, 1 something is wrong, 2 usage, no credentials or no such stack, 3 something could not be read.
    """
    if stack is not None:
        retries = options.pop("retries")
        _check_effect(context, ("stack", "account", "format_", "region", "retries"))
        context.exit(_deployment(stack, region_of(region, None), account, retries, format_))
    if account is not None:
        raise UserError("--account has no effect without --deployment", "name a package of the account instead")
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


def _deployment(stack: str, region: str, account: str | None, retries: int | None, format_: str) -> int:
    """Say what each part of a hub is; the exit code."""
    from modelwarden.collect.aws import ATTEMPTS, Access, Aws, Tape
    from modelwarden.deployment.check import check, exit_code
    from modelwarden.deployment.hub import hub_of
    from modelwarden.render import deployment

    if account is not None and not ACCOUNT.fullmatch(account):
        raise UserError(f"--account: `{account}` is not an account id", "write its 12 digits")
    aws = Aws(Access(attempts=ATTEMPTS if retries is None else retries + 1), Tape())
    parts = check(hub_of(aws, region, stack), account)
    said = deployment.text(parts, stack) if format_ == "text" else deployment.document(parts, stack, region)
    click.echo(said, nl=False)
    return exit_code(parts)


def _check_effect(context: click.Context, used: tuple[str, ...]) -> None:
    """Raises UserError for whatever was given beside --deployment and would be believed to have an effect."""
    for parameter in context.command.params:
        name = str(parameter.name)
        if name not in used and context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            shown = parameter.opts[-1] if parameter.param_type_name == "option" else name.upper()
            raise UserError(f"{shown} has no effect beside --deployment", "leave out one of them")
