"""Standalone model cards of the demo: named where they belong to no package, judged never, and unknown where nobody could look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwarden.render import scan as rendering
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from tests.organization import ask
from tests.render.test_scan_page import page

from .conftest import WITHOUT_ROLE, house, scan, work
from .test_scan import gap

RETAIL, MARKETING = "111122223333", "666677778888"
LIST = "sagemaker:ListModelCards"
ONE = f'accounts = ["{MARKETING}"]\nregions = ["us-east-1"]'


@pytest.fixture(autouse=True)
def repaired(organization: Sandbox) -> Iterator[None]:
    yield
    ask(organization, "DELETE", "faults")


def deny(organization: Sandbox, *apis: str) -> None:
    for api in apis:
        ask(organization, "POST", "faults", {"op": api, "kind": "deny"})


def named(outcome: scanning.Outcome) -> dict[str, tuple[str, str]]:
    return {one.card.rpartition("/")[2]: (one.kind, one.what) for one in outcome.summary.cards.loose}


def test_cards_without_a_package_are_named_and_the_others_counted(whole: scanning.Outcome) -> None:
    """One names a package that is there, one is of a notebook, one of a package that is gone, one was cut off."""
    assert dict(whole.summary.cards.counts) == {"of a package": 1, "standalone": 2, "not told": 1}
    told = named(whole)
    assert told["campaign-notebook"] == ("standalone", "names no package")
    gone = f"arn:aws:sagemaker:eu-west-1:{RETAIL}:model-package/churn-2024/3"
    assert told["churn-2024"] == ("standalone", f"names {gone}, which is not there")
    assert told["claims-pilot"][0] == "not told"
    assert told["claims-pilot"][1].startswith("its content is malformed: not JSON")
    assert {account for account, _, _ in whole.summary.cards.unread} == {WITHOUT_ROLE}


def test_summary_and_page_show_them_with_status_and_age(whole: scanning.Outcome) -> None:
    said = rendering.text(whole.folder.manifest(), whole.folder.plan())
    head = "2 standalone model cards without a package, 1 of which nobody can tell what they belong to; unknown in 2"
    assert head in said
    assert (
        "  card      111122223333/eu-west-1/model-card/churn-2024  Approved, changed 612 days ago  names arn:" in said
    )
    shown = page(whole.folder, title="Night")
    assert '<th scope="row">666677778888/us-east-1/model-card/campaign-notebook</th><td>Draft</td>' in shown
    assert "1 more name a package of this scan. They are not judged." in shown


def test_cards_that_could_not_be_listed_are_unknown_and_never_none(organization: Sandbox, tmp_path: Path) -> None:
    deny(organization, LIST)
    outcome = scan(house(tmp_path, ONE), tmp_path / "run")
    assert [(row.api, row.state) for row in outcome.summary.partly] == [(LIST, "denied")]
    assert (outcome.summary.read, outcome.summary.code()) == (0, 3)
    ((account, region, why),) = outcome.summary.cards.unread
    assert (account, region) == (MARKETING, "us-east-1")
    assert "AccessDenied" in why
    said = rendering.text(outcome.folder.manifest(), outcome.folder.plan())
    assert "unknown in 1 account-regions, whose cards were not listed\n" in said

    # Going on with it asks again, and reads no package anew.
    ask(organization, "DELETE", "faults")
    ask(organization, "DELETE", "stats")
    rules = house(tmp_path, ONE)
    folder, plan = scanning.resumed(tmp_path / "run", rules)
    again = work(folder, plan, rules)
    assert again.summary.complete
    assert named(again)["campaign-notebook"] == ("standalone", "names no package")
    asked = {row["op"] for row in ask(organization, "GET", "stats")["calls"]}
    assert LIST in asked
    assert "sagemaker:ListModelPackages" not in asked


def test_an_accepted_gap_stands_for_cards_too(organization: Sandbox, tmp_path: Path) -> None:
    deny(organization, LIST)
    outcome = scan(house(tmp_path, ONE, gap(MARKETING, LIST)), tmp_path / "run")
    assert outcome.summary.complete
    assert [row.api for row, _ in outcome.summary.accepted] == [LIST]
    assert len(outcome.summary.cards.unread) == 1


def test_cards_that_cannot_be_read_are_named_and_change_no_exit_code(organization: Sandbox, tmp_path: Path) -> None:
    before = scan(house(tmp_path, ONE), tmp_path / "before")
    deny(organization, "sagemaker:DescribeModelCard", "sagemaker:Search")
    outcome = scan(house(tmp_path, ONE), tmp_path / "run")
    assert named(outcome)["campaign-notebook"] == (
        "not told",
        "sagemaker:DescribeModelCard: AccessDeniedException",
    )
    assert outcome.summary.code() == before.summary.code() == 1


def test_a_card_of_a_package_that_may_be_in_what_was_not_read_is_not_told(
    organization: Sandbox, tmp_path: Path
) -> None:
    deny(organization, "sagemaker:ListModelPackages")
    outcome = scan(house(tmp_path, f'accounts = ["{RETAIL}"]\nregions = ["eu-west-1"]'), tmp_path / "run")
    kind, what = named(outcome)["churn-2024"]
    assert (kind, what.endswith("in an account-region that was not read whole")) == ("not told", True)


def test_whoever_does_not_want_cards_is_told_nothing_of_them(organization: Sandbox, tmp_path: Path) -> None:
    ask(organization, "DELETE", "stats")
    outcome = scan(house(tmp_path, f"{ONE}\ncards = false"), tmp_path / "run")
    assert outcome.summary.complete
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert (manifest["cards"], manifest["loose_cards"], manifest["cards_unread"]) == ({}, [], [])
    assert "model card" not in rendering.text(manifest, outcome.folder.plan())
    assert LIST not in [row["op"] for row in ask(organization, "GET", "stats")["calls"]]
