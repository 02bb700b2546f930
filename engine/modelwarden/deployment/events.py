"""How events come in: bus, rule, queue, and what was given up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelwarden.checkup import Part
from modelwarden.collect.aws import Answer, Failure
from modelwarden.deployment.hub import Hub, is_key, judge

KINDS: Final = (
    "SageMaker Model Package State Change",
    "SageMaker Model Card State Change",
    "SageMaker Endpoint State Change",
    "AWS API Call via CloudTrail",
)
"""Of events that the function reads."""
_DEPLOY: Final = "deploy the stack again with deploy/hub.yaml"
_WAITING: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def queue(hub: Hub) -> Answer | Failure:
    """What SQS says of the queue."""
    return hub.of("Queue", "sqs", "GetQueueAttributes", "QueueUrl", AttributeNames=["All"])


def intake(hub: Hub, made: Answer | Failure, told: Answer | Failure) -> Iterator[Part]:
    """From the bus to the queue; `made` is what Lambda says of the function, `told` what SQS says of the queue."""
    dead = hub.of("DeadLetters", "sqs", "GetQueueAttributes", "QueueUrl", AttributeNames=["All"])
    yield judge("queue", _DEPLOY, _queue, told, dead, made, hub.id("DataKey"))
    yield judge("dead letters", "read why in the function's log, mend it, and redrive them to the queue", _empty, dead)
    bus = hub.id("Intake")
    rule = hub.id("IntoQueue")
    if isinstance(bus, Failure) or isinstance(rule, Failure):
        yield judge("rule", _DEPLOY, lambda *_: (), bus, rule)
    else:
        # CloudFormation names a rule of a bus of one's own behind that of the bus.
        named = {"EventBusName": bus}
        rule = rule.rpartition("|")[2]
        described = hub.ask("events", "DescribeRule", Name=rule, **named)
        yield judge("rule", _DEPLOY, _rule, described)
        targets = hub.ask("events", "ListTargetsByRule", Rule=rule, **named)
        yield judge("rule's target", _DEPLOY, _target, targets, told)
    opened = hub.of("Intake", "events", "DescribeEventBus", "Name")
    yield judge("bus policy", _DEPLOY, _of_organization, opened, hub.stack)


def _queue(told: Mapping[str, Any], dead: Mapping[str, Any], made: Mapping[str, Any], key: str) -> Iterator[str]:
    attributes = told["Attributes"]
    timeout = made["Timeout"]
    if int(attributes["VisibilityTimeout"]) < 6 * timeout:
        yield f"it shows a message again after {attributes['VisibilityTimeout']} s, less than six times {timeout} s"
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    if redrive.get("deadLetterTargetArn") != dead["Attributes"]["QueueArn"]:
        yield "nothing keeps what is given up"
    for name, one in (("it", attributes), ("the queue of dead letters", dead["Attributes"])):
        if not is_key(one.get("KmsMasterKeyId"), key):
            yield f"{name} is not encrypted under the data key"


def _empty(dead: Mapping[str, Any]) -> Iterator[str]:
    count = sum(int(dead["Attributes"][name]) for name in _WAITING)
    if count:
        yield f"{count} events were given up: nobody judged what they hint at"


def _rule(told: Mapping[str, Any]) -> Iterator[str]:
    if told["State"] != "ENABLED":
        yield f"it is {told['State']}"
    pattern = json.loads(told["EventPattern"])
    if pattern.get("source") != ["aws.sagemaker"]:
        yield f"its source is {json.dumps(pattern.get('source'))}"
    unheard = [one for one in KINDS if one not in pattern.get("detail-type", [])]
    if unheard:
        yield f"it does not hear {', '.join(unheard)}"
    more = sorted(set(pattern) - {"source", "detail-type"})
    if more:
        yield f"it hears a part alone, by {', '.join(more)}"


def _target(told: Mapping[str, Any], queue: Mapping[str, Any]) -> Iterator[str]:
    arn = queue["Attributes"]["QueueArn"]
    if arn not in [one["Arn"] for one in told["Targets"]]:
        yield f"{arn} is none of them"


def _of_organization(told: Mapping[str, Any], stack: Mapping[str, Any]) -> Iterator[str]:
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Stacks"][0]["Parameters"]}
    organization = given["OrganizationId"]
    statements = json.loads(told.get("Policy") or '{"Statement": []}')["Statement"]
    allowing = [
        one for one in (statements if isinstance(statements, list) else [statements]) if one["Effect"] == "Allow"
    ]
    if not allowing:
        yield "no account may put events into it"
    for one in allowing:
        equal = {key.lower(): value for key, value in one.get("Condition", {}).get("StringEquals", {}).items()}
        if equal.get("aws:principalorgid") not in (organization, [organization]):
            yield f"its statement `{one.get('Sid', '')}` is not for the organization {organization} alone"
