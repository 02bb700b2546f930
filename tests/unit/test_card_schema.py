"""Our schema of model cards, and the parser of cards: what AWS documents holds, and no text makes it raise."""

from __future__ import annotations

import copy
import json
import os
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.collect.card import MAX_CHARACTERS, Origin, metadata_only, parse_card, schema_errors
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown
from modelwarden.facts import kind_of

SOURCE = Source("sagemaker:DescribeModelPackage")
Json = dict[str, Any]


def number(name: str = "auc", value: Any = 0.91) -> Json:
    return {"name": name, "type": "number", "value": value}


def card() -> Json:
    """Every key of the schema at least once; synthetic."""
    metrics = [
        number(),
        {"name": "verdict", "type": "string", "value": "good", "x_axis_name": "x", "notes": "n" * 1024},
        {"name": "stable", "type": "boolean", "value": True},
        {
            "name": "roc",
            "type": "linear_graph",
            "value": [[0, 0], [0.5, 1]],
            "x_axis_name": "fpr",
            "y_axis_name": "tpr",
        },
        {"name": "shares", "type": "bar_chart", "value": [1, 2], "x_axis_name": ["a", "b"], "y_axis_name": "share"},
        {"name": "matrix", "type": "matrix", "value": [[1, 2], [3, 4]], "x_axis_name": ["a"], "y_axis_name": ["b"]},
    ]
    evaluation = {
        "name": "held-out data",
        "evaluation_observation": "Measured on a later month.",
        "evaluation_job_arn": "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/evaluate-7",
        "datasets": ["s3://example-data/churn/test/"],
        "metadata": {"seed": "7"},
        "metric_groups": [{"name": "binary", "metric_data": metrics, "more": 1}],
    }
    job = {
        "training_arn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/churn-7",
        "training_datasets": ["s3://example-data/churn/train/"],
        "training_environment": {"container_image": ["111122223333.dkr.ecr.eu-west-1.amazonaws.com/ml/base:1"]},
        "training_metrics": [{"name": "loss", "value": 0.1, "notes": "n" * 1024}],
        "user_provided_training_metrics": [{"name": "loss", "value": 1}],
        "hyper_parameters": [{"name": "depth", "value": "3"}, {"name": "seed"}, {"name": "tag", "value": ""}],
        "user_provided_hyper_parameters": [{"name": "rate", "value": "0.1"}],
    }
    return {
        "model_overview": {
            "model_description": "Estimates who will leave.",
            "model_creator": "Customer analytics",
            "model_owner": "Head of retention",
            "algorithm_type": "XGBoost",
            "problem_type": "Binary Classification",
            "model_artifact": ["s3://example-models/churn/7/model.tar.gz"],
        },
        "intended_uses": {
            "purpose_of_model": "Chooses whom to call.",
            "intended_uses": "Weekly call lists.",
            "factors_affecting_model_efficiency": "Holidays.",
            "risk_rating": "Low",
            "explanations_for_risk_rating": "A call that nobody needed.",
        },
        "business_details": {
            "business_problem": "Customers leave.",
            "business_stakeholders": "Retention.",
            "line_of_business": "Retail",
        },
        "training_details": {
            "objective_function": {
                "function": {"function": "Minimize", "facet": "Loss", "condition": "none"},
                "notes": "Log loss.",
                "more": 1,
            },
            "training_observations": "None were dropped.",
            "training_job_details": job,
        },
        "evaluation_details": [evaluation],
        "additional_information": {
            "ethical_considerations": "No person is refused anything.",
            "caveats_and_recommendations": "Not for business customers.",
            "custom_details": {"dashboard": "https://example.com/churn"},
        },
    }


def changed(path: str, value: Any) -> Json:
    """The full card with one value put in; a path in the card, list items by number."""
    document = copy.deepcopy(card())
    holder: Any = document
    *steps, last = path.split("/")[1:]
    for step in steps:
        holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
    if isinstance(holder, list):
        holder[int(last)] = value
    else:
        holder[last] = value
    return document


