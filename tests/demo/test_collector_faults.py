"""Whatever one API does, no pass comes from it: denied, throttled, cut, empty, garbage, dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from modelwarden.collect import Collector
from modelwarden.evidence import Evidence, Unknown
from modelwarden.run import Run
from tests.organization import PACKAGES, arn_of

from .conftest import Organization, question_of

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
"""What the built-in controls need."""
FURTHER = ("sagemaker:GetModelPackageGroupPolicy", "ecr:DescribeImages")
"""What else is collected, for the controls of users."""
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
    return next(package for package in PACKAGES if arn_of(package).endswith(part))


PREFIX = next(p for p in PACKAGES if p["planned"]["verdict"] == "allow" and "ModelDataSource" in str(p["describe"]))
GOOD = [_named("credit-default/1"), _one("allow", at="deploy", to="Production"), _named("mailroom/2"), PREFIX]
BAD = [_one("block", at="approve", to="Production"), _named("churn/11"), _named("credit-default/13")]


@pytest.fixture
def faults(organization: Organization) -> Iterator[Organization]:
    yield organization
    organization.ask("DELETE", "faults")


@pytest.fixture(scope="module")
def undisturbed(organization: Organization) -> dict[str, Run]:
    return {arn_of(package): organization.gate(question_of(package)) for package in [*GOOD, *BAD]}


def _using(api: str, kind: str, runs: Mapping[str, Run]) -> list[dict[str, Any]]:
    """A package without a defect and one with some that need the API. Kinds take the packages in turn, so that each API
    breaks for several of them."""
    good, bad = (
        [one for one in chosen if any(row.api == api for row in runs[arn_of(one)].ledger)] for chosen in (GOOD, BAD)
    )
    turn = KINDS.index(kind) // 3
    return [chosen[turn % len(chosen)] for chosen in (good, bad) if chosen]


def _outcomes(run: Run) -> dict[str, str]:
    return {ruling.finding.control: ruling.finding.outcome for ruling in run.decision.rulings}


BESIDE = {"sts:GetCallerIdentity", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
"""By these the caller and the base images are read, which are no facts of a package."""


@pytest.mark.parametrize(
    ("api", "kind"),
    # Whatever the kind, the facts are unknown, as is shown below for each: here the APIs share the kinds.
    [
        (api, kind)
        for at, api in enumerate(APIS)
        for turn, kind in enumerate(KINDS)
        if api in BESIDE or turn % 3 == at % 3
    ],
)
def test_no_pass_comes_from_a_broken_api(
    api: str, kind: str, faults: Organization, undisturbed: dict[str, Run]
) -> None:
    packages = _using(api, kind, undisturbed)
    assert any(package in GOOD for package in packages), f"no package needs {api}"
    faults.ask("POST", "faults", [{"kind": kind, "op": api}])
    collector = faults.collector()
    for package in packages:
        read_before = collector.ledger
        run = faults.gate(question_of(package), collector)
        row = next(row for row in run.ledger if row.api == api and row not in read_before)
        before, after = _outcomes(undisturbed[arn_of(package)]), _outcomes(run)
        wrong_bytes = kind == "malform" and api in BYTES
        for control, outcome in after.items():
            assert outcome in (before[control], "unknown") or (wrong_bytes and outcome == "fail"), control
        assert (row.state != "read" and row.error) or wrong_bytes
        changed = {control for control in after if after[control] != before[control]}
        if package in GOOD and api not in NOBODY_BLOCKS_ON and not wrong_bytes:
            assert changed, f"{api} was {row.state}, and nothing noticed"
            assert run.decision.verdict == "undecided"
            _say_what_they_miss(run, changed)


def _say_what_they_miss(run: Run, controls: set[str]) -> None:
    for ruling in run.decision.rulings:
        if ruling.finding.control in controls:
            assert any(isinstance(seen.fact, Unknown) for seen in ruling.finding.observed), ruling.finding.control


@pytest.fixture(scope="module")
def facts(organization: Organization) -> dict[str, Evidence]:
    """ARN -> everything that can be read."""
    return {arn_of(one): organization.collector().package(arn_of(one)) for one in (GOOD[1], GOOD[2], PREFIX)}


FACTUAL = [api for api in (*APIS, *FURTHER) if api != "sts:GetCallerIdentity"]
"""What facts of a package are read by; other bytes of a report are other facts, and so they are left out below."""


@pytest.mark.parametrize(
    ("api", "kind"), [(api, kind) for api in FACTUAL for kind in KINDS if api not in BYTES or kind != "malform"]
)
def test_a_fact_stays_as_it_is_or_becomes_unknown(
    api: str, kind: str, faults: Organization, facts: dict[str, Evidence]
) -> None:
    """Stronger than the same of verdicts: no fact is taken for absent, or for another one, because a call failed."""
    rare = {"sagemaker:DescribeModelCard": GOOD[2], "s3:ListObjectsV2": PREFIX, "ecr:DescribeImages": PREFIX}
    arn = arn_of(rare.get(api, GOOD[1]))
    faults.ask("POST", "faults", [{"kind": kind, "op": api}])
    now, lost = faults.collector().package(arn), 0
    for pointer, fact in facts[arn].facts.items():
        found = now.get(pointer)
        same = type(found) is type(fact) and getattr(found, "value", None) == getattr(fact, "value", None)
        assert same or isinstance(found, Unknown), f"{pointer} was {fact} and is {found}"
        lost += not same
    assert lost, f"nothing of {arn} needs {api}"
    strays = [p for p, fact in now.facts.items() if p not in facts[arn].facts and not isinstance(fact, Unknown)]
    assert strays == []


def test_a_session_that_ends_early_is_renewed_once(faults: Organization) -> None:
    arn = arn_of(GOOD[0])
    calm = faults.collector().package(arn)
    faults.ask("POST", "faults", [{"kind": "expired", "op": "kms:DescribeKey", "times": 1}])
    collector = faults.collector()
    assert collector.package(arn).digest() == calm.digest()
    assert {row.state for row in collector.ledger} == {"read"}


def test_a_failure_is_not_remembered(faults: Organization) -> None:
    """What could not be read for one package may be read for the next; only AWS's own word is kept."""
    arn, collector = arn_of(GOOD[0]), faults.collector()
    calm = faults.collector().package(arn)
    faults.ask("POST", "faults", [{"kind": "deny", "op": api} for api in (*APIS, *FURTHER)])
    assert {type(fact) for pointer, fact in collector.package(arn).facts.items() if _is_read(pointer)} == {Unknown}
    faults.ask("DELETE", "faults")
    assert collector.package(arn).digest() == calm.digest()


