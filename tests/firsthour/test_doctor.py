"""Doctor names the missing permission and exactly the controls that the gate then cannot decide."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from modelwarden.collect import Collector
from modelwarden.evidence import Evidence, Unknown
from modelwarden.facts import kind_of
from modelwarden.permission import DECRYPT, ENTER, IDENTITY, PERMISSIONS, SCANNING, action_of, feeds
from tests.cli.conftest import Done
from tests.organization import SCENARIO

from .conftest import ROLE, SETTINGS, Organization, arn_of, outcomes

Run = Callable[..., Done]

GOOD = arn_of("credit-default/1")
PREFIX = next(
    str(package["describe"]["ModelPackageArn"])
    for package in SCENARIO["packages"]
    if package["planned"]["verdict"] == "allow" and "ModelDataSource" in str(package["describe"])
)
NEEDS = {
    "sagemaker:DescribeModelCard": arn_of("mailroom/2"),
    "s3:ListBucket": PREFIX,
    "cloudtrail:LookupEvents": arn_of("credit-default/16"),
}
"""Action -> a package that needs it; all others are needed by GOOD."""
OPERATIONS = {"s3:GetObject": ("s3:GetObject", "s3:HeadObject"), "s3:ListBucket": ("s3:ListObjectsV2",)}
"""Action -> operations that IAM refuses for want of it, where they are named otherwise."""
LISTING = {"sagemaker:ListModelPackages", "sagemaker:ListModelPackageGroups"}


def told(done: Done) -> dict[str, Any]:
    assert done.err == "", done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


@cache
def undisturbed(arn: str) -> dict[tuple[str, str], str]:
    return outcomes(arn)


@pytest.mark.parametrize("action", [action for action in PERMISSIONS if action not in LISTING])
def test_a_missing_permission_and_its_controls_are_named(action: str, organization: Organization, run: Run) -> None:
    arn = NEEDS.get(action, GOOD)
    calm = undisturbed(arn)
    organization.fail(*OPERATIONS.get(action, (action,)))
    broken = outcomes(arn)
    lost = {control for (control, at), outcome in broken.items() if outcome == "unknown" != calm[control, at]}
    done = run("doctor", arn, "--role", ROLE, "--config", SETTINGS, "--retries", "1", "--format", "json")
    permissions = told(done)["permissions"]
    refused = [one for one in permissions if one["state"] not in ("ok", "not probed")]
    assert {(one["action"], one["state"]) for one in refused} == {(action, "denied")}
    assert {control for one in refused for control in one["unknown"]} == lost
    assert all(one["why"] for one in refused)
    needed = any(one["unknown"] or one["reads"] for one in refused)
    assert done.code == (3 if needed else 0)
    assert needed or action in ("ecr:DescribeImages", "sagemaker:GetModelPackageGroupPolicy"), (
        "read, and no control cares"
    )


def test_all_is_well(organization: Organization, run: Run) -> None:
    done = run("doctor", GOOD, "--role", ROLE, "--config", SETTINGS)
    assert done.code == 0, done.out + done.err
    assert "denied" not in done.out
    assert re.search(r"; 0 of \d+ controls cannot be decided for want of one$", done.out.rstrip())
    assert f"ok          sts:AssumeRole                         444455556666 as {ROLE}" in done.out


@pytest.mark.parametrize("fault", ["throttle", "500", "html", "drop"])
def test_what_is_no_denial_is_told_as_what_it_is(fault: str, organization: Organization, run: Run) -> None:
    organization.fail("kms:DescribeKey", kind=fault)
    done = run("doctor", GOOD, "--role", ROLE, "--config", SETTINGS, "--retries", "0", "--format", "json")
    states = {one["action"]: one["state"] for one in told(done)["permissions"]}
    expected = {"throttle": "throttled", "500": "unreachable", "html": "malformed", "drop": "unreachable"}
    assert (states["kms:DescribeKey"], done.code) == (expected[fault], 3)


def test_bytes_that_may_be_seen_and_not_read_lack_the_key(organization: Organization, run: Run) -> None:
    """HEAD and GET need the same action of S3, so where only GET is refused the key is what refuses."""
    organization.fail("s3:GetObject")
    done = run("doctor", GOOD, "--role", ROLE, "--config", SETTINGS, "--format", "json")
    refused = {one["action"]: one for one in told(done)["permissions"] if one["state"] == "denied"}
    assert list(refused) == [DECRYPT]
    assert "arn:aws:kms:eu-west-1:444455556666:key/" in refused[DECRYPT]["why"]
    assert all(place.startswith("s3://") for place in refused[DECRYPT]["where"])


def test_parameters_that_nobody_set_are_listed_with_their_controls(organization: Organization, run: Run) -> None:
    document = told(run("doctor", GOOD, "--role", ROLE, "--format", "json"))
    unset = document["parameters"]["unset"]
    assert unset["approved_image_sources"] == ["IMG-01"]
    assert unset["approvers_high"] == []
    assert document["advisory"] is True
    text = run("doctor", GOOD, "--role", ROLE).out
    assert "not set     required_tags                          unknown: HYG-01\n" in text
    assert "note: advisory" in text


def test_a_control_that_is_off_needs_nothing(organization: Organization, run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        SETTINGS.read_text().replace("[parameters]", '[enforcement]\nHYG-01 = "off"\n\n[parameters]', 1)
    )
    organization.fail("sagemaker:ListTags")
    done = run("doctor", GOOD, "--role", ROLE, "--config", settings)
    assert done.code == 0, done.out
    assert "denied      sagemaker:ListTags" in done.out
    assert "read by  no enabled control" in done.out


def test_without_a_package_the_newest_of_the_account_is_read(organization: Organization, run: Run) -> None:
    done = run("doctor", "--region", "eu-west-1", "--format", "json", account="444455556666")
    document = told(done)
    assert document["package"].startswith("arn:aws:sagemaker:eu-west-1:444455556666:model-package/")
    assert document["unproven"] == []
    assert done.code == 0


def test_without_any_package_names_that_do_not_exist_are_tried(organization: Organization, run: Run) -> None:
    """What only a package can prove is not taken for granted."""
    done = run("doctor", "--format", "json")
    document = told(done)
    states = {one["action"]: one["state"] for one in document["permissions"]}
    assert (document["package"], document["unproven"]) == (None, ["s3:GetObject", "s3:ListBucket", DECRYPT])
    assert {action for action, state in states.items() if state == "ok"} == {
        action for action in PERMISSIONS if action.startswith(("sagemaker:", "ecr:", "cloudtrail:"))
    } - {"sagemaker:ListModelPackageGroups"} | {IDENTITY, "kms:DescribeKey", "kms:GetKeyRotationStatus"}
    assert done.code == 3
    organization.fail("kms:DescribeKey", "sagemaker:ListModelPackages")
    refused = {one["action"]: one for one in told(run("doctor", "--format", "json"))["permissions"] if one["missing"]}
    assert list(refused) == ["kms:DescribeKey"]
    assert refused["kms:DescribeKey"]["reads"] == ["ENC-01", "ENC-02", "ENC-06"]


def test_an_account_that_cannot_be_entered(organization: Organization, run: Run) -> None:
    done = run("doctor", arn_of("prototype/1"), "--role", ROLE, "--config", SETTINGS)
    assert done.code == 3
    assert f"denied      {ENTER}                         121212121212 as {ROLE}" in done.out
    assert "help: the role must exist there" in done.out


def test_whoever_forgets_the_role_is_reminded(organization: Organization, run: Run) -> None:
    done = run("doctor", GOOD)
    assert done.code == 3
    assert "denied      sagemaker:DescribeModelPackage         444455556666" in done.out
    assert "help: the package lies in 444455556666: name the role to assume there with --role\n" in done.out


def test_hostile_names_do_not_act_on_the_terminal(organization: Organization, run: Run) -> None:
    for arguments in ([GOOD, "--role", "x\x1b[2J\u202e"], [arn_of("churn-hostile/1"), "--role", ROLE]):
        done = run("doctor", *arguments)
        assert done.code in (0, 3), done.err
        assert not {"\x1b", "\u202e"} & set(done.out + done.err)


def test_doctor_changes_nothing(organization: Organization, run: Run) -> None:
    run("doctor", GOOD, "--role", ROLE, "--config", SETTINGS)
    run("doctor")
    called = organization.operations()
    assert called
    assert {action_of(api) for api in called} <= set(PERMISSIONS)


MISTAKES: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no ARN": (["churn/1"], {}, "`churn/1` is not the ARN of a model package"),
    "hostile ARN": (["arn:\x1b[2J"], {}, "is not the ARN of a model package"),
    "no such package": ([GOOD + "99"], {}, "no such model package"),
    "another region": ([GOOD, "--region", "us-east-1"], {}, "is not where the package lies: eu-west-1"),
    "no region": (["--region", "Ireland"], {}, "`Ireland` is not a region"),
    "hostile region": ([], {"AWS_DEFAULT_REGION": "\x1b[2J"}, "is none"),
    "unnamed region": ([], {"AWS_DEFAULT_REGION": ""}, "no region is named"),
    "no such settings": ([GOOD, "--config", "nowhere.toml"], {}, "nowhere.toml"),
    "no credentials": ([GOOD], {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
    "unknown credentials": ([GOOD], {"AWS_ACCESS_KEY_ID": "AKIA999999999999SBOX"}, "does not accept the credentials"),
}


@pytest.mark.parametrize("situation", MISTAKES)
def test_mistakes_are_told_in_one_line(situation: str, organization: Organization, run: Run) -> None:
    arguments, env, says = MISTAKES[situation]
    done = run("doctor", *arguments, "--role", ROLE, env=env)
    assert (done.code, done.out) == (2, ""), done.out + done.err
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ")
    assert says in first
    assert [line[:8] for line in rest] == ["  help: "]
    assert "\x1b" not in done.err


def test_expired_credentials_are_no_permission(organization: Organization, run: Run) -> None:
    organization.fail(IDENTITY, kind="expired")
    done = run("doctor", GOOD, "--role", ROLE)
    assert (done.code, "ExpiredToken" in done.err.splitlines()[0]) == (2, True)


WITNESSES = [arn_of(end) for end in ("cv-screening/1", "mailroom/2", "credit-default/16", "churn/9")]
"""Together they hold a fact of every kind that any package of the demo holds."""
KEPT = {
    "sagemaker:DescribeModelPackage": re.compile(r"/package/(arn|account|region|partition|group|version)"),
    "sagemaker:DescribeTrainingJob": re.compile(r"/trainer_count|/trainer/\*/job"),
    "kms:DescribeKey": re.compile(r"/package/kms_key/id"),
    DECRYPT: re.compile(r"/card/(origin|status)"),
}
"""Action -> facts that are known without it, though they stand beside those that are not."""


@pytest.fixture(scope="module")
def known(demo: Organization) -> list[Evidence]:
    collector = Collector(role=ROLE)
    return [collector.package(arn) for arn in WITNESSES]


@pytest.mark.parametrize("action", [action for action in PERMISSIONS if action not in LISTING | {IDENTITY, ENTER}])
def test_the_facts_of_an_action_are_those_that_packages_lose_without_it(
    action: str, organization: Organization, known: list[Evidence]
) -> None:
    """The dictionary of facts, held against the collector: whatever some package loses is told, and nothing else."""
    organization.fail(*OPERATIONS.get(action, (action,)))
    lost: set[str] = set()
    collector = Collector(role=ROLE, retries=0)
    for before in known:
        after = collector.package(before.package)
        gone = {pointer for pointer, fact in before.facts.items() if not isinstance(fact, Unknown)}
        pointers = gone | (after.facts.keys() - before.facts.keys())
        lost |= {pattern(pointer) for pointer in pointers if isinstance(after.get(pointer), Unknown)}
    told = {one for one in feeds(action) if not one.startswith("/reference/")}
    assert lost <= told
    assert {one for one in told - lost if not (action in KEPT and KEPT[action].fullmatch(one))} == set()


def pattern(pointer: str) -> str:
    kind = kind_of(pointer)
    assert kind is not None
    return kind.pattern


def scan_of(run: Run, *more: str | Path, settings: Path = SETTINGS) -> tuple[int, dict[str, Any]]:
    done = run(
        "doctor", GOOD, "--role", ROLE, "--config", settings, "--retries", "0", "--scan", "--format", "json", *more
    )
    return done.code, {one["action"]: one for one in told(done)["scan"]}


def test_what_only_a_scan_needs_is_tried_where_it_is_asked_for(organization: Organization, run: Run) -> None:
    """In the account of the package, and of Organizations by the caller. The demo's settings name no account."""
    code, found = scan_of(run)
    assert list(found) == list(SCANNING)
    assert code == 0
    assert {one["state"] for one in found.values()} == {"ok", "not probed"}
    assert found["sagemaker:ListEndpoints"]["account"] == "444455556666"
    assert found["organizations:ListAccounts"]["account"] == "111111111111"
    assert {action for action, one in found.items() if one["state"] == "not probed"} == {
        "cloudwatch:GetMetricData",
        "organizations:ListTagsForResource",
        "sagemaker:ListModelPackageGroups",
        *(["ec2:DescribeRegions"] if "\nregions" in SETTINGS.read_text() else []),
    }
    assert set(found) <= organization.operations() | {
        "cloudwatch:GetMetricData",
        "organizations:ListTagsForResource",
        "sagemaker:ListModelPackageGroups",
        "ec2:DescribeRegions",
    }


