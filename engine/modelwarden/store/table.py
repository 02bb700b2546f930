"""Calls to one table of DynamoDB: pages to their end, conditions told from errors, every other failure an error of the state."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from modelwarden.collect.aws import OWN, Answer, Aws, Failure
from modelwarden.store.items import Item
from modelwarden.store.state import StateError

ATTEMPTS: Final = 12
"""Of what met another writer or was handed back; each call within is repeated by botocore, too."""
KEYS: Final = 100
"""Of one BatchGetItem, as DynamoDB limits it."""

_LOST: Final = (
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
)
_HELP: Final[dict[str, str]] = {
    "ResourceNotFoundException": "create it with deploy/store-table.yaml, or correct `store` in the organization layer",
    "AccessDeniedException": "deploy/store-table.yaml has a policy with the permissions that are needed",
}


class NotWritten(Exception):
    """Another writer was first: what was read before holds no more. `detail` is the service's word."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Calls:
    """One table, with the caller's own credentials. Threads may share it."""

    def __init__(self, aws: Aws, name: str, region: str) -> None:
        self._aws, self.name, self.region = aws, name, region

    def get(self, key: Item) -> Item | None:
        """One item as it is now."""
        found: Item | None = self._call("GetItem", TableName=self.name, Key=key, ConsistentRead=True).get("Item")
        return found

    def get_all(self, keys: Sequence[Item]) -> list[Item]:
        """Items as they are now, in no order; keys without an item are left out. The keys are distinct."""
        found: list[Item] = []
        for start in range(0, len(keys), KEYS):
            found += self._get_batch(list(keys[start : start + KEYS]))
        return found

    def query(self, **query: Any) -> Iterator[Item]:
        """Every item of a query, page by page."""
        start: dict[str, Any] = {}
        while True:
            answer = self._call("Query", TableName=self.name, **query, **start)
            yield from answer.get("Items", [])
            last = answer.get("LastEvaluatedKey")
            if not last:
                return
            if last == start.get("ExclusiveStartKey"):
                raise self._error("dynamodb:Query", "incomplete", "the pages do not end")
            start = {"ExclusiveStartKey": last}

    def put(self, item: Item, version: int | None) -> None:
        """Write an item in the place of that version; None: of none.

        Raises:
            NotWritten: another one is there, or was in the same moment.
        """
        self._call("PutItem", TableName=self.name, Item=item, **_condition(version))

    def put_both(self, item: Item, version: int | None, line: Item) -> None:
        """The same with a line of history that is not there yet: both, or neither.

        Raises:
            NotWritten: as above; a transaction names neither a throttle nor a conflict apart from its condition.
        """
        writes = [
            {"Put": {"TableName": self.name, "Item": item, **_condition(version)}},
            {"Put": {"TableName": self.name, "Item": line, **_condition(None)}},
        ]
        self._call("TransactWriteItems", TransactItems=writes)

    def gave_up(self, detail: str) -> StateError:
        """What could not be written in so many attempts."""
        return self._error("dynamodb", "contended", f"not written in {ATTEMPTS} attempts: {detail}")

    def _get_batch(self, keys: list[Item]) -> list[Item]:
        found: list[Item] = []
        for attempt in range(ATTEMPTS):
            asked = {self.name: {"Keys": keys, "ConsistentRead": True}}
            answer = self._call("BatchGetItem", RequestItems=asked)
            got = answer.get("Responses", {}).get(self.name, [])
            # A large or throttled answer hands keys back; what they hold is unknown and not absent.
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            found += got
            if not left:
                return found
            keys = left
            pause(attempt)
        raise self._error("dynamodb:BatchGetItem", "throttled", f"{len(keys)} keys were not answered")

    def _call(self, operation: str, **parameters: Any) -> Any:
        answer = self._aws.call(OWN, self.region, "dynamodb", operation, **parameters)
        if isinstance(answer, Answer):
            return answer.data
        if answer.code in _LOST:
            raise NotWritten(answer.message)
        raise self._failed(answer)

    def _failed(self, failure: Failure) -> StateError:
        return self._error(failure.source.api, failure.code, failure.message)

    def _error(self, api: str, code: str, message: str) -> StateError:
        help_ = _HELP.get(code, "nothing that was written is lost: try again")
        return StateError(f"dynamodb://{self.name}?region={self.region}: {api}: {code}: {message}", help_)


def pause(attempt: int) -> None:
    """Before the next attempt, longer each time and never the same for two writers: 2 s at most."""
    time.sleep(random.uniform(0.2, 1) * min(2.0, 0.02 * 2**attempt))  # noqa: S311 - no secret


def _condition(version: int | None) -> dict[str, Any]:
    if version is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": {"N": str(version)}},
    }