def _is_read(pointer: str) -> bool:
    return not pointer.startswith("/package/") or pointer.startswith("/package/kms_key/")


def test_a_missing_permission_leaves_these_shares_undecided(
    faults: Organization, record_property: Callable[[str, object], None]
) -> None:
    """Measured and printed: what the lack of one permission costs the packages that are fine otherwise."""
    # A quarter of them, of every kind: each costs 21 calls for each permission.
    fine = [package for package in PACKAGES if package["planned"]["verdict"] == "allow"][2::4]
    lines = []
    for api in (*APIS, "kms:Decrypt"):
        faults.ask("POST", "faults", [{"kind": "deny", "op": api}])
        lines.append((_undecided(faults, faults.collector(), fine), api))
        faults.ask("DELETE", "faults")
    head = f"of {len(fine)} packages without a defect, undecided where the reader lacks one permission:"
    rows = [f"  {share:4.0%}  {api}" for share, api in sorted(lines, reverse=True)]
    record_property("measured", "\n".join([head, *rows]))
    shares = {api: share for share, api in lines}
    assert shares["sagemaker:DescribeModelPackage"] == 1
    assert 0 < shares["ecr:GetDownloadUrlForLayer"] < 1


def _undecided(organization: Organization, collector: Collector, packages: list[dict[str, Any]]) -> float:
    """The share of packages that get no decision; none of them may be blocked."""
    verdicts = [organization.gate(question_of(package), collector).decision.verdict for package in packages]
    assert set(verdicts) <= {"allow", "flag", "undecided"}
    return verdicts.count("undecided") / len(verdicts)
