"""Which model packages a cell holds. List counts; Search may find what List did not show; neither is believed half."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import Struct

from modelwarden.arn import ArnError, parse_arn
from modelwarden.collect.aws import Answer, Aws, Failure
from modelwarden.collect.describe import dig
from modelwarden.collect.pages import listed
from modelwarden.collect.text import time_text, whole
from modelwarden.evidence import Unknown

_LIST: Final = "sagemaker:ListModelPackages"
_SEARCH: Final = "sagemaker:Search"
_BOTH: Final = {"ModelPackageType": "Both", "SortBy": "CreationTime", "SortOrder": "Ascending"}
"""Without it, AWS lists the packages without versions alone."""
_PAGES: Final = 10_000


class Listed(Struct, frozen=True, order=True):
    """One package, as lists show it."""

    arn: str
    created: str = ""
    """UTC; empty where the answer has no time that can be read."""
    approval: str = ""
    """ModelApprovalStatus; empty where it has none."""
    claimed: str = ""
    """ModelLifeCycle.Stage, the stage that the package claims; empty where it claims none."""
    modified: str = ""
    """LastModifiedTime, UTC; empty where it was not told: lists do not."""


class Inventory(Struct, frozen=True):
    """The packages of a cell."""

    packages: tuple[Listed, ...]
    """Sorted by ARN, each once."""
    unread: Unknown | None = None
    """Why they may not be all; None where the list was read to its end and the search does not know more."""


def inventory(aws: Aws, account: str, region: str) -> Inventory:
    """Every package of the account in a region, versioned or not."""
    found: dict[str, Listed] = {}
    ask = partial(aws.call, account, region, "sagemaker", "ListModelPackages")
    unread = listed(ask, "ModelPackageSummaryList", partial(_add, found), _BOTH)
    gap = _searched(aws, account, region, found, complete=unread is None)
    return Inventory(tuple(sorted(found.values())), unread or gap)


def searched(aws: Aws, account: str, region: str, known: Collection[str]) -> Inventory | None:
    """The same by the search alone, with the time of each package's last change, where another reading counted before.

    `known` are the ARNs of that reading: one that the search does not show is described, since an index may lag. None
    where the search cannot be believed: it does not count, shows fewer than it counts, or was not answered.
    """
    found: dict[str, Listed] = {}
    total, exact = 0, False
    for answer in _search_pages(aws, account, region):
        if isinstance(answer, Failure):
            return None
        total, exact = _hits(answer.data)
        if not all(_add(found, entry.get("ModelPackage") or {}) for entry in answer.data["Results"]):
            return None
    if not exact or len(found) != total:
        return None
    for arn in sorted(set(known) - found.keys()):
        answer = aws.call(
            account, region, "sagemaker", "DescribeModelPackage", ModelPackageName=arn, IncludedData="MetadataOnly"
        )
        if isinstance(answer, Answer):
            _add(found, answer.data)
        elif answer.state != "read":
            return None
    return Inventory(tuple(sorted(found.values())))


def _searched(aws: Aws, account: str, region: str, found: dict[str, Listed], *, complete: bool) -> Unknown | None:
    """Ask the search how many there are, and which, where it knows more; why that leaves a doubt.

    Without the right to search nothing is lost: the list is the proof.
    """
    known: set[str] = set()
    total, exact = 0, True
    for answer in _search_pages(aws, account, region):
        if isinstance(answer, Failure):
            if complete:
                aws.cover(account, region, _SEARCH, _LIST)
            return None
        total, exact = _hits(answer.data)
        for entry in answer.data["Results"]:
            record = entry.get("ModelPackage") or {}
            known.add(str(record.get("ModelPackageArn")))
            _add(found, record)
        if complete and total <= len(found):
            return None
    if complete and exact and len(known) < total:
        return Unknown("incomplete", answer.source, f"the search counts {total} packages and shows {len(known)}")
    return None


def _search_pages(aws: Aws, account: str, region: str) -> Iterator[Answer | Failure]:
    token: dict[str, str] = {}
    for _ in range(_PAGES):
        given = {"Resource": "ModelPackage", "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}
        answer = aws.call(account, region, "sagemaker", "Search", **given, **token)
        yield answer
        following = None if isinstance(answer, Failure) else answer.data.get("NextToken")
        if not following or token.get("NextToken") == following:
            return
        token = {"NextToken": following}


def _hits(data: Mapping[str, Any]) -> tuple[int, bool]:
    """(TotalHits.Value, whether that is exact); nothing where the answer does not count."""
    value = dig(data, "TotalHits", "Value")
    return (value if isinstance(value, int) else 0), dig(data, "TotalHits", "Relation") == "EqualTo"


def _add(found: dict[str, Listed], entry: Mapping[str, Any]) -> bool:
    """Whether the entry names a package; what the list said of it stays."""
    arn = str(entry.get("ModelPackageArn"))
    try:
        parse_arn(arn)
    except ArnError:
        return False
    found.setdefault(
        arn,
        Listed(
            arn,
            _time(entry.get("CreationTime")),
            whole(entry.get("ModelApprovalStatus") or ""),
            whole(dig(entry, "ModelLifeCycle", "Stage") or ""),
            _time(entry.get("LastModifiedTime")),
        ),
    )
    return True


def _time(value: Any) -> str:
    return time_text(value) if isinstance(value, datetime) else ""
