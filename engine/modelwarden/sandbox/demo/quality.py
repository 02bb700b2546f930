"""Assembles evaluation reports in the form of Model Monitor's model quality job."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_CURVE_POINTS = 9
_RESAMPLES = 40
_SMALL = 200
"""below this number of samples Model Monitor reports the text NaN for every deviation"""


def _scalars(observed: Any, predicted: Any) -> dict[str, float]:
    from sklearn import metrics

    recall = metrics.recall_score(observed, predicted, zero_division=0)
    specificity = metrics.recall_score(observed, predicted, pos_label=0, zero_division=0)
    return {
        "recall": recall,
        "precision": metrics.precision_score(observed, predicted, zero_division=0),
        "accuracy": metrics.accuracy_score(observed, predicted),
        "true_positive_rate": recall,
        "true_negative_rate": specificity,
        "false_positive_rate": 1 - specificity,
        "false_negative_rate": 1 - recall,
        "f1": metrics.f1_score(observed, predicted, zero_division=0),
    }


def binary(observed: Any, predicted: Any, scores: Any, *, seed: int) -> Json:
    """Report of a binary classifier; deviations by a bootstrap with a fixed seed."""
    import numpy  # type: ignore[import-not-found,unused-ignore]
    from sklearn import metrics

    observed, predicted, scores = (numpy.asarray(values) for values in (observed, predicted, scores))
    random = numpy.random.default_rng(seed)
    draws = [random.integers(0, len(observed), len(observed)) for _ in range(_RESAMPLES)]
    samples = [_scalars(observed[draw], predicted[draw]) for draw in draws]

    def scalar(name: str, value: float) -> Json:
        deviation: Any = float(numpy.std([s[name] for s in samples])) if name in samples[0] else 0.0
        return {
            "value": round(float(value), 6),
            "standard_deviation": "NaN" if len(observed) < _SMALL else round(deviation, 6),
        }

    matrix = metrics.confusion_matrix(observed, predicted, labels=[0, 1])
    report: Json = {"confusion_matrix": {str(o): {str(p): int(matrix[o][p]) for p in (0, 1)} for o in (0, 1)}}
    report.update({name: scalar(name, value) for name, value in _scalars(observed, predicted).items()})
    constant = numpy.full(len(observed), int(observed.mean() >= 0.5))
    for name in ("accuracy", "f1"):
        best = scalar(name, _scalars(observed, constant)[name])
        report[f"{name}_best_constant_classifier"] = best
    report["auc"] = scalar("auc", metrics.roc_auc_score(observed, scores))
    false_rates, true_rates, _ = metrics.roc_curve(observed, scores)
    steps = numpy.linspace(0, len(false_rates) - 1, min(_CURVE_POINTS, len(false_rates))).astype(int)
    report["receiver_operating_characteristic_curve"] = {
        "false_positive_rates": [round(float(false_rates[i]), 4) for i in steps],
        "true_positive_rates": [round(float(true_rates[i]), 4) for i in steps],
    }
    return {"dataset": {"item_count": len(observed)}, "binary_classification_metrics": report}


def regression(observed: Any, predicted: Any) -> Json:
    """Report of a regression model; the sample is small enough for the deviation to be the text NaN."""
    from sklearn import metrics

    mse = float(metrics.mean_squared_error(observed, predicted))
    values = {
        "mae": float(metrics.mean_absolute_error(observed, predicted)),
        "mse": mse,
        "rmse": mse**0.5,
        "r2": float(metrics.r2_score(observed, predicted)),
    }
    scalars = {name: {"value": round(value, 6), "standard_deviation": "NaN"} for name, value in values.items()}
    return {"dataset": {"item_count": len(observed)}, "regression_metrics": scalars}
