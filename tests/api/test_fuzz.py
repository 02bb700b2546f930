"""Schemathesis asks what the OpenAPI document allows, and what it forbids, and judges every answer by the document."""

from __future__ import annotations

import copy

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from .conftest import BAD, RUNS, Api
from .test_openapi import DOCUMENT

load_all_checks()
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


def unsigned() -> schemathesis.BaseSchema:
    """The document as it holds on loopback, where calls are not signed."""
    document = copy.deepcopy(DOCUMENT)
    del document["security"], document["components"]["securitySchemes"]
    return schemathesis.openapi.from_dict(document)


SCHEMA = unsigned()
OPERATIONS = [(path, method) for path in SCHEMA for method in SCHEMA[path]]
TAKING = [(path, method) for path, method in OPERATIONS if DOCUMENT["paths"][path][method].get("parameters")]


@pytest.mark.parametrize(
    ("path", "method", "mode"), [*((*one, POSITIVE) for one in OPERATIONS), *((*one, NEGATIVE) for one in TAKING)]
)
def test_every_answer_is_one_of_the_document(api: Api, path: str, method: str, mode: GenerationMode) -> None:
    operation = SCHEMA[path][method]
    asked = 0

    # Each allowed question is judged, which takes longer than all other calls together.
    @settings(
        max_examples=4 if (method, mode) == ("post", POSITIVE) else 12,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def calls(case: Case) -> None:
        nonlocal asked
        asked += 1
        # A made-up cursor has the form of one that was handed out, and a made-up key may come twice with two questions.
        made_up = "cursor" in (case.query or {}) or "idempotency-key" in (case.headers or {})
        case.call_and_validate(
            base_url=api.server.address, excluded_checks=[positive_data_acceptance] if made_up else []
        )

    calls()
    assert asked


def test_the_judge_would_have_found_what_is_not_in_the_document(api: Api) -> None:
    """That all is well says something only where something else would have been said."""
    document = copy.deepcopy(DOCUMENT)
    del document["security"], document["components"]["securitySchemes"]
    document["components"]["schemas"]["runs"]["properties"]["runs"]["maxItems"] = RUNS - 1
    schema = schemathesis.openapi.from_dict(document)
    with pytest.raises(schemathesis.core.failures.FailureGroup, match="Response violates schema"):
        schema["/runs"]["GET"].Case().call_and_validate(base_url=api.server.address)
    found = SCHEMA["/packages/{arn}"]["GET"].Case(path_parameters={"arn": BAD})
    assert found.call_and_validate(base_url=api.server.address).status_code == 200
