"""A scan with a hub: who sees what is shared, what is registered elsewhere, and copies, which inherit nothing."""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from msgspec import Struct, structs

from modelwarden import gate
from modelwarden.collect.sharing import Shared, shared_groups
from modelwarden.estate import Estate
from modelwarden.evidence import Absent
from modelwarden.render import scan as scan_text
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from modelwarden.scan.record import Record, Running
from modelwarden.scan.visibility import visibility
from modelwarden.snapshot import LedgerRow
from tests.demo.registry import Registry
from tests.organization import ask, demo
from tests.render.test_scan_page import page as scan_page

from .conftest import house, records, scan, work
from .test_scan import SCHEMA, gap

HUB, RETAIL, CLAIMS, LENDING = "222222222222", "111122223333", "555566667777", "444455556666"
REGION = "eu-west-1"
TABLE = f'accounts = ["{HUB}", "{RETAIL}", "{CLAIMS}"]\nregions = ["{REGION}"]\nhub = "{HUB}"'
LIST = "sagemaker:ListModelPackageGroups"
HOSTILE = "<script>alert(1)</script>\n\x1b[31m 0 blocked"
MANY = 101
"""Groups that a third account shares: more than one page."""


def arn(account: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{account}:model-package/{name}"


COPIES = {
    "copied/1": arn(HUB, "Mailroom/6"),
    "copied/2": None,
    "copied/3": arn(HUB, "mailroom/99"),
    "copied/4": arn(LENDING, "credit-default/1"),
    "copied/5": HOSTILE,
    "copied/6": arn(CLAIMS, "copied/6"),
}
"""Approved versions in a spoke, all alike but for what they say that they are copies of."""


def share_elsewhere(sandbox: Sandbox) -> None:
    """An account that is not scanned shares groups with a spoke."""
    cell = sandbox.world.cells[LENDING, REGION]
    group = cell.groups["credit-default"]
    policy = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{CLAIMS}:root"}, "Action": "*", "Resource": "*"}
    for number in range(MANY):
        name = f"shared-{number:03}"
        made = replace(group, name=name, arn=f"{group.arn.rpartition('/')[0]}/{name}")
        cell.groups[name] = replace(made, policy=json.dumps({"Statement": [policy]}))


def copy_to_spoke(registry: Registry) -> None:
    """As AWS's workshop copies: image and artifact, without image digest, card and key; and one claim of kinship."""
    origin = registry.describe(arn(HUB, "mailroom/6"))
    client = registry.client(arn(CLAIMS, "copied"))
    specification = copy.deepcopy(origin["InferenceSpecification"])
    for container in specification["Containers"]:
        del container["ImageDigest"]
    client.create_model_package_group(ModelPackageGroupName="copied")
    for said in COPIES.values():
        client.create_model_package(
            ModelPackageGroupName="copied",
            InferenceSpecification=specification,
            ModelApprovalStatus="Approved",
            ModelLifeCycle={"Stage": "Staging", "StageStatus": "Approved"},
            CustomerMetadataProperties={"OriginalARN": said} if said else {},
        )
    live = arn(RETAIL, "churn/15")
    registry.client(live).update_model_package(
        ModelPackageArn=live, CustomerMetadataProperties={"OriginalARN": arn(HUB, "mailroom/7")}
    )


class Seen(Struct, frozen=True):
    """A scan, as it stood when it ended."""

    manifest: dict[str, Any]
    text: str
    page: str
    rows: dict[str, dict[str, Any]]
    """ARN -> row of the table of packages."""
    records: dict[str, Record]
    code: int


def seen(outcome: scanning.Outcome) -> Seen:
    folder = outcome.folder
    rows = pyarrow.parquet.read_table(folder.path / "packages.parquet").to_pylist()
    page = scan_page(folder)
    text = scan_text.text(folder.manifest(), folder.plan())
    found = {row["package"]: row for row in rows}
    assert len(found) == len(rows), "a package is there twice"
    written = json.loads((folder.path / "manifest.json").read_text())
    assert list(SCHEMA.iter_errors(written)) == []
    return Seen(folder.manifest(), text, page, found, records(outcome), outcome.summary.code())


class Nights(Struct, frozen=True):
    """The same organization, scanned three times."""

    denied: Seen
    """A spoke may not list what others share with it."""
    calls: Counter[tuple[str, str]]
    """(operation, account) of that scan."""
    resumed: Seen
    """It went on when the spoke might."""
    accepted: Seen
    """The first again, with a gap that the organization accepts."""


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("hub")
    with demo() as sandbox:
        registry = Registry(sandbox, folder)
        share_elsewhere(sandbox)
        copy_to_spoke(registry)
        registry.fail(op=LIST, account=RETAIL, kind="deny")
        ask(sandbox, "DELETE", "stats")
        rules = house(folder, TABLE)
        denied = scan(rules, folder / "run")
        calls = Counter({(row["op"], row["account"]): row["count"] for row in ask(sandbox, "GET", "stats")["calls"]})
        first = seen(denied)
        (folder / "gap").mkdir()
        accepted = seen(scan(house(folder / "gap", TABLE, gap(RETAIL, LIST)), folder / "accepted"))
        sandbox.gateway.faults.clear()
        again = work(*scanning.resumed(denied.folder.path, rules), rules)
    return Nights(first, calls, seen(again), accepted)


def test_a_shared_package_is_judged_once_where_it_lies_and_its_viewers_are_recorded(nights: Nights) -> None:
    found = nights.resumed
    mailroom = {name: row for name, row in found.rows.items() if ":model-package/mailroom/" in name}
    assert len(mailroom) == 7
    assert {row["account"] for row in mailroom.values()} == {HUB}
    assert [row["seen_from"] for row in mailroom.values()] == [[RETAIL, CLAIMS]] * 7
    assert {row["seen_from_unknown"] for row in found.rows.values()} == {0}
    assert {tuple(row["seen_from"]) for name, row in found.rows.items() if name not in mailroom} == {()}
    assert (found.manifest["hub"]["shared"], found.manifest["hub"]["unsure"]) == (7, 0)
    assert f"\nhub {HUB}: 7 packages are seen from other accounts\n" in found.text
    assert f"<h3>hub {HUB}: 7 packages are seen from other accounts</h3>" in found.page


def test_each_account_region_is_asked_once_and_to_the_end(nights: Nights) -> None:
    asked = {account: count for (op, account), count in nights.calls.items() if op == LIST}
    assert asked == {HUB: 1, RETAIL: 1, CLAIMS: 2}, f"{MANY} groups and one of the hub are two pages"


def test_an_account_that_could_not_tell_is_never_one_that_does_not_see(nights: Nights) -> None:
    found, hub = nights.denied, nights.denied.manifest["hub"]
    mailroom = [row for name, row in found.rows.items() if ":model-package/mailroom/" in name]
    assert [(row["seen_from"], row["seen_from_unknown"]) for row in mailroom] == [([CLAIMS], 1)] * 7
    own = [row["seen_from_unknown"] for row in found.rows.values() if row["account"] == RETAIL]
    assert set(own) == {0}, "whether an account sees its own packages is no question"
    (blind,) = hub["blind"]
    assert (blind["account"], blind["region"]) == (RETAIL, REGION)
    assert blind["why"].startswith(f"{LIST}: AccessDenied")
    claims = sum(row["account"] == CLAIMS for row in found.rows.values())
    assert hub["unsure"] == 7 + claims
    said = f"hub {HUB}: 7 packages are seen from other accounts; of {7 + claims} packages not every account could tell"
    assert f"\n{said}\n" in found.text
    assert f"  unseen    {RETAIL}/{REGION}  {LIST}: AccessDenied" in found.text
    assert "Not told is not the same as not seen." in found.page


def test_what_an_account_sees_is_expected_like_anything_else(nights: Nights) -> None:
    """A denial is a hole, which a gap accepts; it costs no package and no verdict."""
    denied, resumed, accepted = nights.denied, nights.resumed, nights.accepted
    (row,) = denied.manifest["coverage"]["failed"]
    assert (row["account"], row["api"], row["state"], row["calls"]) == (RETAIL, LIST, "denied", 1)
    assert denied.manifest["coverage"]["unread"] == []
    assert (denied.manifest["complete"], denied.code) == (False, 3)
    assert (resumed.manifest["complete"], resumed.code) == (True, 1)
    assert (accepted.manifest["complete"], accepted.code) == (True, 1)
    assert [one["api"] for one in accepted.manifest["coverage"]["accepted"]] == [LIST]
    assert accepted.manifest["hub"]["blind"] == denied.manifest["hub"]["blind"]
    assert denied.manifest["digest"] == resumed.manifest["digest"] == accepted.manifest["digest"]


def test_a_package_outside_the_hub_is_judged_like_any_other_and_named(nights: Nights) -> None:
    hub = nights.resumed.manifest["hub"]
    outside = [row for row in nights.resumed.rows.values() if row["account"] != HUB]
    assert hub["outside"] == len(outside) > 20
    assert [one["package"] for one in hub["outsiders"]] == [row["package"] for row in outside]
    verdicts = {one["package"]: one["verdict"] for one in hub["outsiders"]}
    assert verdicts[arn(RETAIL, "churn/15")] == "allow"
    assert verdicts[arn(RETAIL, "churn/1")] == ""
    _, _, section = nights.resumed.text.partition(f"\n{len(outside)} packages registered outside the hub:\n")
    lines = section.splitlines()
    assert lines[0].startswith("  stray     "), "what is judged stands before what is only inventory"
    assert "inventory" not in lines[0]
    assert f"  stray     {RETAIL}/{REGION}/churn/14  block" in lines
    assert f"  stray     and {len(outside) - 10} more; all are in the records" in lines


def test_groups_whose_packages_nobody_judged_are_named(nights: Nights) -> None:
    unjudged = nights.resumed.manifest["hub"]["unjudged"]
    assert len(unjudged) == MANY
    assert unjudged[0] == {
        "group": f"arn:aws:sagemaker:{REGION}:{LENDING}:model-package-group/shared-000",
        "why": "its account and region are not of this scan",
        "seen_from": [CLAIMS],
    }
    assert f"\n{MANY} groups shared from outside the scan:\n" in nights.resumed.text
    assert f"<h3>{MANY} groups shared from outside the scan</h3>" in nights.resumed.page


def test_copies_are_linked_by_what_they_say_and_by_what_was_read(nights: Nights) -> None:
    copies = nights.resumed.manifest["copies"]
    assert copies["counts"] == {"linked": 2, "not there": 1, "not read": 1, "malformed": 2}
    described = [one for one in nights.resumed.records.values() if one.evidence is not None]
    assert copies["unread"] == len(nights.resumed.records) - len(described) > 0
    said = "2 of packages of this scan, 1 whose original is not there, 1 whose original was not read, 2 that name no original"
    undescribed = f"; {copies['unread']} packages were not described and may be copies, too"
    assert f"\n6 copies: {said}{undescribed}:\n" in nights.resumed.text
    links = {one["package"]: one["link"] for one in copies["named"]}
    assert links == {
        arn(RETAIL, "churn/15"): "linked",
        arn(CLAIMS, "copied/3"): "not there",
        arn(CLAIMS, "copied/4"): "not read",
        arn(CLAIMS, "copied/5"): "malformed",
        arn(CLAIMS, "copied/6"): "malformed",
    }
    assert nights.resumed.rows[arn(CLAIMS, "copied/1")]["origin"] == arn(HUB, "Mailroom/6"), "as it was written"


def test_a_copy_that_is_allowed_while_its_original_is_blocked_is_named_first(nights: Nights) -> None:
    copies = nights.resumed.manifest["copies"]
    assert copies["outliving"] == 1
    assert copies["named"][0] == {
        "package": arn(RETAIL, "churn/15"),
        "origin": arn(HUB, "mailroom/7"),
        "link": "linked",
        "verdict": "allow",
        "stage": "Staging",
        "original_verdict": "block",
        "original_stage": "Staging",
    }
    said = (
        f"{RETAIL}/{REGION}/churn/15  allow for Staging; its original {HUB}/{REGION}/mailroom/7 is blocked for Staging"
    )
    assert f"\n1 copy allowed, and the original is blocked:\n  copy      {said}\n" in nights.resumed.text
    assert "<h3>1 copy allowed, and the original is blocked</h3>" in nights.resumed.page


def test_a_hostile_origin_links_nothing_and_is_shown_as_harmless_text(nights: Nights) -> None:
    (line,) = [
        line for line in nights.resumed.text.splitlines() if line.startswith(f"  copy      {CLAIMS}/{REGION}/copied/5")
    ]
    assert "malformed, it names no other package: <script>alert(1)</script>\\u{a}\\u{1b}[31m 0 blocked" in line
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u{a}\\u{1b}[31m" in nights.resumed.page
    assert "<script>alert" not in nights.resumed.page
    assert "\x1b" not in nights.resumed.text


def test_a_copy_inherits_no_evidence(nights: Nights) -> None:
    """It is judged as the same package that claims no original, and not as its original, of which more was read."""
    found = nights.resumed.records
    outcomes = {}
    for name in (arn(CLAIMS, "copied/1"), arn(CLAIMS, "copied/2"), arn(HUB, "mailroom/6")):
        decision = found[name].decision
        assert decision is not None
        outcomes[name] = {one.finding.control: one.finding.outcome for one in decision.rulings}
    copied, alone, original = outcomes.values()
    assert copied == alone
    assert (original["CARD-01"], copied["CARD-01"]) == ("pass", "fail")
    evidence = found[arn(CLAIMS, "copied/1")].evidence
    assert evidence is not None
    assert isinstance(evidence.get("/package/kms_key/id"), Absent)


def test_without_a_hub_nobody_asks_and_nothing_is_said(whole: scanning.Outcome) -> None:
    manifest = whole.folder.manifest()
    assert "hub" not in manifest
    assert "\nhub " not in scan_text.text(manifest, whole.folder.plan())
    rows = pyarrow.parquet.read_table(whole.folder.path / "packages.parquet").to_pylist()
    assert {(row["seen_from"], row["seen_from_unknown"]) for row in rows} == {(None, None)}
    running = [whole.folder.running(*cell) for cell in whole.folder.cells()]
    assert LIST not in {row.api for one in running if one for row in one.ledger}


def test_the_manifest_of_an_earlier_release_has_a_summary(nights: Nights) -> None:
    old = {name: value for name, value in nights.resumed.manifest.items() if name not in ("copies", "hub")}
    plan = {"controls": {}, "estate": {"source": "settings", "accounts": [], "cells": []}}
    assert "copies" not in scan_text.text(old | {"controls": {}}, plan)


@pytest.mark.parametrize("kind", ["deny", "500", "cut", "html", "empty", "malform", "bad-token", "drop"])
def test_a_list_that_did_not_come_to_its_end_says_why(organization: Sandbox, tmp_path: Path, kind: str) -> None:
    collector = gate.collector_of(house(tmp_path)).member(CLAIMS)
    assert collector.aws.enter(CLAIMS, REGION) is None
    undisturbed = shared_groups(collector.aws, CLAIMS, REGION)
    assert undisturbed == Shared((f"arn:aws:sagemaker:{REGION}:{HUB}:model-package-group/mailroom",), None)
    try:
        ask(organization, "POST", "faults", [{"op": LIST, "kind": kind}])
        found = shared_groups(collector.aws, CLAIMS, REGION)
    finally:
        ask(organization, "DELETE", "faults")
    assert found.unread is not None
    assert found.unread.source is not None
    assert found.unread.source.api == LIST
    assert found.groups == (undisturbed.groups if kind == "bad-token" else ()), "what was read stays"


def test_a_list_that_ends_crookedly_is_a_hole_although_every_call_was_answered(
    organization: Sandbox, tmp_path: Path
) -> None:
    alone = "777788889999"
    try:
        ask(organization, "POST", "faults", [{"op": LIST, "kind": "bad-token"}])
        rules = house(tmp_path, f'accounts = ["{alone}"]\nregions = ["{REGION}"]\nhub = "{alone}"')
        outcome = scan(rules, tmp_path / "run")
    finally:
        ask(organization, "DELETE", "faults")
    (row,) = outcome.summary.partly
    assert (row.account, row.api, row.state) == (alone, LIST, "incomplete")
    assert row.error.startswith(f"{LIST}: malformed: ")
    assert (outcome.summary.unread, outcome.summary.read, outcome.summary.code()) == ([], 0, 3)


def row(account: str, error: str) -> LedgerRow:
    return LedgerRow(account, "global", "", "skipped", 0, 0.0, error)


def group(account: str, name: str, region: str = REGION) -> str:
    return f"arn:aws:sagemaker:{region}:{account}:model-package-group/{name}"


def test_whoever_told_nothing_is_unknown_and_a_group_of_an_account_left_out_says_why() -> None:
    """In a scan that somebody stopped, or in which a cell was never entered."""
    cells = ((HUB, REGION), (RETAIL, REGION), (CLAIMS, REGION), (CLAIMS, "us-east-1"))
    estate = Estate((), cells, (row(LENDING, "config:exclude_accounts"),), (), "organization", HUB)
    told = {
        (HUB, REGION): Running((), "", (), sees=(group(LENDING, "loans"),)),
        (CLAIMS, REGION): Running(
            (), "", (), sees=(group(HUB, "Mail"), group(HUB, "far", "us-east-1")), sees_unread="x"
        ),
        (CLAIMS, "us-east-1"): Running((), "", ()),
    }
    sight = visibility(estate, lambda *cell: told.get(cell))
    assert sight is not None
    assert [(one.account, one.region, one.why) for one in sight.blind] == [
        (RETAIL, REGION, "not asked: the scan ended before"),
        (CLAIMS, REGION, "x"),
    ]
    assert [(one.group, one.why, one.seen_from) for one in sight.unjudged] == [
        (group(LENDING, "loans"), "config:exclude_accounts", (HUB,)),
        (group(HUB, "far", "us-east-1"), "its account and region are not of this scan", (CLAIMS,)),
    ]
    places = [(HUB, REGION, "mail"), (CLAIMS, REGION, "own"), (CLAIMS, "us-east-1", "own"), (HUB, REGION, None)]
    assert sight.of(places) == [((CLAIMS,), 2), ((), 1), ((), 0), ((), 0)]
    assert visibility(structs.replace(estate, hub=""), lambda *cell: told.get(cell)) is None
