"""The rows of a table of DynamoDB, all of them or an error: what was not read is never taken for what is not there."""

from __future__ import annotations

import re
from typing import Any, Final

from modelwarden.collect.aws import OWN, Aws, Failure
from modelwarden.errors import UserError
from modelwarden.guidance.value import Row

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")


class NotRead(UserError):
    """A page that could not be read."""

    help = "nothing was imported: allow dynamodb:Scan on the table, and try again"
    exit_code = 3


def location(name: str, region: str) -> str:
    """As messages and runs name a table."""
    return f"dynamodb://{name}?region={region}"


def rows(aws: Aws, name: str, region: str) -> list[Row]:
    """Every row, with the caller's own credentials; each page as it is at that moment.

    Raises:
        UserError: no name of a table, or there is no such table.
        NotRead: a page could not be read.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"`{name}` is no name of a table", "it looks like modelpackagestatechanges")
    where = location(name, region)
    found: list[Row] = []
    start: dict[str, Any] = {}
    while True:
        answer = aws.call(OWN, region, "dynamodb", "Scan", TableName=name, ConsistentRead=True, **start)
        if isinstance(answer, Failure) and answer.code == "ResourceNotFoundException":
            raise UserError(f"{where}: there is no such table", "correct its name, --region, or the credentials")
        if isinstance(answer, Failure):
            raise NotRead(f"{where}: {answer.source.api}: {answer.code}: {answer.message}")
        if len(answer.data["Items"]) != answer.data["Count"]:
            raise NotRead(f"{where}: a page holds {len(answer.data['Items'])} rows and counts {answer.data['Count']}")
        found += answer.data["Items"]
        last = answer.data.get("LastEvaluatedKey")
        if not last:
            return found
        if last == start.get("ExclusiveStartKey"):
            raise NotRead(f"{where}: the pages do not end")
        start = {"ExclusiveStartKey": last}