def errors(document: Json, origin: Origin = "package") -> list[str]:
    return schema_errors(document, origin)


def test_both_schemas_are_schemas() -> None:
    for name in ("model_card", "model_card_standalone"):
        text = (files("modelwarden.builtin.reports.schemas") / f"{name}.schema.json").read_text()
        jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("origin", ["package", "standalone"])
def test_a_full_card_and_the_empty_one_fit(origin: Origin) -> None:
    assert errors(card(), origin) == []
    assert errors({}, origin) == []


EVALUATION = "/evaluation_details/0"
METRICS = f"{EVALUATION}/metric_groups/0/metric_data"
JOB = "/training_details/training_job_details"
GOAL = "/training_details/objective_function"

INERT = {
    f"{GOAL}/function/function": "Sideways",
    f"{GOAL}/function/facet": "f" * 64,
    f"{GOAL}/function/condition": "c" * 64,
    f"{GOAL}/function/else": "x",
    f"{GOAL}/notes": "n" * 1025,
    f"{JOB}/training_metrics": [{"name": f"m{n}", "value": n} for n in range(51)],
    f"{JOB}/user_provided_training_metrics": [{"name": f"m{n}", "value": n} for n in range(51)],
    f"{JOB}/hyper_parameters": [{"name": f"p{n}", "value": "1"} for n in range(101)],
    f"{JOB}/user_provided_hyper_parameters": [{"name": f"p{n}", "value": "1"} for n in range(101)],
    f"{JOB}/training_datasets": ["s3://example-data/x"] * 16,
    f"{JOB}/training_environment/container_image": ["example/image:1"] * 16,
    "/model_overview/model_artifact": ["s3://example-models/x"] * 16,
    f"{EVALUATION}/name": "n" * 64,
    f"{JOB}/training_metrics/0/name": "n" * 256,
    f"{JOB}/hyper_parameters/0/name": "n" * 256,
    f"{JOB}/hyper_parameters/0/value": "v" * 256,
    f"{METRICS}/0/name": "n" * 256,
    f"{METRICS}/0/value": "0.91",
    f"{METRICS}/1/value": 0.91,
    f"{METRICS}/2/value": "true",
}
"""Path -> a value that the official schema lets through, since it states the limit where no validator looks."""


@pytest.mark.parametrize("path", INERT)
def test_limits_that_the_official_schema_leaves_inert_are_enforced(path: str) -> None:
    found = errors(changed(path, INERT[path]))
    assert len(found) == 1
    assert found[0].startswith(path.removesuffix("/else"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_no_json_number_violates(value: float) -> None:
    assert errors(changed(f"{METRICS}/0/value", value)) == [f"{METRICS}/0/value: {value} is no JSON number"]


WRONG = {
    "/summary": "x",
    "/model_overview/model_version": 1,
    "/model_overview/model_name": "churn",
    "/model_overview/model_creator": "c" * 1025,
    "/intended_uses/risk_rating": "high",
    "/intended_uses/intended_uses": ["Weekly call lists."],
    "/intended_uses/factors_affecting_model_efficiency": None,
    "/intended_uses/purpose_of_model": "p" * 2049,
    "/business_details/owner": "x",
    f"{JOB}/training_data": {"s3_uri": "s3://example-data/x"},
    f"{JOB}/hyper_parameters/0/value": 3,
    f"{JOB}/training_metrics/0/value": "0.1",
    f"{JOB}/training_metrics/0/value#": True,
    f"{JOB}/training_metrics/0/notes": "n" * 1025,
    f"{EVALUATION}/name": "",
    f"{EVALUATION}/datasets": ["s3://example-data/x"] * 11,
    f"{EVALUATION}/evaluation_observation": "o" * 2097,
    f"{EVALUATION}/metadata/seed": 7,
    f"{METRICS}/0/type": "integer",
    f"{METRICS}/0/value": True,
    f"{METRICS}/1/value": "v" * 64,
    f"{METRICS}/3/value": [[0, 0, 0]],
    f"{METRICS}/3/value#": [],
    f"{METRICS}/4/value": [],
    f"{METRICS}/5/value": [[0] * 21],
    f"{METRICS}/5/value#": [[0]] * 21,
    f"{METRICS}/5/x_axis_name": "a",
    f"{METRICS}/3/x_axis_name": ["a"],
    f"{METRICS}/4/y_axis_name": ["a"],
    "/additional_information/custom_details/limit": 3,
    "/model_package_details/model_package_arn": "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7",
}
"""Path -> a value that every validator refuses; `#` tells a second value of one path."""


@pytest.mark.parametrize("path", WRONG)
def test_what_the_official_schema_refuses_is_refused(path: str) -> None:
    assert errors(changed(path.removesuffix("#"), WRONG[path])) != []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"{METRICS}/0/value", f"{METRICS}/0/value: must be number"),
        ("/intended_uses/risk_rating", "/intended_uses/risk_rating: must be one of High, Medium, Low, Unknown"),
        ("/model_overview/training_job_name", "/model_overview: unknown key training_job_name"),
        (f"{EVALUATION}", f"{EVALUATION}: must be object"),
    ],
)
def test_an_error_names_the_place_and_never_what_stands_there(path: str, said: str) -> None:
    assert errors(changed(path, "confidential")) == [said]


