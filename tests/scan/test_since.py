"""A scan that builds on an earlier one reads what changed, judges everything, and comes to what a full scan comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwarden.sandbox.kms import backend
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record
from tests.demo.registry import Registry, restored
from tests.organization import CLOCK, ask

from .conftest import settings

ACCOUNTS = ("101010101010", "222222222222", "666677778888", "777788889999")
SCANNED = f'regions = ["eu-west-1", "us-east-1"]\naccounts = {list(ACCOUNTS)}'
DESCRIBE = "sagemaker:DescribeModelPackage"


@pytest.fixture
def registry(running: Sandbox, tmp_path: Path) -> Iterator[Registry]:
    with restored(running, tmp_path) as registry:
        yield registry


class Night:
    """One scan after the other, as a user runs them."""

    def __init__(self, registry: Registry, table: str = SCANNED, more: str = "") -> None:
        self._registry = registry
        self.runs = registry.folder / "runs"
        self.config = settings(registry.folder, table, more)
        self.said = ""

    def scan(self, *options: str, as_of: str = CLOCK) -> tuple[dict[str, Any], dict[str, int]]:
        """(manifest, calls by operation)."""
        ask(self._registry.sandbox, "DELETE", "stats")
        command = ["scan", "--config", self.config, "--runs", self.runs, "--as-of", as_of]
        done = self._registry.run(*command, "--retries", "0", "--format", "json", "--judges", "0", *options)
        assert done.code in (0, 1, 3), done.err
        self.said = done.err
        return json.loads(done.out), ask(self._registry.sandbox, "GET", "stats")["operations"]

    def records(self, manifest: dict[str, Any]) -> dict[str, Record]:
        folder = Folder(self.runs / manifest["id"])
        return {record.package: record for cell in folder.cells() for record in folder.records(*cell)}

    def verdict(self, manifest: dict[str, Any], arn: str) -> str:
        decision = self.records(manifest)[arn].decision
        return decision.verdict if decision else ""


def set_state(registry: Registry, arn: str, key: str, state: str) -> None:
    with registry.sandbox._backends.turn():
        account, region = arn.split(":")[4], arn.split(":")[3]
        next(one for one in backend(account, region).keys.values() if one.arn == key).key_state = state


def test_nothing_changed_and_nothing_is_described_again(registry: Registry) -> None:
    night = Night(registry)
    first, full = night.scan()
    second, calls = night.scan("--since", "last")
    assert second["digest"] == first["digest"]
    assert second["since"] == first["id"]
    assert second["carried"] == first["packages"]["judged"] > 5
    assert full[DESCRIBE] >= first["packages"]["judged"]
    assert DESCRIBE not in calls
    assert "sagemaker:ListModelPackages" not in calls
    assert "cloudtrail:LookupEvents" not in calls
    assert "s3:GetObject" not in calls
    assert calls["kms:DescribeKey"] > 0, "what can change beside a package is looked up anew"
    third, _ = night.scan("--since", "last")
    assert third["digest"] == first["digest"]
    assert {one.carried for one in night.records(third).values() if one.decision} == {first["id"]}


def test_what_changed_is_read_and_judged_as_a_full_scan_does(registry: Registry) -> None:
    night = Night(registry)
    first, _ = night.scan()
    arn = next(arn for arn, one in night.records(first).items() if one.decision and one.decision.verdict == "allow")
    group = arn.split("/")[-2]
    new = dict(registry.describe(arn))
    registry.client(arn).update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"changed": "yes"})
    made = registry.client(arn).create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification=new["InferenceSpecification"],
        ModelLifeCycle={"Stage": "Production", "StageStatus": "PendingApproval"},
    )["ModelPackageArn"]
    second, calls = night.scan("--since", "last")
    found = night.records(second)
    assert made != arn
    assert found[made].role == "judged"
    assert found[made].carried == found[arn].carried == ""
    assert calls[DESCRIBE] <= 3, "the changed one, the new one"
    full, _ = night.scan()
    assert full["digest"] == second["digest"] != first["digest"]


def test_a_deleted_package_is_gone_and_one_that_an_index_lost_is_not(registry: Registry) -> None:
    night = Night(registry)
    first, _ = night.scan()
    arn = next(arn for arn, one in night.records(first).items() if one.role == "inventory")
    registry.client(arn).delete_model_package(ModelPackageName=arn)
    second, calls = night.scan("--since", "last")
    assert arn not in night.records(second)
    assert len(night.records(second)) == len(night.records(first)) - 1
    assert calls[DESCRIBE] == 1


def test_a_key_that_is_disabled_is_seen_although_no_package_changed(registry: Registry) -> None:
    night = Night(registry)
    first, _ = night.scan()
    arn, key = next(
        (arn, fact.value)
        for arn, one in night.records(first).items()
        if one.decision and one.evidence and one.decision.verdict in ("allow", "flag")
        for pointer, fact in one.evidence.facts.items()
        if pointer == "/artifact/0/kms_key/arn" and hasattr(fact, "value")
    )
    set_state(registry, arn, str(key), "Disabled")
    try:
        second, calls = night.scan("--since", "last")
    finally:
        set_state(registry, arn, str(key), "Enabled")
    assert DESCRIBE not in calls
    record = night.records(second)[arn]
    assert record.carried == first["id"]
    assert record.evidence
    assert record.evidence.get("/artifact/0/kms_key/state").value == "Disabled"  # type: ignore[union-attr]
    assert record.decision
    assert record.decision.digests.evidence != night.records(first)[arn].decision.digests.evidence  # type: ignore[union-attr]


def test_time_alone_changes_verdicts(registry: Registry) -> None:
    """A waiver expires, whoever touched nothing."""
    first, _ = Night(registry).scan()
    blocked = next(one for one in first["named"] if one["verdict"] == "block" and len(one["controls"]) == 1)
    waiver = f'''
[[waiver]]
id = "for-a-while"
package = "{blocked["package"]}"
controls = {blocked["controls"]}
owner = "retention team"
approver = "model risk"
reason = "the bucket moves"
ticket = "RISK-481"
granted = 2026-11-01
expires = 2026-12-31
'''
    night = Night(registry, SCANNED, waiver)
    waived, _ = night.scan()
    later, calls = night.scan("--since", "last", as_of="2027-01-02T00:00:00Z")
    assert DESCRIBE not in calls
    assert night.verdict(waived, blocked["package"]) == "flag"
    assert night.verdict(later, blocked["package"]) == "block"
    full, _ = night.scan(as_of="2027-01-02T00:00:00Z")
    assert (full["digest"], full["controls"]) == (later["digest"], later["controls"])


def test_another_level_is_judged_without_reading_and_another_fact_is_read(registry: Registry) -> None:
    night = Night(registry)
    night.scan()
    strict, calls = night.scan("--since", "last", "--profile", "strict")
    full, _ = night.scan("--profile", "strict")
    assert full["digest"] == strict["digest"]
    # The stricter profile switches controls on that read further facts of some packages.
    carried = [one for one in night.records(strict).values() if one.carried]
    assert len(carried) == strict["carried"]
    assert calls.get(DESCRIBE, 0) >= full["packages"]["judged"] - strict["carried"]


@pytest.mark.parametrize("kind", ["deny", "cut", "malform", "500"])
def test_without_the_search_everything_is_listed_and_described(registry: Registry, kind: str) -> None:
    night = Night(registry)
    first, _ = night.scan()
    registry.fail(kind=kind, op="sagemaker:Search")
    second, calls = night.scan("--since", "last")
    assert second["digest"] == first["digest"]
    assert calls["sagemaker:ListModelPackages"] > 0
    assert second["carried"] == 0
    assert calls[DESCRIBE] >= first["packages"]["judged"]


def test_what_was_unknown_for_a_failure_is_asked_again(registry: Registry) -> None:
    night = Night(registry)
    registry.fail(kind="deny", op="s3:HeadObject", account="222222222222")
    first, _ = night.scan()
    registry.sandbox.gateway.faults.clear()
    second, _ = night.scan("--since", "last")
    assert second["controls"] != first["controls"]
    full, _ = night.scan()
    assert full["digest"] == second["digest"]


def test_after_some_days_everything_is_read(registry: Registry) -> None:
    night = Night(registry, f"{SCANNED}\nreconcile_days = 3")
    first, _ = night.scan()
    plan = night.runs / first["id"] / "plan.json"
    folder = Folder(plan.parent)
    document = folder.plan() | {"full_at": "2020-01-01T00:00:00Z"}
    plan.unlink()
    folder.write_plan({name: value for name, value in document.items() if name != "schema"})
    second, calls = night.scan("--since", "last")
    assert "everything was read last at 2020-01-01T00:00:00Z, which is due: everything is read" in night.said
    assert (second["carried"], second["since"]) == (0, "")
    assert calls[DESCRIBE] > 0


def test_no_earlier_scan_and_a_scan_that_is_none(registry: Registry) -> None:
    night = Night(registry)
    first, _ = night.scan("--since", "last")
    assert "no earlier scan in" in night.said
    assert first["since"] == ""
    done = registry.run("scan", "--config", night.config, "--runs", night.runs, "--since", "yesterday")
    assert done.code == 2
    assert "is no scan that came to its end" in done.err
