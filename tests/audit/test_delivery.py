"""Security Hub is told what changed and nothing else, over HTTP; what it did not take is owed, and nothing unread is closed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from msgspec.structs import asdict, replace

from modelwarden.audit import delivery
from modelwarden.audit.coverage import coverage_of
from modelwarden.audit.delivery import Delivered
from modelwarden.audit.history import Before, history_of
from modelwarden.audit.register import Register, RegisterError
from modelwarden.audit.report import Report, report_of
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.collect.aws import Access, Aws, Tape
from modelwarden.errors import UserError
from modelwarden.evidence import Unknown
from modelwarden.json_bytes import decoded
from modelwarden.render.asff import Hub
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import CellEnd, Record
from modelwarden.snapshot import LedgerRow
from modelwarden.store.security_hub import NotSent, SecurityHub, hub_of
from tests.cli.conftest import clean_environment
from tests.command import inside
from tests.render.test_scan_page import ONE, TWO, arn, judged, scan

REGION = "eu-west-1"
HUB = Hub("aws", "111111111111", REGION)
Finding = dict[str, Any]


def night(
    folder: Path, number: int, *failing: str, dark: bool = False, mine: Record | None = None, **changes: Any
) -> Folder:
    """A scan in which package `mine/1` fails these controls or is recorded so, or is not there at all."""
    more = [mine] if mine else [judged(ONE, "mine/1", *failing)] if failing else []
    made = scan(folder / f"made-{number}", dark=dark, more=more)
    path = folder / f"2026112{number}T021000000000Z-0123abcd"
    made.path.rename(path)
    found = Folder(path)
    told = {name: value for name, value in found.manifest().items() if name != "schema"}
    found.write_manifest(told | {"id": found.id, "as_of_asserted": False} | changes)
    return found


def without(folder: Folder, account: str, *apis: str) -> Folder:
    """The same scan as if a region of the account had not been read, for want of these APIs."""
    path = folder.path / "cells.jsonl"
    ends = [CellEnd.from_json(decoded(line)) for line in path.read_bytes().splitlines()]
    unread = {"unread": "denied", "unread_by": apis}
    ends = [replace(end, **unread) if end.account == account else end for end in ends]
    path.write_bytes(b"".join(msgspec.json.encode(end.to_json()) + b"\n" for end in ends))
    told = {name: value for name, value in folder.manifest().items() if name != "schema"}
    told["tables"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    told["coverage"]["unread"].append({"account": account, "region": REGION, "why": "denied"})
    told["coverage"]["failed"] += [asdict(LedgerRow(account, REGION, api, "denied", 1, 0.1)) for api in apis]
    folder.write_manifest(told)
    return folder


def inventory(name: str) -> Record:
    """A package that looks like one that nobody runs."""
    return Record(arn(ONE, name), "inventory", "an older version")


def enter(folder: Folder, register: Register, scope: Scope | None = None, told: Sequence[Finding] = ()) -> None:
    """As the command does it; what is counted for other formats is counted once for all tests."""
    with Source(folder, scope or Scope()) as source:
        manifest = source.manifest
        about = {"run": manifest.id, "as_of_asserted": manifest.as_of_asserted, "scope": source.scope.words()}
        about_it = replace(counted(folder), coverage=coverage_of(source), **about)
        delivery.enter(source, about_it, HUB, register, told)


COUNTED: list[Report] = []


def counted(folder: Folder) -> Report:
    if not COUNTED:
        with Source(folder) as source:
            COUNTED.append(
                report_of(source, [], history_of(source, Before()), title="", generated_at="2026-11-22T03:00:00Z")
            )
    return COUNTED[0]


class Taker:
    """A hub that keeps what it takes, and refuses some."""

    def __init__(self) -> None:
        self.calls: list[list[Finding]] = []
        self.refuses: Callable[[Finding], bool] = lambda _: False

    def __call__(self, findings: Sequence[Finding]) -> dict[str, str]:
        self.calls.append([*findings])
        return {one["Id"]: "InvalidInput: no" for one in findings if self.refuses(one)}

    def last(self) -> dict[str, tuple[str, str, str]]:
        """Control -> (status, workflow, record state) of package `mine/1`, of the last call."""
        return {
            one["ProductFields"]["modelwarden/control"]: (
                one["Compliance"]["Status"],
                one["Workflow"]["Status"],
                one["RecordState"],
            )
            for one in (self.calls[-1] if self.calls else [])
            if one["ProductFields"].get("modelwarden/package", "").endswith("mine/1")
        }


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    with Register(tmp_path / "hub.sqlite") as opened:
        yield opened


def test_a_finding_is_told_once_and_closed_when_it_is_fixed_or_gone(tmp_path: Path, register: Register) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02", "IMG-03"), register)
    assert delivery.deliver(register, taker).sent == len(taker.calls[0]) > 2
    assert taker.last() == {"ENC-02": ("FAILED", "NEW", "ACTIVE"), "IMG-03": ("FAILED", "NEW", "ACTIVE")}
    assert not {one["Compliance"]["Status"] for one in taker.calls[0]} & {"PASSED"}, "what was never open is no change"

    taker.calls.clear()
    enter(night(tmp_path, 1, "ENC-02", "IMG-03"), register)
    assert delivery.deliver(register, taker) == Delivered(0, {})
    assert taker.calls == [], "nothing changed"

    enter(night(tmp_path, 2, "ENC-02"), register)
    assert delivery.deliver(register, taker).sent == 1
    assert taker.last() == {"IMG-03": ("FAILED", "RESOLVED", "ARCHIVED")}, "no finding says that it passes"

    enter(night(tmp_path, 3), register)
    assert delivery.deliver(register, taker).sent == 1
    assert taker.last() == {"ENC-02": ("FAILED", "RESOLVED", "ARCHIVED")}, "the package is gone"

    enter(night(tmp_path, 4, "ENC-02"), register)
    delivery.deliver(register, taker)
    assert taker.last() == {"ENC-02": ("FAILED", "NEW", "ACTIVE")}, "it is back"


def test_what_passes_now_is_told_as_passed(tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02"), register)
    delivery.deliver(register, taker)
    from tests.render import runs

    monkeypatch.setitem(runs.FINDINGS, "ENC-02", type(runs.FAIL)("ENC-02", "pass"))
    enter(night(tmp_path, 1, "ENC-02"), register)
    delivery.deliver(register, taker)
    assert taker.last() == {"ENC-02": ("PASSED", "RESOLVED", "ARCHIVED")}


def test_a_package_that_was_not_looked_at_is_never_archived(tmp_path: Path, register: Register) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02"), register)
    delivery.deliver(register, taker)
    enter(without(night(tmp_path, 1), ONE), register)
    delivery.deliver(register, taker)
    assert taker.last() == {}
    assert [one["Title"] for one in taker.calls[-1]] == ["not all of an account was read: not read"]
    enter(night(tmp_path, 2), register)
    delivery.deliver(register, taker)
    assert taker.last() == {"ENC-02": ("FAILED", "RESOLVED", "ARCHIVED")}, "two nights later it is known to be gone"
    coverage = [one for one in taker.calls[-1] if "/coverage/" in one["Id"]]
    assert [(one["Compliance"]["Status"], one["RecordState"]) for one in coverage] == [("PASSED", "ARCHIVED")]


ENDPOINTS = "sagemaker:ListEndpoints"


def test_what_looks_like_inventory_is_archived_only_where_everything_that_runs_was_read(
    tmp_path: Path, register: Register
) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02"), register)
    delivery.deliver(register, taker)
    enter(without(night(tmp_path, 1, mine=inventory("mine/1")), TWO, ENDPOINTS), register)
    delivery.deliver(register, taker)
    assert taker.last() == {}, "an endpoint of another account may run it"
    enter(without(night(tmp_path, 2, mine=inventory("mine/1")), TWO, "sagemaker:ListModelPackages"), register)
    delivery.deliver(register, taker)
    assert taker.last() == {"ENC-02": ("FAILED", "RESOLVED", "ARCHIVED")}, "the endpoints are known, and none runs it"


def test_a_container_of_which_nobody_can_tell_what_it_runs_keeps_what_looks_like_inventory(
    tmp_path: Path, register: Register
) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02"), register)
    endpoint = f"arn:aws:sagemaker:{REGION}:{TWO}:endpoint/dim"
    stray = {"endpoint": endpoint, "variant": "a", "kind": "not told", "what": "DescribeModel: denied"}
    enter(night(tmp_path, 1, mine=inventory("mine/1"), strays=[stray], endpoints={"not told": 1}), register)
    delivery.deliver(register, taker)
    assert taker.last()["ENC-02"] == ("FAILED", "NEW", "ACTIVE")
    elsewhere = stray | {"endpoint": endpoint.replace(REGION, "us-east-1")}
    enter(night(tmp_path, 2, mine=inventory("mine/1"), strays=[elsewhere], endpoints={"not told": 1}), register)
    delivery.deliver(register, taker)
    assert taker.last()["ENC-02"] == ("FAILED", "RESOLVED", "ARCHIVED")


def test_what_no_longer_applies_is_closed_only_where_it_is_known_not_to_run(tmp_path: Path, register: Register) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02", "IMG-03"), register)
    delivery.deliver(register, taker)
    enter(without(night(tmp_path, 1, "IMG-03"), TWO, ENDPOINTS), register)
    delivery.deliver(register, taker)
    assert taker.last() == {}, "it is judged for its approval, and may be live all the same"
    enter(night(tmp_path, 2, "IMG-03"), register)
    delivery.deliver(register, taker)
    assert taker.last() == {"ENC-02": ("FAILED", "RESOLVED", "ARCHIVED")}


def test_a_hole_stands_until_nothing_of_its_cell_is_missing(tmp_path: Path, register: Register) -> None:
    def holes() -> dict[str, str]:
        found = [one for one in taker.calls[-1] if "/coverage/" in one["Id"]]
        return {one["Description"].partition(": ")[2] or one["Description"]: one["RecordState"] for one in found}

    taker = Taker()
    enter(without(night(tmp_path, 0), ONE, "kms:DescribeKey"), register)
    delivery.deliver(register, taker)
    assert holes() == {"denied": "ACTIVE", "kms:DescribeKey: denied": "ACTIVE"}
    taker.calls.clear()
    enter(without(night(tmp_path, 1), ONE), register)
    assert delivery.deliver(register, taker) == Delivered(0, {}), "it was not read, which closes nothing"
    enter(night(tmp_path, 2), register)
    delivery.deliver(register, taker)
    assert holes() == {"denied": "ARCHIVED", "kms:DescribeKey: denied": "ARCHIVED"}


def test_a_part_tells_of_endpoints_that_nobody_read_in_any_account(tmp_path: Path) -> None:
    mine = Scope(account=(ONE,))
    with Source(without(night(tmp_path, 0), TWO, ENDPOINTS), mine) as source:
        told = coverage_of(source)
    assert (told.read, told.cells, told.whole) == (1, 1, False)
    assert {one.words() for one in told.missing() if one.kind != "skipped"} == {
        f"{TWO}/{REGION} not read: denied",
        f"{TWO}/{REGION} partly read: {ENDPOINTS}: denied",
    }
    with Source(without(night(tmp_path, 1), TWO, "sagemaker:ListModelPackages"), mine) as source:
        assert coverage_of(source).whole, "packages of another account are none of it"


def test_what_was_refused_is_owed_until_it_is_taken(tmp_path: Path, register: Register) -> None:
    taker = Taker()
    enter(night(tmp_path, 0, "ENC-02"), register)
    taker.refuses = lambda one: one["ProductFields"]["modelwarden/control"] == "ENC-02"
    done = delivery.deliver(register, taker)
    assert done.refused
    assert set(done.refused.values()) == {"InvalidInput: no"}
    assert done.sent + len(done.refused) == len(taker.calls[0])
    taker.refuses = lambda _: False
    enter(night(tmp_path, 1, "ENC-02"), register)
    assert delivery.deliver(register, taker) == Delivered(len(done.refused), {})
    assert {one["Id"] for one in taker.calls[-1]} == set(done.refused)


def test_a_part_an_asserted_time_and_an_older_scan_are_refused(tmp_path: Path, register: Register) -> None:
    old, new = night(tmp_path, 0, "ENC-02"), night(tmp_path, 1, "ENC-02")
    with pytest.raises(UserError, match="a part of a scan is not sent"):
        enter(new, register, Scope(account=(ONE,)))
    enter(new, register)
    with pytest.raises(UserError, match="is older than 20261121T"):
        enter(old, register)
    with pytest.raises(UserError, match="as of an asserted time"):
        enter(night(tmp_path, 2, "ENC-02", as_of_asserted=True), register)


def test_a_register_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    with Register(path) as opened:
        opened._connection.execute("PRAGMA user_version = 9")
    with pytest.raises(RegisterError, match="of another version"):
        Register(path)
    path.write_text("no database at all, but long enough for a header of one hundred bytes" * 3)
    with pytest.raises(RegisterError, match="not a database"):
        Register(path)


def by_event(finding: Finding, at: str, **changes: Any) -> Finding:
    """The finding as an event told it, and as the hub has it then."""
    fields = {**finding["ProductFields"], "modelwarden/told_by": "event"}
    return finding | {"ProductFields": fields, "UpdatedAt": at, "ProcessedAt": at} | changes


BEFORE, SINCE = "2026-11-21T12:00:00Z", "2026-11-25T12:00:00Z"


def test_what_an_event_told_is_closed_by_a_scan_that_does_not_find_it(tmp_path: Path) -> None:
    """Without having told it itself; what is sent has no members that the hub added."""
    hub = Taker()
    with Register(tmp_path / "another.sqlite") as other:
        enter(night(tmp_path, 0, "ENC-02"), other)
        delivery.deliver(other, hub)
    (open_,) = [one for one in hub.calls[0] if one["Id"].startswith("modelwarden/ENC-02/") and "mine/1" in str(one)]
    with Register(tmp_path / "hub.sqlite") as register:
        enter(night(tmp_path, 1, mine=inventory("mine/1")), register, told=[by_event(open_, BEFORE)])
        delivery.deliver(register, hub)
        assert hub.last() == {"ENC-02": ("FAILED", "RESOLVED", "ARCHIVED")}
        (closed,) = [one for one in hub.calls[-1] if one["Id"] == open_["Id"]]
        assert "ProcessedAt" not in closed


def test_what_an_event_closed_is_told_again_where_a_later_scan_finds_it(tmp_path: Path) -> None:
    hub = Taker()
    with Register(tmp_path / "hub.sqlite") as register:
        enter(night(tmp_path, 0, "ENC-02"), register)
        delivery.deliver(register, hub)
        (open_,) = [one for one in hub.calls[0] if one["Id"].startswith("modelwarden/ENC-02/") and "mine/1" in str(one)]
        closed = by_event(open_, BEFORE, RecordState="ARCHIVED")
        enter(night(tmp_path, 1, "ENC-02"), register, told=[closed])
        delivery.deliver(register, hub)
        assert hub.last() == {"ENC-02": ("FAILED", "NEW", "ACTIVE")}


@pytest.mark.parametrize("state", ["ACTIVE", "ARCHIVED"])
@pytest.mark.parametrize("failing", ["ENC-02", "IMG-03"])
def test_what_an_event_told_since_the_scan_began_stays(tmp_path: Path, state: str, failing: str) -> None:
    hub = Taker()
    with Register(tmp_path / "hub.sqlite") as register:
        enter(night(tmp_path, 0, "ENC-02"), register)
        delivery.deliver(register, hub)
        (open_,) = [one for one in hub.calls[0] if one["Id"].startswith("modelwarden/ENC-02/") and "mine/1" in str(one)]
        enter(night(tmp_path, 1, failing), register, told=[by_event(open_, SINCE, RecordState=state)])
        delivery.deliver(register, hub)
        assert open_["Id"] not in [one["Id"] for call in hub.calls[1:] for one in call]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("empty") as started:
        yield started


def held(sandbox: Sandbox) -> list[Finding]:
    """What the hub holds."""
    client = boto3.client("securityhub", endpoint_url=sandbox.endpoint, region_name=REGION, **keys(sandbox))
    found: list[Finding] = client.get_findings(MaxResults=100)["Findings"]
    return found


def keys(sandbox: Sandbox) -> dict[str, Any]:
    told = sandbox.environment()
    names = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    return {name: told[key] for name, key in names.items()} | {"config": Config(retries={"total_max_attempts": 1})}


def test_over_http_the_hub_holds_what_was_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    environment = clean_environment() | sandbox.environment() | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    night(tmp_path, 0, "ENC-02")
    first = inside("report", tmp_path, "--send", "securityhub", folder=tmp_path, environment=environment)
    assert (first.code, first.out) == (0, ""), first.err
    own = held(sandbox)[0]["AwsAccountId"]
    assert first.err == f"{len(held(sandbox))} findings sent to Security Hub of {own} in {REGION}\n"
    assert {one["ProductArn"] for one in held(sandbox)} == {Hub("aws", own, REGION).product}
    night(tmp_path, 1)
    second = inside("report", tmp_path, "--send", "securityhub", folder=tmp_path, environment=environment)
    assert second.err == f"1 finding sent to Security Hub of {own} in {REGION}\n"
    archived = [one for one in held(sandbox) if one["RecordState"] == "ARCHIVED"]
    assert [one["Resources"][0]["Id"].rsplit(":", 1)[1] for one in archived] == ["model-package/mine/1"]


def test_what_events_told_is_read_from_the_hub_and_what_others_told_is_not(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed by the next scan, of which it is no finding; where the hub does not say what it holds, that is told."""
    environment = clean_environment() | sandbox.environment() | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    hub = SecurityHub(Aws(Access(attempts=1), Tape()), hub_of(Aws(Access(attempts=1), Tape()), REGION))
    taker = Taker()
    with Register(tmp_path / "other.sqlite") as other:
        enter(night(tmp_path, 0, "ENC-02"), other)
        delivery.deliver(other, taker)
    (theirs,) = [one for one in taker.calls[0] if one["Id"].startswith("modelwarden/ENC-02/") and "mine/1" in str(one)]
    mine = by_event(theirs, BEFORE, ProductArn=hub.hub.product, AwsAccountId=hub.hub.account)
    foreign = by_event(theirs, BEFORE, Id="modelwarden/ENC-02/of-another", ProductArn=HUB.product + "x")
    assert hub.send([mine, foreign]) == {}
    told = hub.told_by_events()
    assert not isinstance(told, Unknown)
    assert [one["Id"] for one in told] == [mine["Id"]]

    scans = tmp_path / "scans"
    scans.mkdir()
    night(scans, 1)
    sandbox.gateway.faults.add({"op": "securityhub:GetFindings", "kind": "deny", "times": 1})
    first = inside("report", scans, "--send", "securityhub", folder=tmp_path, environment=environment)
    assert first.code == 0
    said = "what events told Security Hub is not closed: securityhub:GetFindings: AccessDeniedException"
    assert first.err.splitlines()[0] == said
    assert [one["RecordState"] for one in held(sandbox) if one["Id"] == mine["Id"]] == ["ACTIVE"]
    inside("report", scans, "--send", "securityhub", folder=tmp_path, environment=environment)
    assert [one["RecordState"] for one in held(sandbox) if one["Id"] == mine["Id"]] == ["ARCHIVED"]


def test_a_call_that_fails_is_told_and_loses_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (sandbox.environment() | {"AWS_REGION": REGION}).items():
        monkeypatch.setenv(name, value)
    aws = Aws(Access(attempts=1), Tape())
    hub = hub_of(aws, REGION)
    with Register(tmp_path / "hub.sqlite") as register:
        enter(night(tmp_path, 0, "ENC-02"), register)
        owed = sum(map(len, register.owed(100)))
        lost = SecurityHub(aws, Hub(hub.partition, hub.account, "nowhere-1"))
        with pytest.raises(NotSent, match=r"^securityhub:BatchImportFindings: "):
            delivery.deliver(register, lost.send)
        assert sum(map(len, register.owed(100))) == owed > 0
        assert delivery.deliver(register, SecurityHub(aws, hub).send) == Delivered(owed, {})
