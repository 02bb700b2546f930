"""`modelwarden publish`: the tables of a scan, where Athena and dashboards read them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from modelwarden.cli.compare import runs_of
from modelwarden.cli.options import retries_option
from modelwarden.errors import UserError


@click.command()
@click.argument("run")
@click.argument("place")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (default: ./modelwarden.toml).")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of the scans (default: .modelwarden/runs).")
@retries_option
def publish(run: str, place: str, config: Path | None, runs: Path | None, retries: int | None) -> None:
    """Put what the scan RUN found below PLACE (`s3://bucket/prefix`, or a folder), as tables for Athena and dashboards.

    RUN is an id in the folder of runs, `last`, `previous` or a folder. A scan that did not read everything is published
    as one that did not. Publishing again changes nothing.
    """
    from modelwarden.analytics.publish import publish as put
    from modelwarden.collect.aws import ATTEMPTS, Access, Aws, Tape
    from modelwarden.replay.recorded import check_apart
    from modelwarden.scan.find import named
    from modelwarden.scan.folder import Folder as Scan
    from modelwarden.store.place import place_at

    _check(place, retries)
    folder: Scan = named(run, runs_of(config, runs))
    if not place.startswith("s3://"):
        check_apart(Path(place), folder.path)
    access = Access(attempts=ATTEMPTS if retries is None else retries + 1)
    done = put(folder, place_at(place, Aws(access, Tape())))
    if not done.rows:
        click.echo(f"scan {done.run}: was published before, nothing is new")
        return
    counts = ", ".join(f"{name} {count}" for name, count in done.rows.items() if name != "runs")
    click.echo(f"scan {done.run}: published below {place}; rows: {counts}")
    if not folder.manifest()["complete"]:
        print("the scan is NOT COMPLETE, and every view says so", file=sys.stderr)


def _check(place: str, retries: int | None) -> None:
    """Raises UserError for a place that is none, or an option that does nothing there."""
    if place.startswith("s3://"):
        if not place.removeprefix("s3://").partition("/")[0]:
            raise UserError(f"`{place}` names no bucket", "write it as s3://BUCKET/PREFIX")
    elif not place.strip() or "://" in place:
        raise UserError(f"`{place}` is no place to publish to", "name a folder, or s3://BUCKET/PREFIX")
    elif not Path(place).is_dir():
        raise UserError(f"{place}: is no folder", "make it, or name s3://BUCKET/PREFIX")
    elif retries is not None:
        raise UserError("--retries has no effect on a folder", "leave it out")
