"""`modelwarden replay`: recorded evidence is judged again, and compared with what was recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden import gate as gating
from modelwarden.cli.gate import sources_from
from modelwarden.cli.options import time_of
from modelwarden.cli.output import format_files, write_text
from modelwarden.errors import UserError

if TYPE_CHECKING:
    from modelwarden.replay.house import Hypothesis
    from modelwarden.replay.tally import Tally

recorded_code_option: Final = click.option(
    "--run-recorded-code",
    "run_code",
    is_flag=True,
    help="Run Python controls that the record brings and that are not installed here, in a process of their own.",
)
judges_option: Final = click.option(
    "--judges",
    type=click.IntRange(0, 64),
    metavar="N",
    help="Processes that judge; 0: none but this one (default: CPUs, where that is of use).",
)

FORMATS: Final = ("text", "json")
outputs_option: Final = click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write a further format to a file; repeatable.",
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--as-of", "as_of", metavar="TIME", help="Suppose that it was judged as of this UTC time.")
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Suppose the controls that ship here and those of this folder.",
)
@click.option("--config", type=click.Path(path_type=Path), help="Suppose the settings of this file, and its controls.")
@click.option("--organization", metavar="PACK", help="Suppose the settings and controls of this policy pack.")
@click.option("--organization-digest", metavar="SHA256", help="Digest that pins the pack.")
@recorded_code_option
@judges_option
@click.option("--exit-code", is_flag=True, help="Exit code 1 where something would differ, also where it is supposed.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@outputs_option
@click.pass_context
def replay(context: click.Context, /, run: Path, **options: Any) -> None:
    """Judge RUN again: the recorded evidence, by the recorded controls and settings.

    RUN is a run of the gate, a folder of such runs, or the folder of a scan. Exit code 0 where every decision agrees
    bit for bit, 1 where one differs, 3 where one could not be judged again, 2 where RUN was changed.

    With --as-of, --bundle, --config or --organization it says what would have been decided. That is hypothetical: it
    is recorded nowhere, and the exit code is 0 unless --exit-code is given.
    """
    from modelwarden.render import replay as rendering
    from modelwarden.render.json import dump
    from modelwarden.replay.performing import Spec, perform
    from modelwarden.replay.recorded import check_apart, recorded_at

    hypothesis = _hypothesis(options)
    recorded, files = recorded_at(run), format_files(options["outputs"], FORMATS)
    for _, file in files:
        check_apart(file, recorded.place)
    tally = perform(recorded, Spec(options["run_code"], hypothesis), options["judges"])
    supposed = _supposed(options) if hypothesis else None
    heading = rendering.Heading(recorded.kind, recorded.id, gating.versions(), supposed)
    say = {"json": lambda: dump(rendering.to_json(heading, tally)), "text": lambda: rendering.text(heading, tally)}
    click.echo(say[options["format_"]](), nl=False)
    for format_, file in files:
        write_text(file, say[format_]())
    context.exit(_code(tally, forgiving=hypothesis is not None and not options["exit_code"]))


def _hypothesis(options: dict[str, Any]) -> Hypothesis | None:
    """What the options suppose; None where they suppose nothing.

    Raises:
        UserError: no time, or a digest without a pack.
    """
    from modelwarden.replay.house import Hypothesis

    if options["organization_digest"] and not options["organization"]:
        raise UserError("--organization-digest pins nothing", "add --organization PACK")
    as_of, bundles = time_of(options["as_of"]), options["bundles"]
    if options["config"] or options["organization"]:
        return Hypothesis(as_of, sources_from(options), (), gating.ours(os.environ))
    return Hypothesis(as_of, None, bundles) if as_of or bundles else None


def _supposed(options: dict[str, Any]) -> dict[str, Any]:
    """As the user named it."""
    named = {name: str(options[name]) if options[name] else None for name in ("config", "organization")}
    return {"as_of": time_of(options["as_of"]), "bundle": [str(path) for path in options["bundles"]], **named}


def _code(tally: Tally, *, forgiving: bool) -> int:
    """A difference is certain whatever else could not be judged; nothing at all is no agreement."""
    if tally.differ and not forgiving:
        return 1
    return 3 if tally.not_judged or not tally.decisions else 0
