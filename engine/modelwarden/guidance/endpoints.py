"""Rows about endpoints (`sagemakerendpointmetrics`, `sagemakermodelendpoints`). The state knows packages and keeps none. Pure.

`endpointarn` holds a name without account and region, so that a row of one account overwrote that of another; 0 stands
for what was not reported, too, and says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Struct

from modelwarden.guidance.value import Loss, Row, Unclear, key, precise, text

_KEYS: Final = ("endpointarn", "endpointname")
_METRICS: Final = (
    *("CPUUtilization", "Invocations", "ModelLatency", "DiskUtilization"),
    *("Precision", "Accuracy", "F2Score", "TotalViolations"),
)


class Endpoint(Struct, frozen=True):
    """What one row says of an endpoint."""

    name: str
    account: str
    """That wrote the row last; empty where it does not say."""
    at: str
    """When it was measured; empty where it does not say."""
    metrics: Mapping[str, str]
    """Numbers as they stand in the row, but for 0."""


class Measured(Struct, frozen=True):
    """What rows say, and what was lost of them."""

    endpoints: tuple[Endpoint, ...]
    left_out: tuple[Loss, ...]
    not_kept: tuple[Loss, ...]


def measured(rows: Sequence[Row]) -> Measured:
    """What the rows of one table or several say. Rows of one name are left out unless all say that they are of one account."""
    accounts: dict[str, list[str]] = {}
    for row in rows:
        accounts.setdefault(_name(row), []).append(_said(row, "AccountId"))
    endpoints: list[Endpoint] = []
    left_out: list[Loss] = []
    not_kept: list[Loss] = []
    for row in rows:
        name = _name(row)
        if not name:
            left_out.append(Loss(key(row, _KEYS[0]) or key(row, _KEYS[1]), "", "it names no endpoint"))
        elif len(accounts[name]) > 1 and (len(set(accounts[name])) > 1 or not accounts[name][0]):
            left_out.append(Loss(name, "", "another row has its name, and not both say one account"))
        else:
            endpoints.append(_endpoint(name, row, not_kept))
    return Measured(tuple(sorted(endpoints, key=lambda one: one.name)), tuple(left_out), tuple(not_kept))


def _name(row: Row) -> str:
    return next((found for column in _KEYS if (found := _said(row, column))), "")


def _said(row: Row, column: str) -> str:
    """A text; empty where there is none that is understood."""
    try:
        return text(row.get(column))
    except Unclear:
        return ""


def _endpoint(name: str, row: Row, lost: list[Loss]) -> Endpoint:
    account = at = ""
    metrics: dict[str, str] = {}
    for column in sorted(row.keys() - set(_KEYS)):
        try:
            if column == "AccountId":
                account = _account(row[column])
            elif column == "Timestamp":
                at = _moment(row[column])
            elif column in _METRICS:
                metrics |= {column: found} if (found := _number(row[column])) else {}
            elif column != "EndpointName" or row[column] != {"N": "0"}:
                raise Unclear("is no column that is understood")
        except Unclear as unclear:
            lost.append(Loss(name, column, str(unclear)))
    return Endpoint(name, account, at, metrics)


def _account(value: Mapping[str, Any]) -> str:
    found = text(value)
    if found and not (len(found) == 12 and found.isascii() and found.isdecimal()):
        raise Unclear("is no account")
    return found


def _moment(value: Mapping[str, Any]) -> str:
    """Seconds since 1970."""
    try:
        return precise(datetime.fromtimestamp(int(value["N"]), UTC))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise Unclear("is no time in seconds") from None


def _number(value: Mapping[str, Any]) -> str:
    """As it stands there; empty for 0."""
    try:
        return str(value["N"]) if Decimal(value["N"]) else ""
    except (KeyError, TypeError, InvalidOperation):
        raise Unclear("is no number") from None
