"""What CloudWatch holds of the endpoints of an account and region over one day (UTC).

cloudwatch:GetMetricData, at most 500 metrics a call. Invocations are in the namespace `AWS/SageMaker`, what instances use in
`/aws/sagemaker/Endpoints`, both by EndpointName and VariantName. INVARIANT: a metric without a data point is one that nobody
reported, and no zero; one that was not answered, or not to its end, is not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.aws import Aws
from modelwarden.collect.pages import listed
from modelwarden.evidence import Source, Unknown
from modelwarden.snapshot import EndpointMetric

API: Final = "cloudwatch:GetMetricData"
AT_ONCE: Final = 500
"""Metrics of one call."""
_INVOKED: Final = "AWS/SageMaker"
_INSTANCES: Final = "/aws/sagemaker/Endpoints"
_PERCENT: Final = 100
_COMPLETE: Final = "Complete"


class Wanted(Struct, frozen=True):
    """A metric as CloudWatch names it, and what its value is multiplied with."""

    namespace: str
    name: str
    statistic: str
    factor: int = 1


METRICS: Final[Mapping[str, Wanted]] = {
    "invocations": Wanted(_INVOKED, "Invocations", "Sum"),
    "invocation_4xx_errors": Wanted(_INVOKED, "Invocation4XXErrors", "Sum"),
    "invocation_5xx_errors": Wanted(_INVOKED, "Invocation5XXErrors", "Sum"),
    "model_latency_average_us": Wanted(_INVOKED, "ModelLatency", "Average"),
    "model_latency_maximum_us": Wanted(_INVOKED, "ModelLatency", "Maximum"),
    "cpu_utilization_average_bp": Wanted(_INSTANCES, "CPUUtilization", "Average", _PERCENT),
    "cpu_utilization_maximum_bp": Wanted(_INSTANCES, "CPUUtilization", "Maximum", _PERCENT),
    "memory_utilization_average_bp": Wanted(_INSTANCES, "MemoryUtilization", "Average", _PERCENT),
    "memory_utilization_maximum_bp": Wanted(_INSTANCES, "MemoryUtilization", "Maximum", _PERCENT),
    "disk_utilization_average_bp": Wanted(_INSTANCES, "DiskUtilization", "Average", _PERCENT),
    "disk_utilization_maximum_bp": Wanted(_INSTANCES, "DiskUtilization", "Maximum", _PERCENT),
}
"""Ours -> theirs. `us` are microseconds, `bp` hundredths of a percent; that of a processor with 4 cores goes up to 40000."""


class Variant(Struct, frozen=True, order=True):
    """A variant of an endpoint."""

    endpoint: str
    """ARN."""
    name: str
    """Of the endpoint, as CloudWatch has it: the ARN has it in lower case."""
    variant: str


class _Told(Struct):
    """What was answered of one metric so far."""

    values: dict[Any, Any]
    """Time -> value."""
    status: str = ""
    """That of the last page that speaks of it."""


def endpoint_metrics(
    aws: Aws, account: str, region: str, variants: Iterable[Variant], day: date
) -> tuple[tuple[EndpointMetric, ...], Unknown | None]:
    """(each metric of each variant, why some could not be read). The account has been entered before."""
    asked = [(variant, metric) for variant in sorted(set(variants)) for metric in METRICS]
    found: list[EndpointMetric] = []
    unread: Unknown | None = None
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        told: dict[str, _Told] = {}
        ask = partial(aws.call, account, region, "cloudwatch", "GetMetricData")
        why = listed(ask, "MetricDataResults", partial(_take, told), _question(some, day), sized=False)
        for index, (variant, metric) in enumerate(some):
            one = _metric(variant, metric, told.get(_id(index)), why)
            found.append(one)
            if one.problem and unread is None:
                unread = why or Unknown("incomplete", Source(API), one.problem)
    return tuple(found), unread


def last_day(as_of: str) -> date:
    """The last whole day before a time in UTC."""
    return datetime.fromisoformat(as_of).astimezone(UTC).date() - timedelta(days=1)


def _question(some: Sequence[tuple[Variant, str]], day: date) -> dict[str, Any]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return {
        "MetricDataQueries": [_query(index, variant, METRICS[metric]) for index, (variant, metric) in enumerate(some)],
        "StartTime": start,
        "EndTime": start + timedelta(days=1),
    }


def _query(index: int, variant: Variant, wanted: Wanted) -> dict[str, Any]:
    names = {"EndpointName": variant.name, "VariantName": variant.variant}
    dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
    metric = {"Namespace": wanted.namespace, "MetricName": wanted.name, "Dimensions": dimensions}
    day = int(timedelta(days=1).total_seconds())
    return {"Id": _id(index), "MetricStat": {"Metric": metric, "Period": day, "Stat": wanted.statistic}}


def _id(index: int) -> str:
    return f"m{index}"


def _take(told: dict[str, _Told], entry: Mapping[str, Any]) -> bool:
    """Keep a page's part of a metric; whether it says of which."""
    if not isinstance(entry.get("Id"), str):
        return False
    one = told.setdefault(entry["Id"], _Told({}))
    one.values |= dict(zip(entry.get("Timestamps") or (), entry.get("Values") or (), strict=False))
    one.status = str(entry.get("StatusCode") or "")
    return True


def _metric(variant: Variant, metric: str, told: _Told | None, why: Unknown | None) -> EndpointMetric:
    """INVARIANT: a value only where the metric was answered to its end, and where the day has one number."""
    value, problem = _value(told, METRICS[metric].factor)
    if why is not None:
        value, problem = None, ": ".join(filter(None, (API, why.reason, why.detail)))
    return EndpointMetric(variant.endpoint, variant.variant, metric, value, problem)


def _value(told: _Told | None, factor: int) -> tuple[int | None, str]:
    if told is None:
        return None, f"{API}: the answer does not speak of it"
    if told.status != _COMPLETE:
        return None, f"{API}: {told.status or 'no status'}"
    numbers = list(told.values.values())
    if not numbers:
        return None, ""
    if len(numbers) > 1 or not _is_amount(numbers[0]):
        return None, f"{API}: no number of a day"
    return round(numbers[0] * factor), ""


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
