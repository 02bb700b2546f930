"""Reports of Clarify and evaluation reports: their traps, and no bytes make a parser raise. All documents are synthetic."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.collect.clarify import analysis_facts, no_analysis
from modelwarden.collect.evaluation import evaluation_facts, no_evaluation
from modelwarden.collect.number import number_facts
from modelwarden.collect.report import MAX_BYTES, read_report
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown
from modelwarden.facts import kind_of

SOURCE = Source("s3:GetObject")
REPORT = "/bias_report/0"
Json = dict[str, Any]


def value(facts: dict[str, Fact], pointer: str) -> Any:
    fact = facts[pointer]
    assert isinstance(fact, Present), (pointer, fact)
    return fact.value


# Numbers.


@pytest.mark.parametrize(
    ("given_", "state", "shown"),
    [
        (1, "number", 1),
        (-0.25, "number", -0.25),
        (0, "number", 0),
        ("0.79996", "number", 0.79996),
        (" -3.5e-2 ", "number", -0.035),
        (".5", "number", 0.5),
        ("Infinity", "infinite", "Infinity"),
        ("-Infinity", "infinite", "-Infinity"),
        (" +INF ", "infinite", "Infinity"),
        ("Inf", "infinite", "Infinity"),
        ("-infinity", "infinite", "-Infinity"),
        (math.inf, "infinite", "Infinity"),
        (-math.inf, "infinite", "-Infinity"),
        ("NaN", "undefined", None),
        (math.nan, "undefined", None),
        (None, "undefined", None),
        (True, "undefined", None),
        ("", "undefined", None),
        ("high", "undefined", None),
        ("1e999", "undefined", None),
        ("0x10", "undefined", None),
        ("1_000", "undefined", None),
        (10**400, "undefined", None),
        ([0.5], "undefined", None),
        ({"value": 0.5}, "undefined", None),
    ],
)
def test_whatever_stands_in_the_place_of_a_number(given_: Any, state: str, shown: Any) -> None:
    facts = number_facts("/x", given_, "", SOURCE)
    assert value(facts, "/x/state") == state
    if shown is None:
        assert isinstance(facts["/x/value"], Unknown)
    else:
        assert value(facts, "/x/value") == shown


def test_an_undefined_number_says_why_and_an_error_beats_the_number_beside_it() -> None:
    why = "Group variable is empty or not provided"
    for beside in (None, 0.0, "0.5", "NaN"):
        facts = number_facts("/x", beside, why, SOURCE)
        assert value(facts, "/x/state") == "undefined"
        assert facts["/x/value"] == Unknown("undefined", SOURCE, why)


# Clarify.


def metric(name: str, number: Any, **more: Any) -> Json:
    return {"name": name, "description": f"what {name} means", "value": number, **more}


def entry(given_: Any, *metrics: Json) -> Json:
    return {"value_or_threshold": given_, "metrics": list(metrics)}


def section(*entries: Json, facet: str = "sex") -> Json:
    return {"label": "approved", "label_value_or_threshold": "1", "facets": {facet: list(entries)}}


def analysis(**sections: Any) -> dict[str, Fact]:
    document = {"version": "1.0", **{f"{name}_training_bias_metrics": body for name, body in sections.items()}}
    return analysis_facts(REPORT, document, SOURCE)


@pytest.mark.parametrize("text", ["1", "(0.5, 0.9936148802477393]", "married, single, divorced", "", "[-inf, 3)", "é"])
def test_values_intervals_and_comma_lists_survive(text: str) -> None:
    facts = analysis(post=section(entry(text, metric("DI", 0.9))))
    assert value(facts, f"{REPORT}/facet/0/value_or_threshold") == text
    evidence = Evidence("arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7", facts)
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))).facts == facts


@pytest.mark.parametrize("number", [1, 1.0, "1"])
def test_a_facet_value_may_be_a_number_as_in_the_job_configuration(number: Any) -> None:
    facts = analysis(post=section(entry(number, metric("DI", 0.9))))
    assert value(facts, f"{REPORT}/facet/0/value_or_threshold") == str(number)


def test_a_facet_without_a_value_is_one_without_a_value() -> None:
    facts = analysis(post=section({"metrics": [metric("DI", 0.9)]}))
    assert facts[f"{REPORT}/facet/0/value_or_threshold"] == Absent(SOURCE)


def test_both_values_of_a_facet_are_two_members_with_reciprocal_ratios() -> None:
    facts = analysis(post=section(entry("0", metric("DI", 0.136)), entry("1", metric("DI", 7.352941176470588))))
    assert value(facts, f"{REPORT}/facet_count") == 2
    ratios = [value(facts, f"{REPORT}/facet/{n}/metric/0/value") for n in range(2)]
    assert ratios == [0.136, 7.352941176470588]


OLD = ("AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "RD", "TE")


@pytest.mark.parametrize("names", [OLD, (*OLD, "SD", "GE"), (), ("DI", "DI"), ("a metric of tomorrow",)])
def test_nothing_is_assumed_of_the_metrics_that_a_file_holds(names: tuple[str, ...]) -> None:
    facts = analysis(post=section(entry("0", *(metric(name, 0.0) for name in names))))
    assert value(facts, f"{REPORT}/facet/0/metric_count") == len(names)
    assert tuple(value(facts, f"{REPORT}/facet/0/metric/{n}/name") for n in range(len(names))) == names


def test_metrics_that_are_no_numbers_keep_their_reason() -> None:
    why = "CDDPL requires a group variable"
    metrics = [
        metric("CDDPL", None, error=why),
        metric("TE", "Infinity"),
        metric("DCR", "-Infinity"),
        metric("GE", "NaN"),
    ]
    facts = analysis(post=section(entry("0", *metrics)))
    states = [value(facts, f"{REPORT}/facet/0/metric/{n}/state") for n in range(4)]
    assert states == ["undefined", "infinite", "infinite", "undefined"]
    assert value(facts, f"{REPORT}/facet/0/metric/0/error") == why
    assert facts[f"{REPORT}/facet/0/metric/0/value"] == Unknown("undefined", SOURCE, why)
    assert facts[f"{REPORT}/facet/0/metric/1/error"] == Absent(SOURCE)


@pytest.mark.parametrize("held", ["pre", "post"])
def test_either_section_may_be_missing(held: str) -> None:
    facts = analysis(**{held: section(entry("0", metric("CI", 0.1)))})
    assert value(facts, f"{REPORT}/has_pre_training") == (held == "pre")
    assert value(facts, f"{REPORT}/has_post_training") == (held == "post")
    assert value(facts, f"{REPORT}/facet/0/section") == f"{held}_training"
    assert value(facts, f"{REPORT}/positive_label") == "1"


def test_sections_facets_and_values_are_counted_in_the_order_of_the_file() -> None:
    two = section(entry("0", metric("DPL", 0.1)), entry("1", metric("DPL", -0.1)))
    two["facets"]["age"] = [entry("(40, 99]", metric("DPL", 0.2))]
    facts = analysis(pre=two, post=section(entry("0", metric("DI", 0.9))))
    names = [(value(facts, f"{REPORT}/facet/{n}/section"), value(facts, f"{REPORT}/facet/{n}/name")) for n in range(4)]
    assert names == [
        ("pre_training", "sex"),
        ("pre_training", "sex"),
        ("pre_training", "age"),
        ("post_training", "sex"),
    ]


def test_the_version_may_be_text_or_a_number() -> None:
    body = {"post_training_bias_metrics": section(entry("0", metric("DI", 0.9)))}
    found = [analysis_facts(REPORT, {"version": version, **body}, SOURCE) for version in ("1.0", 1.0, 0.0, None)]
    assert all(facts == found[0] for facts in found)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": "1.0"},
        {"explanations": {"kernel_shap": {"label0": {"global_shap_values": {"age": 0.1}, "expected_value": 0.5}}}},
        {"post_training_bias_metrics": None},
        {"post_training_bias_metrics": {}},
        {"post_training_bias_metrics": {"facets": []}},
        {"post_training_bias_metrics": {"facets": {"sex": {}}}},
        {"post_training_bias_metrics": {"facets": {"sex": [3]}}},
        {"post_training_bias_metrics": {"facets": {"sex": [{"value_or_threshold": "0"}]}}},
        {"post_training_bias_metrics": {"facets": {"sex": [{"metrics": ["DI"]}]}}},
        {"pre_training_bias_metrics": {"facets": {}}, "post_training_bias_metrics": "x"},
    ],
)
def test_what_is_no_bias_report_is_malformed_and_its_content_unknown(document: Json) -> None:
    facts = analysis_facts(REPORT, document, SOURCE)
    assert value(facts, f"{REPORT}/state") == "malformed"
    assert value(facts, f"{REPORT}/problem")
    content = no_analysis(REPORT, Unknown("malformed", SOURCE))
    assert {pointer: facts[pointer] for pointer in content} == content


def test_a_report_of_more_facets_than_anybody_has_is_not_believed() -> None:
    facts = analysis(post=section(*(entry(str(n)) for n in range(2_001))))
    assert value(facts, f"{REPORT}/problem") == "more than 2000 facets"


def test_a_bias_report_of_more_metrics_than_anybody_has_is_not_believed() -> None:
    many = [metric(f"M{n}", 0.1) for n in range(201)]
    facts = analysis(post=section(*(entry(str(n), *many) for n in range(100))))
    assert value(facts, f"{REPORT}/problem") == "more than 20000 metrics"
    assert len(facts) < 100


# Evaluation reports.


def evaluation(document: Json) -> dict[str, Fact]:
    return evaluation_facts(document, SOURCE)


def test_metrics_are_named_with_their_problem_type() -> None:
    report = {
        "version": 0.0,
        "dataset": {"item_count": 200},
        "binary_classification_metrics": {
            "auc": {"value": 0.9, "standard_deviation": "NaN"},
            "accuracy": {"value": "0.91"},
            "receiver_operating_characteristic_curve": {"false_positive_rates": [0, 1], "true_positive_rates": [0, 1]},
        },
        "classification_metrics": {"validation:auc": {"value": 1}},
        "regression_metrics": {"r2": {"value": -0.2}, "mse": {"value": "NaN"}, "mae": {"value": None}},
    }
    facts = evaluation(report)
    count = value(facts, "/evaluation/metric_count")
    states = {
        value(facts, f"/evaluation/metric/{n}/name"): value(facts, f"/evaluation/metric/{n}/state")
        for n in range(count)
    }
    assert states == {
        "binary_classification_metrics.auc": "number",
        "binary_classification_metrics.accuracy": "number",
        "classification_metrics.validation:auc": "number",
        "regression_metrics.r2": "number",
        "regression_metrics.mse": "undefined",
        "regression_metrics.mae": "undefined",
    }
    assert value(facts, "/evaluation/label_count") == 0


def labels(facts: dict[str, Fact]) -> dict[str, tuple[Any, Any]]:
    return {
        value(facts, f"/evaluation/label/{n}/name"): (
            value(facts, f"/evaluation/label/{n}/observed"),
            value(facts, f"/evaluation/label/{n}/predicted"),
        )
        for n in range(value(facts, "/evaluation/label_count"))
    }


def test_the_confusion_matrix_has_observed_rows_and_predicted_columns() -> None:
    matrix = {"0": {"0": 80, "1": 20}, "1": {"0": 5, "1": 15}}
    for report in ({"confusion_matrix": matrix}, {"binary_classification_metrics": {"confusion_matrix": matrix}}):
        assert labels(evaluation(report)) == {"0": (100, 85), "1": (20, 35)}


def test_a_label_that_is_never_predicted_counts_with_zero() -> None:
    assert labels(evaluation({"confusion_matrix": {"0": {"0": 9}, "1": {"0": 1}}})) == {"0": (9, 10), "1": (1, 0)}
    assert labels(evaluation({"confusion_matrix": {"0": {"0": 9, "2": 1}}})) == {"0": (10, 9), "2": (0, 1)}


NO_MATRIX = [
    [[9, 1], [2, 8]],
    {},
    {"0": [9, 1]},
    {"0": {"0": "9"}},
    {"0": {"0": True}},
    {"0": {"0": -1}},
    {"0": {"0": math.nan}},
    {"0": {"0": math.inf}},
    {"0": {"0": 2**53}},
    {"0": {str(n): 1 for n in range(2_001)}},
    "a picture",
    7,
]


@pytest.mark.parametrize("matrix", NO_MATRIX)
def test_a_matrix_that_is_none_is_unknown_beside_metrics_and_no_report_alone(matrix: Any) -> None:
    beside = evaluation({"binary_classification_metrics": {"auc": {"value": 0.9}, "confusion_matrix": matrix}})
    assert isinstance(beside["/evaluation/label_count"], Unknown)
    assert value(beside, "/evaluation/metric_count") == 1
    assert "/evaluation/state" not in beside
    assert value(evaluation({"confusion_matrix": matrix}), "/evaluation/state") == "malformed"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 0.0},
        {"metrics": {"auc": 0.9}},
        {"auc": {"value": 0.9}},
        {"metrics": []},
        {"metrics": {"auc": {}}},
    ],
)
def test_a_document_without_a_metric_is_no_evaluation_report(document: Json) -> None:
    facts = evaluation(document)
    assert value(facts, "/evaluation/state") == "malformed"
    assert value(facts, "/evaluation/problem") == "holds no metric"
    content = no_evaluation(Unknown("malformed", SOURCE))
    assert {pointer: facts[pointer] for pointer in content} == content


def test_a_report_of_more_metrics_than_anybody_has_is_not_believed() -> None:
    facts = evaluation({"metrics": {f"m{n}": {"value": n} for n in range(2_001)}})
    assert value(facts, "/evaluation/problem") == "more than 2000 metrics"


# Bytes.


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 at byte 0"),
        (b"{} {}", "not JSON"),
        (b'{"source": "a", "source": ["b"]}', "a key stands twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[]", "a JSON list instead of an object"),
        (b"NaN", "a JSON float instead of an object"),
        (b"1" * 5_000, "not JSON"),
        (b" " * (MAX_BYTES + 1), f"larger than {MAX_BYTES} bytes"),
    ],
    ids=range(10),
)
def test_bytes_that_are_no_report_are_malformed_with_their_digest(body: bytes, problem: str) -> None:
    facts, document = read_report("/evaluation", body, SOURCE)
    assert document is None
    assert value(facts, "/evaluation/state") == "malformed"
    assert problem in value(facts, "/evaluation/problem")
    assert value(facts, "/evaluation/content_sha256") == "sha256:" + hashlib.sha256(body).hexdigest()


def test_a_byte_order_mark_and_nan_do_not_hide_a_report() -> None:
    body = b'\xef\xbb\xbf{"regression_metrics": {"mse": {"value": 0.1, "standard_deviation": NaN}}}'
    facts, document = read_report("/evaluation", body, SOURCE)
    assert value(facts, "/evaluation/state") == "valid"
    assert facts["/evaluation/problem"] == Absent(SOURCE)
    assert document is not None
    assert value(evaluation(document), "/evaluation/metric_count") == 1


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["Infinity", "NaN"])
)
keys = st.text(max_size=4) | st.sampled_from(
    ["facets", "metrics", "value", "name", "error", "label", "post_training_bias_metrics", "confusion_matrix"]
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=15
)
FULL: Json = {
    "version": "1.0",
    "pre_training_bias_metrics": section(entry("0", metric("CI", 0.1))),
    "post_training_bias_metrics": section(entry("0", metric("DI", None, error="x")), entry("1", metric("DI", 1.1))),
    "binary_classification_metrics": {"auc": {"value": 0.9}, "confusion_matrix": {"0": {"0": 9, "1": 1}}},
}


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        members = list(document.items())
    elif isinstance(document, list):
        members = list(enumerate(document))
    return [found for key, inner in members for found in ((*path, key), *_places(inner, (*path, key)))]


def never_raises(body: bytes) -> None:
    """Each parser gives facts of the dictionary that an evidence document can hold."""
    for pointer in (REPORT, "/evaluation"):
        facts, document = read_report(pointer, body, SOURCE)
        if document is not None:
            facts |= analysis_facts(pointer, document, SOURCE) if pointer == REPORT else evaluation(document)
        assert value(facts, f"{pointer}/state") in ("valid", "malformed")
        assert all(kind_of(one) for one in facts)
        evidence = Evidence("arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7", facts)
        assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))).facts == facts


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100) | st.text(alphabet='{}[]":,\\u0dnt1e9 ', max_size=60).map(str.encode))
def test_no_bytes_make_a_parser_raise(body: bytes) -> None:
    never_raises(body)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_no_json_makes_a_parser_raise(document: Json) -> None:
    never_raises(json.dumps(document).encode())


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_places(FULL)), values)
def test_no_value_in_any_place_of_a_report_makes_a_parser_raise(place: tuple[Any, ...], given_: Any) -> None:
    document = copy.deepcopy(FULL)
    holder: Any = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = given_
    never_raises(json.dumps(document).encode())
