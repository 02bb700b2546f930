"""Outlets of the desk: a queue, a topic and an event bus, each named by the environment of the function.

sqs:SendMessage on the queue, sns:Publish on the topic, events:PutEvents on the bus.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.collect.aws import OWN, Answer, Aws
from modelwarden.errors import UserError
from modelwarden.respond.word import DETAIL_TYPE, Word

_SUBJECT: Final = 100
"""Characters of a subject that SNS takes."""


class NotSent(UserError):
    """Nobody took it; the message that led to it comes again."""

    help = "the message is tried again; let the function send to its queue, topic and bus"
    exit_code = 4


class AwsOutlets(Struct, frozen=True):
    """In the function's own account and region."""

    aws: Aws
    region: str
    queue: str
    """URL."""
    topic: str = ""
    """ARN; empty: nobody is told by SNS."""
    bus: str = ""
    """Name or ARN; empty: nobody is told by EventBridge."""

    def later(self, message: bytes, seconds: int) -> None:
        self._call("sqs", "SendMessage", QueueUrl=self.queue, MessageBody=message.decode(), DelaySeconds=seconds)

    def tell(self, word: Word) -> None:
        body = msgspec.json.encode(word).decode()
        if self.bus:
            entry = {
                "Source": "modelwarden",
                "DetailType": DETAIL_TYPE,
                "Detail": body,
                "EventBusName": self.bus,
                "Resources": [word.package],
            }
            told = self._call("events", "PutEvents", Entries=[entry])
            if told.data["FailedEntryCount"]:
                failed = told.data["Entries"][0]
                raise NotSent(f"events:PutEvents: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
        if self.topic:
            subject = f"modelwarden: {word.verdict} {word.package.rpartition(':model-package/')[2]}"[:_SUBJECT]
            verdict = {"DataType": "String", "StringValue": word.verdict}
            self._call(
                "sns",
                "Publish",
                TopicArn=self.topic,
                Subject=subject,
                Message=body,
                MessageAttributes={"verdict": verdict},
            )

    def _call(self, service: str, operation: str, **parameters: Any) -> Answer:
        answer = self.aws.call(OWN, self.region, service, operation, **parameters)
        if not isinstance(answer, Answer):
            raise NotSent(f"{answer.source.api}: {answer.code}: {answer.message}")
        return answer
