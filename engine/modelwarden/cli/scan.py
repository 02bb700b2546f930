"""`modelwarden scan`: every package of the organization, judged; and what could not be read, said."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import house_options, now, run_id, time_of
from modelwarden.cli.output import write_text
from modelwarden.errors import UserError
from modelwarden.scan.events import Nobody

if TYPE_CHECKING:
    from modelwarden.gate import House
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.record import CellEnd
    from modelwarden.scan.run import Outcome, Plan
    from modelwarden.scan.station import Station


_THRESHOLD: Final = (2_000, 10, 10)
"""Of the garbage collector: a scan drops the clients of each account, which hold each other."""


@click.command()
@house_options
@click.option("--role", metavar="NAME", help="Role to assume in each account; `{account}` is replaced.")
@click.option("--external-id", metavar="ID", help="ExternalId for that role.")
@click.option("--retries", type=click.IntRange(0, 20), help="Attempts after the first, of one call (default: 7).")
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
@click.option("--dry-run", is_flag=True, help="Print what would be read, and read nothing else.")
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
    from modelwarden.scan import executor
    from modelwarden.scan import run as scanning
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.station import Spec, Station

    gc.set_threshold(*_THRESHOLD)

    for name in ("as_of", "since"):
        if options["resume"] and options[name]:
            said = f"--{name.replace('_', '-')}"
            raise UserError(f"--resume refuses {said}: a scan goes on as it was begun", "leave it out")
    house = gating.load_house(sources_from(options), os.environ)
    collector = gating.collector_of(house)
    runs = house.settings.runs or Path(".modelwarden/runs")
    if options["resume"]:
        folder, plan = scanning.resumed(options["resume"], house)
    else:
        since = _since(options["since"], runs, house)
        plan = scanning.plan_of(house, collector, time_of(options["as_of"]), since)
        folder = Folder(runs / run_id())
    if not plan.estate.cells and not plan.estate.unread:
        raise UserError("no account is expected", "correct [scan] in the settings; `modelwarden config show` prints it")
    if options["dry_run"]:
        click.echo(_dry(plan))
        return
    if not options["resume"]:
        scanning.begin(folder, plan, house)
    station = Station(Spec(folder.path, house.recipe), house, collector=collector, watcher=_Teller())
    _stoppable(station)
    judges = options["judges"] if options["judges"] is not None else executor.judges_here()
    with executor.local(judges) as pools:
        outcome = scanning.work(folder, plan, station, pools)
    scanning.tidy(outcome, runs)
    _say(outcome, options)
    if outcome.broken:
        raise RuntimeError(outcome.broken[0])
    context.exit(3 if outcome.stopped else outcome.summary.code())


def _say(outcome: Outcome, options: dict[str, Any]) -> None:
    from modelwarden.render import scan as rendering
    from modelwarden.render.json import dump

    folder = outcome.folder
    manifest, plan = folder.manifest(), folder.plan()
    names = {account.id: account.name for account in outcome.plan.estate.accounts}
    shown = dump(manifest) if options["format_"] == "json" else rendering.text(manifest, plan["controls"], names)
    click.echo(shown, nl=False)
    if options["output"]:
        write_text(options["output"], shown)
    print(f"scan {folder.id} recorded in {folder.path}", file=sys.stderr)
    if outcome.stopped:
        print(f"stopped: go on with `modelwarden scan --resume {folder.path}`", file=sys.stderr)


def _dry(plan: Plan) -> str:
    estate = plan.estate
    lines = [f"{account}/{region}" for account, region in estate.cells]
    lines += [f"{row.account}  skipped: {row.error}" for row in estate.skipped]
    lines += [f"{row.account}/{row.region}  {row.api}: {row.state}: {row.error}" for row in estate.unread]
    accounts = len({account for account, _ in estate.cells})
    calls = accounts + 2 * len(estate.cells)
    lines.append(
        f"{len(estate.cells)} account-regions of {accounts} accounts would be read: at least {calls} calls to list"
        " their packages, and about 12 for each package that is judged"
    )
    return "\n".join(lines)


def _since(text: str | None, runs: Path, house: House) -> Folder | None:
    """The scan to build on; says so where everything is read instead."""
    if text is None:
        return None
    from modelwarden.scan.since import since_of

    found = since_of(text, runs, house.settings.scan, now())
    if found.folder is None:
        print(f"--since {text}: {found.why}: everything is read", file=sys.stderr)
    return found.folder


class _Teller(Nobody):
    """One line to stderr for each cell that has ended."""

    def begun(self, cells: int, already: int) -> None:
        self._total, self._done = cells, already

    def ended(self, end: CellEnd) -> None:
        from modelwarden.render.text import printable

        self._done += 1
        what = f"NOT READ: {end.unread}" if end.unread else f"{end.records} packages"
        failed = sum(row.state not in ("read", "skipped", "disabled") for row in end.ledger)
        more = f", {failed} APIs failed" if failed and not end.unread else ""
        print(printable(f"{self._done}/{self._total}  {end.account}/{end.region}  {what}{more}"), file=sys.stderr)


def _stoppable(station: Station) -> None:
    """Ctrl-C and SIGTERM end the scan with what was read kept; a second one ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        station.stopped.set()
        signal.signal(number, signal.SIG_DFL)
        print("stopping: packages that are being read come to their end", file=sys.stderr)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
