"""Whatever one API does, no pass comes from it: denied, throttled, cut, empty, garbage, dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from modelwarden.evidence import Unknown
from modelwarden.run import Run

from .conftest import PACKAGES, Organization, question_of

KINDS = ("deny", "throttle", "expired", "500", "cut", "html", "empty", "drop", "malform")
APIS = (
    "sts:GetCallerIdentity",
    "sts:AssumeRole",
    "sagemaker:DescribeModelPackage",
    "sagemaker:ListTags",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:DescribeModelCard",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:DescribeRepositories",
    "s3:HeadObject",
    "s3:GetObject",
    "s3:ListObjectsV2",
    "kms:DescribeKey",
    "kms:GetKeyRotationStatus",
    "cloudtrail:LookupEvents",
)
NOBODY_BLOCKS_ON = {"ecr:GetDownloadUrlForLayer"}
"""Without diff_ids the layers themselves prove the ancestry."""

BYTES = {"s3:GetObject"}
"""Bytes that were fetched and are no report prove that there is no report: a fail, never a pass."""


def _one(verdict: str, **wanted: str) -> dict[str, Any]:
    """The first package of the verdict whose plan has these values."""
    return next(
        package
        for package in PACKAGES
        if package["planned"]["verdict"] == verdict
        and all(package["planned"][key] == value for key, value in wanted.items())
    )


def _named(part: str) -> dict[str, Any]:
    return next(package for package in PACKAGES if package["describe"]["ModelPackageArn"].endswith(part))


PREFIX = next(p for p in PACKAGES if p["planned"]["verdict"] == "allow" and "ModelDataSource" in str(p["describe"]))
GOOD = {
    "approve": _named("credit-default/1"),
    "deploy": _one("allow", at="deploy", to="Production"),
    "standalone card": _named("mailroom/2"),
    "prefix": PREFIX,
}
BAD = [_one("block", at="approve", to="Production"), _named("churn/11"), _named("credit-default/13")]


@pytest.fixture
def faults(organization: Organization) -> Iterator[Organization]:
    yield organization
    organization.ask("DELETE", "faults")


@pytest.fixture(scope="module")
def undisturbed(organization: Organization) -> dict[str, Run]:
    chosen = [*GOOD.values(), *BAD]
    return {package["describe"]["ModelPackageArn"]: organization.gate(question_of(package)) for package in chosen}


def _outcomes(run: Run) -> dict[str, str]:
    return {ruling.finding.control: ruling.finding.outcome for ruling in run.decision.rulings}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
def test_no_pass_comes_from_a_broken_api(
    api: str, kind: str, faults: Organization, undisturbed: dict[str, Run]
) -> None:
    faults.ask("POST", "faults", [{"kind": kind, "op": api}])
    touched, collector = 0, faults.collector()
    for package in [*GOOD.values(), *BAD]:
        calm = undisturbed[package["describe"]["ModelPackageArn"]]
        read_before = collector.ledger
        run = faults.gate(question_of(package), collector)
        row = next((row for row in run.ledger if row.api == api and row not in read_before), None)
        before, after = _outcomes(calm), _outcomes(run)
        for control, outcome in after.items():
            known_garbage = outcome == "fail" and kind == "malform" and api in BYTES
            assert outcome in (before[control], "unknown") or known_garbage, f"{control} became {outcome}"
        if row is None:
            continue
        touched += 1
        # JSON of the wrong types is an answer all the same; what it should have said is unknown then.
        assert (row.state != "read" and row.error) or kind == "malform"
        changed = {control for control in after if after[control] != before[control]}
        if package in GOOD.values() and api not in NOBODY_BLOCKS_ON and row.state != "read":
            assert changed, f"{api} was {row.state}, and nothing noticed"
            assert run.decision.verdict == "undecided"
            for control in changed:
                finding = next(r.finding for r in run.decision.rulings if r.finding.control == control)
                assert any(isinstance(seen.fact, Unknown) for seen in finding.observed), (
                    f"{control} does not say what it misses"
                )
    assert touched, f"no package needs {api}"


def test_a_missing_permission_leaves_these_shares_undecided(
    faults: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured and printed: what the lack of one permission costs the packages that are fine otherwise."""
    fine = [package for package in PACKAGES if package["planned"]["verdict"] == "allow"]
    lines = []
    for api in APIS:
        faults.ask("POST", "faults", [{"kind": "deny", "op": api}])
        collector = faults.collector()
        verdicts = [faults.gate(question_of(package), collector).decision.verdict for package in fine]
        faults.ask("DELETE", "faults")
        assert set(verdicts) <= {"allow", "flag", "undecided"}
        lines.append((verdicts.count("undecided") / len(fine), api))
    with capsys.disabled():
        print(f"\nof {len(fine)} packages without a defect, undecided where the reader lacks one permission:")
        for share, api in sorted(lines, reverse=True):
            print(f"  {share:4.0%}  {api}")
    shares = {api: share for share, api in lines}
    assert shares["sagemaker:DescribeModelPackage"] == 1
    assert shares["ecr:GetDownloadUrlForLayer"] < 1
