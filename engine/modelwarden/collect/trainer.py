"""Training jobs that a package or its card names: under which role each ran."""

from __future__ import annotations

from typing import Final

from modelwarden.collect.answer import Failure
from modelwarden.collect.cell import Cell
from modelwarden.collect.text import text_fact, whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown
from modelwarden.identity import who

_PARTS: Final = 6


def read_trainers(cell: Cell, jobs: list[str], gap: Unknown | None, source: Source) -> dict[str, Fact]:
    """`jobs`: ARNs of training jobs; `gap`: why they may not be all."""
    facts: dict[str, Fact] = {"/trainer_count": gap or Present(len(jobs), source)}
    for index, job in enumerate(jobs):
        facts[f"/trainer/{index}/job"] = Present(whole(job), source)
        facts |= _job(cell, f"/trainer/{index}", job)
    return facts


def _job(cell: Cell, pointer: str, job: str) -> dict[str, Fact]:
    names = (f"{pointer}/principal", f"{pointer}/status")
    parts = job.split(":", _PARTS - 1)
    if len(parts) < _PARTS or parts[4] != cell.arn.account or not cell.owned:
        return dict.fromkeys(names, cell.foreign("DescribeTrainingJob takes a name and knows the caller's jobs only"))
    name = parts[5].removeprefix("training-job/")
    answer = cell.call("sagemaker", "DescribeTrainingJob", region=parts[3], TrainingJobName=name)
    if isinstance(answer, Failure):
        # A job that is gone cannot tell who ran it.
        return dict.fromkeys(names, answer.unknown())
    if answer.data["TrainingJobArn"].casefold() != job.casefold():
        return dict.fromkeys(names, Unknown("malformed", answer.source, "the description of another job"))
    role = answer.data.get("RoleArn")
    principal = Present(who(whole(role)).principal, answer.source) if role else Absent(answer.source)
    return {names[0]: principal, names[1]: text_fact(answer.data.get("TrainingJobStatus"), answer.source)}
