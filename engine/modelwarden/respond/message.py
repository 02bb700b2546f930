"""Messages: what one body of the queue leads to. An event of an endpoint is about every package that it runs."""

from __future__ import annotations

from msgspec.structs import replace

from modelwarden.collect import Collector
from modelwarden.collect.aws import Failure
from modelwarden.collect.deployment import run_by
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
    hints = [hint] if hint.package else _run_by(desk.collector(hint.endpoint.split(":")[4]), hint)
    return [answer(desk, one) for one in hints]


def _run_by(collector: Collector, hint: Hint) -> list[Hint]:
    """A hint for each package behind an endpoint. What runs without one is for the scan to name."""
    _, _, _, region, account, _ = hint.endpoint.split(":", 5)
    failure: Failure | None = collector.aws.enter(account, region)
    if failure is not None:
        raise NotRead(f"{hint.endpoint}: {failure.source.api}: {failure.code}: {failure.message}")
    packages = {one.package for one in run_by(collector.aws, hint.endpoint) if one.package}
    return [replace(hint, package=package) for package in sorted(packages)]
