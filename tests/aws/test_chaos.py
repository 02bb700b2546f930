"""Thousands of events with duplicates, reorderings, poison, throttles and crashes between any two steps.

`MODELWARDEN_TEST_EVENTS=10000` sends as many; fewer are sent otherwise, since each one is judged.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import timedelta

import pytest

from modelwarden import gate
from modelwarden.aws import events
from modelwarden.run import Run, parse
from tests.organization import DEMO

from .conftest import CONTEXT, REGION
from .weather import APPROVERS, START, Died, Weather, package_of

EVENTS = int(os.environ.get("MODELWARDEN_TEST_EVENTS", "150"))
MOST = 25
"""Receives before a message is a dead letter; poison gets there, and bad luck does not."""
POISON = ["no json", "[]", '{"detail": 1}']


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> gate.House:
    file = tmp_path_factory.mktemp("house") / "modelwarden.toml"
    file.write_text((DEMO / "modelwarden.toml").read_text() + '\n[respond]\nmode = "enforce"\nsecurity_hub = true\n')
    return gate.load_house(gate.Sources(config=file), {})


def invoke(weather: Weather, messages: list[tuple[str, int]]) -> None:
    """One batch; what the function does not report as failed is deleted, and nothing is where it died."""
    records = [
        {
            "messageId": str(number),
            "receiptHandle": str(number),
            "body": body,
            "attributes": {},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:111111111111:hub-events",
            "awsRegion": REGION,
        }
        for number, (body, _) in enumerate(messages)
    ]
    try:
        told = events.handler({"Records": records}, CONTEXT)
        failed = {int(one["itemIdentifier"]) for one in told["batchItemFailures"]}
    except Died:
        failed = set(range(len(messages)))
    weather.put_back([messages[number] for number in sorted(failed)], MOST)


def storm(weather: Weather, count: int) -> list[str]:
    """Approvals at any time, each event up to three times, until nothing is left to come; the poison that was sent."""
    arns, poison = list(weather.packages), list[str]()
    sent = 0
    while sent < count or weather.queue:
        if sent < count:
            for body in weather.approve(weather.chance.choice(arns)):
                copies = weather.chance.choice((1, 1, 2, 3))
                late = timedelta(seconds=weather.chance.choice((0, 0, 30, 600)))
                weather.queue += [(weather.clock + late, body, 0)] * copies
                sent += copies
            if weather.chance.random() < 0.05:
                poison.append(weather.chance.choice(POISON))
                weather.queue.append((weather.clock, poison[-1], 0))
                sent += 1
        messages = weather.batch()
        if messages:
            invoke(weather, messages)
        weather.clock += timedelta(seconds=60)
    return poison


def open_of(run: Run) -> set[str]:
    """Controls that failed or could not be told."""
    return {one.finding.control for one in run.decision.rulings if one.finding.outcome in ("fail", "unknown")}


def active(weather: Weather, arn: str) -> set[str]:
    """Controls by which Security Hub shows the package."""
    fields = [one["ProductFields"] for one in weather.shown.values() if one["RecordState"] == "ACTIVE"]
    return {one["modelwarden/control"] for one in fields if one["modelwarden/package"] == arn}


@pytest.mark.filterwarnings("ignore:No application metrics")  # of a process that died
@pytest.mark.parametrize("trouble", [0.0, 0.03])
def test_every_package_ends_as_it_should(house: gate.House, monkeypatch: pytest.MonkeyPatch, trouble: float) -> None:
    weather = Weather(house, random.Random(20261129), trouble)
    far, soon = START + timedelta(days=999), START + timedelta(hours=1)
    kinds = [(False, START), (False, START), (True, START), (True, START), (False, far), (False, soon), (True, soon)]
    for number, (breaks, readable) in enumerate(kinds * 3):
        package = package_of(number, breaks, readable)
        weather.packages[package.evidence.package] = package
    desk = weather.desk()
    monkeypatch.setattr(events, "desk", lambda: desk)
    poison = storm(weather, EVENTS)

    for arn, package in weather.packages.items():
        touched = package.modified != START
        wrong = package.breaks or package.readable_from == far
        expected = "PendingManualApproval" if not touched else "Rejected" if wrong else "Approved"
        assert (arn, package.status) == (arn, expected)
    runs: list[Run] = [parse(data, name) for name, data in weather.archive.items()]
    claims = [claim for claim in weather.claims.values() if claim.verdict]
    assert Counter(run.id for run in runs) == Counter(claim.run for claim in claims)
    assert set(weather.log) == {run.id for run in runs}
    by_id = {run.id: run for run in runs}
    for claim in claims:
        assert by_id[claim.run].decision.verdict == claim.verdict
    assert all(claim.ended for claim in weather.claims.values())
    assert sorted(weather.dead) == sorted(poison)
    reverted = [run for package in weather.packages.values() for run in package.history]
    assert len(reverted) == len(set(reverted))
    assert set(reverted) <= {word.run for word in weather.told}
    assert {run.decision.request.principal.principal for run in runs if run.decision.request.principal} <= set(
        APPROVERS
    )  # type: ignore[union-attr]
    for arn in weather.packages:
        newest = max((run for run in runs if run.decision.package == arn), key=lambda run: run.id, default=None)
        assert newest is None or open_of(newest) <= active(weather, arn)
        assert trouble or newest is None or open_of(newest) == active(weather, arn)
    if not trouble:
        assert Counter(word.run for word in weather.told).most_common(1)[0][1] <= 2  # that it waits, and how it ended