def test_a_metric_group_and_an_evaluation_need_a_name() -> None:
    assert errors({"evaluation_details": [{}]}) == ["/evaluation_details/0: name is missing"]
    group = {"evaluation_details": [{"name": "x", "metric_groups": [{"name": "g"}]}]}
    assert errors(group) == ["/evaluation_details/0/metric_groups/0: metric_data is missing"]


@pytest.mark.parametrize("value", [None, "", "v", "v" * 255])
def test_hyper_parameters_take_the_union_of_both_documented_limits(value: str | None) -> None:
    entry = {"name": "depth"} if value is None else {"name": "depth", "value": value}
    assert errors(changed(f"{JOB}/hyper_parameters/0", entry)) == []


@pytest.mark.parametrize("goal", ["Maximize", {"function": "Maximize"}, {"facet": "AUC"}])
def test_the_goal_stands_in_an_object_or_alone(goal: Any) -> None:
    assert errors(changed(f"{GOAL}/function", goal)) == []
    assert errors(changed(f"{GOAL}/function", "Sideways")) != []


def test_names_of_metric_groups_are_as_long_as_the_sdk_makes_them() -> None:
    name = "post_training_bias_metrics - label default_next_month = 0 and facet marital_status=single, divorced"
    assert errors(changed(f"{EVALUATION}/metric_groups/0/name", name)) == []


STANDALONE = {
    "/model_overview/model_id": "arn:aws:sagemaker:eu-west-1:111122223333:model/churn",
    "/model_overview/model_name": "churn",
    "/model_overview/model_version": 1.5,
    "/model_overview/inference_environment": {"container_image": ["example/image:1"]},
    "/model_package_details": {
        "model_package_arn": "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7",
        "model_package_version": 7,
        "model_approval_status": "Approved",
        "created_by": {"user_profile_name": "ada"},
        "inference_specification": {"containers": [{"image": "example/image:1", "nearest_model_name": "resnet"}]},
        "source_algorithms": [{"algorithm_name": "arn:aws:sagemaker:eu-west-1:111122223333:algorithm/a"}],
    },
}


@pytest.mark.parametrize("path", STANDALONE)
def test_a_standalone_card_may_name_its_model_and_one_inside_a_package_may_not(path: str) -> None:
    document = changed(path, STANDALONE[path])
    assert errors(document, "standalone") == []
    assert errors(document, "package") != []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/model_overview/model_version", 0),
        ("/model_overview/model_id", "i" * 1025),
        ("/model_overview/model_colour", "blue"),
        ("/model_package_details", {"model_approval_status": "approved"}),
        ("/model_package_details", {"source_algorithms": [{"algorithm_name": "a"}] * 16}),
        ("/model_package_details", {"colour": "blue"}),
    ],
)
def test_a_standalone_card_has_limits_too(path: str, value: Any) -> None:
    assert errors(changed(path, value), "standalone") != []


