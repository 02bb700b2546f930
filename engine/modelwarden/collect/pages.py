"""Lists of a cell, read to their end or said not to be: an empty list counts only if every page of it was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from modelwarden.collect.aws import Failure
from modelwarden.evidence import Unknown

_PAGES: Final = 10_000
_ROUNDS: Final = 2
_ANEW: Final = ("malformed", "ValidationException", "InvalidToken")
"""A token that is refused or comes back again starts the list anew, once."""
_OLDEST_FIRST: Final = {"SortBy": "CreationTime", "SortOrder": "Ascending"}


def listed(
    ask: Callable[..., Any],
    member: str,
    take: Callable[[Mapping[str, Any]], bool],
    given: Mapping[str, Any] = _OLDEST_FIRST,
    *,
    sized: bool = True,
) -> Unknown | None:
    """Every entry of a list, by default one of SageMaker; why it did not come to its end, None where it did.

    `ask` gets a page, and `member` of its answer holds the entries; `take` keeps one and says whether it names what it
    should. `given` goes with every page, and where it is `sized`, how many entries it may have. Where the list starts anew,
    entries come again.
    """
    size = {"MaxResults": 100} if sized else {}
    for _ in range(_ROUNDS):
        unread = _once(partial(ask, **size, **given), member, take)
        if unread is None or unread.reason not in _ANEW:
            break
    return unread


def _once(ask: Callable[..., Any], member: str, take: Callable[[Mapping[str, Any]], bool]) -> Unknown | None:
    token: dict[str, str] = {}
    seen: set[str] = set()
    for _ in range(_PAGES):
        answer = ask(**token)
        if isinstance(answer, Failure):
            return answer.unknown()
        named = [take(entry) for entry in answer.data[member]]
        if not all(named):
            return Unknown("malformed", answer.source, "an entry of the list does not name what is listed")
        following = answer.data.get("NextToken")
        if not following:
            return None
        if following in seen:
            return Unknown("malformed", answer.source, "the list comes back to a page that was read")
        seen.add(following)
        token = {"NextToken": following}
    return Unknown("incomplete", answer.source, f"more than {_PAGES} pages")
