"""Lookups are shared: one call for all that ask, the same answer for them, and failures for nobody who comes later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.cell import Lookups

from .conftest import Script, failure


def lookups(answer: Callable[[Any], Any]) -> tuple[Lookups, Script]:
    script = Script({"DescribeKey": answer})
    return Lookups(script), script  # type: ignore[arg-type]


def ask(shared: Lookups, account: str = "1", key: str = "k", **how: Any) -> Answer | Failure:
    return shared.call(account, "eu-west-1", "kms", "DescribeKey", KeyId=key, **how)


def test_many_at_once_make_one_call_and_get_one_answer() -> None:
    release = threading.Event()

    def answer(parameters: Any) -> dict[str, Any]:
        release.wait(5)
        return {"KeyMetadata": {}}

    shared, script = lookups(answer)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(ask, shared) for _ in range(8)]
        release.set()
        answers = {id(one.result()) for one in waiting}
    assert (script.times("DescribeKey"), len(answers)) == (1, 1)


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ({"KeyMetadata": {}}, 1),
        (failure("NotFoundException", "read"), 1),
        (failure("AccessDeniedException"), 3),
        (failure("ThrottlingException", "throttled"), 3),
        (failure("MalformedBody", "malformed"), 3),
    ],
)
def test_what_aws_said_is_kept_and_what_failed_is_asked_again(said: Any, calls: int) -> None:
    shared, script = lookups(lambda parameters: said)
    for _ in range(3):
        ask(shared)
    assert script.times("DescribeKey") == calls


def test_accounts_and_parameters_are_told_apart() -> None:
    shared, script = lookups(lambda parameters: {"KeyMetadata": {}})
    for account in ("1", "2"):
        for key in ("k", "l"):
            ask(shared, account, key)
    assert script.times("DescribeKey") == 4
    ask(shared, "1", "m", whoever=True)
    ask(shared, "2", "m", whoever=True)
    assert script.times("DescribeKey") == 5


def test_an_error_reaches_everybody_who_waits_and_nobody_later() -> None:
    said: list[Any] = [RuntimeError("boom"), {"KeyMetadata": {}}]

    def answer(parameters: Any) -> Any:
        one = said.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    shared, _ = lookups(answer)
    with pytest.raises(RuntimeError, match="boom"):
        ask(shared)
    assert isinstance(ask(shared), Answer)
