"""The judges: what other people wrote about the formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from scripts import judges, schemas

Judge = Callable[[str], list[str]]
"""A document -> what is wrong with it."""


def fetched(name: str) -> Path:
    try:
        return judges.path(name)
    except judges.JudgeMissing as error:
        pytest.fail(str(error), pytrace=False)


def by_schema(schema: dict[str, Any]) -> Judge:
    validator = jsonschema.validators.validator_for(schema)(schema)
    return lambda text: [error.message[:300] for error in validator.iter_errors(json.loads(text))]


@pytest.fixture(scope="session")
def sarif_judge() -> Judge:
    return by_schema(json.loads(fetched("sarif").read_text()))


@pytest.fixture(scope="session")
def junit_judge() -> Judge:
    schema = xmlschema.XMLSchema(str(fetched("junit")))
    return lambda text: [error.reason or "" for error in schema.iter_errors(text)]


@pytest.fixture(scope="session")
def json_judge() -> Judge:
    return by_schema(schemas.decision_schema())
