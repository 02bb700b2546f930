"""Standalone model cards: each is told by the package that it names, or by why that cannot be told; none is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from modelwarden.collect.cards import Found, model_cards
from modelwarden.snapshot import ModelCard

from .conftest import ACCOUNT, ARN, REGION, Said, Script, failure

HEAD = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-card"
THEN, LATER = datetime(2026, 6, 2, 9, tzinfo=UTC), datetime(2026, 6, 3, 9, tzinfo=UTC)
KEY = {"SecurityConfig": {"KmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/1"}}


def entry(name: str, changed: datetime = THEN) -> dict[str, Any]:
    return {
        "ModelCardName": name,
        "ModelCardArn": f"{HEAD}/{name}",
        "ModelCardStatus": "Draft",
        "CreationTime": THEN,
        "LastModifiedTime": changed,
    }


def about(package: str = ARN) -> str:
    return json.dumps({"model_overview": {"model_id": package}})


def found(**answers: Said) -> tuple[Found, Script]:
    script = Script(answers)
    return model_cards(script, ACCOUNT, REGION), script  # type: ignore[arg-type]


def listing(*names: str) -> dict[str, Any]:
    return {"ModelCardSummaries": [entry(name) for name in names]}


def shown(*names: str, **more: Any) -> dict[str, Any]:
    return {"Results": [{"ModelCard": {**entry(name), "Content": about(), **more}} for name in names]}


def test_a_cell_without_cards_takes_one_call() -> None:
    told, script = found(ListModelCards=listing())
    assert told == Found((), None)
    assert [operation for operation, _ in script.asked] == ["ListModelCards"]


def test_a_hundred_cards_take_two_calls() -> None:
    names = [f"card-{number:03}" for number in range(100)]
    told, script = found(ListModelCards=listing(*names), Search=shown(*names))
    assert [operation for operation, _ in script.asked] == ["ListModelCards", "Search"]
    assert told.cards[7] == ModelCard(
        f"{HEAD}/card-007", "Draft", "2026-06-02T09:00:00Z", "2026-06-02T09:00:00Z", ARN, ""
    )


@pytest.mark.parametrize(
    "search",
    [
        failure("AccessDeniedException"),
        shown(),
        shown("one", Content=None),
        shown("one", LastModifiedTime=LATER),
        shown("another"),
    ],
    ids=["denied", "not yet in the index", "without content", "of another version", "another one"],
)
def test_what_the_search_does_not_tell_is_described(search: Said) -> None:
    told, script = found(
        ListModelCards=listing("one"), Search=search, DescribeModelCard={**entry("one"), "Content": about()}
    )
    assert script.times("DescribeModelCard") == 1
    assert (told.cards[0].package, told.cards[0].problem, told.unread) == (ARN, "", None)


@pytest.mark.parametrize(
    ("content", "package"),
    [
        ({"model_overview": {"model_id": ARN}}, ARN),
        ({"model_package_details": {"model_package_arn": ARN}, "model_overview": {"model_id": "x"}}, ARN),
        ({"model_package_details": {"model_package_group_name": "churn", "model_package_version": 7.0}}, ARN),
        ({"model_package_details": {"model_package_group_name": "churn", "model_package_version": 7}}, ARN),
        ({"model_package_details": {"model_package_group_name": "churn", "model_package_version": "a/b"}}, ""),
        ({"model_package_details": {"model_package_group_name": "churn", "model_package_version": 1e400}}, ""),
        ({"model_package_details": {"model_package_group_name": "churn"}}, ""),
        ({"model_package_details": [ARN], "model_overview": ARN}, ""),
        ({"model_overview": {"model_id": "campaign-notebook", "model_name": ARN + "/8"}}, ""),
        ({}, ""),
    ],
)
def test_a_card_is_about_the_package_that_it_names(content: Mapping[str, Any], package: str) -> None:
    described = {**entry("one"), "Content": json.dumps(content)}
    told, _ = found(ListModelCards=listing("one"), DescribeModelCard=described)
    assert (told.cards[0].package, told.cards[0].problem) == (package, "")


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        (failure("AccessDeniedException"), "test:Call: AccessDeniedException"),
        (failure("ThrottlingException", "throttled"), "test:Call: ThrottlingException"),
        ({**entry("one"), "Content": '{"model_overview": {"mod'}, "its content is malformed: not JSON"),
        ({**entry("one"), "Content": "[]"}, "its content is malformed: a JSON list instead of an object"),
        ({**entry("one"), "Content": "[" * 100_000}, "its content is malformed: "),
        ({**entry("one"), "Content": ""}, "its content is malformed: not JSON"),
        ({**entry("one"), **KEY}, "content was not returned"),
        ({**entry("one"), **KEY, "Content": '{"intended_uses":{"risk_rating":"Low"}}'}, "content was not returned"),
        ({**entry("two"), "Content": about()}, "the description of another one"),
    ],
)
def test_a_card_that_cannot_be_read_is_not_taken_for_one_that_names_no_package(described: Said, problem: str) -> None:
    told, _ = found(ListModelCards=listing("one"), DescribeModelCard=described)
    (card,) = told.cards
    assert (card.arn, card.status, card.package) == (f"{HEAD}/one", "Draft", "")
    assert problem in card.problem


def test_a_card_that_was_deleted_meanwhile_is_gone() -> None:
    told, _ = found(ListModelCards=listing("one"), DescribeModelCard=failure("ResourceNotFound", "read"))
    assert told == Found((), None)


def paged(pages: Mapping[str | None, Mapping[str, Any]]) -> Any:
    return lambda given: pages[given.get("NextToken")]


def test_every_page_is_read_and_each_card_told_once() -> None:
    pages = {None: {**listing("one", "two"), "NextToken": "a"}, "a": listing("two", "three")}
    told, _ = found(ListModelCards=paged(pages), Search=shown("one", "two", "three"))
    assert [card.arn.rpartition("/")[2] for card in told.cards] == ["one", "three", "two"]
    assert told.unread is None


@pytest.mark.parametrize(
    ("answer", "reason", "kept"),
    [
        (failure("AccessDeniedException"), "AccessDeniedException", 0),
        (paged({None: {**listing("one"), "NextToken": "a"}, "a": failure("ThrottlingException")}), "Throttling", 1),
        (paged({None: {**listing("one"), "NextToken": "a"}, "a": {**listing(), "NextToken": "a"}}), "malformed", 1),
        ({"ModelCardSummaries": [{"ModelCardStatus": "Draft"}, entry("one")]}, "malformed", 1),
    ],
)
def test_a_list_that_is_not_read_to_its_end_says_so_and_keeps_what_it_showed(
    answer: Said, reason: str, kept: int
) -> None:
    told, _ = found(ListModelCards=answer, Search=shown("one"))
    assert told.unread is not None
    assert reason in told.unread.reason
    assert len(told.cards) == kept
