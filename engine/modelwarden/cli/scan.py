"""`modelwarden scan`: every package of the organization, judged; and what could not be read, said."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import house_options, now, retries_option, run_id, time_of
from modelwarden.cli.output import append_text, write_text
from modelwarden.cli.progress import Teller, teller
from modelwarden.errors import UserError
from modelwarden.render.log import Event

if TYPE_CHECKING:
    from modelwarden.scan.executor import Pools
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.run import Outcome, Plan
    from modelwarden.scan.station import Spec, Station


_THRESHOLD: Final = (2_000, 10, 10)
"""Of the garbage collector: a scan drops the clients of each account, which hold each other."""


@click.command()
@house_options
@click.option("--role", metavar="NAME", help="Role to assume in each account; `{account}` is replaced.")
@click.option("--external-id", metavar="ID", help="ExternalId for that role.")
@retries_option
@click.option("--as-of", "as_of", metavar="TIME", help="Judge as of this UTC time, asserted (default: now).")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of the record (default: .modelwarden/runs).")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Go on with a scan that did not come to its end.",
)
@click.option(
    "--since",
    metavar="RUN",
    help="Read what changed since an earlier scan: `last`, its id or its folder. All is judged anew.",
)
@click.option(
    "--judges",
    type=click.IntRange(0, 64),
    metavar="N",
    help="Processes that judge; 0: none but this one (default: CPUs).",
)
@click.option(
    "--executor",
    "kind",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Who collects and judges: this machine, or a cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Scheduler of the Dask cluster, tcp://HOST:PORT.")
@click.option(
    "--dry-run", is_flag=True, help="Print what would be read, and about how many calls that takes; judge nothing."
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of what is told on stderr.",
)
@click.option("--quiet", is_flag=True, help="No progress and no log lines.")
@click.option("--metrics", metavar="FILE|-", help="Add CloudWatch metrics (EMF) to a file, or to stdout.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the summary to a file too."
)
@click.pass_context
def scan(context: click.Context, /, **options: Any) -> None:
    """Judge the model packages of every account and region, and keep a record of it.

    Approved and deployed packages are judged at the moment serve, the newest of each group at approve. Exit code 3
    where anything that was expected could not be read, 1 where a package is blocked.
    """
    from modelwarden.scan import chronicle
    from modelwarden.scan import run as scanning
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.since import Since, since_of
    from modelwarden.scan.station import Station
    from modelwarden.store.location import location_of, state_at

    gc.set_threshold(*_THRESHOLD)
    _check_metrics(options)
    _check_executor(options)
    for name in ("as_of", "since"):
        if options["resume"] and options[name]:
            said = f"--{name.replace('_', '-')}"
            raise UserError(f"--resume refuses {said}: a scan goes on as it was begun", "leave it out")
    house = gating.load_house(sources_from(options), os.environ)
    collector = gating.collector_of(house)
    runs = house.settings.runs or Path(".modelwarden/runs")
    since = Since()
    if options["resume"]:
        folder, plan = scanning.resumed(options["resume"], house)
    else:
        since = since_of(options["since"], runs, house.settings.scan, now())
        plan = scanning.plan_of(house, collector, time_of(options["as_of"]), since.folder)
        folder = Folder(runs / run_id())
    if not plan.estate.cells and not plan.estate.unread:
        raise UserError("no account is expected", "correct [scan] in the settings; `modelwarden config show` prints it")
    if options["dry_run"]:
        click.echo(_dry(folder, plan, options), nl=False)
        return
    # Opened before hours of work: where the store cannot be reached, nothing is scanned.
    state = state_at(location_of(house.settings.store, house.settings.runs), lambda: gating.collector_of(house).aws)
    if not options["resume"]:
        scanning.begin(folder, plan, house)
    state.begin(chronicle.run_of(folder, folder.plan()))
    with teller(options["log_format"], now, quiet=options["quiet"]) as telling:
        spec = _spec(folder, house, options)
        station = Station(spec, house, collector=collector, watcher=telling)
        _stoppable(station, telling)
        for notice in chronicle.catch_up(state, runs, folder.id):
            telling.say(Event("not kept", notice, "warning"))
        if since.why:
            telling.say(Event("full", f"--since {options['since']}: {since.why}: everything is read"))
        with _pools(spec, options) as pools:
            outcome = scanning.work(folder, plan, station, pools, state)
        scanning.tidy(outcome, runs)
        _say(outcome, options, telling)
    state.close()
    if outcome.broken:
        raise RuntimeError(outcome.broken[0])
    context.exit(3 if outcome.stopped else outcome.summary.code())


def _check_metrics(options: dict[str, Any]) -> None:
    """Before hours of work. Raises UserError where they cannot be written, or would be mixed with the summary's JSON."""
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