def test_each_action_of_a_scan_that_is_missing_is_named_with_what_it_costs(
    organization: Organization, run: Run, tmp_path: Path
) -> None:
    settings = tmp_path / "all.toml"
    settings.write_text('[scan]\ntags = { ml = "yes" }\nhub = "222222222222"\nendpoint_metrics = true\n')
    organization.fail(*SCANNING)
    code, found = scan_of(run, settings=settings)
    assert code == 3
    assert {(one["state"], one["why"] != "", one["without"] != "") for one in found.values()} == {
        ("denied", True, True)
    }
    assert {action for action, one in found.items() if not one["missing"]} == {
        "sagemaker:Search",
        "sagemaker:DescribeModelCard",
    }


def test_a_scan_by_settings_asks_nobody_for_accounts(organization: Organization, run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "named.toml"
    settings.write_text('[scan]\naccounts = ["444455556666"]\nregions = ["eu-west-1"]\ncards = false\n')
    organization.fail("organizations:*", "ec2:DescribeRegions", "sagemaker:ListModelCards", "sagemaker:ListEndpoints")
    done = run("doctor", GOOD, "--role", ROLE, "--config", settings, "--retries", "0", "--scan")
    assert done.code == 3
    assert "(`scan.accounts` names the accounts)" in done.out
    assert "(`scan.cards` is off)" in done.out
    assert "(`scan.endpoint_metrics` is off)" in done.out
    assert re.search(r"denied +sagemaker:ListEndpoints +444455556666\n", done.out)
    assert "            without  what runs: the account-region counts as not read\n" in done.out
    assert "help: grant sagemaker:ListEndpoints to ModelwardenReader (deploy/reader-role.yaml)" in done.out
    assert done.out.rstrip().endswith("; for a scan 10 not probed, 5 ok, 1 denied")


def test_an_account_that_cannot_be_entered_is_not_taken_for_one_in_which_all_is_well(
    organization: Organization, run: Run
) -> None:
    organization.fail("sts:AssumeRole")
    code, found = scan_of(run)
    assert code == 3
    assert found["sagemaker:ListEndpoints"]["why"] == "the account could not be entered"
