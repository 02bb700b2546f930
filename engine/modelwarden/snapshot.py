"""The coverage ledger: what was expected to be read, and what became of it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

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
