"""Metrics of endpoints: a number only where CloudWatch gave one to the end; none reported is no zero, and unread is neither."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from modelwarden.collect.endpoint_metrics import API, AT_ONCE, METRICS, Variant, endpoint_metrics, last_day
from modelwarden.evidence import Unknown
from modelwarden.snapshot import EndpointMetric

from .conftest import ACCOUNT, REGION, Said, Script, failure

DAY = date(2026, 11, 19)
START = datetime(2026, 11, 19, tzinfo=UTC)
LIVE = Variant(f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/churn-live", "Churn-Live", "main")


def read(said: Said, variants: Iterable[Variant] = (LIVE,)) -> tuple[dict[str, EndpointMetric], Unknown | None, Script]:
    script = Script({"GetMetricData": said})
    found, unread = endpoint_metrics(script, ACCOUNT, REGION, variants, DAY)  # type: ignore[arg-type]
    return {one.metric: one for one in found}, unread, script


def answered(
    given: dict[str, Any], values: Callable[[str, str], list[float]], status: str = "Complete", **more: Any
) -> dict[str, Any]:
    """What is asked, with values by metric and statistic."""
    results = []
    for query in given["MetricDataQueries"]:
        stat = query["MetricStat"]
        numbers = values(stat["Metric"]["MetricName"], stat["Stat"])
        times = [START + timedelta(hours=hour) for hour in range(len(numbers))]
        results.append({"Id": query["Id"], "Values": numbers, "Timestamps": times, "StatusCode": status})
    return {"MetricDataResults": results, **more}


def test_every_metric_is_asked_by_the_name_that_cloudwatch_knows_over_one_whole_day() -> None:
    found, unread, script = read(lambda given: answered(dict(given), lambda name, stat: [1]))
    assert unread is None
    ((_, asked),) = script.asked
    assert (asked["StartTime"], asked["EndTime"]) == (START, START + timedelta(days=1))
    assert "MaxResults" not in asked
    stats = [query["MetricStat"] for query in asked["MetricDataQueries"]]
    assert {one["Period"] for one in stats} == {86_400}
    dimensions = [{"Name": "EndpointName", "Value": "Churn-Live"}, {"Name": "VariantName", "Value": "main"}]
    assert all(one["Metric"]["Dimensions"] == dimensions for one in stats)
    assert [(one["Metric"]["Namespace"], one["Metric"]["MetricName"], one["Stat"]) for one in stats] == [
        ("AWS/SageMaker", "Invocations", "Sum"),
        ("AWS/SageMaker", "Invocation4XXErrors", "Sum"),
        ("AWS/SageMaker", "Invocation5XXErrors", "Sum"),
        ("AWS/SageMaker", "ModelLatency", "Average"),
        ("AWS/SageMaker", "ModelLatency", "Maximum"),
        ("/aws/sagemaker/Endpoints", "CPUUtilization", "Average"),
        ("/aws/sagemaker/Endpoints", "CPUUtilization", "Maximum"),
        ("/aws/sagemaker/Endpoints", "MemoryUtilization", "Average"),
        ("/aws/sagemaker/Endpoints", "MemoryUtilization", "Maximum"),
        ("/aws/sagemaker/Endpoints", "DiskUtilization", "Average"),
        ("/aws/sagemaker/Endpoints", "DiskUtilization", "Maximum"),
    ]
    assert list(found) == list(METRICS)
    assert {one.endpoint for one in found.values()} == {LIVE.endpoint}


def test_units_are_in_the_names_and_values_are_whole_numbers() -> None:
    numbers = {"Invocations": 1_200.0, "ModelLatency": 15_321.6, "CPUUtilization": 187.456, "MemoryUtilization": 0.0}
    found, _, _ = read(lambda given: answered(dict(given), lambda name, _: [numbers[name]] if name in numbers else []))
    assert {name: one.value for name, one in found.items()} == {
        "invocations": 1_200,
        "invocation_4xx_errors": None,
        "invocation_5xx_errors": None,
        "model_latency_average_us": 15_322,
        "model_latency_maximum_us": 15_322,
        "cpu_utilization_average_bp": 18_746,
        "cpu_utilization_maximum_bp": 18_746,
        "memory_utilization_average_bp": 0,
        "memory_utilization_maximum_bp": 0,
        "disk_utilization_average_bp": None,
        "disk_utilization_maximum_bp": None,
    }
    assert {one.problem for one in found.values()} == {""}, "what nobody reported was read"


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden", "Anything", ""])
def test_what_is_not_complete_is_not_read(status: str) -> None:
    found, unread, _ = read(lambda given: answered(dict(given), lambda *_: [7], status))
    said = f"{API}: {status or 'no status'}"
    assert {(one.value, one.problem) for one in found.values()} == {(None, said)}
    assert unread is not None
    assert (unread.reason, unread.detail) == ("incomplete", said)


def test_partial_data_is_read_on_to_its_end() -> None:
    """An empty page is followed, and the status that counts is the last one."""

    def pages(given: Any) -> dict[str, Any]:
        match given.get("NextToken"):
            case None:
                return answered(dict(given), lambda *_: [], "PartialData", NextToken="two")
            case "two":
                return {"MetricDataResults": [], "NextToken": "three"}
        return answered(dict(given), lambda *_: [3])

    found, unread, script = read(pages)
    assert (unread, {one.value for one in found.values()}) == (
        None,
        {3, 300},
    )
    assert script.times("GetMetricData") == 3


def test_what_the_answer_does_not_speak_of_is_not_read() -> None:
    def half(given: Any) -> dict[str, Any]:
        told = answered(dict(given), lambda *_: [3])
        return {"MetricDataResults": told["MetricDataResults"][1:]}

    found, unread, _ = read(half)
    assert found.pop("invocations").problem == f"{API}: the answer does not speak of it"
    assert {one.problem for one in found.values()} == {""}
    assert unread is not None


@pytest.mark.parametrize("values", [[math.nan], [math.inf], [-1.0], [True], ["7"], [None], [1.0, 2.0]])
def test_what_is_no_amount_of_one_day_is_not_read(values: list[Any]) -> None:
    found, unread, _ = read(lambda given: answered(dict(given), lambda *_: values))
    assert {(one.value, one.problem) for one in found.values()} == {(None, f"{API}: no number of a day")}
    assert unread is not None


@pytest.mark.parametrize("later", [False, True])
def test_a_call_that_fails_leaves_nothing_behind(later: bool) -> None:
    """Also one of a later page: what came before it is not all of it."""

    def said(given: Any) -> Any:
        if later and "NextToken" not in given:
            return answered(dict(given), lambda *_: [3], NextToken="two")
        return failure("AccessDeniedException", message="no grant")

    found, unread, _ = read(said)
    assert {one.value for one in found.values()} == {None}
    assert {one.problem for one in found.values()} == {f"{API}: AccessDeniedException: no grant"}
    assert unread is not None
    assert unread.reason == "AccessDeniedException"


def test_a_call_asks_for_at_most_five_hundred_metrics_and_each_is_asked_once() -> None:
    many = [Variant(f"{LIVE.endpoint}-{number}", f"e{number}", "main") for number in range(100)]
    script = Script({"GetMetricData": lambda given: answered(dict(given), lambda *_: [1])})
    found, unread = endpoint_metrics(script, ACCOUNT, REGION, [*many, *many], DAY)  # type: ignore[arg-type]
    sizes = [len(given["MetricDataQueries"]) for _, given in script.asked]
    assert sizes == [AT_ONCE, AT_ONCE, 100 * len(METRICS) - 2 * AT_ONCE]
    assert (len(found), unread) == (100 * len(METRICS), None)
    assert len({(one.endpoint, one.metric) for one in found}) == len(found)


def test_nothing_is_asked_where_nothing_runs() -> None:
    found, unread, script = read(failure("AccessDeniedException"), [])
    assert (found, unread, script.asked) == ({}, None, [])


@pytest.mark.parametrize(
    ("as_of", "day"),
    [
        ("2026-11-20T00:00:00Z", date(2026, 11, 19)),
        ("2026-11-20T23:59:59Z", date(2026, 11, 19)),
        ("2026-11-20T00:30:00+02:00", date(2026, 11, 18)),
        ("2026-01-01T02:10:00Z", date(2025, 12, 31)),
    ],
)
def test_the_day_is_the_last_whole_one(as_of: str, day: date) -> None:
    assert last_day(as_of) == day
