"""What a step asks the function, and what that answers: both are flat, and every value of an answer is text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from modelwarden.arn import ArnError, parse_arn
from modelwarden.errors import UserError
from modelwarden.finding import Verdict
from modelwarden.request import Stage
from modelwarden.typed import converted

Act = Literal["gate", "approve"]
GOOD: Final[tuple[Verdict, ...]] = ("allow", "flag")
"""Verdicts that a pipeline goes on for; there is no list of bad ones, since what is not known to be good is none."""
LONGEST: Final = 1024
"""Characters of a value that a step may hand on: `OutputParameter` of SageMaker's API."""
_EXECUTION: Final = re.compile(
    r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:pipeline/[\w-]{1,256}/execution/[\w-]{1,256}"
)


class NotAsked(UserError):
    """An event that is no question of a step."""

    help = "`modelwarden pipeline-steps` prints steps that ask"


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """`Arguments` of a Lambda step. It names no settings, no role, no time and nobody who acts."""

    act: Act
    """`gate`: say what may be done. `approve`: judge it again, and set Approved where that allows it."""
    package: str
    """ARN."""
    stage: Stage
    moment: Literal["approve", "deploy"]
    execution: str
    """ARN of the pipeline's execution, as the definition of the pipeline fills it in: asserted by whoever wrote that."""


class Answer(Struct, frozen=True):
    """Output parameters of a Lambda step."""

    verdict: str
    may_promote: str
    """`true` or `false`."""
    run: str
    """Id of the record."""
    reasons: str
    """One line, in short; the record has all of it."""

    def to_json(self) -> dict[str, str]:
        return dict(asdict(self))


OUTPUTS: Final = Answer.__struct_fields__


def asked_of(event: object) -> Asked:
    """The question of an event.

    Raises:
        NotAsked: something is missing, unknown, of another type, or not what it must be.
    """
    try:
        asked = converted(event, Asked)
        parse_arn(asked.package)
    except msgspec.ValidationError as error:
        said = str(error)
        raise NotAsked(f"no question of a step: {said[:1].lower()}{said[1:]}") from error
    except ArnError as error:
        raise NotAsked(f"`package`: {error}", error.help) from error
    if not _EXECUTION.fullmatch(asked.execution):
        raise NotAsked(f"`execution`: `{asked.execution[:200]}` is not the ARN of an execution of a pipeline")
    if asked.act == "approve" and asked.moment != "approve":
        raise NotAsked(f"`act` is approve, and `moment` {asked.moment}: the approval status answers the moment approve")
    return asked


def answer_of(verdict: Verdict, run: str, reasons: str) -> Answer:
    line = " ".join("".join(char if char.isprintable() else " " for char in reasons).split())
    short = line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
    return Answer(verdict, "true" if verdict in GOOD else "false", run, short)


def arguments(act: Act, package: object, stage: str, moment: str, execution: object) -> Mapping[str, Any]:
    """`Arguments` that `asked_of` understands, once whatever runs the pipeline has filled in package and execution."""
    return {"act": act, "package": package, "stage": stage, "moment": moment, "execution": execution}
