"""`modelwarden forecast`: what of a record turns worse by nothing but time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.cli.options import time_of
from modelwarden.cli.output import format_files, write_text
from modelwarden.cli.replay import FORMATS, judges_option, outputs_option, recorded_code_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--days", type=click.IntRange(1, 3_660), default=90, show_default=True, help="How far to look.")
@click.option("--from", "start", metavar="TIME", help="From this UTC time on (default: when RUN was judged).")
@recorded_code_option
@judges_option
@click.option("--exit-code", is_flag=True, help="Exit code 1 where something turns worse.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@outputs_option
@click.pass_context
def forecast(context: click.Context, /, run: Path, **options: Any) -> None:
    """List what of RUN turns worse by nothing but time: when, which package and control, and why.

    RUN is a run of the gate, a folder of such runs, or the folder of a scan. Its evidence and rules are taken as they
    were recorded. Exit code 3 where a decision could not be judged again.
    """
    from modelwarden.render import forecast as rendering
    from modelwarden.render.json import dump
    from modelwarden.replay.forecast import forecast as look_ahead
    from modelwarden.replay.performing import Spec
    from modelwarden.replay.recorded import check_apart, recorded_at
    from modelwarden.settings.effective import instant

    start = time_of(options["start"], "--from")
    recorded, files = recorded_at(run), format_files(options["outputs"], FORMATS)
    for _, file in files:
        check_apart(file, recorded.place)
    days = options["days"]
    found = look_ahead(recorded, Spec(options["run_code"]), instant(start) if start else None, days, options["judges"])
    say = {
        "json": lambda: dump(rendering.to_json(recorded.kind, recorded.id, days, gating.versions(), found)),
        "text": lambda: rendering.text(recorded.kind, recorded.id, days, found),
    }
    click.echo(say[options["format_"]](), nl=False)
    for format_, file in files:
        write_text(file, say[format_]())
    if found.causes and options["exit_code"]:
        context.exit(1)
    context.exit(3 if found.not_judged or not found.decisions else 0)
