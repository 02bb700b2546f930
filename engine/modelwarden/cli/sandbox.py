"""`modelwarden sandbox`: the simulated organization, in the foreground or around one command."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from types import FrameType
from typing import TYPE_CHECKING

import click

from modelwarden.errors import UserError

if TYPE_CHECKING:
    from modelwarden.sandbox.server import Sandbox

_CLEARED = (
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_REGION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""What would send a client elsewhere, or as somebody else; endpoints of single services do too."""


@click.group("sandbox")
def sandbox_group() -> None:
    """Run a simulated AWS organization on loopback. No AWS account is needed or touched."""


@sandbox_group.command()
@click.option(
    "--scenario", default="demo", show_default=True, help="Built-in name (demo, empty), or the path of a scenario.json."
)
@click.option("--port", default=4599, show_default=True, type=click.IntRange(0, 65535), help="0 for any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--account", default=None, help="Account to act as.  [default: the management account]")
def up(scenario: str, port: int, host: str, account: str | None) -> None:
    """Serve the organization until interrupted, and print the environment that AWS clients need."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the first one also where a shell in the background ignores it
        signal.signal(number, _interrupt)
    with _sandbox(scenario, host, port) as sandbox:
        own = sandbox.environment(account)
        if foreign := sorted(name for name in os.environ if name not in own and _leads_elsewhere(name)):
            click.echo(f"unset {' '.join(foreign)}")
        for name, value in own.items():
            click.echo(f"export {name}={shlex.quote(value)}")
        click.echo(f"# {sandbox.scenario.name}: {len(sandbox.world.accounts)} accounts; interrupt to stop")
        sys.stdout.flush()
        try:
            sandbox.wait()
        except KeyboardInterrupt:
            click.echo("# stopped")


@sandbox_group.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--scenario", default="demo", show_default=True, help="Built-in name (demo, empty), or the path of a scenario.json."
)
@click.option("--account", default=None, help="Account to act as.  [default: the management account]")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(context: click.Context, scenario: str, account: str | None, command: tuple[str, ...]) -> None:
    """Start the organization, run COMMAND against it, stop it, and return the exit code of COMMAND.

    `modelwarden sandbox run -- modelwarden gate ARN --to Production`
    """
    with _sandbox(scenario, "127.0.0.1", 0) as sandbox:
        environment = _environment(sandbox.environment(account))
        try:
            code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - the user's own command
        except OSError as error:
            raise UserError(
                f"cannot run `{command[0]}`: {error.strerror}", "name a program on the path after `--`"
            ) from error
    context.exit(code if code >= 0 else 128 - code)


def _sandbox(scenario: str, host: str, port: int) -> Sandbox:
    try:
        from modelwarden.sandbox.server import Sandbox
    except ImportError as error:
        raise UserError(f"the sandbox needs more packages: {error}", "pip install 'modelwarden[sandbox]'") from error
    return Sandbox(scenario, host, port)


def _environment(own: dict[str, str]) -> dict[str, str]:
    """The present environment, changed so that AWS clients talk to the sandbox only."""
    kept = {name: value for name, value in os.environ.items() if not _leads_elsewhere(name)}
    unproxied = ",".join(filter(None, [kept.get("NO_PROXY", kept.get("no_proxy", "")), "127.0.0.1"]))
    return {**kept, **own, "NO_PROXY": unproxied, "no_proxy": unproxied}


def _leads_elsewhere(name: str) -> bool:
    return name in _CLEARED or name.startswith("AWS_ENDPOINT_URL")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
