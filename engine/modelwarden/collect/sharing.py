"""Sharing: which model package groups of other accounts an account sees in a region.

What is shared is judged where it lies, once. So this adds no package and takes none away: it says who else can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from modelwarden.arn import ArnError, parse_group_arn
from modelwarden.collect.aws import Aws
from modelwarden.collect.pages import listed
from modelwarden.evidence import Unknown


class Shared(Struct, frozen=True):
    """What an account sees of others."""

    groups: tuple[str, ...]
    """ARNs of groups that other accounts own, sorted."""
    unread: Unknown | None
    """Why there may be more; None where the list was read to its end."""


def shared_groups(aws: Aws, account: str, region: str) -> Shared:
    """Every group that other accounts share with this one. The account has been entered before."""
    found: set[str] = set()
    ask = partial(aws.call, account, region, "sagemaker", "ListModelPackageGroups")
    shared = {"CrossAccountFilterOption": "CrossAccount"}
    unread = listed(ask, "ModelPackageGroupSummaryList", partial(_add, found, account), shared)
    return Shared(tuple(sorted(found)), unread)


def _add(found: set[str], account: str, entry: Mapping[str, Any]) -> bool:
    """Whether the entry names a group; one of the account's own is not shared with it."""
    try:
        group = parse_group_arn(str(entry.get("ModelPackageGroupArn")))
    except ArnError:
        return False
    if group.account != account:
        found.add(group.text)
    return True
