"""Whatever goes wrong, each verdict is the undisturbed one or unknown, no package vanishes, and the scan does not say 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwarden import gate
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from modelwarden.scan.record import Record
from modelwarden.scan.summary import FINE
from tests.organization import ask

from .conftest import REGIONS, house, records, scan, work

ACCOUNTS = ("222222222222", "666677778888", "777788889999")
SCANNED = f"regions = {list(REGIONS)}\naccounts = {list(ACCOUNTS)}"
FIRST = ACCOUNTS[0]
"""Between them its packages need every API."""
APIS = (
    "sts:AssumeRole",
    "sagemaker:ListModelPackages",
    "sagemaker:Search",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModelCards",
    "sagemaker:DescribeModelPackage",
    "sagemaker:ListTags",
    "ecr:BatchGetImage",
    "ecr:DescribeRepositories",
    "s3:HeadObject",
    "s3:GetObject",
    "kms:DescribeKey",
    "cloudtrail:LookupEvents",
)
KINDS = ("deny", "throttle", "expired", "500", "cut", "html", "empty", "drop", "malform", "bad-token")
COVERED = {"sagemaker:Search"}
"""The list proves the same."""
BYTES = {"s3:GetObject"}
"""Bytes that were fetched and are no report prove that there is no report: a fail, never a pass."""


@pytest.fixture(autouse=True)
def repaired(organization: Sandbox) -> Iterator[None]:
    yield
    ask(organization, "DELETE", "faults")


@pytest.fixture(scope="module")
def undisturbed(organization: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    folder = tmp_path_factory.mktemp("undisturbed")
    outcome = scan(house(folder, SCANNED), folder / "run")
    assert outcome.summary.complete
    return records(outcome)


def check(outcome: scanning.Outcome, undisturbed: dict[str, Record], *, bytes_spoilt: bool = False) -> None:
    """Rules that hold under any fault."""
    found, summary = records(outcome), outcome.summary
    open_cells = {(account, region) for account, region, _ in summary.unread}
    for arn, before in undisturbed.items():
        cell = (arn.split(":")[4], arn.split(":")[3])
        after = found.get(arn)
        if after is None:
            assert cell in open_cells, f"{arn} vanished"
            continue
        if after.role != before.role or after.decision is None or before.decision is None:
            # What is the newest of a group, or deployed, nobody can tell where the list was not read to its end.
            assert cell in open_cells or after.decision is before.decision is None, arn
            continue
        was = {one.finding.control: one.finding.outcome for one in before.decision.rulings}
        for ruling in after.decision.rulings:
            control, outcome_ = ruling.finding.control, ruling.finding.outcome
            assert outcome_ in (was[control], "unknown") or (bytes_spoilt and outcome_ == "fail"), (arn, control)
    for account, region in outcome.plan.estate.cells:
        end = outcome.folder.end(account, region)
        assert end is not None
        failed = [row for row in end.ledger if row.state not in FINE and not row.covered_by]
        assert not failed or not summary.complete
    assert summary.complete == (summary.code() != 3 or not (summary.unread or summary.partly))
    if not summary.complete:
        assert summary.code() == 3


@pytest.mark.parametrize("kind", ["deny", "throttle", "cut", "html", "malform"])
@pytest.mark.parametrize("api", APIS)
def test_one_broken_api(
    api: str, kind: str, organization: Sandbox, undisturbed: dict[str, Record], tmp_path: Path
) -> None:
    rules = house(tmp_path, f'regions = {list(REGIONS)}\naccounts = ["{FIRST}"]')
    expected = {arn: record for arn, record in undisturbed.items() if arn.split(":")[4] == FIRST}
    ask(organization, "POST", "faults", [{"kind": kind, "op": api}])
    outcome = scan(rules, tmp_path / "run")
    spoilt = kind == "malform" and api in BYTES
    check(outcome, expected, bytes_spoilt=spoilt)
    if api in COVERED:
        assert outcome.summary.complete
        assert records(outcome).keys() == expected.keys() != set()
    elif not spoilt:
        assert outcome.summary.code() == 3, f"{api} was {kind}, and nobody said so"


FAULT = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS), "op": st.sampled_from(APIS)},
    optional={
        "account": st.sampled_from(ACCOUNTS),
        "region": st.sampled_from(REGIONS),
        "times": st.integers(1, 4),
        "after": st.integers(0, 4),
        "rate": st.sampled_from([0.3, 0.7]),
    },
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(FAULT, min_size=1, max_size=4))
def test_any_combination_of_faults(
    plan: list[dict[str, Any]],
    organization: Sandbox,
    undisturbed: dict[str, Record],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("faulty")
    rules = house(folder, SCANNED)
    ask(organization, "POST", "faults", plan)
    try:
        outcome = scan(rules, folder / "run")
    finally:
        ask(organization, "DELETE", "faults")
    check(outcome, undisturbed, bytes_spoilt=any(one["op"] in BYTES for one in plan))


def test_one_account_that_cannot_be_read_hides_no_block_of_another(
    organization: Sandbox, undisturbed: dict[str, Record], tmp_path: Path
) -> None:
    ask(organization, "POST", "faults", [{"kind": "deny", "op": "sagemaker:*", "account": "777788889999"}])
    outcome = scan(house(tmp_path, SCANNED), tmp_path / "run")
    blocked = {arn for arn, one in undisturbed.items() if one.decision and one.decision.verdict == "block"}
    assert {one.package for one in outcome.summary.named if one.verdict == "block"} == blocked != set()
    assert outcome.summary.code() == 3


@pytest.mark.parametrize("kind", ["deny", "throttle", "empty", "malform"])
def test_an_organization_that_cannot_be_listed_is_no_empty_one(
    organization: Sandbox, tmp_path: Path, kind: str
) -> None:
    ask(organization, "POST", "faults", [{"kind": kind, "op": "organizations:ListAccounts"}])
    outcome = scan(house(tmp_path), tmp_path / "run")
    assert outcome.summary.code() == 3
    assert not outcome.summary.complete
    assert outcome.summary.partly


def test_a_gap_for_one_api_does_not_accept_that_packages_are_missing(organization: Sandbox, tmp_path: Path) -> None:
    """The key of this account is denied, and accepted; that its list of packages breaks off is not."""
    table = 'accounts = ["444455556666"]\nregions = ["eu-west-1"]'
    gap = '[[gap]]\naccount = "444455556666"\napi = "kms:*"\nowner = "a"\nreason = "b"\nexpires = 2026-12-31\n'
    rules = house(tmp_path, table, gap)
    assert scan(rules, tmp_path / "whole").summary.complete
    ask(organization, "POST", "faults", [{"kind": "cut", "op": "sagemaker:ListModelPackages"}])
    summary = scan(rules, tmp_path / "run").summary
    assert [account for account, _, _ in summary.unread] == ["444455556666"]
    assert not summary.complete
    assert summary.code() == 3


def test_base_images_that_nobody_could_read_are_a_hole_of_the_scan(organization: Sandbox, tmp_path: Path) -> None:
    """They belong to no account-region that is expected, and are read with the caller's own credentials."""
    rules = house(tmp_path, SCANNED)
    ask(organization, "POST", "faults", [{"kind": "deny", "op": "ecr:BatchGetImage", "account": "111111111111"}])
    outcome = scan(rules, tmp_path / "run")
    assert {(row.account, row.api) for row in outcome.summary.partly} == {("111111111111", "ecr:BatchGetImage")}
    assert outcome.summary.code() == 3
    ask(organization, "DELETE", "faults")
    again = work(outcome.folder, outcome.plan, rules)
    assert again.summary.code() == 3, "going on with it reads finished cells not again, and forgets no hole"


