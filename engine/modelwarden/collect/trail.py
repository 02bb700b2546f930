"""Events of CloudTrail that may have set an approval status. Pure.

An event is a JSON text inside the answer. It also holds what nobody needs here and what may be secret (the environment
of a container, access keys), so recordings keep only its `essence`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.text import time_text, whole

NAME: Final = "UpdateModelPackage"
_KEPT: Final[tuple[str, ...]] = ("eventName", "eventTime", "errorCode")
_ASKED: Final = ("modelPackageArn", "modelApprovalStatus")


class Setting(Struct, frozen=True):
    """A successful call that set the approval status of the package."""

    at: str
    """UTC, to the second, which is as exact as CloudTrail is."""
    status: str
    arn: str | None
    """Of whoever called; services have none."""
    person: str | None
    """SourceIdentity."""


class Unreadable(Struct, frozen=True):
    """An event that may be such a call: nobody can tell."""

    at: str


def events_of(entries: list[Any], arn: str) -> list[Setting | Unreadable]:
    """What matters of a page of LookupEvents, in its order: newest first."""
    return [found for entry in entries if (found := _event(entry, arn)) is not None]


def oldest(entries: list[Any]) -> str:
    """Time of the oldest event of a page; empty where not every event has one."""
    times = [entry.get("EventTime") for entry in entries]
    return time_text(min(times)) if times and all(isinstance(time, datetime) for time in times) else ""


def _event(entry: Mapping[str, Any], arn: str) -> Setting | Unreadable | None:
    listed = entry.get("EventTime")
    at = time_text(listed) if isinstance(listed, datetime) else "9999-12-31T23:59:59Z"
    event = _object(entry.get("CloudTrailEvent"))
    if event is None:
        return Unreadable(at)
    if event.get("eventName") != NAME or event.get("errorCode"):
        return None
    at = _time(event.get("eventTime")) or at
    asked, answered = _member(event, "requestParameters"), _member(event, "responseElements")
    package = _text(asked.get("modelPackageArn")) or _text(answered.get("modelPackageArn"))
    if package is not None and package.casefold() != arn.casefold():
        return None
    if package is None or "modelPackageArn" not in asked:
        # CloudTrail leaves out the parameters of a call that are too large: a new specification, a long card.
        return Unreadable(at)
    status, identity = _text(asked.get("modelApprovalStatus")), _member(event, "userIdentity")
    person = _text(_member(identity, "sessionContext").get("sourceIdentity"))
    return Setting(at, status, _text(identity.get("arn")), person) if status else None


def essence(text: str) -> str:
    """The members of an event that are read here; the law: an event and its essence give the same facts."""
    event = _object(text)
    if event is None:
        return ""
    kept = {name: event[name] for name in _KEPT if name in event}
    for name in ("requestParameters", "responseElements"):
        kept[name] = {inner: value for inner, value in _member(event, name).items() if inner in _ASKED}
    identity = _member(event, "userIdentity")
    person = {"sourceIdentity": _member(identity, "sessionContext").get("sourceIdentity")}
    return json.dumps({**kept, "userIdentity": {"arn": identity.get("arn"), "sessionContext": person}}, sort_keys=True)


def _object(text: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _member(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return whole(value) if isinstance(value, str) and value else None


def _time(value: Any) -> str | None:
    """Whatever ISO spelling, as UTC."""
    try:
        found = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    return time_text(found if found.tzinfo else found.replace(tzinfo=UTC))
