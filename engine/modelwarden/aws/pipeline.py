"""The function that the steps of a SageMaker pipeline ask (`pipelines.message`).

It judges as the gate does, under the pinned organization layer and none else, and writes every run below `ARCHIVE` before it
answers. SageMaker invokes a function for the role of the pipeline and does not say who started that: at the gate the
principal is therefore unknown, and a control that needs one leaves the package undecided. Whatever goes wrong is raised, so
that the step fails; there is no answer that is not a decision.

INVARIANT: an answer of the gate approves nothing. What approves judges again, since a pipeline can be retried, or run from
its second half on, with an answer of long ago.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final

from aws_lambda_powertools import Logger
from botocore.session import get_session
from msgspec import Struct

from modelwarden import gate
from modelwarden.aws.environment import NotSetUp, given, log_of
from modelwarden.clock import now, run_id
from modelwarden.collect import Collector
from modelwarden.enforce import enforce, reasons
from modelwarden.errors import UserError
from modelwarden.evidence import Source, Unknown
from modelwarden.gate import House, Question
from modelwarden.pipelines.message import GOOD, Answer, Asked, answer_of, asked_of
from modelwarden.request import Principal
from modelwarden.run import Run
from modelwarden.store.records import Records, records_at

logger: Final = Logger(service="modelwarden-pipeline")
_SOURCE: Final = Source("lambda:InvokeFunction")


class NotApproved(UserError):
    """A package that was to be approved and may not be."""

    help = "the record of the run says why"


class Office(Struct, frozen=True):
    """What answering needs."""

    house: House
    archive: Records
    """Where every run is written, also one that proves nothing."""
    enter: Callable[[Run], None]
    """Enters a run into the log of the organization, where there is one."""
    collector: Callable[[], Collector]
    """A new one: what it has read is not shared among decisions."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:
    """What a Lambda step invokes: its `Arguments` in, its output parameters out.

    Raises:
        UserError: no question, no such package, or a decision that could not be made, recorded or acted by.
    """
    logger.clear_state()
    try:
        return answer(office(), asked_of(event)).to_json()
    except UserError as error:
        logger.error("refused", reason=str(error), help=error.help)
        raise


@cache
def office() -> Office:
    """Made at the first call and kept; what fails is tried again at the next."""
    return office_of(os.environ)


def office_of(environment: Mapping[str, str]) -> Office:
    """The office that the environment describes.

    Raises:
        UserError: something is missing, or the settings cannot be used.
    """
    archive = given(environment, "ARCHIVE")
    house = gate.load_house(gate.Sources(), environment)
    if house.settings.advisory:
        raise NotSetUp(
            "no pinned organization layer stands behind the settings, so that whoever is judged could have written them",
            "set MODELWARDEN_ORGANIZATION and MODELWARDEN_ORGANIZATION_DIGEST",
        )
    # Service models take longer to read than a package. An instance runs one call after the other, so they may share them.
    collector = partial(gate.collector_of, house, session=get_session())
    own = collector().aws
    return Office(house, records_at(archive, own), log_of(house, own), collector)


def answer(office: Office, asked: Asked) -> Answer:
    """Judge, record, and where that was asked for and is allowed, approve.

    Raises:
        UserError: one of these was not done.
    """
    run = _judged(office, asked)
    decision = run.decision
    why = "; ".join(reasons(decision))
    logger.append_keys(run=run.id, act=asked.act, package=asked.package, stage=asked.stage, execution=asked.execution)
    logger.info("decided", verdict=decision.verdict, why=why)
    if asked.act == "approve":
        if decision.verdict not in GOOD:
            raise NotApproved(
                f"{asked.package} is not approved for {asked.stage}: {decision.verdict}: {why}; run {run.id}"
            )
        logger.info("approved", did=enforce(office.house, run))
    return answer_of(decision.verdict, run.id, why)


def _judged(office: Office, asked: Asked) -> Run:
    """The run, written and entered before anybody acts by it."""
    collector, started = office.collector(), now()
    question = Question(asked.package, asked.stage, asked.moment, caller=_caller(asked, collector))
    observed = gate.collect(collector, office.house, question)
    run = gate.judge(office.house, question, observed, now=started, run_id=run_id(), finished=now())
    office.archive.keep(run)
    office.enter(run)
    gate.keep(office.house, run, office.collector)
    return run


def _caller(asked: Asked, collector: Collector) -> Principal | Unknown:
    """Who acts: where this function approves, its own role; behind an answer of the gate, nobody can tell who."""
    if asked.act == "approve":
        return collector.caller()
    return Unknown("not proven", _SOURCE, f"asked for by {asked.execution}, by its own word")
