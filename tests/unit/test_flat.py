"""The flat form in which policies are judged says what the written form says."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
import pytest
from benchmarks.nested import nested
from hypothesis import given, settings

from modelwarden import cedar
from modelwarden.evidence import Absent, Evidence, Fact, Present, Unknown
from modelwarden.flat import flat, request
from modelwarden.policy import REQUIRED_ANNOTATIONS, CedarPolicy, read_file
from modelwarden.projection import Projection, Projector
from modelwarden.request import MOMENTS, Request
from tests.unit.facts_strategy import PACKAGE, builtin, evidence, parameters, requests

EVERY_OPERATOR = """
resource has package.status && resource has package.createdAt && resource has tagKeys && resource has package.version &&
(if resource.package.status == "A" then resource.package.version + 1 > 2 else -resource.package.version < 0) &&
(resource.package.status like "A*" || [resource.package.status, "B"].contains("C")) &&
{"status": resource.package.status}.status != "D" &&
resource.package.createdAt.offset(duration("1d")) > datetime("2026-01-01") &&
resource.tagKeys.containsAny(context.parameters.requiredTags) && !resource.tagKeys.isEmpty() &&
resource.hasTag("owner") && resource.getTag("owner") != "nobody" &&
resource.metadata.hasTag("team") && resource.metadata.getTag("team") == "risk" &&
principal has identity && principal.identity != "x" && context.moment == "approve"
"""
GOOD: dict[str, Any] = {
    "/package/status": "AB",
    "/package/created_at": "2026-11-01T00:00:00Z",
    "/package/version": 7,
    "/tag_keys": ("owner",),
    "/tag/owner": "ann",
    "/customer_metadata_keys": ("team",),
    "/customer_metadata/team": "risk",
    "/request/principal/identity": "ann",
    "/request/moment": "approve",
}
CHANGES: list[tuple[str, Fact, str]] = [
    ("/package/status", Present("B"), "violated"),
    ("/package/status", Present("A"), "met"),
    ("/package/status", Absent(), "violated"),
    ("/package/version", Present(2**63 - 1), "met"),
    ("/package/created_at", Present("2025-11-01T00:00:00Z"), "violated"),
    ("/tag_keys", Present(("other",)), "violated"),
    ("/tag/owner", Present("nobody"), "violated"),
    ("/tag/owner", Unknown("AccessDenied"), "violated"),
    ("/customer_metadata/team", Present("credit"), "violated"),
    ("/request/principal/identity", Present("x"), "violated"),
    ("/request/moment", Present("serve"), "violated"),
    ("/request/moment", Unknown("not collected"), "error"),
]


def as_written(policy: CedarPolicy, projection: Projection, moment: str) -> tuple[bool, bool]:
    """(satisfied, in error), with the records of the schema that its `has` may ask for."""
    asked, entities = nested(projection, moment)
    group = {"type": "Modelwarden::Action", "id": "promote"}
    actions = [{"uid": {**group, "id": moment}, "attrs": {}, "parents": [group]}]
    document = {"staticPolicies": {policy.id: policy.json}, "templates": {}, "templateLinks": []}
    written = cedarpy.PolicySet.from_json_str(json.dumps(document))
    told = cedarpy.is_authorized(asked, written, [*actions, *entities]).diagnostics
    return bool(told.reasons), bool(told.errors)


def as_flat(policy: CedarPolicy, projection: Projection, moment: str) -> tuple[bool, bool]:
    entities = cedar.Entities(projection.entities(0), projection.parameters)
    told = cedar.PolicySet({policy.id: flat(policy.json)}).judge(request(moment), entities)
    return policy.id in told.satisfied, policy.id in told.errors


def subject(facts: dict[str, Fact], asked: Request) -> Evidence:
    return Evidence(PACKAGE, {**facts, **asked.facts()})


@pytest.mark.parametrize("policy", builtin().policies, ids=lambda policy: policy.id)
@settings(max_examples=60, deadline=None)
@given(record=evidence(), asked=requests())
def test_each_control_that_ships_says_the_same_in_both_forms(
    policy: CedarPolicy, record: Evidence, asked: Request
) -> None:
    facts = subject(dict(record.facts), asked)
    projection = Projector([policy]).project(facts, parameters(), {}, asked.moment)
    assert as_flat(policy, projection, asked.moment) == as_written(policy, projection, asked.moment)


def written(unless: str) -> CedarPolicy:
    declared = {name: one.type for name, one in builtin().declarations.items()}
    annotations = "".join(f'@{name}("{"TST-01" if name == "id" else "x"}")' for name in REQUIRED_ANNOTATIONS)
    text = (
        f'{annotations}\nforbid (principal, action in Modelwarden::Action::"promote", resource)\nunless {{ {unless} }};'
    )
    (policy,), _ = read_file(text, "test.cedar", "user", declared, thorough=False)
    return policy


@pytest.mark.parametrize(("pointer", "fact", "expected"), [("/package/status", Present("AB"), "met"), *CHANGES])
def test_every_operator_says_the_same_in_both_forms(pointer: str, fact: Fact, expected: str) -> None:
    policy = written(EVERY_OPERATOR)
    facts = {**{name: Present(value) for name, value in GOOD.items()}, pointer: fact}
    projection = Projector([policy]).project(Evidence(PACKAGE, facts), {"required_tags": ("owner",)}, {}, "approve")
    told = {(False, False): "met", (True, False): "violated", (False, True): "error"}
    assert told[as_flat(policy, projection, "approve")] == told[as_written(policy, projection, "approve")] == expected


def test_a_parameter_that_nobody_set_is_an_error_in_both_forms() -> None:
    policy = written('context.parameters.requiredTags.contains("owner")')
    facts = Evidence(PACKAGE, {"/request/moment": Present("approve")})
    projection = Projector([policy]).project(facts, {}, {}, "approve")
    assert as_flat(policy, projection, "approve") == as_written(policy, projection, "approve") == (False, True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_record_counts_as_there_even_if_nothing_is_in_it(moment: str) -> None:
    policy = written("resource has card")
    projection = Projector([policy]).project(Evidence(PACKAGE, {}), {}, {}, moment)
    assert as_flat(policy, projection, moment) == (False, False)
