"""The scan of the whole demo organization: every package is somewhere, and judged as the gate judges it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from modelwarden import builtin, gate
from modelwarden.arn import parse_arn
from modelwarden.finding import Decision
from modelwarden.gate import Question
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from tests.organization import CLOCK, PACKAGES, arn_of, ask
from tests.user_bundle.conftest import python

from .conftest import REGIONS, SUSPENDED, WITHOUT_ROLE, house, records, scan, settings

SCRIPT = Path(sys.executable).with_name("modelwarden")
READABLE = sorted(arn_of(one) for one in PACKAGES if parse_arn(arn_of(one)).account not in (SUSPENDED, WITHOUT_ROLE))


def test_every_package_is_in_the_record_once(whole: scanning.Outcome) -> None:
    assert sorted(records(whole)) == READABLE


def test_what_could_not_be_read_is_said(whole: scanning.Outcome) -> None:
    summary = whole.summary
    assert {account for account, _, _ in summary.unread} == {WITHOUT_ROLE}
    assert all("sts:AssumeRole: AccessDenied" in why for _, _, why in summary.unread)
    assert [(row.account, row.error) for row in summary.skipped] == [(SUSPENDED, "state:SUSPENDED")]
    assert not summary.complete
    assert summary.code() == 3
    assert not [arn for arn in records(whole) if SUSPENDED in arn]


def said(decision: Decision) -> Any:
    """A decision without the times at which its facts were read."""
    rulings = [(one.finding.control, one.finding.outcome, one.finding.reason, one.effect) for one in decision.rulings]
    return decision.verdict, decision.request, decision.digests, decision.notices, rulings


def test_a_package_is_judged_as_the_gate_judges_it(
    whole: scanning.Outcome, organization: Sandbox, tmp_path: Path
) -> None:
    """The same function decides; only the principal is nobody, and a collector of its own read the evidence."""
    rules = house(tmp_path)
    collector = gate.collector_of(rules)
    judged = {arn: one for arn, one in records(whole).items() if one.decision}
    assert len(judged) > 10
    for arn, record in judged.items():
        assert record.decision is not None
        request = record.decision.request
        assert request.principal is None
        observed = gate.collect(collector, rules, Question(arn, request.stage, request.moment, as_of=CLOCK))
        again = gate.decision_on(
            rules,
            Question(arn, request.stage, request.moment, as_of=CLOCK),
            gate.Observed(observed.evidence, observed.reference, None),
            now=CLOCK,
        )
        assert said(again) == said(record.decision), arn


def test_approved_packages_are_judged_at_serve_and_the_newest_of_a_group_at_approve(whole: scanning.Outcome) -> None:
    newest: dict[str, int] = {}
    for arn in READABLE:
        found = parse_arn(arn)
        if found.version:
            head = arn.rpartition("/")[0]
            newest[head] = max(newest.get(head, 0), found.version)
    for arn, record in records(whole).items():
        head, _, version = arn.rpartition("/")
        if record.approval == "Approved" and record.role == "judged":
            assert record.decision is not None
            assert record.decision.request.moment == "serve"
        elif head in newest and int(version) == newest[head]:
            assert record.role in ("judged", "unmapped")
            if record.decision and record.why != "deployed":
                assert record.decision.request.moment == "approve"
        elif record.why != "deployed":
            assert record.role in ("inventory", "unmapped"), arn


def test_a_package_of_which_nobody_can_tell_the_stage_is_unmapped_and_an_account_may_say_it(
    whole: scanning.Outcome, organization: Sandbox, tmp_path: Path
) -> None:
    arn = next(arn for arn, record in records(whole).items() if record.role == "unmapped")
    account = parse_arn(arn).account
    assert records(whole)[arn].why.endswith("claims no stage")
    assert arn in [one.package for one in whole.summary.named if one.verdict == "unmapped"]
    mapped = house(
        tmp_path, f'regions = ["eu-west-1"]\naccounts = ["{account}"]', f'[accounts.{account}]\nstage = "Staging"'
    )
    record = records(scan(mapped, tmp_path / "run"))[arn]
    assert record.decision is not None
    assert record.decision.request.stage == "Staging"


def test_two_scans_of_the_same_facts_have_the_same_digest(
    whole: scanning.Outcome, organization: Sandbox, tmp_path: Path
) -> None:
    again = scan(house(tmp_path), tmp_path / "run")
    assert again.summary.digest == whole.summary.digest
    assert again.summary.to_json()["verdicts"] == whole.summary.to_json()["verdicts"]


def test_each_account_is_assumed_once_and_nothing_is_looked_up_twice(organization: Sandbox, tmp_path: Path) -> None:
    ask(organization, "DELETE", "stats")
    scan(house(tmp_path), tmp_path / "run")
    rows = ask(organization, "GET", "stats")["calls"]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["op"]] = counts.get(row["op"], 0) + row["count"]
    assert counts["sts:AssumeRole"] == 9 + 2 * len(REGIONS), "once, and anew wherever it is refused"
    assert counts["sts:GetCallerIdentity"] == 1
    judged = sum(one["packages"].get("judged", 0) for one in [json.loads((tmp_path / "run/manifest.json").read_text())])
    assert counts["sagemaker:DescribeModelPackage"] == judged
    assert counts["sagemaker:ListModelPackages"] == 2 * 10
    assert counts["sagemaker:ListModelCards"] == 2 * 10
    assert counts["sagemaker:Search"] == 2 * 10 + 4, "cards are searched for where there are any"


def command(folder: Path, sandbox: Sandbox, *options: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    return subprocess.run(
        [str(SCRIPT), "scan", "--runs", str(folder / "runs"), "--retries", "1", "--judges", "1", *options],
        cwd=folder,
        env=kept | sandbox.environment() | {"AWS_CONFIG_FILE": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=120,
    )


GOOD = "777788889999"
"""An account whose packages are all fine or flagged."""


@pytest.mark.parametrize(
    ("scan_table", "code", "says"),
    [
        (f'accounts = ["{GOOD}"]', 0, "coverage 100 %: 2 of 2 account-regions were read whole"),
        ('accounts = ["666677778888"]', 1, "blocked"),
        (f'accounts = ["{GOOD}", "{WITHOUT_ROLE}"]', 3, "NOT COMPLETE"),
        (f'accounts = ["666677778888", "{WITHOUT_ROLE}"]', 3, "blocked"),
        ('accounts = ["12"]', 2, "12 digits"),
    ],
)
def test_exit_codes(organization: Sandbox, tmp_path: Path, scan_table: str, code: int, says: str) -> None:
    regions = 'regions = ["eu-west-1", "us-east-1"]'
    done = command(tmp_path, organization, "--config", str(settings(tmp_path, f"{scan_table}\n{regions}")))
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "compliant" not in done.stdout


def test_without_credentials_nothing_is_scanned(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    done = subprocess.run(
        [str(SCRIPT), "scan", "--config", str(settings(tmp_path))],
        cwd=tmp_path,
        env=kept | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "no AWS credentials were found" in done.stderr


def test_a_dry_run_reads_no_package_and_writes_nothing(organization: Sandbox, tmp_path: Path) -> None:
    ask(organization, "DELETE", "stats")
    done = command(tmp_path, organization, "--config", str(settings(tmp_path)), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "444455556666/eu-west-1" in done.stdout
    assert f"{SUSPENDED}  skipped: state:SUSPENDED" in done.stdout
    assert "account-regions of 11 accounts would be read" in done.stdout
    assert not (tmp_path / "runs").exists()
    assert "sagemaker:ListModelPackages" not in [row["op"] for row in ask(organization, "GET", "stats")["calls"]]


def test_whoever_was_asked_for_regions_is_not_assumed_again(organization: Sandbox, tmp_path: Path) -> None:
    ask(organization, "DELETE", "stats")
    rules = house(tmp_path, f'accounts = ["{GOOD}", "666677778888"]')
    outcome = scan(rules, tmp_path / "run")
    assert outcome.summary.expected > len(REGIONS)
    rows = ask(organization, "GET", "stats")["calls"]
    assert sum(row["count"] for row in rows if row["op"] == "sts:AssumeRole") == 2


def test_what_runs_is_judged_in_whichever_account_it_runs(whole: scanning.Outcome) -> None:
    """One endpoint runs a rejected version, one a version of the hub's registry in another account."""
    running = {arn: one for arn, one in records(whole).items() if one.endpoints}
    assert all(one.decision and one.decision.request.moment == "serve" for one in running.values())
    assert {one.why for one in running.values()} == {"deployed"}
    assert "Rejected" in {one.approval for one in running.values()}
    foreign = {
        arn for arn, one in running.items() if parse_arn(arn).account not in {e.split(":")[4] for e in one.endpoints}
    }
    assert foreign
    (rejected,) = [one for one in running.values() if one.approval == "Rejected"]
    assert rejected.decision is not None
    assert "APR-01" in [one.finding.control for one in rejected.decision.rulings if one.effect == "blocks"]