def _spec(folder: Folder, house: gating.House, options: dict[str, Any]) -> Spec:
    from modelwarden.scan.station import Spec

    if options["kind"] == "local":
        return Spec(folder.path, house.recipe)
    from modelwarden.scan.cluster import portable

    return Spec(folder.path.absolute(), portable(house.recipe))


def _pools(spec: Spec, options: dict[str, Any]) -> AbstractContextManager[Pools]:
    if options["kind"] == "dask":
        from modelwarden.scan import cluster

        return cluster.dask(options["scheduler"], spec)
    from modelwarden.scan import executor

    return executor.local(options["judges"] if options["judges"] is not None else executor.judges_here())


def _say(outcome: Outcome, options: dict[str, Any], telling: Teller) -> None:
    from modelwarden.render import scan as rendering
    from modelwarden.render.json import dump

    folder = outcome.folder
    manifest = folder.manifest()
    shown = dump(manifest) if options["format_"] == "json" else rendering.text(manifest, folder.plan())
    click.echo(shown, nl=False)
    if options["output"]:
        write_text(options["output"], shown)
    if options["metrics"]:
        _measure(outcome, options["metrics"])
    where = {"id": folder.id, "folder": str(folder.path)}
    telling.say(Event("recorded", f"scan {folder.id} recorded in {folder.path}", fields=where))
    if outcome.stopped:
        text = f"stopped: go on with `modelwarden scan --resume {folder.path}`"
        telling.say(Event("stopped", text, "warning", fields=where))


def _measure(outcome: Outcome, out: str) -> None:
    from modelwarden.render import metrics
    from modelwarden.render.calls import of_scan

    lines = metrics.lines(outcome.folder.manifest(), of_scan(outcome.folder, outcome.plan.estate.cells))
    if out == "-":
        click.echo(lines, nl=False)
    else:
        append_text(Path(out), lines)


def _dry(folder: Folder, plan: Plan, options: dict[str, Any]) -> str:
    from modelwarden.render import forecast
    from modelwarden.render.json import dump
    from modelwarden.scan.drive import left

    cells = left(folder, plan.estate.cells) if options["resume"] else list(plan.estate.cells)
    told = forecast.forecast(cells, _earlier(folder), plan.estate.hub)
    if options["format_"] == "json":
        return dump(forecast.to_json(plan.estate, cells, told))
    return forecast.text(plan.estate, cells, told)


def _earlier(folder: Folder) -> Iterator[Folder]:
    """Scans beside this one that came to their end, the latest first."""
    from modelwarden.scan.folder import Folder as Scan

    for manifest in sorted(folder.path.parent.glob("*/manifest.json"), reverse=True):
        if manifest.parent != folder.path:
            yield Scan(manifest.parent)


def _stoppable(station: Station, telling: Teller) -> None:
    """Ctrl-C and SIGTERM end the scan with what was read kept; a second one ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        station.stopped.set()
        signal.signal(number, signal.SIG_DFL)
        telling.stopping()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
