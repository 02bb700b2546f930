"""`modelwarden api`: the API on this machine, for tests and for whoever writes against it."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import house_options, retries_option
from modelwarden.clock import now
from modelwarden.render.log import Event, json_line


@click.command()
@click.option("--port", default=4600, show_default=True, type=click.IntRange(0, 65535), help="0 for any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@house_options
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of the records (default: .modelwarden/runs).")
@click.option("--role", metavar="NAME", help="Role to assume in the account that owns a package.")
@click.option("--external-id", metavar="ID", help="ExternalId for that role.")
@retries_option
def api(port: int, host: str, **options: Any) -> None:
    """Serve the API until interrupted. It authenticates nobody: who reaches it acts with your credentials.

    `GET /openapi.json` says what it takes. On AWS the same routes stand behind API Gateway, which proves who calls.
    """
    from modelwarden.api.answer import answer
    from modelwarden.api.service import service_of
    from modelwarden.cli.serving import Server, is_loopback

    signal.signal(signal.SIGTERM, _interrupt)
    house = gating.load_house(sources_from(options), os.environ)
    service = service_of(house, partial(gating.collector_of, house), _log)
    with Server(partial(answer, service), host, port) as server:
        click.echo(f"serving {server.address}; interrupt to stop")
        if not is_loopback(host):
            print(f"warning: whoever reaches {server.address} judges and reads with your credentials", file=sys.stderr)
        sys.stdout.flush()
        try:
            server.wait()
        except KeyboardInterrupt:
            click.echo("stopped")


def _log(event: Event) -> None:
    print(json_line(event, now()), file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
