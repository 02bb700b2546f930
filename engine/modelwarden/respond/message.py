"""Messages: what one body of the queue leads to. An event of an endpoint is about every package that it runs."""

from __future__ import annotations

from msgspec.structs import replace

from modelwarden.collect import Collector
from modelwarden.collect.aws import Failure
from modelwarden.collect.deployment import run_by
from modelwarden.errors import UserError
from modelwarden.respond.case import NotRead
from modelwarden.respond.desk import Answer, Desk, answer
from modelwarden.respond.hint import Hint, Irrelevant, read_hint


def take(desk: Desk, body: bytes) -> list[Answer]:
    """Answer one message.

    Raises:
        Malformed: it is no event.
        UserError: it could not be answered to its end, and shall come again.
    """
    hint = read_hint(body)
    if isinstance(hint, Irrelevant):
        return [Answer("", "irrelevant", why=hint.why)]
    if hint.package:
        return [answer(desk, hint)]
    hints, unread = _run_by(desk.collector(hint.endpoint.split(":")[4]), hint)
    return [*_each(desk, hints), *(Answer("", "not read", why=f"{hint.endpoint}: {why}") for why in unread)]


def _each(desk: Desk, hints: list[Hint]) -> list[Answer]:
    """Answer every one, whatever becomes of another; the first error is raised at the end."""
    answers: list[Answer] = []
    errors: list[UserError] = []
    for one in hints:
        try:
            answers.append(answer(desk, one))
        except UserError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return answers


def _run_by(collector: Collector, hint: Hint) -> tuple[list[Hint], list[str]]:
    """A hint for each package behind an endpoint, and why there may be more. What runs without one is for the scan to name."""
    _, _, _, region, account, _ = hint.endpoint.split(":", 5)
    failure: Failure | None = collector.aws.enter(account, region)
    if failure is not None:
        raise NotRead(f"{hint.endpoint}: {failure.source.api}: {failure.code}: {failure.message}")
    found = run_by(collector.aws, hint.endpoint)
    packages = sorted({one.package for one in found if one.package})
    return [replace(hint, package=package) for package in packages], sorted(
        {one.problem for one in found if one.problem}
    )
