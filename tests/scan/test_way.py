"""Roles assumed one from the other: each link that refuses is named, and sessions are renewed before and after they expire."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.aws import Aws
from modelwarden.request import Principal
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.settings.reading import Collect
from modelwarden.toml import SettingsError
from tests.organization import ask

from .conftest import scan as run_scan
from .conftest import settings

MANAGEMENT, HUB, GOOD, REGION = "111111111111", "222222222222", "777788889999", "us-east-1"
DOOR, INNER = f"arn:aws:iam::{HUB}:role/Door", f"arn:aws:iam::{HUB}:role/Inner"
WAY = (DOOR, INNER)
ROLE = "BehindTheHub"


@pytest.fixture(scope="module", autouse=True)
def roles(organization: Sandbox) -> None:
    """Each role lets in the one before it and nobody else."""
    trusts = ((HUB, "Door", f"arn:aws:iam::{MANAGEMENT}:root"), (HUB, "Inner", DOOR), (GOOD, ROLE, INNER))
    for account, name, principal in trusts:
        own = organization.environment(account)
        iam = boto3.client(
            "iam",
            endpoint_url=organization.endpoint,
            region_name=REGION,
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        )
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}}]}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


@pytest.fixture(autouse=True)
def repaired(organization: Sandbox) -> Iterator[None]:
    ask(organization, "DELETE", "stats")
    yield
    ask(organization, "DELETE", "faults")


def collector(via: tuple[str, ...] = WAY, role: str | None = ROLE) -> Collector:
    return Collector(role=role, via=via, retries=0)


def fail(organization: Sandbox, **rule: object) -> None:
    ask(organization, "POST", "faults", rule)


def assumed(organization: Sandbox) -> Counter[str]:
    """Account of the caller -> AssumeRole calls."""
    rows = ask(organization, "GET", "stats")["calls"]
    return Counter({row["account"]: row["count"] for row in rows if row["op"] == "sts:AssumeRole"})


def count_packages(aws: Aws, account: str = GOOD) -> int | str:
    answer = aws.call(
        account,
        REGION if account == GOOD else "eu-west-1",
        "sagemaker",
        "ListModelPackages",
        ModelPackageType="Both",
        MaxResults=100,
    )
    return len(answer.data["ModelPackageSummaryList"]) if isinstance(answer, Answer) else str(answer.code)


def test_each_role_is_assumed_from_the_one_before(organization: Sandbox) -> None:
    aws = collector().aws
    assert aws.enter(GOOD, REGION) is None
    assert count_packages(aws) == 5
    # Door by the caller; Inner by Door, and the role of the account by Inner.
    assert assumed(organization) == {MANAGEMENT: 1, HUB: 2}
    assert isinstance(collector((DOOR,)).aws.enter(GOOD, REGION), Failure), "only Inner is let in"


def test_who_asks_stays_who_asks(organization: Sandbox) -> None:
    """What is no account's is read at the end of the way; the principal is whoever started it."""
    made = collector()
    principal = made.caller()
    assert isinstance(principal, Principal)
    assert principal.principal == f"arn:aws:iam::{MANAGEMENT}:user/sandbox"
    assert made.aws.own_account(REGION) == HUB
    assert made.aws.enter(HUB, REGION) is None
    assert made.aws.acts_as(HUB)
    assert count_packages(made.aws, HUB) == 7
    assert assumed(organization) == {MANAGEMENT: 1, HUB: 1}
    (identity,) = [row for row in made.ledger if row.api == "sts:GetCallerIdentity"]
    assert identity.account == MANAGEMENT


@pytest.mark.parametrize(
    ("caller", "said"),
    [
        (MANAGEMENT, f"role 1 of 3 on the way, {DOOR}: "),
        (HUB, f"role 2 of 3 on the way, {INNER}: "),
    ],
)
def test_a_scan_names_the_role_of_the_way_that_refused_for_every_cell(
    organization: Sandbox, tmp_path: Path, caller: str, said: str
) -> None:
    fail(organization, kind="deny", op="sts:AssumeRole", account=caller)
    file = settings(tmp_path, f'accounts = ["{GOOD}", "{HUB}"]\nregions = ["eu-west-1", "us-east-1"]')
    text = file.read_text().replace('role = "ModelwardenReader"', f'role = "{ROLE}"\nvia = {list(WAY)}')
    file.write_text(text)
    outcome = run_scan(gate.load_house(gate.Sources(config=file, flags={"retries": 0}), {}), tmp_path / "run")
    assert outcome.summary.code() == 3
    cells = [(account, region) for account in (HUB, GOOD) for region in ("eu-west-1", "us-east-1")]
    assert [(account, region) for account, region, _ in outcome.summary.unread] == cells
    assert all(f"sts:AssumeRole: AccessDenied: {said}" in why for _, _, why in outcome.summary.unread)
    rows = {(row.account, row.region): row for row in outcome.summary.partly if row.api == "sts:AssumeRole"}
    assert sorted(rows) == sorted(cells)
    assert all(row.state == "denied" and said in row.error for row in rows.values())


