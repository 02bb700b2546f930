"""`modelwarden gate`: the promotion gate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.cli.concluding import conclude
from modelwarden.cli.entering import log_for
from modelwarden.cli.options import collect_options, house_options, question_options, stage_of, time_of
from modelwarden.cli.output import format_files
from modelwarden.cli.signing import asserted_in, desk_of
from modelwarden.clock import now, run_id
from modelwarden.errors import UserError
from modelwarden.gate import Question, Sources
from modelwarden.render import FORMATS


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
    conclude(run, house, desk, log, options)
    context.exit(gating.exit_code(run.decision.verdict))


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
