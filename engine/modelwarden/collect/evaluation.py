"""Evaluation reports (`evaluation.json`, Model Monitor's statistics): from an object to facts. Pure, and total.

User code writes them; by convention the outer keys are problem types (`binary_classification_metrics`), each metric is
`{value, standard_deviation}`, and `confusion_matrix[observed][predicted]` counts rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from modelwarden.collect.number import number_facts
from modelwarden.collect.report import MAX_LIST, malformed, plain
from modelwarden.evidence import Fact, Present, Source, Unknown

_MATRIX: Final = "confusion_matrix"


def no_evaluation(fact: Fact) -> dict[str, Fact]:
    """The content of a report that is not there or could not be read."""
    return {"/evaluation/metric_count": fact, "/evaluation/label_count": fact}


def evaluation_facts(document: dict[str, Any], source: Source) -> dict[str, Fact]:
    """Facts below `/evaluation`; a document without a single metric is no evaluation report."""
    metrics = list(_metrics(document))
    labels = _labels(_matrix(document), source)
    if (not metrics and "/evaluation/label/0/name" not in labels) or len(metrics) > MAX_LIST:
        problem = "holds no metric" if not metrics else f"more than {MAX_LIST} metrics"
        return no_evaluation(Unknown("malformed", source)) | malformed("/evaluation", problem, source)
    facts: dict[str, Fact] = {"/evaluation/metric_count": Present(len(metrics), source)}
    for index, (name, value) in enumerate(metrics):
        head = f"/evaluation/metric/{index}"
        facts[f"{head}/name"] = Present(plain(name), source)
        facts |= number_facts(head, value, "", source)
    return facts | labels


def _metrics(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for group, entries in document.items():
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and "value" in entry:
                yield f"{group}.{name}", entry["value"]


def _matrix(document: dict[str, Any]) -> Any:
    """The first confusion matrix, at the top or inside a group of metrics."""
    holders = [document, *(entries for entries in document.values() if isinstance(entries, dict))]
    return next((holder[_MATRIX] for holder in holders if _MATRIX in holder), None)


def _labels(matrix: Any, source: Source) -> dict[str, Fact]:
    """For each label how many rows have it and how many were given it; unknown where the matrix is none."""
    if matrix is None:
        return {"/evaluation/label_count": Present(0, source)}
    try:
        observed, predicted = _sums(matrix)
    except ValueError as error:
        return {"/evaluation/label_count": Unknown("malformed", source, str(error))}
    names = list(dict.fromkeys([*observed, *predicted]))
    if len(names) > MAX_LIST:
        return {"/evaluation/label_count": Unknown("malformed", source, f"more than {MAX_LIST} labels")}
    facts: dict[str, Fact] = {"/evaluation/label_count": Present(len(names), source)}
    for index, name in enumerate(names):
        head = f"/evaluation/label/{index}"
        facts[f"{head}/name"] = Present(plain(name), source)
        facts[f"{head}/observed"] = Present(observed.get(name, 0), source)
        facts[f"{head}/predicted"] = Present(predicted.get(name, 0), source)
    return facts


def _sums(matrix: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Raises ValueError where rows or counts are none."""
    if not isinstance(matrix, dict) or not matrix or len(matrix) > MAX_LIST:
        raise ValueError("the confusion matrix is no object of rows")
    observed: dict[str, float] = {}
    predicted: dict[str, float] = {}
    for label, row in matrix.items():
        if not isinstance(row, dict):
            raise ValueError("a row of the confusion matrix is no object")
        for other, count in row.items():
            if isinstance(count, bool) or not isinstance(count, int | float) or not 0 <= count < 2**53:
                raise ValueError("a count of the confusion matrix is no number")
            observed[label] = observed.get(label, 0) + count
            predicted[other] = predicted.get(other, 0) + count
    return observed, predicted
