"""What `modelwarden scan` says when it has ended, and before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelwarden.cli.output import append_text, write_text
from modelwarden.cli.progress import Teller
from modelwarden.render.log import Event

if TYPE_CHECKING:
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.run import Outcome, Plan


def say(outcome: Outcome, options: dict[str, Any], telling: Teller) -> None:
    """The summary on stdout and in the files that were asked for; where the record is."""
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


def dry(folder: Folder, plan: Plan, options: dict[str, Any]) -> str:
    """What would be read, and about how many calls that takes."""
    from modelwarden.render import estimate
    from modelwarden.render.json import dump
    from modelwarden.scan.drive import left

    cells = left(folder, plan.estate.cells) if options["resume"] else list(plan.estate.cells)
    told = estimate.estimate(cells, _earlier(folder), plan.estate.hub)
    if options["format_"] == "json":
        return dump(estimate.to_json(plan.estate, cells, told))
    return estimate.text(plan.estate, cells, told)


def _earlier(folder: Folder) -> Iterator[Folder]:
    """Scans beside this one that came to their end, the latest first."""
    from modelwarden.scan.folder import Folder as Scan

    for manifest in sorted(folder.path.parent.glob("*/manifest.json"), reverse=True):
        if manifest.parent != folder.path:
            yield Scan(manifest.parent)
