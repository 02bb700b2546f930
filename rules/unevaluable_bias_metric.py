"""Bias metric cannot be evaluated.

Clarify writes `null` with an error, `"NaN"` or an infinite value where a group is empty or a rate divides by zero. Fails
where that befell a bounded metric of a protected attribute, or where a readable report leaves such a metric out. How large
the numbers are is the concern of BIAS-02; reports that are not there or no reports are that of BIAS-01.
"""

from modelwarden.bias_report import entries, missing
from modelwarden.control import Fail, NotApplicable, Parameters, Pass, Unknown, Verdict, View, control


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
    if not evidence.members("/bias_report") and evidence.value("/bias_report_count") == 0:
        return Unknown("the package has no bias report to judge", at=["/bias_report_count"])
    unread: list[str] = []
    found = list(entries(evidence, attributes, unread))
    required = [(entry, name, metric) for entry in found for name, metric in entry.metrics if name in bounds]
    bad = [(f"{name} of {entry}", metric) for entry, name, metric in required if _evades(evidence, metric, unread)]
    if bad:
        return _failed(evidence, bad, list(bounds))
    if unread:
        return Unknown("parts of the bias reports were not read", at=unread)
    lacking = list(missing(attributes, list(bounds), found))
    if lacking:
        counts = [f"{report}/facet_count" for report in evidence.members("/bias_report")]
        at = dict.fromkeys([*counts, *(f"{entry.head}/metric_count" for entry in found)])
        return Fail(_expected(list(bounds)), at=list(at), reason=f"not reported: {', '.join(lacking)}")
    return Pass()


def _evades(evidence: View, metric: str, unread: list[str]) -> bool:
    """Whether the metric is known to be no finite number."""
    state = evidence.value(f"{metric}/state")
    if state in ("undefined", "infinite"):
        return True
    value = evidence.value(f"{metric}/value")
    if isinstance(value, str):
        return True
    if state is None or value is None:
        unread += [f"{metric}/state", f"{metric}/value"]
    return False


def _failed(evidence: View, bad: list[tuple[str, str]], names: list[str]) -> Fail:
    at, told = [], []
    for what, metric in bad:
        error, value = evidence.value(f"{metric}/error"), evidence.value(f"{metric}/value")
        at += [f"{metric}/state"] if value is None else [f"{metric}/state", f"{metric}/value"]
        at += [] if error is None else [f"{metric}/error"]
        told.append(f"{what} is {value or 'undefined'}" + (f" ({error})" if error else ""))
    return Fail(_expected(names), at=at, reason="; ".join(told))


def _expected(names: list[str]) -> str:
    return f"a finite number for {', '.join(names)} of each value of each protected attribute"
