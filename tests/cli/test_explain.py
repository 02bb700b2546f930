"""`modelwarden explain`: clause by clause and fact by fact, for passes too, as a user reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Done

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/1"
SHORT = "111122223333/eu-west-1/churn/1"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/a"
SETTINGS = f"""[parameters]
approved_image_sources = ["good.example/one"]
approved_kms_keys = ["{KEY}"]
required_tags = ["owner"]
protected_attributes = []
"""
UNREAD = {"state": "unknown", "reason": "AccessDenied", "api": "kms:DescribeKey"}


@pytest.fixture
def explain(run: Callable[..., Done], tmp_path: Path) -> Callable[..., Done]:
    """Explain a control on an evidence file of these facts."""

    def call(control: str, facts: dict[str, Any], *options: str, settings: str = SETTINGS) -> Done:
        document = {"schema": "modelwarden.evidence/1", "package": PACKAGE, "facts": facts}
        (tmp_path / "e.json").write_text(json.dumps(document))
        (tmp_path / "s.toml").write_text(settings)
        return run("explain", "e.json", "--to", "Production", "--control", control, "--config", "s.toml", *options)

    return call


def artifacts(**second: Any) -> dict[str, Any]:
    good = {"encryption/sse": "aws:kms", "kms_key/manager": "CUSTOMER", "kms_key/arn": KEY}
    both = [good, good | {name.replace("__", "/"): value for name, value in second.items()}]
    return {"/artifact_count": 2} | {
        f"/artifact/{n}/{name}": v for n, held in enumerate(both) for name, v in held.items()
    }


def lines(done: Done) -> list[str]:
    assert done.code == 0, done.err
    assert done.err == ""
    return done.out.splitlines()


def test_a_policy_that_passes_shows_every_condition_and_fact(explain: Callable[..., Done]) -> None:
    done = explain("ENC-02", artifacts())
    assert lines(done)[:17] == [
        "ENC-02  model artifact is not encrypted with a customer managed key",
        f"pass for {SHORT}  ->  Production (approve)",
        "",
        "applies: resource.artifactCount > 0",
        "    /artifact_count = 2",
        "",
        'yes: ["aws:kms", "aws:kms:dsse"].contains(resource.artifact.encryption.sse)',
        '    /artifact/0/encryption/sse = "aws:kms"',
        '    /artifact/1/encryption/sse = "aws:kms"',
        "",
        'yes: resource.artifact.kmsKey.manager == "CUSTOMER"',
        '    /artifact/0/kms_key/manager = "CUSTOMER"',
        '    /artifact/1/kms_key/manager = "CUSTOMER"',
        "",
        "yes: context.parameters.approvedKmsKeys.contains(resource.artifact.kmsKey.arn)",
        f'    /artifact/0/kms_key/arn = "{KEY}"',
        f'    /artifact/1/kms_key/arn = "{KEY}"',
    ]
    assert lines(done)[18:20] == ["parameters", f"    approved_kms_keys = {KEY}"]
    assert lines(done)[21] == "level   block (profile recommended)"
    assert lines(done)[22].startswith("policy  policies/unencrypted_artifact.cedar:")


def test_a_policy_that_fails_marks_the_fact_that_decided(explain: Callable[..., Done]) -> None:
    done = explain("ENC-02", artifacts(kms_key__manager="AWS"))
    assert lines(done)[1] == f"fail for {SHORT}  ->  Production (approve)"
    assert lines(done)[10:14] == [
        'no: resource.artifact.kmsKey.manager == "CUSTOMER"',
        '    /artifact/0/kms_key/manager = "CUSTOMER"',
        '  * /artifact/1/kms_key/manager = "AWS"',
        "",
    ]
    assert lines(done)[6].startswith("yes: ")


def test_a_policy_that_cannot_tell_names_the_call(explain: Callable[..., Done]) -> None:
    done = explain("ENC-02", artifacts(kms_key__manager=UNREAD))
    assert lines(done)[1] == f"unknown for {SHORT}  ->  Production (approve)"
    assert "cannot tell: resource.artifact.kmsKey.manager" in done.out
    assert "  * /artifact/1/kms_key/manager is unknown: AccessDenied    kms:DescribeKey" in lines(done)


def test_a_policy_that_does_not_apply_says_what_says_so(explain: Callable[..., Done]) -> None:
    done = explain("ENC-02", {"/artifact_count": 0})
    assert lines(done)[1:6] == [
        f"not-applicable for {SHORT}  ->  Production (approve)",
        "",
        "does not apply: resource.artifactCount > 0",
        "    /artifact_count = 0",
        "",
    ]
    assert "yes: " not in done.out


def test_a_scope_that_was_not_read(explain: Callable[..., Done]) -> None:
    done = explain("ENC-02", {})
    assert lines(done)[3:5] == [
        "cannot tell whether it applies: resource.artifactCount > 0",
        "    /artifact_count is unknown: not collected",
    ]


def test_a_moment_that_is_not_judged(explain: Callable[..., Done]) -> None:
    done = explain("APR-01", {"/approval/status": "Approved"})
    assert lines(done)[3] == "does not apply at approve, only at deploy and serve"


def test_alternatives_are_answered_one_by_one(explain: Callable[..., Done]) -> None:
    facts = {
        "/approval/status": "Approved",
        "/life_cycle/state": "set",
        "/life_cycle/stage": "Staging",
        "/life_cycle/stage_status": "Approved",
    }
    done = explain("APR-01", facts, "--at", "deploy")
    assert lines(done)[1] == f"fail for {SHORT}  ->  Production (deploy)"
    assert lines(done)[3:25] == [
        "applies to every package",
        "",
        'yes: resource.approval.status == "Approved"',
        '    /approval/status = "Approved"',
        "",
        "no: at least one of",
        "  no: all of",
        '    no: resource.lifeCycle.state == "none"',
        '      * /life_cycle/state = "set"',
        "",
        "    yes: !context.parameters.lifeCycleRequired",
        "",
        "  no: all of",
        "    no: resource.lifeCycle.stage == context.stage",
        '      * /life_cycle/stage = "Staging"',
        '        /request/stage = "Production"',
        "",
        '    yes: resource.lifeCycle.stageStatus == "Approved"',
        '        /life_cycle/stage_status = "Approved"',
        "",
        "parameters",
        "    life_cycle_required = false",
    ]


def test_a_guard_alone_is_told_with_its_whole_path(explain: Callable[..., Done]) -> None:
    done = explain("CARD-04", {"/card/content/intended_uses/risk_rating": "Low"})
    assert "cannot tell: resource has card.content.intendedUses.explanationsForRiskRating" in lines(done)


def test_an_empty_list_shows_its_count(explain: Callable[..., Done]) -> None:
    done = explain("IMG-01", {"/container_count": 0})
    assert lines(done)[5:7] == [
        "no: context.parameters.approvedImageSources.contains(resource.container.image.source)",
        "  * /container_count = 0",
    ]


def test_a_parameter_that_nobody_set(explain: Callable[..., Done]) -> None:
    facts = {"/container_count": 1, "/container/0/image/source": "good.example/one"}
    done = explain("IMG-01", facts, settings="")
    assert lines(done)[1:3] == [
        f"unknown for {SHORT}  ->  Production (approve)",
        "  because parameter approved_image_sources is not set",
    ]
    assert "    approved_image_sources = (nobody set it)" in lines(done)


@pytest.mark.parametrize(
    ("facts", "outcome", "told"),
    [
        ({"/tag_keys": ["owner"], "/tag/owner": "retail"}, "pass", ["facts that it read", '    /tag/owner = "retail"']),
        ({"/tag_keys": []}, "fail", ["facts that it read, * those that decided", "  * /tag/owner is absent"]),
        ({}, "unknown", ["facts that it read, * those that decided", "  * /tag/owner is unknown: not collected"]),
    ],
)
def test_a_rule_shows_every_fact_that_it_read(
    explain: Callable[..., Done], facts: dict[str, Any], outcome: str, told: list[str]
) -> None:
    done = explain("HYG-01", facts)
    assert lines(done)[1] == f"{outcome} for {SHORT}  ->  Production (approve)"
    at = lines(done).index(told[0])
    assert lines(done)[at : at + len(told)] == told
    assert "    required_tags = owner" in lines(done)
    assert "    allowed_tag_values = (empty)" in lines(done)


def test_a_rule_that_does_not_apply(explain: Callable[..., Done]) -> None:
    done = explain("BIAS-01", {})
    assert lines(done)[1:5] == [
        f"not-applicable for {SHORT}  ->  Production (approve)",
        "  because no protected attribute is declared",
        "",
        "does not apply",
    ]
    assert "    protected_attributes = (empty)" in lines(done)


def test_a_control_that_is_off_is_explained_all_the_same(explain: Callable[..., Done]) -> None:
    done = explain("HYG-01", {"/tag_keys": []}, settings=SETTINGS + '[enforcement]\nHYG-01 = "off"\n')
    assert lines(done)[1].startswith("fail for ")
    assert "\nlevel   off (" in done.out


@pytest.mark.parametrize(
    ("name", "help_"),
    [
        ("ENC-2", "did you mean ENC-02"),
        ("enc-02", "did you mean ENC-02"),
        ("nothing", "`modelwarden controls list` shows all"),
    ],
)
def test_an_unknown_control_suggests(explain: Callable[..., Done], name: str, help_: str) -> None:
    done = explain(name, {})
    assert (done.code, done.out) == (2, "")
    told = done.err.splitlines()
    assert told[0] == f"error: unknown control `{name}`"
    assert told[1].startswith(f"  help: {help_}")
    assert len(told) == 2


def test_what_evidence_says_cannot_act_on_the_terminal(explain: Callable[..., Done]) -> None:
    done = explain("HYG-01", {"/tag_keys": ["owner"], "/tag/owner": "\x1b[2Jred\n* forged"})
    assert "\x1b" not in done.out
    assert "* forged" not in lines(done)


def test_a_user_s_controls_are_explained_too(explain: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/a.cedar").write_text(
        '@id("ACME-01")@title("t")@severity("low")@rationale("r")@remediation("m")@source("s")@since("1")\n'
        '@reads("/tag/owner")\nforbid (principal, action in Modelwarden::Action::"promote", resource)\n'
        'unless { resource.hasTag("owner") && resource.getTag("owner") like "team-*" };\n'
    )
    done = explain("ACME-01", {"/tag_keys": ["owner"], "/tag/owner": "retail"}, "--bundle", "house")
    assert lines(done)[5:7] == ['no: resource.getTag("owner") like "team-*"', '  * /tag/owner = "retail"']
