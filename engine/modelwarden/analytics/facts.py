"""Facts of a package as columns: each with its state, so that what nobody read is told from what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelwarden.evidence import NOT_COLLECTED, Absent, Evidence, Fact, Present

Row = dict[str, Any]

LONGEST: Final = 1_000
"""Characters of a text that somebody wrote; a longer one ends with an ellipsis. QuickSight takes about two thousand."""
_STATED: Final[Mapping[str, str]] = {
    "line_of_business": "/card/content/business_details/line_of_business",
    "use_case": "/card/content/intended_uses/purpose_of_model",
    "business_problem": "/card/content/business_details/business_problem",
    "risk_rating": "/card/content/intended_uses/risk_rating",
    "problem_type": "/card/content/model_overview/problem_type",
    "model_owner": "/card/content/model_overview/model_owner",
    "card_status": "/card/status",
    "life_cycle_status": "/life_cycle/stage_status",
    "creator": "/creator/identity",
    "approver": "/approver/identity",
    "approval_description": "/approval/description",
    "approved_at": "/approver/approved_at",
    "evaluation_metrics": "/evaluation/metric_count",
    "bias_reports": "/bias_report_count",
}
"""Column -> pointer."""
_BIAS: Final = {"section": "section", "facet": "name", "facet_value": "value_or_threshold"}
"""Column of a bias metric -> fact of its facet."""


def package_facts(evidence: Evidence | None) -> Row:
    """The columns of `packages` that come from evidence; unknown, all of them, where it was not read."""
    found: Row = {}
    for column, pointer in _STATED.items():
        found |= _stated(column, _fact(evidence, pointer))
    report = _fact(evidence, "/evaluation/state")
    return found | {"evaluation_state": report.value if isinstance(report, Present) else state_of(report)}


def metrics(evidence: Evidence) -> Iterator[Row]:
    """The rows of `metrics` of one package: what its reports hold, and of each metric whether it is a number."""
    for head in _members(evidence, "/evaluation/metric"):
        yield {"report": "evaluation", **dict.fromkeys(_BIAS), **_metric(evidence, head)}
    for report in _members(evidence, "/bias_report"):
        for facet in _members(evidence, f"{report}/facet"):
            place = {name: _text(evidence.get(f"{facet}/{fact}")) for name, fact in _BIAS.items()}
            for head in _members(evidence, f"{facet}/metric"):
                yield {"report": "bias", **place, **_metric(evidence, head)}


def state_of(fact: Fact) -> str:
    """One of `tables.States`."""
    return "present" if isinstance(fact, Present) else "absent" if isinstance(fact, Absent) else "unknown"


def short(text: str) -> str:
    """At most `LONGEST` characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _fact(evidence: Evidence | None, pointer: str) -> Fact:
    return evidence.get(pointer) if evidence is not None else NOT_COLLECTED


def _stated(column: str, fact: Fact) -> Row:
    value: Any = fact.value if isinstance(fact, Present) else None
    return {column: short(value) if isinstance(value, str) else value, f"{column}_state": state_of(fact)}


def _members(evidence: Evidence, head: str) -> list[str]:
    """Where the members of a list stand; those in hand where nobody could tell how many there are."""
    return [f"{head}/{index}" for index in evidence.listing(head)[1]]


def _metric(evidence: Evidence, head: str) -> Row:
    value = evidence.get(f"{head}/value")
    state = evidence.get(f"{head}/state")
    number = value.value if isinstance(value, Present) and isinstance(value.value, int | float) else None
    told = _text(state) or state_of(state)
    return {
        "metric": _text(evidence.get(f"{head}/name")),
        "value_state": told if told != "number" or number is not None else "unknown",
        "value": float(number) if told == "number" and number is not None else None,
    }


def _text(fact: Fact) -> str | None:
    return short(str(fact.value)) if isinstance(fact, Present) else None
