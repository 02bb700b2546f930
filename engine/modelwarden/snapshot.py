"""What was read of an account and region besides evidence: the coverage ledger, what runs there, and model cards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

RowState = Literal[
    "read", "denied", "expired", "throttled", "disabled", "unreachable", "malformed", "incomplete", "skipped"
]


class LedgerRow(Struct, frozen=True):
    """One account x region x API of a run."""

    account: str
    region: str
    api: str
    """As IAM spells it: `sagemaker:DescribeModelPackage`."""
    state: RowState
    calls: int
    """Requests that were made, without retries."""
    seconds: float
    error: str = ""
    """Code and message of the first error, without secrets; empty where there was none."""
    request_id: str = ""
    """Of that error."""
    covered_by: str = ""
    """The API that gave the same facts, where this one failed."""
    rate: float = 0.0
    """Calls a second to which throttling slowed it down at the most; 0 where AWS throttled nothing, or where nothing
    is slowed down."""


def folded(rows: Iterable[LedgerRow]) -> tuple[LedgerRow, ...]:
    """One row for an API that went alike in several passes over a cell: the first error, the calls of all."""
    found: dict[tuple[str, str, str, str], LedgerRow] = {}
    for row in rows:
        place = (row.account, row.region, row.api, row.state)
        known = found.get(place)
        found[place] = (
            replace(known, calls=known.calls + row.calls, seconds=round(known.seconds + row.seconds, 3))
            if known
            else row
        )
    return tuple(found.values())


class Deployment(Struct, frozen=True):
    """One container of one variant of an endpoint, or why that cannot be told."""

    endpoint: str
    """ARN."""
    status: str
    """EndpointStatus: InService, ..."""
    variant: str
    """Empty where nobody could read which variants there are."""
    model: str
    """Name; empty where the variant names none."""
    package: str | None
    """ARN of the model package that it runs; None where it runs none, or where there is a problem."""
    image: str
    """URI of the container's image where it runs no package, else empty."""
    problem: str = ""
    """Why it could not be told what it runs; then neither package nor image says anything."""
    capture: Literal["", "absent", "Started", "Stopped"] = ""
    """Whether the endpoint captures its data, as AWS spells it; `absent` where it has no data capture, empty where nobody
    could read it."""
    capture_percent: int | None = None
    """Share of requests that it captures; None where it has no data capture, or nobody could read it."""


class EndpointMetric(Struct, frozen=True):
    """One number that CloudWatch holds of a variant of an endpoint over a day."""

    endpoint: str
    """ARN."""
    variant: str
    metric: str
    """With its unit: `model_latency_average_us`."""
    value: int | None
    """None where CloudWatch holds none, or where nobody could read it: the one is never taken for the other."""
    problem: str = ""
    """Why it could not be read; empty where CloudWatch answered."""


class ModelCard(Struct, frozen=True):
    """One standalone model card, as its list shows it, and what it says it is about."""

    arn: str
    status: str
    """Draft, PendingReview, Approved or Archived, as AWS spells it."""
    created: str
    """UTC; empty where the answer has no time that can be read."""
    changed: str
    """UTC of its newest version."""
    package: str
    """ARN of the model package that it is about; empty where it names none, or where there is a problem."""
    problem: str = ""
    """Why it could not be told what it is about; then `package` says nothing."""
