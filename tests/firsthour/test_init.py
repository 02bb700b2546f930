"""Init: a proposal is valid settings, says where it saw each value, and no value steps out of its place."""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from modelwarden import gate
from modelwarden.catalog import load_bundle
from modelwarden.collect import Collector
from modelwarden.collect import survey as surveying
from modelwarden.collect.survey import Survey, survey
from modelwarden.evidence import Evidence, Fact, Present
from modelwarden.facts import escape
from modelwarden.init import propose
from modelwarden.permission import PERMISSIONS, action_of
from modelwarden.settings import Settings
from modelwarden.settings.layer import Source
from modelwarden.settings.sources import Sources
from tests.cli.conftest import Done

from .conftest import ROLE, Organization, arn_of

Run = Callable[..., Done]

GOOD = arn_of("credit-default/1")
ACCOUNT = "444455556666"
REGISTRY = "333333333333.dkr.ecr.eu-west-1.amazonaws.com"
BUNDLE = load_bundle()


def settings_of(text: str) -> Settings:
    """The proposal through the code that loads settings files."""
    sources = Sources((Source("repository", "modelwarden.toml", "sha256:0", tomllib.loads(text)),), (), None)
    return Settings.of(sources, BUNDLE.declarations, BUNDLE.controls)


def assert_harmless(text: str) -> None:
    """Valid settings, all of it visible, and nothing blocks."""
    assert settings_of(text).profile == "observe"
    assert tomllib.loads(text).keys() <= {"profile", "parameters", "stages", "collect", "scope"}
    assert {unicodedata.category(char)[0] for char in text.replace("\n", "")} <= set("LMNPSZ")
    assert "\u2028" not in text
    assert "\u2029" not in text


def test_the_proposal_of_a_package_gates_it(organization: Organization, run: Run, tmp_path: Path) -> None:
    done = run("init", GOOD, "--role", ROLE)
    assert (done.code, done.out) == (0, "")
    assert done.err == "settings proposed in modelwarden.toml: read them, then `modelwarden gate ARN --to STAGE`\n"
    text = (tmp_path / "modelwarden.toml").read_text()
    assert_harmless(text)
    document = tomllib.loads(text)
    parameters = document["parameters"]
    assert parameters["approved_image_sources"] == [f"{REGISTRY}/ml/scoring"]
    assert [one.partition("@")[0] for one in parameters["approved_base_images"]] == [f"{REGISTRY}/ml/base"]
    assert [one.rpartition("/")[0] for one in parameters["approved_kms_keys"]] == [
        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key"
    ]
    assert parameters["required_tags"] == ["cost-center", "data-classification", "owner"]
    assert document["collect"] == {"role": ROLE}
    assert document["scope"] == [
        {"match": {"account": ACCOUNT, "group": "credit-default"}, "parameters": {"protected_attributes": ["sex"]}}
    ]
    gated = run("gate", GOOD, "--to", "Production", "--format", "json")
    assert gated.code == 0, gated.out + gated.err
    outcomes = {one["control"]: one["outcome"] for one in gate_document(gated)["findings"]}
    assert set(outcomes.values()) <= {"pass", "not-applicable"}, outcomes
    assert {outcomes[id_] for id_ in ("IMG-01", "IMG-04", "ENC-02", "HYG-01", "BIAS-01")} == {"pass"}


def gate_document(done: Done) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.out)
    return document


def test_every_value_says_where_it_was_seen(organization: Organization, run: Run) -> None:
    text = run("init", GOOD, "--role", ROLE, "-o", "-").out
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    values = [line for line in lines if not line.startswith(("[", "match"))]
    assert all("  # " in line for line in values)
    assert sum("credit-default/1" in line.partition("  # ")[2] for line in values) == len(values) - 2
    assert len(lines) <= 10, "ten lines of settings are enough for a start"
    assert "# sha256:3931cdadadb4... is tagged 2026.10." in text


def test_an_account_is_read_by_the_newest_package_of_each_group(organization: Organization, run: Run) -> None:
    done = run("init", "--scan-account", "--region", "eu-west-1", "-o", "-", account="111122223333")
    assert (done.code, done.err) == (0, "")
    assert_harmless(done.out)
    assert "# Seen in account 111122223333, eu-west-1: churn/15, churn-hostile/1, house-price/1." in done.out
    assert '# "note" is on 1 of 3 only.' in done.out
    assert {"sagemaker:ListModelPackageGroups", "sagemaker:ListModelPackages"} <= organization.operations()
    assert {action_of(api) for api in organization.operations()} <= set(PERMISSIONS)


def test_packages_without_a_group_are_seen(organization: Organization, run: Run) -> None:
    done = run("init", "--scan-account", "-o", "-", account=ACCOUNT)
    assert "credit-default-single" in done.out
    assert "# credit-default-single has no group" in done.out