def test_a_cell_whose_endpoints_were_not_read_is_not_read_whole(organization: Sandbox, tmp_path: Path) -> None:
    rules = house(tmp_path, 'accounts = ["777788889999"]\nregions = ["us-east-1"]')
    ask(organization, "POST", "faults", [{"kind": "deny", "op": "sagemaker:ListEndpoints"}])
    summary = scan(rules, tmp_path / "run").summary
    assert (summary.expected, summary.read) == (1, 0)


def test_a_defect_in_one_package_costs_no_other(
    organization: Sandbox, undisturbed: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = gate.decision_on
    victim = next(arn for arn, one in undisturbed.items() if one.decision)

    def broken(rules: Any, question: gate.Question, *given: Any, **more: Any) -> Any:
        if question.target == victim:
            raise ZeroDivisionError("ours")
        return judge(rules, question, *given, **more)

    monkeypatch.setattr(gate, "decision_on", broken)
    outcome = scan(house(tmp_path, SCANNED), tmp_path / "run")
    found = records(outcome)
    assert found.keys() == undisturbed.keys()
    assert (found[victim].role, found[victim].decision) == ("unmapped", None)
    assert found[victim].why == "internal error: ZeroDivisionError: ours"
    assert outcome.broken == ("internal error: ZeroDivisionError: ours",)
    assert sum(one.decision is not None for one in found.values()) == outcome.summary.roles["judged"]
