"""The check before something goes live: a Lambda hook of CloudFormation on what SageMaker runs.

CloudFormation asks before it makes or changes a model, an endpoint's configuration, an endpoint or an inference component. Each
model package behind it is judged at `deploy`, for the stage of the account, by the same gate as everywhere; what was decided
is signed, logged and recorded as over the API. Nothing but a decision that lets it is a SUCCESS. CloudFormation does not say
who acts. `UNREGISTERED` says what becomes of a container without a package: `refuse`, or `let`.

Request and response: "Create Lambda functions to evaluate resources for Lambda Hooks", CloudFormation Hooks User Guide.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from modelwarden.api.decisions import decide
from modelwarden.api.service import Service
from modelwarden.arn import parse_arn
from modelwarden.aws.service import NotDeployed, deployed, log_line
from modelwarden.collect import NoSuchPackage
from modelwarden.collect.deployment import Held
from modelwarden.collect.proposed import KINDS, proposed
from modelwarden.errors import UserError
from modelwarden.evidence import Unknown
from modelwarden.finding import Effect
from modelwarden.gate import Question
from modelwarden.render.log import Event
from modelwarden.render.text import cut, printable
from modelwarden.request import STRICTEST, Stage
from modelwarden.run import Run
from modelwarden.typed import converted

_NOBODY: Final = Unknown("CloudFormation does not say who acts")
_ASKED: Final = ("CREATE_PRE_PROVISION", "UPDATE_PRE_PROVISION")
_DELETED: Final = "DELETE_PRE_PROVISION"
_LET: Final = {"refuse": False, "let": True}
_MOST: Final = 1024
"""Characters of a message that Cloud Control takes; stacks take more."""
_CAUSES: Final[dict[str, Effect]] = {"block": "blocks", "undecided": "undecides"}
_SAID: Final = {
    "allow": "may go live in {stage}",
    "flag": "may go live in {stage}, with findings to look at",
    "block": "must not go live in {stage}",
    "undecided": "cannot be decided for {stage}: evidence is missing",
}

Code = Literal["", "NonCompliant", "InternalFailure"]


class Target(Struct, frozen=True, rename="camel"):
    """What is about to be made, as far as it is read."""

    resource_properties: dict[str, Any]


class Data(Struct, frozen=True, rename="camel"):
    target_name: str
    """Type of the resource."""
    target_model: Target
    target_logical_id: str | None = None


class Asked(Struct, frozen=True, rename="camel"):
    """A request of CloudFormation or of Cloud Control."""

    client_request_token: str
    aws_account_id: str
    action_invocation_point: str
    request_data: Data
    stack_id: str | None = None
    """ARN; none of Cloud Control."""


class Told(Struct, frozen=True):
    """What CloudFormation is told."""

    code: Code
    """Empty: it may go on."""
    message: str


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """What CloudFormation calls. Whatever is raised ends the hook without an answer, which is no SUCCESS either."""
    try:
        asked = converted(event, Asked)
    except msgspec.ValidationError as error:
        token = event.get("clientRequestToken") if isinstance(event, Mapping) else None
        return _response(str(token or ""), Told("InternalFailure", f"what is asked cannot be read: {error}"))
    try:
        told = _answer(_service(), asked, context.invoked_function_arn, _lets(os.environ))
    except UserError as error:
        log_line(Event("hook", level="error", fields={"error": str(error), "help": error.help}))
        told = Told("InternalFailure", "nothing was decided; the log of the function says why")
    about = {"target": asked.request_data.target_name, "stack": asked.stack_id or ""}
    said = {"code": told.code, "message": told.message}
    log_line(Event("hook", account=asked.aws_account_id, fields=about | said))
    return _response(asked.client_request_token, told)


@cache
def _service() -> Service:
    """Made at the first call and kept; what fails is tried again at the next."""
    return deployed(os.environ, log_line)


def _lets(environment: Mapping[str, str]) -> bool:
    """Whether what is in no registry may go live."""
    said = environment.get("UNREGISTERED", "refuse")
    if said not in _LET:
        raise NotDeployed(f"UNREGISTERED: `{said}` is neither refuse nor let", "deploy it with the template in deploy/")
    return _LET[said]


def _response(token: str, told: Told) -> dict[str, Any]:
    said = {"message": cut(printable(told.message), _MOST), "clientRequestToken": token}
    return {"hookStatus": "FAILED", "errorCode": told.code, **said} if told.code else {"hookStatus": "SUCCESS", **said}


def _answer(service: Service, asked: Asked, function: str, lets: bool) -> Told:
    """Whether it may go on. What cannot be told is refused before anything is judged.

    Raises:
        UserError: nobody to call AWS as, or a decision could not be signed, logged or recorded.
    """
    kind = asked.request_data.target_name
    if asked.action_invocation_point == _DELETED:
        return Told("", "what is deleted runs no more")
    if asked.action_invocation_point not in _ASKED or kind not in KINDS:
        known = ", ".join(KINDS)
        return Told("InternalFailure", f"{kind} at {asked.action_invocation_point}: the hook is meant for {known}")
    place = _place(asked, function)
    held = proposed(service.collector().aws, place, kind, asked.request_data.target_model.resource_properties)
    refused = list(_refused(held, lets))
    if refused:
        return Told("NonCompliant", "; ".join(refused))
    stage = service.house.settings.account_stages.get(asked.aws_account_id, STRICTEST)
    packages = dict.fromkeys(one.package for one in held if one.package)
    return _judged(service, tuple(packages), stage, unjudged=[one.image for one in held if not one.package])


def _place(asked: Asked, function: str) -> str:
    """How ARNs of the account and region begin; a hook of Cloud Control lies in the region of its function."""
    _, partition, _, region, *_ = function.split(":")
    region = asked.stack_id.split(":")[3] if asked.stack_id and asked.stack_id.startswith("arn:") else region
    return f"arn:{partition}:sagemaker:{region}:{asked.aws_account_id}:x"


def _refused(held: tuple[Held, ...], lets: bool) -> Iterator[str]:
    for one in held:
        model = f"model {one.model}: " if one.model else ""
        if one.problem:
            yield f"{model}cannot tell what it would run: {one.problem}"
        elif not one.package and not lets:
            yield f"{model}{one.image} is in no registry: register it as a model package, and name that"


def _judged(service: Service, packages: tuple[str, ...], stage: Stage, unjudged: list[str]) -> Told:
    said, code = [f"{image} is in no registry, and was let" for image in unjudged], ""
    for package in packages:
        try:
            run = decide(service, Question(package, stage, "deploy", caller=_NOBODY), service.new_id())
        except NoSuchPackage as error:
            said, code = [*said, str(error)], "NonCompliant"
            continue
        said.append(_words(run))
        # INVARIANT: whatever is not one of the two words of consent is none.
        if run.decision.verdict not in ("allow", "flag"):
            code = "NonCompliant"
    return Told("NonCompliant" if code else "", "; ".join(said) or "runs no model by itself")


def _words(run: Run) -> str:
    decision = run.decision
    effect = _CAUSES.get(decision.verdict)
    causes = [one.finding.control for one in decision.rulings if one.effect == effect]
    by = ", ".join(f"{id_} {run.controls[id_].title}" for id_ in causes)
    said = _SAID[decision.verdict].format(stage=decision.request.stage)
    return f"{parse_arn(decision.package).short} {said}{f': {by}' if by else ''} (run {run.id})"
