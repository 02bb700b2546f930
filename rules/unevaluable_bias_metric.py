"""Bias metric cannot be evaluated.

Clarify writes `null` with an error, `"NaN"` or an infinite value where a group is empty or a rate divides by zero. Fails
where that befell a bounded metric of a protected attribute, or where a readable report leaves such a metric out. How large
the numbers are is the concern of BIAS-02; reports that are not there or no reports are that of BIAS-01.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from modelwarden.control import Fail, NotApplicable, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Present

_PRE_TRAINING = frozenset({"CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"})
"""Metrics of the data; all others need predictions and stand in the post-training section."""


@control(
    id="BIAS-03",
    title="bias metric cannot be evaluated",
    severity="high",
    rationale="A metric that is no number hides a disparity as well as its absence.",
    remediation="give Clarify enough rows of each group (and a group variable for CDDL and CDDPL), and register the package with the new report",
    reads=(
        "/bias_report_count",
        "/bias_report/*/state",
        "/bias_report/*/facet_count",
        "/bias_report/*/facet/*/section",
        "/bias_report/*/facet/*/name",
        "/bias_report/*/facet/*/value_or_threshold",
        "/bias_report/*/facet/*/metric_count",
        "/bias_report/*/facet/*/metric/*/name",
        "/bias_report/*/facet/*/metric/*/state",
        "/bias_report/*/facet/*/metric/*/value",
        "/bias_report/*/facet/*/metric/*/error",
        "parameter:protected_attributes",
        "parameter:bias_bounds",
    ),
    source="NIST AI RMF 1.0 MEASURE 2.11",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    attributes, bounds = parameters["protected_attributes"], parameters["bias_bounds"]
    if not attributes:
        return NotApplicable("no protected attribute is declared", at=["parameter:protected_attributes"])
    if not bounds:
        return Unknown("parameter bias_bounds is empty: no metric is required")
    if not evidence.members("/bias_report") and _value(evidence, "/bias_report_count") == 0:
        return Unknown("the package has no bias report to judge", at=["/bias_report_count"])
    unread: list[str] = []
    entries = list(_entries(evidence, attributes, unread))
    required = [(entry, name, metric) for entry in entries for name, metric in entry.metrics if name in bounds]
    bad = [(f"{name} of {entry}", metric) for entry, name, metric in required if _evades(evidence, metric, unread)]
    if bad:
        return _failed(evidence, bad, list(bounds))
    if unread:
        return Unknown("parts of the bias reports were not read", at=unread)
    missing = list(_missing(attributes, list(bounds), entries))
    if missing:
        counts = [f"{report}/facet_count" for report in evidence.members("/bias_report")]
        at = dict.fromkeys([*counts, *(f"{entry.head}/metric_count" for entry in entries)])
        return Fail(_expected(list(bounds)), at=list(at), reason=f"not reported: {', '.join(missing)}")
    return Pass()


class _Entry(Struct, frozen=True):
    """One value of a protected attribute in one section of one report; what was not read is empty."""

    head: str
    attribute: str
    value: str
    section: str
    metrics: tuple[tuple[str, str], ...]
    """(name, prefix of its facts)"""

    def __str__(self) -> str:
        return f"`{self.attribute}` = `{self.value}`"


def _entries(evidence: View, attributes: tuple[str, ...], unread: list[str]) -> Iterator[_Entry]:
    """One entry for each value of a protected attribute. A report that is not valid has unread facets."""
    for report in _listed(evidence, "/bias_report", unread):
        if _value(evidence, f"{report}/state") != "valid":
            unread.append(f"{report}/state")
        for facet in _listed(evidence, f"{report}/facet", unread):
            attribute = _text(evidence, f"{facet}/name", unread)
            if attribute in attributes:
                value = _text(evidence, f"{facet}/value_or_threshold", unread)
                section = _text(evidence, f"{facet}/section", unread)
                metrics = _listed(evidence, f"{facet}/metric", unread)
                named = tuple((_text(evidence, f"{metric}/name", unread), metric) for metric in metrics)
                yield _Entry(facet, attribute, value, section, named)


def _evades(evidence: View, metric: str, unread: list[str]) -> bool:
    """Whether the metric is known to be no finite number."""
    state = _value(evidence, f"{metric}/state")
    if state in ("undefined", "infinite"):
        return True
    value = _value(evidence, f"{metric}/value")
    if isinstance(value, str):
        return True
    if state is None or value is None:
        unread += [f"{metric}/state", f"{metric}/value"]
    return False


def _failed(evidence: View, bad: list[tuple[str, str]], names: list[str]) -> Fail:
    at, told = [], []
    for what, metric in bad:
        error, value = _value(evidence, f"{metric}/error"), _value(evidence, f"{metric}/value")
        at += [f"{metric}/state"] if value is None else [f"{metric}/state", f"{metric}/value"]
        at += [] if error is None else [f"{metric}/error"]
        told.append(f"{what} is {value or 'undefined'}" + (f" ({error})" if error else ""))
    return Fail(_expected(names), at=at, reason="; ".join(told))


def _expected(names: list[str]) -> str:
    return f"a finite number for {', '.join(names)} of each value of each protected attribute"


def _missing(attributes: tuple[str, ...], bounded: list[str], entries: list[_Entry]) -> Iterator[str]:
    """What must be there: each bounded metric for each value that any section reports."""
    held = {(entry.attribute, entry.value, entry.section, name) for entry in entries for name, _ in entry.metrics}
    for attribute in attributes:
        values = dict.fromkeys(entry.value for entry in entries if entry.attribute == attribute)
        if not values:
            yield f"`{attribute}`"
        for value in values:
            for metric in bounded:
                section = "pre_training" if metric in _PRE_TRAINING else "post_training"
                if (attribute, value, section, metric) not in held:
                    yield f"{metric} of `{attribute}` = `{value}`"


def _listed(evidence: View, prefix: str, unread: list[str]) -> list[str]:
    """The members of a list; its count goes to `unread` unless it is known and they are all of them."""
    members = evidence.members(prefix)
    if _value(evidence, f"{prefix}_count") != len(members):
        unread.append(f"{prefix}_count")
    return members


def _text(evidence: View, pointer: str, unread: list[str]) -> str:
    value = _value(evidence, pointer)
    if value is None:
        unread.append(pointer)
    return "" if value is None else str(value)


def _value(evidence: View, pointer: str) -> Any:
    """The value of a present fact, else None."""
    fact = evidence.get(pointer)
    return fact.value if isinstance(fact, Present) else None
