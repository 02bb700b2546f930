"""The OpenAPI document is one, says what the routes do, and what it allows is answered as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from modelwarden.api.decisions import Asked
from modelwarden.api.routes import QUESTION, ROUTES
from modelwarden.arn import ArnError, parse_arn
from modelwarden.request import STAGES

from .conftest import Api

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "reports/openapi.json").read_text())


def schema(name: str) -> dict[str, Any]:
    """A published schema."""
    found: dict[str, Any] = json.loads((ROOT / f"reports/schemas/{name}.schema.json").read_text())
    return found


def test_it_is_an_openapi_document_of_every_route() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    told = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert told == {(route.method, route.path) for route in ROUTES}


def test_it_is_served(api: Api) -> None:
    assert api.call("GET", "/openapi.json").body == (ROOT / "reports/openapi.json").read_bytes()


def test_the_question_is_what_is_read() -> None:
    hints = get_type_hints(Asked)
    assert list(QUESTION["properties"]) == list(hints)
    assert tuple(QUESTION["properties"]["stage"]["enum"]) == STAGES == get_args(hints["stage"])
    assert tuple(QUESTION["properties"]["moment"]["enum"]) == get_args(hints["moment"])
    assert set(QUESTION["required"]) == {"package", "stage", "moment"}


@settings(max_examples=25, deadline=None)
@given(st.from_regex(QUESTION["properties"]["package"]["pattern"].rstrip("$") + r"\Z"))
def test_what_the_document_takes_for_an_arn_is_one(text: str) -> None:
    assert parse_arn(text).text == text


@pytest.mark.parametrize(
    "text", ["", "arn:aws:sagemaker:eu-west-1:111122223333:model-package/a/0", "arn:aws:s3:::b", "a\n"]
)
def test_what_is_no_arn_is_none_in_the_document(text: str) -> None:
    assert not re.search(QUESTION["properties"]["package"]["pattern"], text)
    with pytest.raises(ArnError):
        parse_arn(text)


def test_the_page_shows_a_question_and_every_route() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert msgspec.json.decode(shown, type=Asked).moment == "approve"
    rows = re.findall(r"^\| `(GET|POST) (\S+)` \|", page, re.MULTILINE)
    assert rows == [(route.method, route.path) for route in ROUTES]
