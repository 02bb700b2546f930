"""What the engine relies on in cedarpy 4.12. A new version that changes one of these changes verdicts."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import cedarpy
import pytest
from cedarpy import Decision

PERMIT = "permit (principal, action, resource);"
REQUEST = {
    "principal": {"type": "P", "id": "p"},
    "action": {"type": "Action", "id": "approve"},
    "resource": {"type": "R", "id": "r"},
    "context": {},
}
SCHEMA = """
entity P;
entity R = { n: Long, x?: String, rec?: { y?: Long }, s?: Set<String> } tags String;
action promote;
action approve, deploy in [promote] appliesTo { principal: [P], resource: [R], context: {} };
"""
PROMOTE = 'forbid (principal, action in Action::"promote", resource)'


def resource(tags: dict[str, str] | None = None, **attributes: Any) -> list[dict[str, Any]]:
    return [{"uid": {"type": "R", "id": "r"}, "attrs": attributes, "tags": tags or {}, "parents": []}]


def actions(parents: list[dict[str, str]] | None = None) -> list[dict[str, Any]]:
    group = {"type": "Action", "id": "promote"}
    above = [group] if parents is None else parents
    return [
        {"uid": group, "attrs": {}, "parents": []},
        {"uid": {"type": "Action", "id": "approve"}, "attrs": {}, "parents": above},
    ]


def ask(policies: Any, entities: Any = (), request: dict[str, Any] | None = None) -> cedarpy.AuthzResult:
    listed = list(entities) if isinstance(entities, tuple) else entities
    return cedarpy.is_authorized(request or REQUEST, policies, listed)


def holds(condition: str, **attributes: Any) -> bool | None:
    """The value of a condition; None where it errs."""
    result = ask(f"{PERMIT} forbid (principal, action, resource) when {{ {condition} }};", resource(**attributes))
    return None if result.diagnostics.errors else result.decision is Decision.Deny


def json_set(**policies: str) -> cedarpy.PolicySet:
    """A set whose ids are the keywords."""
    parsed = {
        name: next(iter(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()))
        for name, text in policies.items()
    }
    document = {"staticPolicies": parsed, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(document))


def valid(condition: str, kind: str = "unless") -> bool:
    return cedarpy.validate_policies(f"{PROMOTE} {kind} {{ {condition} }};", SCHEMA).validation_passed


def test_the_version_is_the_pinned_one() -> None:
    assert version("cedarpy").startswith("4.12.")


class TestDecisions:
    def test_an_erring_forbid_is_skipped_and_only_the_errors_say_so(self) -> None:
        result = ask(f'{PERMIT} forbid (principal, action, resource) when {{ resource.x == "bad" }};', resource())
        assert (result.decision, result.diagnostics.reasons) == (Decision.Allow, ["policy0"])
        assert len(result.diagnostics.errors) == 1
        assert result.diagnostics.errors[0].startswith("error while evaluating policy `policy1`: ")

    @pytest.mark.parametrize("policies", ["", cedarpy.PolicySet.from_str("")])
    def test_an_empty_set_is_a_deny_without_reasons(self, policies: Any) -> None:
        result = ask(policies)
        assert (result.decision, result.diagnostics.reasons, result.diagnostics.errors) == (Decision.Deny, [], [])

    def test_without_a_permit_a_compliant_request_is_a_deny_without_reasons(self) -> None:
        result = ask("forbid (principal, action, resource) unless { resource.n > 0 };", resource(n=1))
        assert (result.decision, result.diagnostics.reasons) == (Decision.Deny, [])

    def test_a_deny_names_every_satisfied_forbid_and_no_permit(self) -> None:
        policies = json_set(
            base=PERMIT,
            one="forbid (principal, action, resource) unless { resource.n > 0 };",
            two="forbid (principal, action, resource) when { resource.n < 0 };",
            three="forbid (principal, action, resource) when { resource.n > 0 };",
        )
        result = ask(policies, resource(n=-1))
        assert (result.decision, sorted(result.diagnostics.reasons)) == (Decision.Deny, ["one", "two"])

    def test_a_syntax_error_is_no_decision_from_text_and_an_exception_from_a_handle(self) -> None:
        assert ask("forbid (").decision is Decision.NoDecision
        with pytest.raises(ValueError, match=r"."):
            cedarpy.PolicySet.from_str("forbid (")
        with pytest.raises(ValueError, match=r"."):
            cedarpy.policies_to_json_str("forbid (")

    def test_errors_know_no_line(self) -> None:
        with pytest.raises(ValueError, match=r"unexpected token `>`") as caught:
            cedarpy.policies_to_json_str(f"{PERMIT}\n\n{PROMOTE} when {{ resource. > 0 }};")
        assert "line" not in str(caught.value).splitlines()[0]


class TestEntities:
    @pytest.mark.parametrize("value", [None, 1.5, 2**63, -(2**63) - 1], ids=["null", "float", "2^63", "-2^63-1"])
    def test_values_without_a_type_are_no_decision(self, value: Any) -> None:
        assert ask(PERMIT, resource(x=value)).decision is Decision.NoDecision
        with pytest.raises(ValueError, match=r"."):
            cedarpy.Entities.from_json_str("[]").with_added_json_str(json.dumps(resource(x=value)))

    @pytest.mark.parametrize("value", [2**63 - 1, -(2**63), "", [], {}, True, ["a", "a"]])
    def test_values_with_a_type_are_taken(self, value: Any) -> None:
        assert ask(PERMIT, resource(x=value)).decision is Decision.Allow

    def test_one_bad_entity_of_many_is_no_decision(self) -> None:
        other = {"uid": {"type": "Q", "id": "q"}, "attrs": {"a": None}, "parents": []}
        assert ask(PERMIT, [*resource(n=1), other]).decision is Decision.NoDecision

    def test_one_bad_entity_hides_every_request_of_a_batch(self) -> None:
        results = cedarpy.is_authorized_batch([REQUEST, REQUEST], PERMIT, resource(x=None))
        assert [result.decision for result in results] == [Decision.NoDecision] * 2

    def test_a_duplicate_entity_that_differs_is_no_decision(self) -> None:
        assert ask(PERMIT, [*resource(n=1), *resource(n=2)]).decision is Decision.NoDecision

    def test_uids_may_be_objects_and_entities_be_added_to_parsed_ones(self) -> None:
        base = cedarpy.Entities.from_json_str(json.dumps(actions()))
        added = base.with_added_json_str(json.dumps(resource(n=1)))
        assert (len(base), len(added)) == (2, 3)
        assert ask(f"{PERMIT} {PROMOTE} unless {{ resource.n == 1 }};", added).decision is Decision.Allow

    def test_tags_are_apart_from_attributes(self) -> None:
        policies = f'{PERMIT} {PROMOTE} unless {{ resource.hasTag("a") && resource.getTag("a") == "b" }};'
        assert ask(policies, [*actions(), *resource({"a": "b"})]).decision is Decision.Allow
        assert ask(policies, [*actions(), *resource(a="b")]).decision is Decision.Deny

    def test_times_are_extension_values(self) -> None:
        at = {"__extn": {"fn": "datetime", "arg": "2026-11-22T02:10:00Z"}}
        assert holds('resource.x > datetime("2026-11-21")', x=at) is True
        assert holds('resource.x > datetime("2026-11-21")', x="2026-11-22T02:10:00Z") is None


class TestActions:
    FORBID = f"{PERMIT} {PROMOTE};"

    def test_with_the_parents_the_group_applies(self) -> None:
        assert ask(self.FORBID, [*actions(), *resource()]).decision is Decision.Deny

    @pytest.mark.parametrize("entities", [[], actions(parents=[])], ids=["no actions", "no parents"])
    def test_without_the_parents_nothing_applies_and_everything_is_allowed(self, entities: list[Any]) -> None:
        result = ask(self.FORBID, [*entities, *resource()])
        assert (result.decision, result.diagnostics.errors) == (Decision.Allow, [])

    def test_an_action_that_nobody_asks_for_never_applies(self) -> None:
        typo = f'{PERMIT} forbid (principal, action == Action::"aprove", resource);'
        assert ask(typo, [*actions(), *resource()]).decision is Decision.Allow


class TestIds:
    def test_positional_ids_come_from_text_and_ids_may_stand_twice(self) -> None:
        twice = f'@id("A") {PERMIT} @id("A") {PERMIT}'
        assert sorted(ask(cedarpy.PolicySet.from_str(twice)).diagnostics.reasons) == ["policy0", "policy1"]

    def test_keys_of_the_json_form_come_back_in_reasons_and_errors(self) -> None:
        policies = json_set(
            **{
                "modelwarden:base": PERMIT,
                "ENC-02": "forbid (principal, action, resource) unless { resource.n > 0 };",
                "ENC-03": 'forbid (principal, action, resource) unless { resource.x == "a" };',
            }
        )
        result = ask(policies, resource(n=0))
        assert result.diagnostics.reasons == ["ENC-02"]
        assert [error.split(":")[0] for error in result.diagnostics.errors] == [
            "error while evaluating policy `ENC-03`"
        ]

    def test_the_json_form_keeps_the_order_in_its_keys_and_drops_comments(self) -> None:
        text = f'// one\n{PERMIT}\n@id("b") {PROMOTE};'
        document = json.loads(cedarpy.policies_to_json_str(text))
        assert sorted(document["staticPolicies"]) == ["policy0", "policy1"]
        assert document["staticPolicies"]["policy1"]["annotations"] == {"id": "b"}
        assert "one" not in json.dumps(document)

    def test_the_json_form_may_be_128_deep_and_text_deeper(self) -> None:
        text = f"{PROMOTE} unless {{ {' && '.join(f'resource.n != {n}' for n in range(100))} }};"
        assert cedarpy.validate_policies(text, SCHEMA).validation_passed
        document = json.loads(cedarpy.policies_to_json_str(text))
        with pytest.raises(ValueError, match=r"JSON"):
            cedarpy.PolicySet.from_json_str(json.dumps(document))

    def test_a_duplicate_annotation_is_a_syntax_error(self) -> None:
        with pytest.raises(ValueError, match=r"duplicate annotation"):
            cedarpy.policies_to_json_str(f'@id("a") @id("b") {PERMIT}')


class TestConditions:
    @pytest.mark.parametrize(
        ("condition", "attributes", "value"),
        [
            ('["x"].containsAll(resource.s)', {"s": []}, True),
            ("resource.s.containsAll(resource.s)", {"s": []}, True),
            ('["x"].containsAny(resource.s)', {"s": []}, False),
            ("resource.s.isEmpty()", {"s": []}, True),
            ('resource.n == "1"', {"n": 1}, False),
            ('resource.n != "1"', {"n": 1}, True),
            ('resource.n < "1"', {"n": 1}, None),
            ("resource.n * 9223372036854775807 > 0", {"n": 2}, None),
            ("resource.n + 1 > 0", {"n": 2**63 - 1}, None),
            ("resource.x == 1", {}, None),
            ('resource has rec && resource.rec has "y"', {"rec": {}}, False),
            ("resource has rec.y", {}, False),
            ("resource has rec.y", {"rec": {}}, False),
            ("resource has rec.y", {"rec": {"y": 1}}, True),
            ("false && resource.x == 1", {}, False),
            ("true || resource.x == 1", {}, True),
            ("resource.x == 1 || true", {}, None),
            ("if resource has x then false else true", {}, True),
            ("!(resource has x)", {}, True),
            ("(resource has x) == false", {}, True),
        ],
    )
    def test_what_a_condition_is(self, condition: str, attributes: dict[str, Any], value: bool | None) -> None:
        assert holds(condition, **attributes) is value

    def test_a_set_without_its_unless_says_what_applies(self) -> None:
        text = f"{PROMOTE} when {{ resource.n > 0 }} unless {{ resource.x == 1 }};"
        policy = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"]
        policy["conditions"] = [one for one in policy["conditions"] if one["kind"] == "when"]
        base = json.loads(cedarpy.policies_to_json_str(PERMIT))["staticPolicies"]["policy0"]
        document = {"staticPolicies": {"scope": policy, "base": base}, "templates": {}, "templateLinks": []}
        scopes = cedarpy.PolicySet.from_json_str(json.dumps(document))
        assert ask(scopes, [*actions(), *resource(n=1)]).diagnostics.reasons == ["scope"]
        assert ask(scopes, [*actions(), *resource(n=0)]).diagnostics.reasons == ["base"]
        assert len(ask(scopes, [*actions(), *resource()]).diagnostics.errors) == 1

    def test_has_of_several_members_is_a_conjunction_in_the_tree(self) -> None:
        tree = json.loads(cedarpy.policies_to_json_str(f"{PROMOTE} unless {{ resource has rec.y }};"))
        step = {"has": {"left": {"Var": "resource"}, "attr": "rec"}}
        inner = {"has": {"left": {".": {"left": {"Var": "resource"}, "attr": "rec"}}, "attr": "y"}}
        body = tree["staticPolicies"]["policy0"]["conditions"][0]["body"]
        assert body == {"&&": {"left": step, "right": inner}}


class TestValidator:
    @pytest.mark.parametrize(
        "condition",
        ['resource.x == "a"', "resource.rec.y > 0", 'resource.getTag("a") == "b"', "resource.z == 1", "[].isEmpty()"],
    )
    def test_it_refuses_what_may_not_be_there(self, condition: str) -> None:
        assert not valid(condition)

    @pytest.mark.parametrize(
        "condition",
        [
            'resource has x && resource.x == "a"',
            "resource has rec.y && resource.rec.y > 0",
            'resource.hasTag("a") && resource.getTag("a") == "b"',
        ],
    )
    def test_it_accepts_what_is_guarded(self, condition: str) -> None:
        assert valid(condition)

    def test_it_accepts_the_forms_that_let_a_missing_fact_through(self) -> None:
        """Lint refuses them; should the validator ever do, lint could forget them."""
        assert valid('resource has x && resource.x == "bad"', kind="when")
        assert valid('if resource has x then resource.x == "good" else true')
        assert valid("!(resource has x)")
        assert valid("(resource has x) == false")
        assert valid("resource has nonsense")
        assert valid('resource has s && ["x"].containsAll(resource.s)')
        assert valid("true")

    def test_its_errors_carry_positional_ids_and_repeat_for_each_action(self) -> None:
        result = cedarpy.validate_policies(f"{PROMOTE} unless {{ resource.rec.y > 0 }};", SCHEMA)
        assert {error.policy_id for error in result.errors} == {"policy0"}
        assert all(error.error.startswith("for policy `policy0`, ") for error in result.errors)

    def test_with_a_schema_at_request_time_one_bad_field_hides_every_verdict(self) -> None:
        policies = f"{PERMIT} {PROMOTE} unless {{ resource.n > 0 }};"
        assert cedarpy.is_authorized(REQUEST, policies, resource(n=0), SCHEMA).decision is Decision.Deny
        bad = cedarpy.is_authorized(REQUEST, policies, resource(n=0, x=1), SCHEMA)
        assert bad.decision is Decision.NoDecision


class TestFormatter:
    def test_it_is_idempotent_and_keeps_comments_and_meaning(self) -> None:
        text = f'// why\n{PROMOTE}\nunless {{resource has x&&resource.x=="a" }};'
        once = cedarpy.format_policies(text)
        assert cedarpy.format_policies(once) == once
        assert once.startswith("// why\n")
        assert cedarpy.policies_to_json_str(once) == cedarpy.policies_to_json_str(text)

    def test_the_width_is_a_parameter(self) -> None:
        text = f'{PROMOTE} unless {{ resource has x && resource.x == "{"a" * 40}" }};'
        assert cedarpy.format_policies(text, 80) != cedarpy.format_policies(text, 120)

    def test_a_syntax_error_is_an_exception(self) -> None:
        with pytest.raises(ValueError, match=r"."):
            cedarpy.format_policies("forbid (")


def test_the_typed_syntax_tree_is_imported_when_it_is_used_and_works() -> None:
    """It takes most of cedarpy's import; in a process of its own, since this one has it already."""
    code = (
        "import sys, modelwarden.cedar, cedarpy\n"
        "assert not hasattr(type(sys.modules['cedarpy.pst']), '__path__')\n"
        "assert 'PolicySet' not in vars(sys.modules['cedarpy.pst'])\n"
        "found = cedarpy.policies_to_pst('permit (principal, action, resource);')\n"
        "assert type(found).__module__ == 'cedarpy.pst', type(found)\n"
        "assert isinstance(found, cedarpy.pst.PolicySet)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