def test_an_endpoint_without_a_judged_package_is_named(whole: scanning.Outcome) -> None:
    kinds = {(one.kind, one.endpoint.rpartition("/")[2]): one.what for one in whole.summary.strays}
    assert kinds["unregistered", "campaign-experiment"].endswith("ml/scoring:4.2")
    assert "it was deleted" in kinds["not told", "claims-fraud-score"]
    assert sum(whole.summary.endpoints.values()) == whole.summary.endpoints["judged"] + len(whole.summary.strays)


def test_a_package_that_runs_and_that_no_cell_holds_is_not_forgotten(
    whole: scanning.Outcome, organization: Sandbox, tmp_path: Path
) -> None:
    """Only the account of the endpoint is scanned, and the package is the hub's."""
    hub = ":222222222222:model-package/"
    running = {e for arn, one in records(whole).items() if hub in arn for e in one.endpoints}
    (endpoint,) = [one for one in running if ":222222222222:" not in one]
    rules = house(tmp_path, f'accounts = ["{endpoint.split(":")[4]}"]\nregions = {list(REGIONS)}')
    outcome = scan(rules, tmp_path / "run")
    (stray,) = [one for one in outcome.summary.strays if one.kind == "not judged"]
    assert hub in stray.what
    assert outcome.summary.code() in (1, 3)


