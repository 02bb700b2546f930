"""`modelwarden pipeline-steps`: the gate as steps of a SageMaker pipeline, as JSON of its definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import click

from modelwarden.cli.options import stage_of
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.pipelines.steps import PARAMETER, Gate, NoSteps, Step, definition, reference, steps
from modelwarden.request import Moment


@click.command("pipeline-steps")
@click.option("--function", metavar="ARN", required=True, help="Function of deploy/pipeline.yaml that the steps ask.")
@click.option("--to", "stage", metavar="STAGE", required=True, help="Development, Staging or Production.")
@click.option(
    "--at",
    "moment",
    type=click.Choice(get_args(Moment)[:2]),
    default="approve",
    show_default=True,
    help="May it be approved for the stage, or go live there now?",
)
@click.option(
    "--package",
    metavar="WHAT",
    default=f"Parameters.{PARAMETER}",
    show_default=True,
    help="An ARN, a parameter of the pipeline, or Steps.NAME.ModelPackageArn of the step that registers it.",
)
@click.option("--name", default="Gate", show_default=True, help="Of the first step; the others begin with it.")
@click.option("--after", multiple=True, metavar="STEP", help="Step that must have ended before; repeatable.")
@click.option("--approve", "approves", is_flag=True, help="Have the function set Approved where the gate allows it.")
@click.option(
    "--then",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON list of the steps that run only where the gate allowed it.",
)
@click.option("--definition", "whole", is_flag=True, help="Print a whole definition, as create-pipeline takes it.")
def pipeline_steps(
    *, stage: str, package: str, after: tuple[str, ...], file: Path | None, whole: bool, **options: Any
) -> None:
    """Print a Lambda step that asks the gate, and a condition that lets go on only what may be promoted.

    Everything else ends in a fail step. Put the steps into the list `Steps` of a pipeline's definition.
    """
    gate = Gate(stage=stage_of(stage), **options)
    made = steps(gate, reference(package), then=_following(file) if file else (), after=after)
    parameters = [package.partition(".")[2]] if package.startswith("Parameters.") else []
    click.echo(json.dumps(definition(made, parameters) if whole else made, indent=2, ensure_ascii=False))


def _following(file: Path) -> list[Step]:
    try:
        found = decoded(file.read_bytes())
    except OSError as error:
        raise NoSteps(f"{file}: cannot be read: {error.strerror}", "name a file with a list of steps") from error
    except NotJson as error:
        raise NoSteps(f"{file}: not JSON: {error}", "write a list of steps, as in a pipeline definition") from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise NoSteps(f"{file}: not a list of steps", "write `[{...}]`, as in `Steps` of a pipeline definition")
    return found
