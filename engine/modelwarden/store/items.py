"""Items of the table in DynamoDB: what stands where, and values as its attributes. Pure; docs/store.md has the layout.

Numbers are integers, and an item stays below the 400 KB that DynamoDB takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from modelwarden.respond.claim import Claim
from modelwarden.store.state import Change, RunRow, Standing, StateError
from modelwarden.typed import converted

T = TypeVar("T", Standing, Change, RunRow, Claim)
Item = dict[str, dict[str, Any]]
"""Attribute -> value as DynamoDB writes it: `{"S": "text"}`."""

NOW: Final = "NOW"
"""Sort key of the current state of a package."""
CHANGE: Final = "CHANGE#"
CLAIM: Final = "CLAIM#"
RUNS: Final = "RUNS"
"""Partition of all runs, which are few."""
CELLS: Final = "cells"
"""The index of packages by account and region. It holds keys only, so that a sighting that changes none costs nothing there."""
MAX_BYTES: Final = 390_000
"""Of an item as JSON, which is longer than DynamoDB's own measure of 400 KB."""


def package_key(package: str) -> Item:
    return _key(f"PACKAGE#{package}", NOW)


def claim_key(claim: Claim) -> Item:
    return _key(f"PACKAGE#{claim.package}", f"{CLAIM}{claim.key}")


def run_key(run_id: str) -> Item:
    return _key(RUNS, run_id)


def cell(account: str, region: str) -> str:
    """Partition of the index."""
    return f"CELL#{account}#{region}"


def of_standing(standing: Standing, version: int) -> Item:
    """`version` counts the writes of the item, and is the condition of the next one.

    Raises:
        StateError: it is too large.
    """
    seen = standing.seen
    place = {"cell": {"S": cell(seen.account, seen.region)}, "package": {"S": seen.package}}
    return _sized(
        package_key(seen.package) | place | {"version": {"N": str(version)}, "body": to_value(standing)}, seen.package
    )


def of_change(change: Change, keep_days: int | None) -> Item:
    """A line of history; `keep_days` after it, DynamoDB may delete it."""
    key = _key(f"PACKAGE#{change.package}", f"{CHANGE}{change.run}#{change.at}#{change.event}")
    return _sized(key | _expiry(change.at, keep_days) | {"body": to_value(change)}, change.package)


def of_run(run: RunRow, version: int, keep_days: int | None) -> Item:
    """A run; `version` as that of a package."""
    key = run_key(run.id) | _expiry(run.started_at, keep_days)
    return _sized(key | {"version": {"N": str(version)}, "body": to_value(run)}, run.id)


def of_claim(claim: Claim, version: int, keep_days: int | None) -> Item:
    """A claim; `version` as that of a package, and `keep_days` as those of history."""
    key = claim_key(claim) | _expiry(claim.at, keep_days)
    return _sized(key | {"version": {"N": str(version)}, "body": to_value(claim)}, claim.package)


def read(item: Mapping[str, Any], kind: type[T]) -> T:
    """What an item holds.

    Raises:
        StateError: nothing that this release wrote.
    """
    try:
        return converted(_plain(item["body"]), kind)
    except (msgspec.ValidationError, KeyError, ValueError, TypeError, AttributeError) as error:
        where = "/".join(str(item.get(name, {}).get("S")) for name in ("pk", "sk"))
        raise StateError(f"the item `{where}` is not of this release: {error}", "update modelwarden") from error


def version_of(item: Mapping[str, Any]) -> int:
    """Raises StateError where it has none."""
    try:
        return int(item["version"]["N"])
    except (KeyError, ValueError) as error:
        raise StateError("an item has no version", "restore the table from its last point in time") from error


def to_value(value: Any) -> dict[str, Any]:
    """A value as DynamoDB writes it. Structs are maps."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, list | tuple):
        return {"L": [to_value(one) for one in value]}
    if isinstance(value, Mapping):
        return {"M": {name: to_value(one) for name, one in value.items()}}
    return to_value({name: getattr(value, name) for name in value.__struct_fields__})


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    match kind:
        case "N":
            return int(inner)
        case "L":
            return [_plain(one) for one in inner]
        case "M":
            return {name: _plain(one) for name, one in inner.items()}
        case _:
            return inner


def _key(partition: str, sort: str) -> Item:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def _expiry(at: str, keep_days: int | None) -> Item:
    if keep_days is None:
        return {}
    ends = datetime.fromisoformat(at) + timedelta(days=keep_days)
    return {"expires_at": {"N": str(int(ends.timestamp()))}}


def _sized(item: Item, what: str) -> Item:
    size = len(msgspec.json.encode(item))
    if size > MAX_BYTES:
        raise StateError(f"{what}: {size} bytes are more than one item of DynamoDB holds", "name a file as `store`")
    return item
