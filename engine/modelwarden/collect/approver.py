"""Who approved: the newest UpdateModelPackage event of CloudTrail that set the approval status.

`LastModifiedBy` changed anything last and proves nothing. CloudTrail keeps 90 days; an approval that it does not show
is unknown, never absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from modelwarden.collect.answer import Failure
from modelwarden.collect.cell import Cell
from modelwarden.collect.trail import NAME, Setting, Unreadable, events_of, oldest
from modelwarden.evidence import Fact, Present, Source, Unknown
from modelwarden.identity import who
from modelwarden.request import PRINCIPAL_FIELDS

_NAMES: Final = (*PRINCIPAL_FIELDS, "approved_at")
_PAGES: Final = 20
"""CloudTrail answers two requests a second; what it does not show by then is unknown."""


def no_approver(fact: Unknown) -> dict[str, Fact]:
    """Unknown whatever the reason: that the trail shows nothing does not mean that nobody approved."""
    return {f"/approver/{name}": fact for name in _NAMES}


def read_approver(cell: Cell, status: str | None) -> dict[str, Fact]:
    """The trail is read from its newest event back, until it shows who set the present `status`.

    The newest event about this package decides: reading on behind it could only find an approval that no longer holds.
    """
    if not cell.owned:
        return no_approver(cell.foreign("CloudTrail shows what happened in the caller's own account"))
    found: list[Setting | Unreadable] = []
    token: dict[str, str] = {}
    for _ in range(_PAGES):
        answer = cell.call(
            "cloudtrail",
            "LookupEvents",
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": NAME}],
            MaxResults=50,
            **token,
        )
        if isinstance(answer, Failure):
            return no_approver(answer.unknown())
        events, following = answer.data["Events"], answer.data.get("NextToken")
        found += events_of(events, cell.arn.text)
        newest = max((event.at for event in found if isinstance(event, Setting)), default="")
        if not following or "" < oldest(events) < newest:
            return approver_facts(found, status, answer.source)
        token = {"NextToken": following}
    return no_approver(Unknown("incomplete", answer.source, f"no approval among the newest {50 * _PAGES} events"))


def approver_facts(found: Sequence[Setting | Unreadable], status: str | None, source: Source) -> dict[str, Fact]:
    """Facts of the newest event that set a status; `status` is what the package has now.

    An event that set another status than the present one leaves the question open: a later event is missing.
    """
    settings = [event for event in found if isinstance(event, Setting)]
    newest = max((event.at for event in settings), default="")
    last = {event for event in settings if event.at == newest}
    hidden = any(isinstance(event, Unreadable) and event.at >= newest for event in found)
    why = ""
    if hidden:
        why = "an event that may have set the approval status cannot be read"
    elif not last:
        why = "CloudTrail shows nobody who set the approval status in 90 days"
    elif len(last) > 1:
        why = "several events set the approval status within one second"
    elif next(iter(last)).status != status:
        why = "the newest event set another approval status than the present one"
    elif next(iter(last)).arn is None:
        why = "the event names no ARN"
    if why:
        return no_approver(Unknown("no event found", source, why))
    event = next(iter(last))
    approver = who(str(event.arn), source_identity=event.person)
    return {**approver.facts("/approver", source), "/approver/approved_at": Present(event.at, source)}
