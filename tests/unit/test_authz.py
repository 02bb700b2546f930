"""Authorisation: who may approve, grant a waiver and break the glass, by the policies that ship."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from modelwarden import cedar
from modelwarden.attributes import RISK_POINTER
from modelwarden.authz import APPROVERS, Authorized, may_approve, refused_waiver
from modelwarden.catalog import BundleError, load_bundle
from modelwarden.evidence import Absent, Evidence, Fact, Present, Unknown
from modelwarden.identity import who
from modelwarden.waiver import Waiver

CASES = json.loads((Path(__file__).parents[1] / "authz" / "cases.json").read_text(encoding="utf-8"))
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
ROLE = "arn:aws:iam::111122223333:role/ModelRisk"
BUNDLE = load_bundle()


@dataclass(frozen=True)
class Rules:
    """Parameters as the settings give them."""

    parameters: dict[str, Any] = field(default_factory=dict)
    parameters_unknown: dict[str, str] = field(default_factory=dict)


SEVERITIES = {"ENC-02": "high"}


def rating(said: Any) -> Evidence:
    fact: Fact = Present(said) if isinstance(said, str) else Absent()
    return Evidence(PACKAGE, {RISK_POINTER: Unknown(said["unknown"]) if isinstance(said, dict) else fact})


def waiver(approvers: tuple[str, ...], *, break_glass: bool = False) -> Waiver:
    return Waiver(
        id="W-1",
        controls=("ENC-02",),
        target=("package", PACKAGE),
        account=None,
        region=None,
        owner="Ada Example",
        approvers=approvers,
        reason="the key is being moved",
        ticket="RISK-7",
        expires="2026-12-31",
        ends=datetime(2027, 1, 1, tzinfo=UTC),
        granted=None,
        unknown=False,
        break_glass=break_glass,
        loud=False,
        path="waivers/a.toml",
    )


def approve(case: dict[str, Any], authorizer: cedar.Authorizer = BUNDLE.authorizer) -> Authorized:
    rules = Rules(
        {name: tuple(value) for name, value in case["parameters"].items()}, case.get("unknown_parameters", {})
    )
    principal = who(case["principal"], asserted=case.get("asserted", False))
    return may_approve(authorizer, principal, rating(case["rating"]), "Production", rules)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_cases_of_the_policies(case: dict[str, Any]) -> None:
    if case["action"] == "may_approve":
        given = approve(case)
        allowed, said = given.allowed, "; ".join(given.reasons)
        assert bool(given.help) is not allowed
    else:
        rules = Rules(
            {name: tuple(value) for name, value in case["parameters"].items()}, case.get("unknown_parameters", {})
        )
        one = waiver(tuple(case["approver"]), break_glass=case["action"] == "may_break_glass")
        said = refused_waiver(BUNDLE.authorizer, one, rules, {"ENC-02": case.get("severity", "high")})
        allowed = not said
    assert allowed is case["allowed"], said
    for text in case.get("says", ()):
        assert text in said


def test_every_action_and_rating_has_cases_of_both_answers() -> None:
    seen = {
        (case["action"], case.get("rating") if isinstance(case.get("rating"), str) else "", case["allowed"])
        for case in CASES
    }
    for action in ("may_grant_waiver", "may_break_glass"):
        assert {(action, "", True), (action, "", False)} <= seen
    assert {("may_approve", risk, True) for risk in APPROVERS} <= seen


def test_the_refusal_names_the_parameter_to_set() -> None:
    given = approve({"principal": ROLE, "rating": "Medium", "parameters": {}})
    assert given.reasons == (
        "nobody may approve at effective risk rating Medium: parameter approvers_medium lists nobody",
    )
    assert given.help.startswith("set it in the organization layer: ARNs of IAM roles and users")


def test_without_policies_nobody_may_do_anything() -> None:
    nothing = cedar.Authorizer({})
    assert not approve({"principal": ROLE, "rating": "High", "parameters": {"approvers_high": [ROLE]}}, nothing).allowed
    assert "no policy permits it" in refused_waiver(nothing, waiver(("Ben Example",)), Rules(), SEVERITIES)


def user_bundle(folder: Path, policy: str) -> cedar.Authorizer:
    (folder / "authz").mkdir(parents=True)
    (folder / "authz" / "house.cedar").write_text(policy, encoding="utf-8")
    return load_bundle([folder]).authorizer


def test_a_bundle_may_forbid(tmp_path: Path) -> None:
    authorizer = user_bundle(
        tmp_path / "house",
        '@id("high-needs-a-person")\nforbid (principal, action == Modelwarden::Action::"may_approve", resource)\n'
        'when { resource.effectiveRiskRating == "High" } unless { principal.kind == "person" };',
    )
    lists = {"approvers_high": ["arn:aws:iam::111122223333:*"], "approvers_low": ["arn:aws:iam::111122223333:*"]}
    assert approve({"principal": ROLE, "rating": "Low", "parameters": lists}, authorizer).allowed
    user = "arn:aws:iam::111122223333:user/jane"
    assert approve({"principal": user, "rating": "High", "parameters": lists}, authorizer).allowed
    given = approve({"principal": ROLE, "rating": "High", "parameters": lists}, authorizer)
    assert given.reasons == (f"`{ROLE}` is listed in approvers_high, but policy high-needs-a-person forbids it",)


def test_a_bundle_may_keep_a_control_from_being_waived(tmp_path: Path) -> None:
    authorizer = user_bundle(
        tmp_path / "house",
        '@id("encryption-stays")\nforbid (principal, action == Modelwarden::Action::"may_grant_waiver", resource)\n'
        'when { resource.controls.contains("ENC-02") };',
    )
    assert (
        refused_waiver(authorizer, waiver(("Ben Example",)), Rules(), SEVERITIES)
        == "`Ben Example` policy encryption-stays forbids it"
    )


def test_a_policy_that_errs_is_a_refusal(tmp_path: Path) -> None:
    """Lint refuses one that may err, but what gets by must not open anything."""
    broken = '@id("broken")\nforbid (principal, action, resource) when { resource.colour == "red" };'
    with pytest.raises(BundleError, match=r"^house/authz/house\.cedar:2: broken: attribute `colour`"):
        user_bundle(tmp_path / "house", broken)
    authorizer = cedar.Authorizer({**BUNDLE.authz, "broken": cedar.parse(broken)[0]})
    given = approve({"principal": ROLE, "rating": "High", "parameters": {"approvers_high": [ROLE]}}, authorizer)
    assert not given.allowed
    assert "cannot be decided: error while evaluating policy `broken`" in given.reasons[0]


def test_a_bundle_cannot_permit(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        user_bundle(tmp_path / "house", '@id("me-too")\npermit (principal, action, resource);')
    assert str(caught.value) == (
        "house/authz/house.cedar:2: authorisation policy `me-too` is no `forbid`: a bundle may only take permissions away"
    )


def test_the_policies_are_valid_and_formatted() -> None:
    folder = files("modelwarden.builtin.policies.authz")
    schema = folder.joinpath("authz.cedarschema").read_text(encoding="utf-8")
    assert cedar.validate(BUNDLE.authz, schema) == []
    for name in ("approve.cedar", "waive.cedar"):
        text = folder.joinpath(name).read_text(encoding="utf-8")
        assert cedar.format_text(text) == text