def test_errors_are_few_sorted_and_short() -> None:
    document = {"evaluation_details": [{"name": "x" * 64, "k" * 500: 1} for _ in range(500)]}
    found = errors(document)
    assert len(found) == 20
    assert found == sorted(found)
    assert max(map(len, found)) <= 200


# The parser.


def parsed(text: str, origin: Origin = "package") -> dict[str, Fact]:
    return parse_card(text, origin, "Approved", SOURCE)


def value(facts: dict[str, Fact], pointer: str) -> Any:
    fact = facts[pointer]
    assert isinstance(fact, Present), (pointer, fact)
    return fact.value


@pytest.mark.parametrize("times", [1, 2])
def test_a_card_encoded_twice_is_decoded_twice(times: int) -> None:
    text = json.dumps(card())
    for _ in range(times - 1):
        text = json.dumps(text)
    facts = parsed(text)
    assert value(facts, "/card/state") == "valid"
    assert value(facts, "/card/content/intended_uses/risk_rating") == "Low"
    assert value(facts, "/card/content/evaluation_details/0/numeric_metric_count") == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("null", "a JSON NoneType instead of an object"),
        ("[]", "a JSON list instead of an object"),
        (json.dumps(json.dumps(json.dumps({}))), "a JSON str instead of an object"),
        (json.dumps(card())[:400], "not JSON"),
        ('{"model_overview": {}, "model_overview": {}}', "a key stands twice"),
        ('{"intended_uses": {"risk_rating": "Low", "risk_rating": "High"}}', "a key stands twice"),
        ("\ufeff{}", "not JSON"),
        ("[" * 40_000 + "]" * 40_000, "nested too deeply"),
        ('{"a":' * 15_000 + "1" + "}" * 15_000, "nested too deeply"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "not JSON"),
        ('{"a": "' + "x" * MAX_CHARACTERS + '"}', f"longer than {MAX_CHARACTERS} characters"),
    ],
    ids=range(13),
)
def test_what_is_no_card_is_malformed_and_its_content_unknown(text: str, problem: str) -> None:
    facts = parsed(text)
    assert value(facts, "/card/state") == "malformed"
    assert problem in value(facts, "/card/problem")
    content = [fact for pointer, fact in facts.items() if pointer.startswith("/card/content/")]
    assert content
    assert all(fact == Unknown("malformed", SOURCE) for fact in content)
    assert facts["/card/schema_errors"] == Unknown("malformed", SOURCE)


def test_nan_is_kept_for_the_schema_to_refuse() -> None:
    facts = parsed(json.dumps(changed(f"{METRICS}/0/value", float("nan"))))
    assert value(facts, "/card/state") == "valid"
    assert value(facts, "/card/schema_errors") == (f"{METRICS}/0/value: nan is no JSON number",)
    assert value(facts, "/card/content/evaluation_details/0/numeric_metric_count") == 0


@pytest.mark.parametrize("number_", ["1e999", "-1e999", "9" * 4_000])
def test_numbers_that_no_float_holds(number_: str) -> None:
    text = json.dumps(changed(f"{METRICS}/0/value", "@")).replace('"@"', number_)
    count = value(parsed(text), "/card/content/evaluation_details/0/numeric_metric_count")
    assert count == (0 if "e" in number_ else 1)


def test_a_field_of_the_wrong_type_is_unknown_and_null_is_absent() -> None:
    document = changed("/intended_uses/intended_uses", ["Weekly call lists.", "TBD"])
    document["intended_uses"]["risk_rating"] = None
    document["business_details"] = None
    document["model_overview"] = "x"
    facts = parsed(json.dumps(document))
    assert facts["/card/content/intended_uses/intended_uses"] == Unknown("wrong type", SOURCE)
    assert facts["/card/content/intended_uses/risk_rating"] == Absent(SOURCE)
    assert facts["/card/content/business_details/line_of_business"] == Absent(SOURCE)
    assert facts["/card/content/model_overview/model_owner"] == Unknown("wrong type", SOURCE)
    assert value(facts, "/card/text/intended_uses~1intended_uses~11") == "TBD"


