"""The standalone model cards of an account and region, and the model package that each says it is about.

ListModelCards names them. Search shows a hundred with their content in one call; what it does not show, or shows as it
was before the last change, is described one by one. A card of which that cannot be told keeps the reason: it is never
taken for one that names no package.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from msgspec import Struct

from modelwarden.arn import ArnError, parse_arn
from modelwarden.collect import card
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.aws import Aws
from modelwarden.collect.describe import dig, withheld
from modelwarden.collect.pages import listed
from modelwarden.collect.text import time_text, whole
from modelwarden.evidence import Source, Unknown
from modelwarden.snapshot import ModelCard

_SEARCHES: Final = 10_000
"""Pages."""


class Found(Struct, frozen=True):
    """The cards of a cell."""

    cards: tuple[ModelCard, ...]
    """Sorted by ARN, each once."""
    unread: Unknown | None
    """Why cards may be missing; None where the list was read to its end."""


def model_cards(aws: Aws, account: str, region: str) -> Found:
    """Every card of the account in a region. The account has been entered before."""
    entries: dict[str, Mapping[str, Any]] = {}
    unread = listed(
        partial(aws.call, account, region, "sagemaker", "ListModelCards"), "ModelCardSummaries", partial(_take, entries)
    )
    shown = _searched(aws, account, region) if entries else {}
    cards = (_card(aws, account, region, entry, shown.get(arn)) for arn, entry in sorted(entries.items()))
    return Found(tuple(one for one in cards if one is not None), unread)


def _take(entries: dict[str, Mapping[str, Any]], entry: Mapping[str, Any]) -> bool:
    arn = entry.get("ModelCardArn")
    if not arn or not entry.get("ModelCardName"):
        return False
    entries[str(arn)] = entry
    return True


def _searched(aws: Aws, account: str, region: str) -> dict[str, Mapping[str, Any]]:
    """ARN -> card as the search shows it. Where it is denied nothing is lost but calls: each card is described."""
    found: dict[str, Mapping[str, Any]] = {}
    token: dict[str, str] = {}
    for _ in range(_SEARCHES):
        answer = aws.call(account, region, "sagemaker", "Search", Resource="ModelCard", MaxResults=100, **token)
        if isinstance(answer, Failure):
            break
        for entry in answer.data["Results"]:
            shown = entry.get("ModelCard") or {}
            found[str(shown.get("ModelCardArn"))] = shown
        following = answer.data.get("NextToken")
        if not following or token.get("NextToken") == following:
            break
        token = {"NextToken": following}
    return found


def _card(
    aws: Aws, account: str, region: str, entry: Mapping[str, Any], shown: Mapping[str, Any] | None
) -> ModelCard | None:
    """None only where AWS says that the card is not there any more."""
    current = shown is not None and shown.get("LastModifiedTime") == entry.get("LastModifiedTime")
    if shown is not None and current and shown.get("Content"):
        return _told(entry, shown, Source("sagemaker:Search"))
    told = aws.call(account, region, "sagemaker", "DescribeModelCard", ModelCardName=str(entry["ModelCardName"]))
    if isinstance(told, Answer):
        return _told(entry, told.data, told.source)
    return None if told.state == "read" else _made(entry, problem=f"{told.source.api}: {told.code}")


def _told(entry: Mapping[str, Any], data: Mapping[str, Any], source: Source) -> ModelCard:
    if str(data.get("ModelCardArn")).casefold() != str(entry["ModelCardArn"]).casefold():
        return _made(entry, problem=f"{source.api}: the description of another one")
    text = str(data.get("Content") or "")
    kept_back = withheld(text, source) if dig(data, "SecurityConfig", "KmsKeyId") else None
    if kept_back is not None:
        return _made(entry, problem=f"{source.api}: {kept_back.detail}")
    try:
        content = card.decode(text)
    except ValueError as error:
        return _made(entry, problem=f"its content is malformed: {error}")
    return _made(entry, package=_package(content, str(entry["ModelCardArn"])))


def _made(entry: Mapping[str, Any], package: str = "", problem: str = "") -> ModelCard:
    created, changed = _time(entry.get("CreationTime")), _time(entry.get("LastModifiedTime"))
    status = whole(entry.get("ModelCardStatus") or "")
    return ModelCard(whole(str(entry["ModelCardArn"])), status, created, changed or created, package, whole(problem))


def _package(content: Mapping[str, Any], arn: str) -> str:
    """ARN of the package that a card says it is about; empty where it names none.

    By `model_package_details`, by its group and version where it holds no ARN, or by `model_overview.model_id`.
    """
    group, version = (
        dig(content, "model_package_details", f"model_package_{name}") for name in ("group_name", "version")
    )
    head = f"{arn.rpartition(':')[0]}:model-package"
    named = (
        dig(content, "model_package_details", "model_package_arn"),
        dig(content, "model_overview", "model_id"),
        f"{head}/{group}/{_whole_number(version)}" if isinstance(group, str) else None,
    )
    return next((one for one in named if isinstance(one, str) and _is_package(one)), "")


def _whole_number(value: Any) -> str:
    """As a version stands in an ARN; JSON may write 7 as 7.0. Anything else is no version."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _is_package(text: str) -> bool:
    try:
        parse_arn(text)
    except ArnError:
        return False
    return True


def _time(value: Any) -> str:
    return time_text(value) if isinstance(value, datetime) else ""
