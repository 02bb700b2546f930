"""Decisions: a package is judged as `modelwarden gate` judges it, and what was decided is read again by its id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from modelwarden import gate
from modelwarden.api.message import Call, Reply, as_is
from modelwarden.api.negotiation import body_of
from modelwarden.api.once import KEY, once
from modelwarden.api.refusal import Refusal, Unavailable
from modelwarden.api.service import Service
from modelwarden.api.signing import attested
from modelwarden.arn import ArnError, parse_arn
from modelwarden.evidence import Unknown, digest
from modelwarden.render.json import render
from modelwarden.render.log import Event
from modelwarden.request import Principal, Stage
from modelwarden.run import Run, encoded, is_id
from modelwarden.typed import converted

KEY_PATTERN: Final = r"^[!-+\--~]{1,255}$"
"""Visible ASCII. A comma would say that the header was sent twice."""


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a question. It names no settings, no role, no time and nobody who acts."""

    package: str
    stage: Stage
    moment: Literal["approve", "deploy"]
    rollback: bool = False


def judge(service: Service, call: Call, _: str, __: Mapping[str, str]) -> Reply:
    """Judge a package, once for each key. The verdict is in the answer and never in its status."""
    asked = _asked(call)
    decide = partial(_decided, service, call, asked)
    if KEY not in call.headers:
        run = decide(service.new_id())
    elif re.fullmatch(KEY_PATTERN, call.headers[KEY]):
        run = once(service, call, digest(msgspec.to_builtins(asked)), decide)
    else:
        raise Refusal("malformed", f"`{KEY}`: not 1 to 255 visible characters without a comma", "send a UUID")
    # Relative, since only whatever stands in front knows the address of the API.
    return _told(201, run, location=f"decisions/{run.id}")


def read(service: Service, _: Call, id_: str, query: Mapping[str, str]) -> Reply:
    """A decision by its id; of one that a gate recorded, the package must be named."""
    run = service.decisions.get(id_)
    if run is None and "package" in query:
        run = _of_gate(service, arn_of(query["package"], "package"), id_)
    if isinstance(run, Unknown):
        raise Unavailable(f"decision {id_}: {run.reason}: {run.detail}")
    if run is None:
        help_ = "of a decision that `modelwarden gate` recorded, name the package: `?package=ARN`"
        raise Refusal("no-decision", f"nothing is known of a decision `{id_[:100]}`", help_)
    return _told(200, run)


def arn_of(text: str, where: str) -> str:
    """INVARIANT: only ARNs reach the gate, which takes any other text for the path of a file.

    Raises:
        Refusal: not the ARN of a model package.
    """
    try:
        return parse_arn(text).text
    except ArnError as error:
        told = f"`{where}`: `{text[:200]}` is not the ARN of a model package"
        raise Refusal("malformed", told, error.help) from error


def _told(status: int, run: Run, **headers: str) -> Reply:
    return as_is(status, render(run).encode(), **headers)


def _asked(call: Call) -> Asked:
    document: Any = body_of(call)
    try:
        asked = converted(document, Asked)
        arn_of(asked.package, "package")
    except msgspec.ValidationError as error:
        said = str(error)
        raise Refusal("invalid", said[:1].lower() + said[1:], "openapi.json says what a question is made of") from error
    except Refusal as error:
        raise Refusal("invalid", error.detail, error.help) from error
    return asked


def _of_gate(service: Service, package: str, id_: str) -> Run | Unknown | None:
    from modelwarden.store.records import MISSING

    records = gate.records_of(service.collector(), service.house)
    found = records.get(package, id_) if records and is_id(id_) else None
    return None if isinstance(found, Unknown) and found.reason == MISSING else found


def _decided(service: Service, call: Call, asked: Asked, run_id: str) -> Run:
    """Raises Refusal where there is no such package, else as `decide` does."""
    from modelwarden.collect import NoSuchPackage

    question = gate.Question(asked.package, asked.stage, asked.moment, rollback=asked.rollback, caller=call.caller)
    try:
        return decide(service, question, run_id)
    except NoSuchPackage as error:
        raise Refusal("no-package", str(error), error.help) from error


def decide(service: Service, question: gate.Question, run_id: str) -> Run:
    """Judge, sign, enter and record: what should be signed, logged or recorded and could not be is nobody's answer.

    INVARIANT: the log comes before every place where a run is found again, by its key too.

    Raises:
        NoSuchPackage: there is none.
        UserError: nobody to call AWS as, or the run cannot be signed, entered or written.
    """
    started = service.now()
    observed = gate.collect(service.collector(), service.house, question)
    run = gate.judge(service.house, question, observed, now=started, run_id=run_id, finished=service.now())
    data = encoded(run)
    attestation = attested(service.signer, run, data, service.log)
    service.enter(run, attestation)
    gate.keep(service.house, run, service.collector)
    service.decisions.put(run.id, data, attestation)
    principal = run.decision.request.principal
    about = {
        "run": run.id,
        "package": question.target,
        "stage": question.stage,
        "moment": question.moment,
        "verdict": run.decision.verdict,
        "principal": principal.principal if isinstance(principal, Principal) else "unknown",
    }
    service.log(Event("decision", fields=about))
    return run