def test_what_the_bounds_leave_out_is_told(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "MAX_GROUPS", 1)
    session = Session()
    own = organization.sandbox.environment("111122223333")
    session.set_credentials(own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"])
    found = survey(Collector(session=session), None, "eu-west-1")
    assert len(found.packages) == 1
    assert "# Not seen: only the newest 1 groups were looked at." in propose(
        BUNDLE, found, version="1", day="2026-11-20"
    )


def test_an_account_without_packages_gives_the_skeleton(organization: Organization, run: Run) -> None:
    done = run("init", "--scan-account", "-o", "-")
    assert done.code == 0
    assert_harmless(done.out)
    assert "# Seen in account 111111111111, eu-west-1: nothing." in done.out


def test_the_skeleton_needs_no_account(run: Run, tmp_path: Path) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = run("init", env=nobody)
    assert (done.code, done.out) == (0, "")
    text = (tmp_path / "modelwarden.toml").read_text()
    assert_harmless(text)
    assert tomllib.loads(text) == {"profile": "observe", "parameters": {}}
    for name, declaration in BUNDLE.declarations.items():
        assert (f"# {name} = " in text) == (declaration.default is None)
    examples = text.replace("\n# [", "\n[").replace("\n# collect", "\ncollect").replace("\n# QA", "\nQA")
    assert (
        settings_of(examples.replace("\n# unit", "\nunit").replace("\n# approved", "\napproved")).collect.role == ROLE
    )


def test_gaps_are_told_and_the_rest_is_proposed(organization: Organization, run: Run, tmp_path: Path) -> None:
    organization.fail("kms:DescribeKey")
    done = run("init", GOOD, "--role", ROLE)
    assert done.code == 3
    assert "not read: kms:DescribeKey denied: AccessDeniedException" in done.err
    text = (tmp_path / "modelwarden.toml").read_text()
    assert_harmless(text)
    assert "# Not read: kms:DescribeKey denied" in text
    assert "approved_kms_keys" not in tomllib.loads(text)["parameters"]
    assert tomllib.loads(text)["parameters"]["approved_image_sources"]


@pytest.mark.parametrize("api", ["sagemaker:DescribeModelPackage", "sts:AssumeRole", "sts:GetCallerIdentity"])
def test_where_nothing_can_be_read_nothing_is_written(
    api: str, organization: Organization, run: Run, tmp_path: Path
) -> None:
    organization.fail(api)
    done = run("init", GOOD, "--role", ROLE)
    assert (done.code, done.out) == (3, "")
    first, second = done.err.splitlines()
    assert first.startswith(f"error: nothing could be read: {api} denied")
    assert second.startswith("  help: ")
    assert not (tmp_path / "modelwarden.toml").exists()


def test_a_registry_that_cannot_be_listed_costs_the_base_images_only(organization: Organization, run: Run) -> None:
    organization.fail("ecr:DescribeRepositories")
    done = run("init", GOOD, "--role", ROLE, "-o", "-")
    assert done.code == 0
    assert "# No base image of these images was found in their registries." in done.out
    assert "# approved_base_images = " in done.out


def test_a_file_is_never_overwritten(organization: Organization, run: Run, tmp_path: Path) -> None:
    (tmp_path / "modelwarden.toml").write_text("# mine\n")
    done = run("init", GOOD, "--role", ROLE)
    assert (done.code, done.err.splitlines()[0]) == (2, "error: modelwarden.toml: exists already")
    assert (tmp_path / "modelwarden.toml").read_text() == "# mine\n"
    assert organization.operations() == set(), "nobody waits for AWS to be told so"
    (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    done = run("init", "-o", "link.toml")
    assert (done.code, (tmp_path / "elsewhere.toml").exists()) == (2, False)


MISTAKES: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no ARN": (["churn/1"], {}, "`churn/1` is not the ARN of a model package"),
    "hostile ARN": (["arn:\x1b[2J"], {}, "is not the ARN of a model package"),
    "no such package": ([GOOD + "99"], {}, "no such model package"),
    "both": ([GOOD, "--scan-account"], {}, "exclude each other"),
    "another region": ([GOOD, "--region", "us-east-1"], {}, "is not where the package lies"),
    "no region": (["--scan-account", "--region", "Ireland"], {}, "`Ireland` is not a region"),
    "no such folder": (["-o", "nowhere/x.toml"], {}, "nowhere/x.toml: cannot be written"),
    "no credentials": ([GOOD], {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
    "no credentials for a scan": (
        ["--scan-account"],
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        "credentials",
    ),
    "unknown option": (["--frobnicate"], {}, "--frobnicate"),
}


@pytest.mark.parametrize("situation", MISTAKES)
def test_mistakes_are_told_in_one_line(situation: str, organization: Organization, run: Run, tmp_path: Path) -> None:
    arguments, env, says = MISTAKES[situation]
    done = run("init", *arguments, "--role", ROLE, env=env)
    assert (done.code, done.out) == (2, ""), done.out + done.err
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ")
    assert says in first
    assert [line[:8] for line in rest] == ["  help: "]
    assert "\x1b" not in done.err
    assert list(tmp_path.glob("*.toml")) == []


def seen_with(**values: str) -> Evidence:
    """A package of which every text that init proposes is given."""
    arn = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model-package/churn/1"
    facts: dict[str, Fact] = {
        "/package/account": Present(ACCOUNT),
        "/package/group": Present("churn"),
        "/container_count": Present(1),
        "/container/0/image/source": Present(values.get("image", "docker.io/python")),
        "/package/kms_key/arn": Present(values.get("key", "arn:aws:kms:eu-west-1:1:key/1")),
        "/package/kms_key/manager": Present("CUSTOMER"),
        "/artifact_count": Present(0),
        "/tag_keys": Present((values.get("tag", "owner"),)),
        f"/tag/{escape(values.get('tag', 'owner'))}": Present("x"),
        "/bias_report_count": Present(1),
        "/bias_report/0/facet_count": Present(1),
        "/bias_report/0/facet/0/name": Present(values.get("facet", "sex")),
        "/life_cycle/stage": Present(values.get("stage", "Production")),
    }
    return Evidence(arn, facts)


def proposed(*packages: Evidence) -> str:
    found = Survey(ACCOUNT, "eu-west-1", packages, (), (), ())
    return propose(BUNDLE, found, version="1", day="2026-11-20", role="Reader")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
"""What evidence may hold: collection spells lone surrogates out."""


@given(image=TEXTS, key=TEXTS, tag=TEXTS, facet=TEXTS, stage=TEXTS)
def test_no_value_steps_out_of_its_place(image: str, key: str, tag: str, facet: str, stage: str) -> None:
    text = proposed(seen_with(image=image, key=key, tag=tag, facet=facet, stage=stage))
    assert_harmless(text)
    document = tomllib.loads(text)
    parameters = document["parameters"]
    assert (parameters["approved_image_sources"], parameters["approved_kms_keys"]) == ([image], [key])
    assert parameters["required_tags"] == [tag]
    assert document["scope"][0]["parameters"] == {"protected_attributes": [facet]}
    assert set(document.get("stages", {})) <= {stage}


HOSTILE = 'x"]\n[[waiver]]\nid = "forged" # \x1b[2J\u202e 🙂\\'


def test_a_hostile_value_is_quoted_and_shown() -> None:
    text = proposed(seen_with(image=HOSTILE, tag=HOSTILE, facet=HOSTILE, stage=HOSTILE), seen_with())
    assert_harmless(text)
    assert tomllib.loads(text)["parameters"]["approved_image_sources"] == ["docker.io/python", HOSTILE]
    assert '\\"]\\u000a[[waiver]]\\u000aid = \\"forged\\" # \\u001b[2J\\u202e 🙂\\\\' in text


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("QA", "Staging"),
        ("PreProduction", "Staging"),
        ("pre-prod", "Staging"),
        ("PROD", "Production"),
        ("live", "Production"),
        ("Proposal", "Development"),
        ("Quarantine", None),
    ],
)
def test_a_stage_is_guessed_by_its_name_or_left_to_a_person(name: str, stage: str | None) -> None:
    text = proposed(seen_with(stage=name))
    assert tomllib.loads(text).get("stages", {}) == ({name: stage} if stage else {})
    assert f'"{name}" = ' in text
    assert "# churn/1" in text


def test_tags_that_only_some_carry_are_no_demand() -> None:
    text = proposed(seen_with(tag="owner"), seen_with(tag="team"))
    assert "required_tags" not in tomllib.loads(text)["parameters"]


def test_more_values_than_anybody_reads_are_counted() -> None:
    packages = [seen_with(image=f"docker.io/library/image-{number}") for number in range(130)]
    text = proposed(*packages)
    assert len(tomllib.loads(text)["parameters"]["approved_image_sources"]) == 100
    assert "# 30 more were seen." in text


def test_a_proposal_is_what_the_gate_loads(tmp_path: Path) -> None:
    """Through the gate's own loader, from a file."""
    (tmp_path / "modelwarden.toml").write_text(proposed(seen_with(stage="QA", image=HOSTILE)))
    house = gate.load_house(gate.Sources(config=tmp_path / "modelwarden.toml"), {})
    assert house.settings.stages["QA"] == "Staging"
    assert house.settings.advisory
