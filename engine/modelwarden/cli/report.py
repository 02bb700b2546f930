"""`modelwarden report`: what recorded scans and gates say. Nothing is judged again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from modelwarden.audit.formats import FORMATS, WITH_HISTORY
from modelwarden.audit.framework import names as framework_names
from modelwarden.cli.options import day_of, retries_option
from modelwarden.cli.output import format_files, write_text
from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.render.text import printable
from modelwarden.run import read
from modelwarden.whole_file import as_it_is, whole

if TYPE_CHECKING:
    from modelwarden.audit.report import Report
    from modelwarden.audit.source import Source

_OF_A_SCAN: Final = ("plan.json", "manifest.json")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--title", help="Title of the report.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="KIND=VALUE",
    help="Only this account, unit, group, owner or stage; repeatable.",
)
@click.option(
    "--framework",
    "frameworks",
    multiple=True,
    type=click.Choice(framework_names()),
    help="Findings by obligation of this framework, and only of its controls (default: all frameworks in force).",
)
@click.option("--from", "from_", metavar="DATE", help="First day of the period.")
@click.option("--to", "to", metavar="DATE", help="Last day of the period (default: that of the newest scan).")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Of what goes to stdout.")
@click.option(
    "-o", "--output", "outputs", multiple=True, metavar="FORMAT=FILE", help="Write a format to a file; repeatable."
)
@click.option(
    "--send",
    type=click.Choice(["securityhub"]),
    help="Send what changed to AWS Security Hub, in the account and region of the credentials.",
)
@retries_option
def report(runs: tuple[Path, ...], format_: str | None, outputs: tuple[str, ...], **options: Any) -> None:
    """Write what RUNS say: the folder of one scan, a folder of scans, or files and folders of gate runs.

    Of a folder of scans the newest of the period counts, and earlier ones tell how it came to that. Gate runs are written
    as an HTML page.
    """
    files = format_files(outputs, FORMATS)
    if not files and format_ is None and options["send"] is None:
        raise UserError("nothing is to be written", "add -o html=report.html, or --format json")
    if options["retries"] is not None and options["send"] is None:
        raise UserError("--retries has no effect without --send", "leave it out")
    scan = _scan_of(runs, options["from_"], options["to"])
    _check_apart(files, runs, scan)
    if scan is None:
        _gates(runs, format_, files, options)
    else:
        _scan(scan, format_, files, options)


def _scan_of(runs: tuple[Path, ...], from_: str | None, to: str | None) -> Path | None:
    """The scan that the report is about; None for gate runs.

    Raises:
        UserError: a scan among other things, none in the period, or one that did not come to its end.
    """
    from modelwarden.scan.find import may_hold_scans

    scans = [path for path in runs if _is_scan(path)]
    if scans:
        _refuse_mixture(runs, scans[0])
        if to:
            raise UserError("--to has no effect beside one scan", "name the folder that holds the scans")
        if not (scans[0] / "manifest.json").exists():
            raise UserError(
                f"{scans[0]}: the scan did not come to its end: it has no manifest.json",
                f"go on with it: modelwarden scan --resume {scans[0]}",
            )
        return scans[0]
    if len(runs) == 1 and may_hold_scans(runs[0]):
        from modelwarden.audit.history import newest

        return newest(runs[0], day_of(from_, "--from") or "", day_of(to, "--to") or "9999").path
    for name, given in (("--from", from_), ("--to", to)):
        if given:
            raise UserError(f"{name} has no effect on gate runs", "leave it out, or name a folder of scans")
    return None


def _check_apart(files: Sequence[tuple[str, Path]], runs: tuple[Path, ...], scan: Path | None) -> None:
    """Raises UserError for an output that would take the place of a record, or lie among those of one scan."""
    from modelwarden.replay.recorded import check_apart

    for _, file in files:
        for place in runs if scan is None else filter(_is_scan, file.resolve().parents):
            check_apart(file, place)


def _is_scan(path: Path) -> bool:
    return any(os.path.exists(path / name) for name in _OF_A_SCAN)  # noqa: PTH110 - one that cannot be read is told later


def _refuse_mixture(runs: tuple[Path, ...], scan: Path) -> None:
    """Raises UserError unless the scan stands alone."""
    if len(runs) > 1 or [file for file in scan.glob("*.json") if file.name not in _OF_A_SCAN]:
        raise UserError(f"{scan}: is a scan, and a report is about one scan or gate runs", "write a report for each")


def _scan(path: Path, format_: str | None, files: Sequence[tuple[str, Path]], options: dict[str, Any]) -> None:
    from modelwarden.audit import framework, history
    from modelwarden.audit.formats import writer
    from modelwarden.audit.report import report_of
    from modelwarden.audit.scope import scope_of
    from modelwarden.audit.source import Source
    from modelwarden.scan.folder import Folder

    chosen = [framework.framework(name) for name in options["frameworks"]]
    controls = frozenset(one.control for some in chosen for one in some.mappings) if chosen else None
    with Source(Folder(path), scope_of(options["scopes"]), controls) as source:
        asked = {format_, *(name for name, _ in files)}
        # What nobody shows costs as many openings of tables as there are scans.
        before = history.earlier(source.folder) if asked & set(WITH_HISTORY) else history.Before()
        told = history.history_of(source, before, day_of(options["from_"], "--from") or "")
        found = report_of(
            source,
            chosen or framework.frameworks(source.manifest.as_of),
            told,
            title=options["title"] or "Scan of model packages",
            generated_at=now(),
        )
        _refuse_nothing(source, found)
        for name, file in files:
            with _opened(file) as out:
                notices = writer(name, None if as_it_is(file) else file)(source, found, out)
            _say([*notices, f"scan {found.run} as {name}: {file}"])
        if format_ is not None:
            _say(writer(format_)(source, found, sys.stdout.buffer))
        if not found.coverage.whole:
            _say([f"the scan is NOT COMPLETE: {found.coverage.words()}"])
        if options["send"] is not None:
            _send(source, found, options["retries"])


def _refuse_nothing(source: Source, found: Report) -> None:
    """Raises UserError for a scope that matches nothing: a report over it would look like good news."""
    scope = source.scope
    named = not found.coverage.cells or scope.group or scope.owner or scope.stage
    if not scope.whole and not found.population.total and named:
        raise UserError(f"nothing that was read is in the scope {scope.words()}", "correct --scope, or leave it out")


def _send(source: Source, found: Report, retries: int | None) -> None:
    """Raises UserError where not everything was taken; what was not is kept beside the runs."""
    from modelwarden.audit import delivery
    from modelwarden.audit.register import Register
    from modelwarden.collect.aws import ATTEMPTS, Access, Aws, Tape
    from modelwarden.evidence import Unknown
    from modelwarden.store.security_hub import READ_BACK, NotSent, SecurityHub, hub_of

    aws = Aws(Access(attempts=ATTEMPTS if retries is None else retries + 1), Tape())
    hub = hub_of(aws, aws.home("us-east-1"))
    with Register(source.folder.path.absolute().parent / f"securityhub-{hub.account}-{hub.region}.sqlite") as register:
        security_hub = SecurityHub(aws, hub)
        told = security_hub.told_by_events()
        if isinstance(told, Unknown):
            _say([f"what events told Security Hub is not closed: {READ_BACK}: {printable(told.reason)}"])
            told = []
        delivery.enter(source, found, hub, register, told)
        done = delivery.deliver(register, security_hub.send)
    many = "1 finding" if done.sent == 1 else f"{done.sent} findings"
    _say([f"{many} sent to Security Hub of {hub.account} in {hub.region}"])
    if done.refused:
        first, why = next(iter(done.refused.items()))
        raise NotSent(f"Security Hub refused {len(done.refused)} findings, the first is {first}: {printable(why)}")


def _gates(
    runs: tuple[Path, ...], format_: str | None, files: Sequence[tuple[str, Path]], options: dict[str, Any]
) -> None:
    """Raises UserError for anything but a page over all that is there."""
    given = [
        name
        for name, value in (
            ("--scope", options["scopes"]),
            ("--framework", options["frameworks"]),
            ("--send", options["send"]),
        )
        if value
    ]
    if given or format_ not in (None, "html") or {name for name, _ in files} - {"html"}:
        asked = given[0] if given else "another format than html"
        raise UserError(
            f"a report over gate runs refuses {asked}",
            "name a scan; `modelwarden gate -o` writes each gate in any format",
        )
    found = _files(runs)
    from modelwarden.render.page import page

    text = page([read(file) for file in found], title=options["title"] or "Promotion decisions", generated_at=now())
    for _, file in files:
        write_text(file, text)
        _say([f"{len(found)} runs on one page: {file}"])
    if format_ is not None:
        click.echo(text, nl=False)


def _files(runs: tuple[Path, ...]) -> list[Path]:
    """Files of gate runs; raises UserError where there are none, or a folder cannot be read."""
    files = [file for path in runs for file in (_inside(path) if path.is_dir() else [path])]
    if not files:
        raise UserError(
            f"{', '.join(map(str, runs))}: holds no scan and no run of a gate",
            "`modelwarden gate` and `modelwarden scan` record each run in .modelwarden/runs",
        )
    return files


def _inside(folder: Path) -> list[Path]:
    """Not by a pattern, which nothing in a folder that cannot be read would match."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".json")
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}", "make it readable, or leave it out") from error


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Raises UserError where it cannot be written."""
    try:
        with whole(file) as out:
            yield out
    except OSError as error:
        raise UserError(
            f"{file}: cannot be written: {error.strerror}", "choose a folder that exists and is writable"
        ) from error


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