def test_the_role_of_the_account_is_the_last_one_that_may_refuse(organization: Sandbox) -> None:
    failure = collector(role="Nobody").aws.enter(GOOD, REGION)
    assert isinstance(failure, Failure)
    assert failure.message.startswith(f"role 3 of 3 on the way, arn:aws:iam::{GOOD}:role/Nobody: ")


def test_without_a_way_nothing_is_said_of_one(organization: Sandbox) -> None:
    failure = collector(via=(), role="Nobody").aws.enter(GOOD, REGION)
    assert isinstance(failure, Failure)
    assert failure.message.startswith("User: arn:aws:iam::111111111111:user/sandbox is not authorized")


def test_sessions_are_renewed_before_they_expire(organization: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 15 minutes each, so that the time to renew them has come at once: nobody is ever told that one expired."""
    monkeypatch.setattr("modelwarden.collect.session.SESSION_SECONDS", 900)
    aws = collector().aws
    assert aws.enter(GOOD, REGION) is None
    before = assumed(organization)
    assert [count_packages(aws) for _ in range(3)] == [5, 5, 5]
    after = assumed(organization)
    assert after[MANAGEMENT] > before[MANAGEMENT]
    assert after[HUB] >= before[HUB] + 3
    assert {row.state for row in aws.ledger()} == {"read"}


@pytest.mark.parametrize(("account", "op"), [(GOOD, "sagemaker:ListModelPackages"), (HUB, "sts:AssumeRole")])
def test_a_session_that_expires_in_the_middle_is_assumed_again(organization: Sandbox, account: str, op: str) -> None:
    """That of the account, and one on the way to it."""
    aws = collector().aws
    fail(organization, kind="expired", op=op, account=account, times=1)
    assert aws.enter(GOOD, REGION) is None
    assert count_packages(aws) == 5
    assert {row.state for row in aws.ledger()} == {"read"}
    assert assumed(organization)[HUB] > 2


def test_what_is_read_at_the_end_of_the_way_is_read_again_too(organization: Sandbox) -> None:
    aws = collector().aws
    assert aws.enter(HUB, REGION) is None
    fail(organization, kind="expired", op="sagemaker:ListModelPackages", account=HUB, times=1)
    assert count_packages(aws, HUB) == 7
    assert assumed(organization) == {MANAGEMENT: 2, HUB: 2}


def test_a_session_that_cannot_be_renewed_is_expired(organization: Sandbox) -> None:
    aws = collector().aws
    assert aws.enter(GOOD, REGION) is None
    fail(organization, kind="expired", op="sagemaker:ListModelPackages", account=GOOD, times=1)
    fail(organization, kind="deny", op="sts:AssumeRole", account=HUB)
    assert count_packages(aws) == "AccessDenied"
    (row,) = [row for row in aws.ledger() if row.api == "sagemaker:ListModelPackages"]
    assert row.state == "denied"
    assert "role 3 of 3 on the way" in row.error


@pytest.mark.parametrize(
    ("via", "says"),
    [
        ('["Door"]', "`Door` is not the ARN of a role"),
        (f'["{DOOR}", "{DOOR}"]', "stands twice"),
    ],
)
def test_a_way_that_is_none_is_refused(tmp_path: Path, via: str, says: str) -> None:
    file = tmp_path / "modelwarden.toml"
    file.write_text(f'[collect]\nrole = "R"\nvia = {via}\n')
    with pytest.raises(SettingsError, match=r"collect\.via") as caught:
        gate.load_house(gate.Sources(config=file), {})
    assert says in str(caught.value)


def test_a_way_is_of_any_partition(tmp_path: Path) -> None:
    file = tmp_path / "modelwarden.toml"
    file.write_text('[collect]\nvia = ["arn:aws-us-gov:iam::222222222222:role/path/Door"]\n')
    found = gate.load_house(gate.Sources(config=file), {}).settings.collect
    assert found == Collect(via=("arn:aws-us-gov:iam::222222222222:role/path/Door",))


def test_only_the_organization_says_by_way_of_whom(tmp_path: Path) -> None:
    """Else the judged party could have the store read in an account of its own."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/modelwarden.toml").write_text('profile = "strict"\n')
    own = tmp_path / "modelwarden.toml"
    own.write_text(f'[collect]\nvia = ["{DOOR}"]\n')
    digest = digest_pack(read_pack(str(tmp_path / "pack"), None))
    sources = gate.Sources(config=own, organization=tmp_path / "pack", organization_digest=digest)
    with pytest.raises(SettingsError, match="only the organization layer says by way of which roles"):
        gate.load_house(sources, {})