def test_no_text_hides_behind_another() -> None:
    document = {"a": "one", "": {"a": "two", "": "three"}, "/a": "four", "*": "five", "evaluation_details_count": "six"}
    facts = parsed(json.dumps(document | {"evaluation_details": []}))
    pointers = value(facts, "/card/string_pointers")
    assert len(pointers) == len(set(pointers)) == 6
    assert {value(facts, pointer) for pointer in pointers} == {"one", "two", "three", "four", "five", "six"}


def test_blank_texts_are_told() -> None:
    blank, name = {"purpose_of_model": " \u3000\u200b\u3164 "}, {"model_owner": "김"}
    document = {"intended_uses": blank, "model_overview": name}
    assert value(parsed(json.dumps(document)), "/card/blank_pointers") == (
        "/card/content/intended_uses/purpose_of_model",
    )


@pytest.mark.parametrize(
    ("name", "bias", "explains"),
    [
        ("post_training_bias_metrics - label y = 1 and facet sex=0", True, False),
        ("Fairness by age band", True, False),
        ("explanations - pdp", False, True),
        ("kernel_shap", False, True),
        ("SHAP values", False, True),
        ("shape of the data", False, False),
        ("binary classification metrics", False, False),
    ],
)
def test_groups_are_known_by_their_name_if_they_hold_a_number(name: str, bias: bool, explains: bool) -> None:
    facts = parsed(json.dumps(changed(f"{EVALUATION}/metric_groups/0", {"name": name, "metric_data": [number()]})))
    assert value(facts, "/card/bias_groups") == ((name,) if bias else ())
    assert value(facts, "/card/explainability_groups") == ((name,) if explains else ())
    empty = parsed(json.dumps(changed(f"{EVALUATION}/metric_groups/0", {"name": name, "metric_data": []})))
    assert value(empty, "/card/bias_groups") == value(empty, "/card/explainability_groups") == ()


def test_without_the_content_only_rating_and_status_are_known() -> None:
    denied = Unknown("AccessDenied", SOURCE)
    facts = metadata_only({"intended_uses": {"risk_rating": "High"}}, "Draft", SOURCE, denied)
    known = {pointer: fact.value for pointer, fact in facts.items() if isinstance(fact, Present)}
    assert known == {
        "/card/origin": "package",
        "/card/status": "Draft",
        "/card/content/intended_uses/risk_rating": "High",
    }
    assert not [pointer for pointer, fact in facts.items() if isinstance(fact, Absent)]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.text(max_size=4) | st.sampled_from([*card(), "name", "metric_groups", "metric_data", "type", "value", "*"])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def never_raises(text: str) -> None:
    for origin in ("package", "standalone"):
        facts = parse_card(text, origin, None, SOURCE)  # type: ignore[arg-type]
        assert value(facts, "/card/state") in ("valid", "malformed")
        assert all(kind_of(pointer) for pointer in facts)
        evidence = Evidence("arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7", facts)
        assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))).facts == facts


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet='{}[]":,\\u0dntx1e9 ', max_size=60))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    never_raises(text)


@settings(max_examples=300, deadline=None)
@given(documents, st.booleans())
def test_no_json_makes_the_parser_raise(document: Any, twice: bool) -> None:
    text = json.dumps(document)
    never_raises(json.dumps(text) if twice else text)


def _places(document: Any, path: str = "") -> list[str]:
    members: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        members = list(document.items())
    elif isinstance(document, list):
        members = list(enumerate(document))
    return [found for key, inner in members for found in (f"{path}/{key}", *_places(inner, f"{path}/{key}"))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_places(card())), documents)
def test_no_value_in_any_place_of_a_card_makes_the_parser_raise(path: str, document: Any) -> None:
    never_raises(json.dumps(changed(path, document)))


