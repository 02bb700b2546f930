"""Bias metric is out of bounds for a facet.

Judges each bounded metric of each value of each protected attribute, in whatever section it stands, with exact decimals:
0.7999999 is below 0.8. Parameter `bias_bounds`: metric -> `min`, `max`, `max_abs` (exact text or whole number),
`symmetric` (the smaller of x and 1/x is judged, so that swapped groups give one verdict), `source`.

One value out of bounds fails, whatever else was not read. Without one, a required metric that is missing or no number
makes the control unknown, and so do the metrics of a model that predicts one label: they are perfect for any data.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from modelwarden.bias_report import NEUTRAL, TOLERANCE, Entry, entries, exact, listed, missing
from modelwarden.control import Fail, NotApplicable, Parameters, Pass, Unknown, Verdict, View, control

_LIMITS = ("min", "max", "max_abs")


@control(
    id="BIAS-02",
    title="bias metric is out of bounds for a facet",
    severity="critical",
    rationale="The model treats a group of people worse than the organization's bounds allow.",
    remediation="mitigate the disparity (data, features, threshold), retrain, and register the package with a new Clarify report",
    reads=(
        "/bias_report_count",
        "/bias_report/*/uri",
        "/bias_report/*/version_id",
        "/bias_report/*/etag",
        "/bias_report/*/state",
        "/bias_report/*/facet_count",
        "/bias_report/*/facet/*/section",
        "/bias_report/*/facet/*/name",
        "/bias_report/*/facet/*/value_or_threshold",
        "/bias_report/*/facet/*/metric_count",
        "/bias_report/*/facet/*/metric/*/name",
        "/bias_report/*/facet/*/metric/*/state",
        "/bias_report/*/facet/*/metric/*/value",
        "/evaluation/label_count",
        "/evaluation/label/*/predicted",
        "parameter:protected_attributes",
        "parameter:bias_bounds",
        "parameter:minimum_predicted_share_bp",
    ),
    source="29 CFR 1607.4(D) for DI; EU AI Act Articles 10 and 15; NIST AI RMF 1.0 MEASURE 2.11",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    attributes, bounds = parameters["protected_attributes"], parameters["bias_bounds"]
    if not attributes:
        return NotApplicable("no protected attribute is declared", at=["parameter:protected_attributes"])
    unusable = [metric for metric, bound in bounds.items() if not _usable(bound)]
    if unusable or not bounds:
        what = f"parameter bias_bounds: {', '.join(unusable)}" if unusable else "parameter bias_bounds is empty"
        return Unknown(
            f"{what}: a metric needs min, max or max_abs as numbers, and at most symmetric and source besides"
        )
    if not evidence.members("/bias_report") and evidence.value("/bias_report_count") == 0:
        return Unknown("the package has no bias report to judge", at=["/bias_report_count"])
    seen = _Seen()
    for entry in entries(evidence, attributes, seen.unread):
        seen.entries.append(entry)
        for name, metric in entry.metrics:
            if name in bounds:
                _judge(evidence, f"{name} of {entry}", metric, name, bounds[name], seen)
    return _failed(evidence, bounds, seen) or _undecided(evidence, parameters, seen) or Pass()


class _Seen(Struct):
    """What the reports say; the last item of each tuple is for people."""

    entries: list[Entry] = field(default_factory=list)
    outside: list[tuple[str, str, str]] = field(default_factory=list)
    """(prefix of the metric's facts, metric, text)"""
    undefined: list[tuple[str, str]] = field(default_factory=list)
    """(prefix of the metric's facts, text)"""
    unread: list[str] = field(default_factory=list)
    """Pointers."""


def _judge(evidence: View, what: str, metric: str, name: str, bound: Mapping[str, Any], seen: _Seen) -> None:
    state = evidence.value(f"{metric}/state")
    if state == "undefined":
        seen.undefined.append((metric, f"{what} is undefined"))
        return
    value = evidence.value(f"{metric}/value")
    outside = None if value is None else _outside(name, value, bound)
    if state is None or value is None:
        seen.unread += [f"{metric}/state", f"{metric}/value"]
    elif outside is None:
        seen.undefined.append((metric, f"{what} is {value}, and bias_bounds has no limit on that side"))
    elif outside:
        seen.outside.append((metric, name, f"{what} is {value}"))


def _outside(name: str, value: object, bound: Mapping[str, Any]) -> bool | None:
    """Whether a value is out of bounds; None for an infinite one that no limit speaks of."""
    limits = {key: exact(bound[key]) for key in _LIMITS if key in bound}
    number = exact(value)
    if number is None:
        # A disparate impact without end is never fair; of other unbounded metrics the parameter decides.
        upwards = value == "Infinity"
        limited = "max" in limits if upwards else "min" in limits
        swapped = upwards and bound.get("symmetric") is True and "min" in limits
        return True if name == "DI" or limited or swapped or "max_abs" in limits else None
    if bound.get("symmetric") is True and number:
        number = min(number, 1 / number)
    lowest, highest, largest = (limits.get(key) for key in _LIMITS)
    return (
        (lowest is not None and number < lowest)
        or (highest is not None and number > highest)
        or (largest is not None and abs(number) > largest)
    )


def _failed(evidence: View, bounds: Mapping[str, Any], seen: _Seen) -> Fail | None:
    if not seen.outside:
        return None
    metrics = dict.fromkeys(name for _, name, _ in seen.outside)
    reports = dict.fromkeys(metric.split("/facet/")[0] for metric, _, _ in seen.outside)
    at = [f"{metric}/value" for metric, _, _ in seen.outside]
    for report in reports:
        version = "version_id" if evidence.value(f"{report}/version_id") is not None else "etag"
        at += [p for p in (f"{report}/uri", f"{report}/{version}") if evidence.value(p) is not None]
    return Fail(
        expected="; ".join(_bound_text(name, bounds[name]) for name in metrics),
        at=at,
        reason="; ".join(text for _, _, text in seen.outside),
    )


def _bound_text(name: str, bound: Mapping[str, Any]) -> str:
    judged = f"the smaller of {name} and 1/{name}" if bound.get("symmetric") is True else name
    signs = {"min": f"{judged} >= ", "max": f"{judged} <= ", "max_abs": f"|{judged}| <= "}
    said = " and ".join(f"{sign}{bound[key]}" for key, sign in signs.items() if key in bound)
    return f"{said} ({bound['source']})" if bound.get("source") else said


def _undecided(evidence: View, parameters: Parameters, seen: _Seen) -> Unknown | None:
    """Why values that are all within their bounds prove nothing yet."""
    if seen.unread:
        return Unknown("parts of the bias reports were not read", at=seen.unread)
    if seen.undefined:
        at = [f"{metric}/value" for metric, _ in seen.undefined]
        return Unknown("; ".join(text for _, text in seen.undefined), at=at)
    lacking = [*_without_predictions(seen.entries)]
    lacking += missing(parameters["protected_attributes"], parameters["bias_bounds"], seen.entries)
    if lacking:
        return Unknown(f"not reported: {', '.join(dict.fromkeys(lacking))}", at=["/bias_report_count"])
    suspects = [entry for entry in seen.entries if entry.section == "post_training" and _neutral(evidence, entry)]
    if suspects and not _both_labels(evidence, parameters["minimum_predicted_share_bp"]):
        who = ", ".join(map(str, suspects))
        why = f"constant predictor? {', '.join(NEUTRAL)} of {who} say nothing against it"
        at = [f"{metric}/value" for entry in suspects for name, metric in entry.metrics if name in NEUTRAL]
        return Unknown(why, at=[*at, "/evaluation/label_count"])
    return None


def _without_predictions(entries: list[Entry]) -> Iterator[str]:
    """A value that no post-training section reports: whatever the bounds, nobody has looked at the model."""
    looked_at = {(entry.attribute, entry.value) for entry in entries if entry.section == "post_training"}
    for entry in entries:
        if (entry.attribute, entry.value) not in looked_at:
            yield f"{entry} in post_training"


def _neutral(evidence: View, entry: Entry) -> bool:
    """True unless some metric is known to differ from what a constant predictor scores."""
    for metric, neutral in NEUTRAL.items():
        for name, prefix in entry.metrics:
            if name == metric and evidence.value(f"{prefix}/state") in ("number", "infinite"):
                value = evidence.value(f"{prefix}/value")
                number = exact(value)
                if value is not None and (number is None or abs(number - neutral) > TOLERANCE):
                    return False
    return True


def _both_labels(evidence: View, minimum_bp: int) -> bool:
    """Whether the confusion matrix shows that even the rarest label is predicted often enough."""
    unread: list[str] = []
    labels = listed(evidence, "/evaluation/label", unread)
    predicted = [exact(evidence.value(f"{label}/predicted")) for label in labels]
    counts = [count for count in predicted if count is not None]
    if unread or len(counts) < max(len(labels), 2) or not sum(counts):
        return False
    return min(counts) * 10_000 >= minimum_bp * sum(counts)


def _usable(bound: object) -> bool:
    """At least one limit, all of them numbers, and no key that nobody reads: it might be a limit, mistyped."""
    if not isinstance(bound, Mapping) or not bound.keys() <= {*_LIMITS, "symmetric", "source", "about"}:
        return False
    limits = [bound[key] for key in _LIMITS if key in bound]
    return bool(limits) and None not in map(exact, limits) and isinstance(bound.get("symmetric", False), bool)
