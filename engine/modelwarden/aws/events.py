"""The function behind the queue of events. What it could not answer is reported, and comes again; the rest is done."""

from __future__ import annotations

import os
import traceback
from functools import cache
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from modelwarden.aws.desk import desk_of
from modelwarden.errors import UserError
from modelwarden.respond.desk import Desk
from modelwarden.respond.hint import Malformed
from modelwarden.respond.message import take

logger: Final = Logger(service="modelwarden-events")
metrics: Final = Metrics(namespace="modelwarden", service="modelwarden-events")


@cache
def desk() -> Desk:
    """Made at the first message; a function whose settings cannot be used answers none, and loses none."""
    return desk_of(os.environ)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """A batch of SQS: `{"batchItemFailures": [{"itemIdentifier": ...}]}` of those that shall come again."""
    with_context = logger.inject_lambda_context(_handle)
    return metrics.log_metrics(with_context)(event, context)


def _handle(event: dict[str, Any], context: LambdaContext) -> Any:
    # A batch of which everything failed is told like any other: raising would repeat what the metrics say.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, _take, processor, context)


def _take(record: SQSRecord) -> None:
    try:
        answers = take(desk(), record.body.encode())
    except Malformed as error:
        # The body may hold anything; it lies in the dead-letter queue for who may read that.
        logger.error("a message is no event", reason=str(error), message_id=record.message_id)
        metrics.add_metric("Malformed", MetricUnit.Count, 1)
        raise
    except UserError as error:
        logger.warning("a message comes again", reason=str(error), help=error.help, message_id=record.message_id)
        metrics.add_metric("Again", MetricUnit.Count, 1)
        raise
    except Exception as error:
        # A defect of ours, which the batch would report and not tell. Its message may hold anything, so only its place is.
        where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        logger.error("a defect", reason=type(error).__name__, where=where, message_id=record.message_id)
        metrics.add_metric("Defect", MetricUnit.Count, 1)
        raise
    for one in answers:
        logger.info("answered", package=one.package, state=one.state, run=one.run, why=one.why, did=one.did)
        metrics.add_metric(one.state.title().replace(" ", ""), MetricUnit.Count, 1)
