"""The quick check of cards says what jsonschema says, of any document."""

from __future__ import annotations

from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.collect.card import Origin, _schema, schema_errors
from modelwarden.collect.fits import compiled

ORIGINS = get_args(Origin)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        ["", "x", "number", "string", "boolean", "matrix", "bar_chart", "linear_graph", "Medium", "y" * 1100]
    ),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


def like(schema: Any, whole: Any, depth: int = 8) -> st.SearchStrategy[Any]:
    """Documents that mostly fit, each part of which may be anything instead."""
    if not isinstance(schema, dict) or depth == 0:
        return ANYTHING
    if "$ref" in schema:
        return like(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, depth - 1)
    kind = schema.get("type")
    if "enum" in schema or "const" in schema:
        good: st.SearchStrategy[Any] = st.sampled_from(schema.get("enum") or [schema["const"]])
    elif kind == "object":
        members = {name: like(one, whole, depth - 1) for name, one in schema.get("properties", {}).items()}
        needed = {name: members.pop(name) for name in schema.get("required", ()) if name in members}
        good = st.fixed_dictionaries(needed, optional=members)
    elif kind == "array":
        good = st.lists(
            like(schema.get("items"), whole, depth - 1),
            min_size=schema.get("minItems", 0),
            max_size=2 + schema.get("minItems", 0),
        )
    elif kind == "string":
        good = st.text(min_size=schema.get("minLength", 0), max_size=4)
    elif kind == "number":
        good = st.integers(1, 9) | st.floats(1, 9)
    else:
        good = st.booleans() if kind == "boolean" else SCALARS
    return st.integers(0, 40).flatmap(lambda chance: ANYTHING if chance == 0 else good)


@pytest.mark.parametrize("origin", ORIGINS)
def test_it_says_what_jsonschema_says_of_any_document(origin: Origin) -> None:
    schema = _schema(origin)
    fits, validator = compiled(schema), jsonschema.Draft202012Validator(schema)
    said: set[bool] = set()

    @settings(max_examples=300, deadline=None)
    @given(like(schema, schema) | ANYTHING)
    def check(document: Any) -> None:
        assert fits(document) == validator.is_valid(document)
        said.add(fits(document))

    check()
    assert said == {True, False}


def test_single_changes_of_a_card_are_seen_as_jsonschema_sees_them() -> None:
    """Every value of a good card replaced, left out, or joined by one that nobody knows."""
    schema = _schema("package")
    fits, validator = compiled(schema), jsonschema.Draft202012Validator(schema)
    for card in CARDS:
        assert fits(card), card
        for changed in changes(card):
            assert fits(changed) == validator.is_valid(changed), changed


def metric(**how: Any) -> dict[str, Any]:
    return {"name": "auc", "type": "number", "value": 0.9, **how}


CARDS: list[dict[str, Any]] = [
    {
        "model_overview": {"model_description": "d", "model_artifact": ["s3://b/k"], "algorithm_type": "a"},
        "intended_uses": {"purpose_of_model": "p", "risk_rating": "Medium"},
        "training_details": {"training_job_details": {"training_arn": "a", "training_datasets": ["s3://b/d"]}},
        "evaluation_details": [
            {
                "name": "n",
                "datasets": ["s3://b/d"],
                "metric_groups": [
                    {
                        "name": "g",
                        "metric_data": [metric(), metric(type="string", value="v"), metric(type="boolean", value=True)],
                    },
                    {
                        "name": "h",
                        "metric_data": [
                            metric(type="linear_graph", value=[[1, 2]]),
                            metric(type="bar_chart", value=[1, 2]),
                        ],
                    },
                ],
            }
        ],
    },
    {},
]


def changes(document: Any) -> list[Any]:
    """Documents that differ from the given one in one place."""
    found: list[Any] = [None, True, 0, 0.5, -1, "", "z" * 3000, [], {}, [1], [[]], {"z": 1}]
    if isinstance(document, dict):
        found.append({**document, "nobody_knows": 1})
        for key, inner in document.items():
            found.append({name: one for name, one in document.items() if name != key})
            found += [{**document, key: changed} for changed in changes(inner)]
    if isinstance(document, list):
        found += [[*document, one] for one in document] + [document * 200]
        for index, inner in enumerate(document):
            found += [[*document[:index], changed, *document[index + 1 :]] for changed in changes(inner)]
    return found


def test_a_card_that_fits_has_no_errors_and_one_that_does_not_has_some() -> None:
    assert schema_errors({}, "package") == []
    assert schema_errors({"model_overview": {"nobody_knows": 1}}, "package") == [
        "/model_overview: unknown key nobody_knows"
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "x"},
        {"type": ["string"]},
        {"$ref": "#/x"},
        {"enum": [1]},
        {"items": {"uniqueItems": True}},
        {"additionalProperties": False, "patternProperties": {}},
    ],
)
def test_a_keyword_that_is_not_known_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compiled(schema)