# The classes of the SDK, where it is installed: what they write, our schema takes.


def _bias_report() -> Json:
    entry = {"value_or_threshold": "0", "metrics": [{"name": "DI", "description": "x", "value": 0.9}]}
    section = {"label": "y", "label_value_or_threshold": "1", "facets": {"sex": [entry]}}
    return {"version": "1.0", "post_training_bias_metrics": section}


def test_a_card_by_the_second_sdk_fits_the_standalone_schema(tmp_path: Any) -> None:
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    sdk = pytest.importorskip("sagemaker.model_card", reason="version 2 of the SageMaker SDK is not installed")
    job = sdk.EvaluationJob(name="held-out data", datasets=["s3://example-data/churn/test/"])
    (tmp_path / "analysis.json").write_text(json.dumps(_bias_report()))
    job.add_metric_group_from_json(str(tmp_path / "analysis.json"), sdk.EvaluationMetricTypeEnum.CLARIFY_BIAS)
    group = job.add_metric_group("shapes")
    for kind, shown in (("number", 1), ("string", "good"), ("boolean", True), ("bar_chart", [1]), ("matrix", [[1]])):
        group.add_metric(sdk.Metric(name=kind, type=kind, value=shown))
    function = sdk.Function(function=sdk.ObjectiveFunctionEnum.MINIMIZE, facet=sdk.FacetEnum.LOSS)
    training = sdk.TrainingJobDetails(
        training_arn="arn:aws:sagemaker:eu-west-1:111122223333:training-job/churn-7",
        training_environment=sdk.Environment(container_image=["example/image:1"]),
        training_metrics=[sdk.TrainingMetric(name="loss", value=0.1, notes="n" * 300)],
        hyper_parameters=[sdk.HyperParameter(name="depth", value="3")],
    )

    class Offline:
        sagemaker_client = None

    made = sdk.ModelCard(
        name="churn",
        status=sdk.ModelCardStatusEnum.DRAFT,
        model_overview=sdk.ModelOverview(
            model_id="churn",
            model_version=1,
            inference_environment=sdk.Environment(container_image=["example/image:1"]),
        ),
        intended_uses=sdk.IntendedUses(risk_rating=sdk.RiskRatingEnum.LOW, purpose_of_model="Chooses whom to call."),
        training_details=sdk.TrainingDetails(
            objective_function=sdk.ObjectiveFunction(function=function, notes="Log loss."),
            training_job_details=training,
        ),
        evaluation_details=[job],
        additional_information=sdk.AdditionalInformation(custom_details={"data": "synthetic"}),
        sagemaker_session=Offline(),
    )
    facts = parsed(made._create_request_args()["Content"], "standalone")
    assert value(facts, "/card/schema_errors") == ()
    assert len(value(facts, "/card/bias_groups")) == 1
    assert value(facts, "/card/content/intended_uses/risk_rating") == "Low"
    limits = pytest.importorskip("sagemaker.model_card.schema_constraints")
    assert {one.value for one in limits.MetricTypeEnum} == {entry["type"] for entry in _metrics()}


def _metrics() -> list[Json]:
    found: list[Json] = card()["evaluation_details"][0]["metric_groups"][0]["metric_data"]
    return found


def test_a_card_by_the_third_sdk_fits_the_package_schema() -> None:
    shapes = pytest.importorskip(
        "sagemaker.core.shapes.model_card_shapes", reason="version 3 of the SageMaker SDK is not installed"
    )
    document = changed(GOAL, {"function": "Minimize", "facet": "Loss", "condition": "none"})
    made = shapes.ModelCardContent.model_validate(document)
    facts = parsed(made.model_dump_json(exclude_none=True))
    assert value(facts, "/card/schema_errors") == ()
    assert value(facts, "/card/content/intended_uses/risk_rating") == "Low"
    fields = set(shapes.ModelOverview.model_fields)
    assert fields == set(card()["model_overview"])
    assert set(shapes.ModelCardContent.model_fields) == set(card())
