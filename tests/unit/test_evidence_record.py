"""Evidence as a record: a digest that is made once still belongs to the facts, and only facts of their type are read."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import json
from msgspec.structs import replace

from modelwarden.evidence import Absent, Evidence, EvidenceError, Fact, Present, Source, Unknown, fact_from_json

ARN = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
SOURCE = Source("s3:HeadObject", "2026-11-22T02:10:00Z", "r-1")
FACTS: dict[str, Fact] = {
    "/artifact_count": Present(1, SOURCE),
    "/artifact/0/encryption/sse": Present("AES256", SOURCE),
    "/artifact/0/kms_key/manager": Absent(SOURCE),
    "/approver/identity": Unknown("AccessDenied", SOURCE, "not allowed"),
    "/tag_keys": Present(("cost-center", "owner"), SOURCE),
}


def test_evidence_with_other_facts_has_another_digest() -> None:
    read = Evidence(ARN, FACTS)
    before = read.digest()
    for pointer, fact in {
        "/artifact/0/encryption/sse": Present("aws:kms", SOURCE),
        "/artifact/0/kms_key/manager": Unknown("AccessDenied", SOURCE),
        "/approver/identity": Unknown("not collected", SOURCE),
    }.items():
        assert replace(read, facts={**FACTS, pointer: fact}).digest() != before, pointer
    assert read.digest() == before == Evidence(ARN, dict(FACTS)).digest()


def test_evidence_whose_digest_was_asked_for_is_what_it_was() -> None:
    asked, other = Evidence(ARN, FACTS), Evidence(ARN, FACTS)
    asked.digest()
    assert asked == other
    assert json.encode(asked.to_json()) == json.encode(other.to_json())


@pytest.mark.parametrize(
    ("pointer", "name", "value"),
    [
        ("/artifact/0/encryption/sse", "value", "aws:kms"),
        ("/artifact/0/kms_key/manager", "state", "unknown"),
        ("/approver/identity", "reason", "not collected"),
    ],
)
def test_a_document_that_was_changed_is_refused(pointer: str, name: str, value: str) -> None:
    read = Evidence(ARN, FACTS)
    document = json.decode(json.encode(read.to_json()))
    assert Evidence.from_json(document, asserted=False) == read
    document["facts"][pointer] |= {name: value, "reason": "not collected"}
    with pytest.raises(EvidenceError, match="it was changed"):
        Evidence.from_json(document)


@pytest.mark.parametrize(
    ("pointer", "good", "bad"),
    [
        ("/artifact/0/encryption/sse", ["aws:kms", ""], [1, True, 1.5, None, ["aws:kms"]]),
        ("/artifact/0/kms_key/rotation_enabled", [True, False], [1, 0, "true", None]),
        ("/artifact_count", [0, 7], [True, 7.0, "7", None, [7]]),
        ("/evaluation/metric/0/value", [1, 0.5, "Infinity", "-Infinity"], [True, "0.5", float("inf"), None, [1]]),
        ("/tag_keys", [["b", "a", "b"], []], ["a", [1], [None], True, None]),
    ],
)
def test_a_fact_is_read_only_in_its_type(pointer: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        plain = tuple(sorted(set(value))) if isinstance(value, list) else value
        assert fact_from_json(pointer, {"state": "present", "value": value}) == Present(plain)
    for value in bad:
        with pytest.raises(EvidenceError, match=f"`{pointer}` must be a "):
            fact_from_json(pointer, {"state": "present", "value": value})
