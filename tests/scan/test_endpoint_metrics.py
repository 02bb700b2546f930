"""Metrics of the demo's endpoints over HTTP: asked only where the settings say so, a hole of their own, and never a zero."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from modelwarden.collect.endpoint_metrics import METRICS
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from modelwarden.scan.record import Metrics
from modelwarden.snapshot import EndpointMetric
from tests.organization import ask

from .conftest import WITHOUT_ROLE, house, records, scan, work
from .test_cards import deny
from .test_scan import gap
from .test_scan_faults import KINDS

MARKETING, LENDING, REGION = "666677778888", "444455556666", "us-east-1"
API = "cloudwatch:GetMetricData"
ONE = f'accounts = ["{MARKETING}"]\nregions = ["{REGION}"]'
ASKED = f"{ONE}\nendpoint_metrics = true"
ENDPOINT = f"arn:aws:sagemaker:{REGION}:{MARKETING}:endpoint/campaign-experiment"


@pytest.fixture(autouse=True)
def repaired(organization: Sandbox) -> Iterator[None]:
    yield
    ask(organization, "DELETE", "faults")


@pytest.fixture(scope="module", autouse=True)
def measured(organization: Sandbox) -> None:
    """Two numbers of the last whole day, and one of the day itself. Of another account's endpoint of the same name, too."""
    for account, value in ((MARKETING, 40.0), (LENDING, 9_999.0)):
        own = organization.environment(account)
        client = boto3.client(
            "cloudwatch",
            endpoint_url=organization.endpoint,
            region_name=REGION,
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        )
        names = {"EndpointName": "campaign-experiment", "VariantName": "AllTraffic"}
        dimensions = [{"Name": name, "Value": text} for name, text in names.items()]
        for metric, amount, hour in (
            ("Invocations", value, datetime(2026, 11, 19, 0, 0, tzinfo=UTC)),
            ("Invocations", 2.0, datetime(2026, 11, 19, 23, 59, tzinfo=UTC)),
            ("Invocations", 500.0, datetime(2026, 11, 20, 0, 0, tzinfo=UTC)),
            ("ModelLatency", 1_500.4, datetime(2026, 11, 19, 12, tzinfo=UTC)),
        ):
            data: Any = {"MetricName": metric, "Dimensions": dimensions, "Value": amount, "Timestamp": hour}
            client.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data])


def told(outcome: scanning.Outcome) -> Metrics | None:
    running = outcome.folder.running(MARKETING, REGION)
    assert running is not None
    return running.metrics


def test_what_cloudwatch_holds_is_recorded_and_what_it_does_not_hold_is_no_zero(
    organization: Sandbox, tmp_path: Path
) -> None:
    outcome = scan(house(tmp_path, ASKED), tmp_path / "run")
    numbers = {"invocations": 42, "model_latency_average_us": 1_500, "model_latency_maximum_us": 1_500}
    expected = tuple(EndpointMetric(ENDPOINT, "AllTraffic", name, numbers.get(name)) for name in METRICS)
    assert told(outcome) == Metrics("2026-11-19", expected, "")
    assert outcome.summary.complete


def test_nobody_asks_cloudwatch_by_default(organization: Sandbox, tmp_path: Path) -> None:
    ask(organization, "DELETE", "stats")
    outcome = scan(house(tmp_path, ONE), tmp_path / "run")
    assert told(outcome) is None
    assert API not in {row["op"] for row in ask(organization, "GET", "stats")["calls"]}


def test_what_was_not_read_is_a_hole_and_judges_nothing(organization: Sandbox, tmp_path: Path) -> None:
    before = scan(house(tmp_path, ASKED), tmp_path / "before")
    deny(organization, API)
    outcome = scan(house(tmp_path, ASKED), tmp_path / "run")
    assert [(row.account, row.api, row.state) for row in outcome.summary.partly] == [(MARKETING, API, "denied")]
    assert (outcome.summary.read, outcome.summary.code()) == (0, 3)
    found = told(outcome)
    assert found is not None
    assert (found.unread.split(": ")[:2], found.unread_by) == ([API, "AccessDeniedException"], (API,))
    assert {(one.value, one.problem.split(": ")[1]) for one in found.found} == {(None, "AccessDeniedException")}
    roles = {package: (one.role, one.stage) for package, one in records(outcome).items()}
    assert roles == {package: (one.role, one.stage) for package, one in records(before).items()}
    assert outcome.summary.verdicts == before.summary.verdicts

    # Going on with it asks again, and reads no package anew.
    ask(organization, "DELETE", "faults")
    ask(organization, "DELETE", "stats")
    rules = house(tmp_path, ASKED)
    folder, plan = scanning.resumed(tmp_path / "run", rules)
    again = work(folder, plan, rules)
    assert again.summary.complete
    assert told(again) == told(before)
    asked = {row["op"] for row in ask(organization, "GET", "stats")["calls"]}
    assert API in asked
    assert "sagemaker:ListModelPackages" not in asked


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_wrong_with_the_call_leaves_no_number(organization: Sandbox, tmp_path: Path, kind: str) -> None:
    ask(organization, "POST", "faults", {"op": API, "kind": kind})
    outcome = scan(house(tmp_path, ASKED), tmp_path / "run")
    found = told(outcome)
    assert found is not None
    assert {(one.value, one.problem != "") for one in found.found} == {(None, True)}
    assert (found.unread_by, outcome.summary.code(), outcome.broken) == ((API,), 3, ())


def test_an_answer_that_is_not_whole_is_a_hole_too(
    organization: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call itself succeeds, and its row of the ledger says nothing else."""
    monkeypatch.setattr("modelwarden.collect.endpoint_metrics._COMPLETE", "Never")
    outcome = scan(house(tmp_path, ASKED), tmp_path / "run")
    assert [(row.api, row.state, row.error) for row in outcome.summary.partly] == [
        (API, "incomplete", f"{API}: incomplete: {API}: Complete")
    ]
    assert outcome.summary.code() == 3


def test_an_accepted_gap_stands_for_metrics_too(organization: Sandbox, tmp_path: Path) -> None:
    deny(organization, API)
    outcome = scan(house(tmp_path, ASKED, gap(MARKETING, API)), tmp_path / "run")
    assert outcome.summary.complete
    assert [row.api for row, _ in outcome.summary.accepted] == [API]


def test_an_account_that_cannot_be_entered_has_none(organization: Sandbox, tmp_path: Path) -> None:
    table = f'accounts = ["{WITHOUT_ROLE}"]\nregions = ["eu-west-1"]\nendpoint_metrics = true'
    outcome = scan(house(tmp_path, table), tmp_path / "run")
    running = outcome.folder.running(WITHOUT_ROLE, "eu-west-1")
    assert running is not None
    assert running.metrics is None
    assert outcome.summary.code() == 3