def test_without_a_role_the_callers_packages_do_not_pass_for_those_of_another_account(
    organization: Sandbox, tmp_path: Path
) -> None:
    rules = house(tmp_path, f'accounts = ["{GOOD}"]\nregions = {list(REGIONS)}')
    text = (tmp_path / "modelwarden.toml").read_text().replace('role = "ModelwardenReader"', "")
    (tmp_path / "modelwarden.toml").write_text(text)
    rules = gate.load_house(gate.Sources(config=tmp_path / "modelwarden.toml"), {})
    outcome = scan(rules, tmp_path / "run")
    assert outcome.summary.code() == 3
    assert all("no role to assume" in why for _, _, why in outcome.summary.unread)
    assert records(outcome) == {}


def gap(account: str, api: str, expires: str = "2026-12-31") -> str:
    return (
        f'[[gap]]\naccount = "{account}"\napi = "{api}"\nowner = "platform team"\n'
        f'reason = "no reader role before the audit"\nexpires = {expires}\n'
    )


def test_an_accepted_gap_is_shown_and_does_not_make_every_night_incomplete(
    organization: Sandbox, tmp_path: Path
) -> None:
    table = f'accounts = ["{GOOD}", "{WITHOUT_ROLE}"]\nregions = {list(REGIONS)}'
    done = command(tmp_path, organization, "--config", str(settings(tmp_path, table, gap(WITHOUT_ROLE, "sts:*"))))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "coverage 50 %: 2 of 4 account-regions were read whole" in done.stdout
    assert (
        "accepted  121212121212/eu-west-1  sts:AssumeRole: denied: until 2026-12-31, platform team: no reader role"
        in done.stdout
    )
    assert "NOT COMPLETE" not in done.stdout


@pytest.mark.parametrize(
    "accepted",
    [gap(WITHOUT_ROLE, "kms:DescribeKey"), gap(GOOD, "*"), gap(WITHOUT_ROLE, "sts:*", "2026-11-19")],
    ids=["another API", "another account", "expired"],
)
def test_a_gap_that_is_about_something_else_accepts_nothing(
    organization: Sandbox, tmp_path: Path, accepted: str
) -> None:
    outcome = scan(
        house(tmp_path, f'accounts = ["{WITHOUT_ROLE}"]\nregions = ["eu-west-1"]', accepted), tmp_path / "run"
    )
    assert not outcome.summary.complete
    assert outcome.summary.code() == 3


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (gap("12", "*"), "gap 1: `12` is not an account id"),
        (gap(GOOD, "*").replace("owner", "boss"), "gap 1: unknown"),
        (gap(GOOD, "*").replace('owner = "platform team"\n', ""), "gap 1: `owner` is missing"),
        (gap(GOOD, "*", '"soon"'), "gap 1: `expires`"),
    ],
)
def test_a_gap_that_is_none_is_refused(organization: Sandbox, tmp_path: Path, written: str, says: str) -> None:
    done = command(tmp_path, organization, "--config", str(settings(tmp_path, 'regions = ["eu-west-1"]', written)))
    assert done.returncode == 2
    assert says in done.stderr


SCHEMA = Draft202012Validator(json.loads(builtin.read("reports.schemas", "scan.schema.json")))


def test_the_manifest_matches_the_published_schema(
    whole: scanning.Outcome, organization: Sandbox, tmp_path: Path
) -> None:
    assert list(SCHEMA.iter_errors(json.loads((whole.folder.path / "manifest.json").read_text()))) == []
    done = command(
        tmp_path, organization, "--config", str(settings(tmp_path, more=gap(WITHOUT_ROLE, "*"))), "--format", "json"
    )
    document = json.loads(done.stdout)
    assert list(SCHEMA.iter_errors(document)) == []
    assert document["coverage"]["accepted"][0]["owner"] == "platform team"
    wrong = {error.validator for error in SCHEMA.iter_errors({**document, "complete": "yes", "more": 1})}
    assert wrong == {"additionalProperties", "type"}


def test_many_packages_at_once_before_a_users_controls(organization: Sandbox, tmp_path: Path) -> None:
    """There is one process for a user's Python, and every package has its own answer from it."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/own.py").write_text(
        python(
            "ACME-02",
            'return Fail("nothing", ["/package/arn"], str(evidence.value("/package/arn")))',
            reads='"/package/arn"',
        )
    )
    rules = gate.load_house(gate.Sources(config=settings(tmp_path), flags={"bundle": [str(tmp_path / "ours")]}), {})
    found = [one for one in records(scan(rules, tmp_path / "run")).values() if one.decision]
    assert len(found) > 10
    for record in found:
        assert record.decision is not None
        (ruling,) = [one for one in record.decision.rulings if one.finding.control == "ACME-02"]
        assert (ruling.finding.outcome, ruling.finding.reason) == ("fail", record.package)
