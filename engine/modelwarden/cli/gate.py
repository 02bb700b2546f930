"""`modelwarden gate`: the promotion gate."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.cli.ending import orderly
from modelwarden.cli.entering import deliver, keep, log_for, word_of
from modelwarden.cli.options import collect_options, house_options, now, question_options, run_id, stage_of, time_of
from modelwarden.cli.output import format_files, write_text
from modelwarden.cli.signing import Desk, asserted_in, attested, desk_of, sealed
from modelwarden.errors import UserError
from modelwarden.gate import House, Question, Sources
from modelwarden.render import FORMATS, render
from modelwarden.run import RUNS, Run, encoded, write


@click.command()
@click.argument("target")
@question_options
@house_options
@collect_options
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="Of what goes to stdout."
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write a further format to a file; repeatable.",
)
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of the record (default: .modelwarden/runs).")
@click.option(
    "--enforce", is_flag=True, help="Write the decision back to the registry: approval status and description."
)
@click.option(
    "--rollback",
    is_flag=True,
    help="Return to what the organization's records say was allowed once: what fails flags, for those who may.",
)
@click.option("--sign", metavar="FILE|awskms:ARN", help="Sign the decision with this key, beside the record.")
@click.option("--log", metavar="FOLDER|s3://...", help="Enter the decision into this log.")
@click.pass_context
def gate(context: click.Context, /, **options: Any) -> None:
    """Decide whether TARGET may be promoted to a stage.

    TARGET is the ARN of a model package, an evidence file, or `-` for evidence on stdin.
    """
    format_files(options["outputs"], FORMATS)
    question = question_from(options)
    asserted = asserted_in(question)
    for flag in ("enforce", "rollback"):
        if options[flag] and asserted:
            raise UserError(
                f"--{flag} refuses {asserted}: it is asserted, not proven", f"leave it out, or leave out --{flag}"
            )
    if options["enforce"] and question.moment != "approve":
        raise UserError(
            f"--enforce refuses --at {question.moment}: the approval status answers the moment approve",
            "leave out --at, or leave out --enforce",
        )
    house = gating.load_house(sources_from(options), os.environ)
    desk = desk_of(house, options["sign"], asserted)
    log = log_for(options["log"], house.settings)
    started = now()
    observed = gating.observe(house, question)
    run = gating.judge(house, question, observed, now=started, run_id=run_id(), finished=now())
    with orderly():
        _conclude(run, house, desk, log, options)
    context.exit(gating.exit_code(run.decision.verdict))


def _conclude(run: Run, house: House, desk: Desk, log: str | None, options: dict[str, Any]) -> None:
    """Record a run, say what it says, sign it, log it, and enforce it where that was asked for."""
    runs = house.settings.runs or RUNS
    data = encoded(run)
    seal = sealed(desk, run, data)
    # Spooled before it is recorded: there is no moment at which a decision is there and will not come to the log.
    spool = keep(word_of(run, data, seal.attestation), log, runs, desk.signer) if log else None
    kept, unsigned = False, None
    try:
        path = write(run, runs, data)
        try:
            kept = _tell(run, house, path, options)
        finally:
            # What was decided is signed and logged, also where nobody was there to be told.
            try:
                attested(desk, seal, path)
            except UserError as error:
                unsigned = error
    finally:
        if spool and log:
            deliver(spool, run.id, log, desk.signer, lambda: gating.collector_of(house).aws)
    # What could not be signed is not approved; it may be rejected all the same.
    if options["enforce"] and not (unsigned and run.decision.verdict in ("allow", "flag")):
        _enforce(house, run, kept)
    if unsigned:
        raise unsigned


def _tell(run: Run, house: House, path: Path, options: dict[str, Any]) -> bool:
    """Whether the run counts for later decisions, where it should. The answer first: what cannot be written must not hide it."""
    click.echo(render(run, options["format_"], color=_color()), nl=False)
    for format_, file in format_files(options["outputs"], FORMATS):
        write_text(file, render(run, format_))
    print(f"run {run.id} recorded in {path}", file=sys.stderr)
    return _keep(house, run)


def question_from(options: dict[str, Any]) -> Question:
    """The question of a command line with `question_options` and `collect_options`."""
    if options["record"] and options["replay"]:
        raise UserError("--record and --replay exclude each other", "replay reads what an earlier --record kept")
    return Question(
        target=options["target"],
        stage=stage_of(options["stage"]),
        moment=options["moment"],
        principal=options["principal"],
        as_of=time_of(options["as_of"]),
        record=options["record"],
        replay=options["replay"],
        rollback=options.get("rollback", False),
    )


def sources_from(options: dict[str, Any]) -> Sources:
    """The sources of a command line with `house_options`."""
    flags = {
        "profile": options.get("profile"),
        "level": tuple(options.get("levels", ())),
        "bundle": tuple(map(str, options.get("bundles", ()))),
        "runs": str(options["runs"]) if options.get("runs") else None,
        "role": options.get("role"),
        "external_id": options.get("external_id"),
        "retries": options.get("retries"),
    }
    return Sources(
        config=options.get("config"),
        organization=options.get("organization"),
        organization_digest=options.get("organization_digest"),
        flags={name: value for name, value in flags.items() if value not in (None, ())},
    )


def _color() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _keep(house: House, run: Run) -> bool:
    """False where it should be kept and could not be: the decision stands, and its run lies in the folder of runs."""
    try:
        where = gating.keep(house, run)
    except UserError as error:
        print(f"warning: the run counts for no later decision: {error}\n  help: {error.help}", file=sys.stderr)
        return False
    if where is not None:
        print(f"run {run.id} kept in {where}", file=sys.stderr)
    return True


def _enforce(house: House, run: Run, kept: bool) -> None:
    """What could not be written is exit 2 whatever was decided: by then the decision is printed and recorded."""
    from modelwarden.enforce import enforce

    print(enforce(house, run, kept=kept), file=sys.stderr)
