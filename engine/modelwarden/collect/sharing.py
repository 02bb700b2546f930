"""Sharing: which model package groups of other accounts an account sees in a region.

What is shared is judged where it lies, once. So this adds no package and takes none away: it says who else can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.arn import ArnError, parse_group_arn
from modelwarden.collect.aws import Aws, Failure
from modelwarden.evidence import Unknown

_PAGES: Final = 10_000
_ROUNDS: Final = 2
"""A token that is refused or comes back again starts the list anew, once."""


class Shared(Struct, frozen=True):
    """What an account sees of others."""

    groups: tuple[str, ...]
    """ARNs of groups that other accounts own, sorted."""
    unread: Unknown | None
    """Why there may be more; None where the list was read to its end."""


def shared_groups(aws: Aws, account: str, region: str) -> Shared:
    """Every group that other accounts share with this one. The account has been entered before."""
    found: set[str] = set()
    unread: Unknown | None = None
    for _ in range(_ROUNDS):
        unread = _list(aws, account, region, found)
        if unread is None or unread.reason not in ("malformed", "ValidationException"):
            break
    return Shared(tuple(sorted(found)), unread)


def _list(aws: Aws, account: str, region: str, found: set[str]) -> Unknown | None:
    """Every page into `found`; why it did not come to its end."""
    token: dict[str, str] = {}
    seen: set[str] = set()
    for _ in range(_PAGES):
        given = {"CrossAccountFilterOption": "CrossAccount", "MaxResults": 100, **token}
        answer = aws.call(account, region, "sagemaker", "ListModelPackageGroups", **given)
        if isinstance(answer, Failure):
            return answer.unknown()
        named = [_add(found, account, entry) for entry in answer.data["ModelPackageGroupSummaryList"]]
        if not all(named):
            return Unknown("malformed", answer.source, "an entry of the list names no model package group")
        following = answer.data.get("NextToken")
        if not following:
            return None
        if following in seen:
            return Unknown("malformed", answer.source, "the list comes back to a page that was read")
        seen.add(following)
        token = {"NextToken": following}
    return Unknown("incomplete", answer.source, f"more than {_PAGES} pages")


def _add(found: set[str], account: str, entry: Mapping[str, Any]) -> bool:
    """Whether the entry names a group; one of the account's own is not shared with it."""
    try:
        group = parse_group_arn(str(entry.get("ModelPackageGroupArn")))
    except ArnError:
        return False
    if group.account != account:
        found.add(group.text)
    return True
