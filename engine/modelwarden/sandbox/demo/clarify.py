"""Assembles a Clarify `analysis.json` around the reports of the open-source `smclarify` package."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

LEGACY = frozenset({"SD", "GE"})
"""metrics that files of 2021 do not have"""


@dataclass(frozen=True, slots=True)
class Facet:
    """One facet to report: a column and the value (or the lower end of an interval) that names the facet d."""

    column: str
    value: Any
    continuous: bool = False


def _text_of_infinity(report: Json) -> Json:
    """Infinities as Clarify writes them, as text; the rest as it is."""
    metrics = []
    for metric in report["metrics"]:
        value = metric["value"]
        if isinstance(value, float) and math.isinf(value):
            value = "Infinity" if value > 0 else "-Infinity"
        metrics.append({**metric, "value": value})
    return {"value_or_threshold": report["value_or_threshold"], "metrics": metrics}


def _section(frame: Any, predicted: Any, facets: Sequence[Facet], positive: int, group: Any) -> Json:
    from smclarify.bias import report as clarify

    stage = clarify.StageType.PRE_TRAINING if predicted is None else clarify.StageType.POST_TRAINING
    label = clarify.LabelColumn("label", frame["label"], [positive])
    guess = None if predicted is None else clarify.LabelColumn("predicted", predicted, [positive])
    found: dict[str, list[Json]] = {}
    for facet in facets:
        rows = frame.drop(columns=[c for c in ("sex", "age", "job") if c in frame and c != facet.column])
        if facet.continuous:
            rows = rows.assign(**{facet.column: rows[facet.column].astype(float)})
        column = clarify.FacetColumn(facet.column, [facet.value])
        reports = clarify.bias_report(rows, column, label, stage, guess, group_variable=group)
        found.setdefault(facet.column, []).extend(map(_text_of_infinity, reports))
    return {"label": "label", "facets": found, "label_value_or_threshold": str(positive)}


def analysis(
    frame: Any,
    predicted: Any | None,
    facets: Sequence[Facet],
    *,
    positive: int = 1,
    grouped: bool = True,
    without: Iterable[str] = (),
) -> Json:
    """The document for one model: the pre-training section, and the post-training one where there are predictions.

    `grouped` hands over the group variable, without which CDDL and CDDPL are null with an error; `without` leaves
    metrics out of the post-training section.
    """
    group = frame["job"] if grouped else None
    document: Json = {"version": "1.0"}
    if predicted is not None:
        document["post_training_bias_metrics"] = _section(frame, predicted, facets, positive, group)
        left_out = frozenset(without)
        for reports in document["post_training_bias_metrics"]["facets"].values():
            for report in reports:
                report["metrics"] = [m for m in report["metrics"] if m["name"] not in left_out]
    document["pre_training_bias_metrics"] = _section(frame, None, facets, positive, group)
    return document


def explanations(model: Any, train: Any, test: Any, label: str = "label0") -> Json:
    """Global attributions of a linear model: mean |coefficient x (x - mean)|, which is its exact SHAP value."""
    names = list(test.columns)
    weights = dict(zip(names, model.coef_[0], strict=True))
    shares = {n: round(float((weights[n] * (test[n] - train[n].mean())).abs().mean()), 6) for n in names}
    expected = float(model.intercept_[0] + sum(weights[n] * train[n].mean() for n in names))
    shap = {"global_shap_values": shares, "expected_value": round(expected, 6)}
    return {"version": "1.0", "explanations": {"kernel_shap": {label: shap}}}
