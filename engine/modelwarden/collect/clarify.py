"""SageMaker Clarify's `analysis.json`: from an object to facts. Pure, and total over any object.

`{pre,post}_training_bias_metrics` hold facets; each facet has one entry for each of its values, with named metrics. A
file may hold one section only. Files of 2021 have 11 post-training metrics, later ones 13: nothing is assumed of names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from modelwarden.collect.number import number_facts
from modelwarden.collect.report import MAX_LIST, malformed, plain
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

SECTIONS: Final = ("pre_training", "post_training")
MAX_METRICS: Final = 20_000
"""Of one report: a hundred values of facets with every metric there is have some 2,000."""
_FIELDS: Final = ("label", "positive_label", "has_pre_training", "has_post_training", "facet_count")


def no_analysis(pointer: str, fact: Fact) -> dict[str, Fact]:
    """The facts of a report that is not there or could not be read."""
    return {f"{pointer}/{name}": fact for name in _FIELDS}


def analysis_facts(pointer: str, document: dict[str, Any], source: Source) -> dict[str, Fact]:
    """Facts below `/bias_report/N`; a document without any of the two sections is no bias report."""
    sections = {name: document[f"{name}_bias_metrics"] for name in SECTIONS if f"{name}_bias_metrics" in document}
    try:
        facets = [(name, *facet) for name, section in sections.items() for facet in _facets(section)]
        if not sections:
            raise ValueError("holds neither pre_training_bias_metrics nor post_training_bias_metrics")
        if len(facets) > MAX_LIST:
            raise ValueError(f"more than {MAX_LIST} facets")
        if sum(len(metrics) for *_, metrics in facets) > MAX_METRICS:
            raise ValueError(f"more than {MAX_METRICS} metrics")
    except ValueError as error:
        return no_analysis(pointer, Unknown("malformed", source)) | malformed(pointer, str(error), source)
    section = sections.get("post_training", sections.get("pre_training"))
    facts: dict[str, Fact] = {
        f"{pointer}/label": _text(section, "label", source),
        f"{pointer}/positive_label": _text(section, "label_value_or_threshold", source),
        f"{pointer}/facet_count": Present(len(facets), source),
    }
    for name in SECTIONS:
        facts[f"{pointer}/has_{name}"] = Present(name in sections, source)
    for index, (name, facet, value, metrics) in enumerate(facets):
        facts |= _facet_facts(f"{pointer}/facet/{index}", name, facet, value, metrics, source)
    return facts


def _facets(section: Any) -> Iterator[tuple[str, Any, list[Any]]]:
    """(facet, value or threshold, metrics) in the order of the file.

    Raises:
        ValueError: another shape than documented.
    """
    facets = section.get("facets") if isinstance(section, dict) else None
    if not isinstance(facets, dict):
        raise ValueError("a section without facets")
    for facet, entries in facets.items():
        if not isinstance(entries, list):
            raise ValueError("the values of a facet are no list")
        for entry in entries:
            metrics = entry.get("metrics") if isinstance(entry, dict) else None
            if (
                not isinstance(metrics, list)
                or len(metrics) > MAX_LIST
                or not all(isinstance(metric, dict) for metric in metrics)
            ):
                raise ValueError("the metrics of a facet are no list of objects")
            yield facet, entry.get("value_or_threshold"), metrics


def _facet_facts(
    pointer: str, section: str, facet: str, value: Any, metrics: list[Any], source: Source
) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        f"{pointer}/section": Present(section, source),
        f"{pointer}/name": Present(plain(facet), source),
        # The job's configuration has numbers here, the report has text; both name the same value.
        f"{pointer}/value_or_threshold": Absent(source) if value is None else Present(plain(str(value)), source),
        f"{pointer}/metric_count": Present(len(metrics), source),
    }
    for index, metric in enumerate(metrics):
        head = f"{pointer}/metric/{index}"
        error = metric.get("error")
        said = plain(error) if isinstance(error, str) else ""
        facts[f"{head}/name"] = _text(metric, "name", source)
        facts[f"{head}/error"] = Present(said, source) if said else Absent(source)
        facts |= number_facts(head, metric.get("value"), said, source)
    return facts


def _text(holder: Any, name: str, source: Source) -> Fact:
    value = holder.get(name) if isinstance(holder, dict) else None
    if value is None:
        return Absent(source)
    if isinstance(value, str | int | float):
        return Present(plain(str(value)), source)
    return Unknown("wrong type", source)
