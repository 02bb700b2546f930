"""`modelwarden scan`: every package of the organization, judged; and what could not be read, said."""

from __future__ import annotations

import gc
import os
import signal
from contextlib import AbstractContextManager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden import gate as gating
from modelwarden.cli.entering import deliver, log_for, spooled
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import time_of
from modelwarden.cli.progress import Teller, teller
from modelwarden.cli.scan_options import check, scan_options
from modelwarden.cli.scan_output import dry, say
from modelwarden.cli.signing import signer_of
from modelwarden.clock import now, run_id
from modelwarden.errors import UserError
from modelwarden.render.log import Event
from modelwarden.run import RUNS

if TYPE_CHECKING:
    from modelwarden.scan.executor import Pools
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.station import Spec, Station


_THRESHOLD: Final = (2_000, 10, 10)
"""Of the garbage collector: a scan drops the clients of each account, which hold each other."""


@click.command()
@scan_options
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
    check(options)
    house = gating.load_house(sources_from(options), os.environ)
    log = log_for(options["log"], house.settings)
    signer = signer_of(house, house.settings.sign) if log and house.settings.sign else None
    collector = gating.collector_of(house)
    runs = house.settings.runs or RUNS
    since = Since()
    if options["resume"]:
        folder, plan = scanning.resumed(options["resume"], house)
        plan = scanning.asked_again(plan, house, collector)
    else:
        since = since_of(options["since"], runs, house.settings.scan, now())
        plan = scanning.plan_of(house, collector, time_of(options["as_of"]), since.folder)
        folder = Folder(runs / run_id())
    if not plan.estate.cells and not plan.estate.unread:
        raise UserError("no account is expected", "correct [scan] in the settings; `modelwarden config show` prints it")
    if options["dry_run"]:
        click.echo(dry(folder, plan, options), nl=False)
        return
    # Opened before hours of work: where the store cannot be reached, nothing is scanned.
    state = state_at(location_of(house.settings.store, house.settings.runs), lambda: gating.collector_of(house).aws)
    if options["resume"]:
        scanning.go_on(folder, plan)
    else:
        scanning.begin(folder, plan, house)
    state.begin(chronicle.run_of(folder, folder.plan()))
    spool = None
    try:
        with teller(options["log_format"], now, quiet=options["quiet"]) as telling:
            spec = _spec(folder, house, options)
            station = Station(spec, house, collector=collector, watcher=telling)
            _stoppable(station, telling)
            for notice in chronicle.catch_up(state, runs, folder.id):
                telling.say(Event("not kept", notice, "warning"))
            if since.why:
                telling.say(Event("full", f"--since {options['since']}: {since.why}: everything is read"))
            try:
                with _pools(spec, options) as pools:
                    outcome = scanning.work(folder, plan, station, pools, state)
            finally:
                # Also where the store refused what is recorded all the same.
                if log and folder.sealed and (folder.path / "manifest.json").exists() and not station.stopped.is_set():
                    from modelwarden.scan.word import word_of

                    spool = spooled(word_of(folder), log, runs, signer)
            scanning.tidy(outcome, runs)
            say(outcome, options, telling)
    finally:
        # What was decided is logged, also where nobody was there to be told.
        if spool and log:
            deliver(spool, folder.id, log, signer, lambda: gating.collector_of(house).aws)
    state.close()
    if outcome.broken:
        raise RuntimeError(outcome.broken[0])
    context.exit(3 if outcome.stopped else outcome.summary.code())


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


def _stoppable(station: Station, telling: Teller) -> None:
    """Ctrl-C and SIGTERM end the scan with what was read kept; a second one ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        station.stopped.set()
        signal.signal(number, signal.SIG_DFL)
        telling.stopping()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
