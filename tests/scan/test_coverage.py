"""How far a scan looked: nothing that was not read is called read, whatever an organization accepts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from modelwarden.audit.coverage import Coverage
from modelwarden.audit.formats import writer
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.estate import Account, Estate
from modelwarden.gap import Gap, parse_gaps
from modelwarden.render.scan import text
from modelwarden.scan.folder import Folder
from modelwarden.scan.shape import Accepted
from modelwarden.scan.summary import Summary, share, summarize
from modelwarden.snapshot import LedgerRow
from modelwarden.toml import SettingsError
from tests.audit.conftest import report
from tests.render.test_scan_page import DARK, ONE, TWO, page, plain
from tests.render.test_scan_page import scan as recorded
from tests.render.test_scan_text import manifest, plan

OWN, OTHER, HOME = "111122223333", "444455556666", "eu-west-1"
ACCOUNTS, REGIONS, KEY = "organizations:ListAccounts", "ec2:DescribeRegions", "kms:DescribeKey"
NOW, LATER = datetime(2026, 11, 20, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def denied(account: str, region: str, api: str) -> LedgerRow:
    return LedgerRow(account, region, api, "denied", 1, 0.1, "AccessDenied: not allowed")


def gap(api: str, account: str = OWN) -> Gap:
    return Gap(account, api, "platform team", "not yet", "2026-12-31", LATER)


def summary(
    folder: Path, cells: tuple[str, ...], unread: tuple[LedgerRow, ...], *gaps: Gap, failed: str = "", dark: str = ""
) -> Summary:
    """Of one cell for each account: one API failed in all of them, and the account `dark` could not be entered."""
    made = Folder(folder / "20261120T060000000000Z-0123abcd")
    estate = Estate(tuple(map(Account, cells)), tuple((account, HOME) for account in cells), (), unread, "organization")
    for account, region in estate.cells:
        why = "sts:AssumeRole: AccessDenied" if account == dark else ""
        ledger = tuple(denied(account, region, api) for api in (failed, why and "sts:AssumeRole") if api)
        end = made.cell(account, region).close(why, ledger, ("sts:AssumeRole",) if why else ())
        with made.judging(end):
            pass
    return summarize(made, estate, gaps, NOW)


@pytest.mark.parametrize("api", ["*", "org*", "organizations:ListAccount?", ACCOUNTS])
def test_a_scan_that_expected_nothing_is_never_complete_whatever_is_accepted(tmp_path: Path, api: str) -> None:
    found = summary(tmp_path, (), (denied(OWN, "global", ACCOUNTS),), gap(api))
    assert (found.expected, found.complete, found.code()) == (0, False, 3)
    assert len(found.accepted) == (api == ACCOUNTS), "only the name of the API accepts it"
    assert len(found.partly) == (api != ACCOUNTS)


@pytest.mark.parametrize("api", ["sts:AssumeRole", "*"])
def test_a_scan_that_entered_no_account_is_never_complete(tmp_path: Path, api: str) -> None:
    alone = summary(tmp_path / "alone", (OWN,), (), gap(api), dark=OWN)
    assert (alone.unread, len(alone.accepted), alone.complete, alone.code()) == ([], 1, False, 3)
    two = summary(tmp_path / "two", (OWN, OTHER), (), gap(api), dark=OWN)
    assert (two.complete, two.code(), two.read, two.listed) == (True, 0, 1, 1)


def test_regions_that_nobody_could_tell_may_be_accepted_and_are_never_the_whole(tmp_path: Path) -> None:
    found = summary(tmp_path, (OWN,), (denied(OWN, "global", REGIONS),), gap(REGIONS))
    assert (found.complete, found.code(), found.read, found.expected) == (True, 0, 1, 1)
    written = text(manifest([], **{name: found.to_json()[name] for name in ("complete", "coverage")}), plan())
    assert written.splitlines()[2] == "coverage 99 %: 1 of 1 account-regions were read whole"
    assert "  accepted  111122223333/global  ec2:DescribeRegions: denied: until 2026-12-31, platform team" in written
    assert "complete" not in written.casefold()


def test_an_api_that_is_accepted_everywhere_leaves_the_packages_judged(tmp_path: Path) -> None:
    found = summary(tmp_path, (OWN, OTHER), (), gap(KEY), gap(KEY, OTHER), failed=KEY)
    assert (found.read, found.listed, found.complete, found.code()) == (0, 2, True, 0)


def test_a_list_of_nothing_is_told_as_not_complete() -> None:
    nothing = {"expected": 0, "read": 0, "unread": [], "failed": [], "accepted": [], "skipped": []}
    written = text(manifest([], coverage=nothing, complete=False), plan()).splitlines()
    assert written[2] == "coverage 0 %: 0 of 0 account-regions were read whole; what follows is less than the whole"
    assert written[-1].startswith("0 of 0 cells read whole, NOT COMPLETE")


def test_a_pattern_over_organizations_is_refused() -> None:
    entry = {"account": OWN, "owner": "o", "reason": "r", "expires": "2026-12-31"}
    with pytest.raises(SettingsError, match="gap 1: `organizations:\\*` would accept that nobody knows") as caught:
        parse_gaps([{**entry, "api": "organizations:*"}], "modelwarden.toml")
    assert caught.value.help == "spell the API out, as in organizations:ListAccounts"
    assert parse_gaps([{**entry, "api": ACCOUNTS}], "modelwarden.toml")[0].api == ACCOUNTS


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.booleans())
def test_a_hundred_percent_is_said_of_the_whole_alone(read: int, expected: int, row: bool) -> None:
    read = min(read, expected)
    accepted = Accepted(OWN, "global", REGIONS, "denied", 1, 0.1, owner="o", reason="r", expires="2026-12-31")
    found = coverage(cells=expected, read=read, accepted=(accepted,) if row else ())
    assert found.whole == (read == expected > 0 and not row)
    assert (found.percent == 100) == found.whole
    assert found.headline().startswith("NOT COMPLETE") != found.whole
    assert share(read, expected, whole=False) <= 99


@pytest.fixture(scope="module")
def unplaced(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A whole scan of an account in a unit, and of one whose unit nobody could read."""
    return placed(tmp_path_factory.mktemp("unplaced"), unit="")


def placed(folder: Path, **told: Any) -> Folder:
    """A whole scan whose plan says this of the account `TWO`."""
    made = recorded(folder, dark=False)
    plan = made.plan()
    next(one for one in plan["estate"]["accounts"] if one["id"] == TWO).update(told)
    (made.path / "plan.json").unlink()
    made.write_plan({name: value for name, value in plan.items() if name != "schema"})
    return made


@pytest.mark.parametrize(
    ("scope", "cells", "holes", "packages"),
    [
        (Scope(unit=("Workloads/Shop",)), 2, [TWO], 4),
        (Scope(unit=("Elsewhere",)), 1, [TWO], 0),
        (Scope(unit=("Workloads",), account=(ONE, TWO)), 2, [TWO], 4),
        (Scope(unit=("Workloads",), account=(ONE,)), 1, [], 4),
        (Scope(account=(TWO,)), 1, [], 2),
        (Scope(), 2, [], 6),
    ],
)
def test_an_account_whose_unit_is_not_known_is_a_hole_of_every_unit(
    unplaced: Folder, scope: Scope, cells: int, holes: list[str], packages: int
) -> None:
    found = report(unplaced, scope)
    assert (found.coverage.cells, found.coverage.read) == (cells, cells - len(holes))
    assert [one.account for one in found.coverage.unread] == holes
    assert found.coverage.whole == (not holes)
    assert found.population.total == packages
    for one in found.coverage.missing():
        if one.kind == "not read":
            assert one.words().endswith(
                "its unit is not known, so nobody can say whether its packages are of this scope"
            )


def test_the_page_of_a_unit_names_the_account_whose_unit_is_not_known(unplaced: Folder) -> None:
    seen = plain(page(unplaced, scope=Scope(unit=("Workloads/Shop",))))
    assert "NOT COMPLETE: 1 of 2 account-regions were not read whole." in seen
    assert f"{TWO} lending-ml" in seen
    assert "its unit is not known" in seen


def test_an_account_directly_below_the_root_is_in_no_unit_and_no_hole(tmp_path: Path) -> None:
    made = placed(tmp_path, unit="", at_root=True)
    assert report(made, Scope(unit=("Workloads",))).coverage.whole


def test_a_hole_has_one_identity_in_every_format(tmp_path: Path) -> None:
    """Also one that belongs to no account, of which ASFF has nothing to say."""
    made = recorded(tmp_path)
    told = {name: value for name, value in made.manifest().items() if name != "schema"}
    told["coverage"]["failed"].append(asdict(denied("", "global", ACCOUNTS)))
    made.write_manifest(told)
    with Source(made) as source:
        found = report(made)
        lines, document = BytesIO(), BytesIO()
        writer("ocsf")(source, found, lines)
        writer("asff")(source, found, document)
    events = [json.loads(line)["finding_info"]["uid"] for line in lines.getvalue().splitlines()]
    ids = [one["Id"].rpartition("/")[2] for one in json.loads(document.getvalue())]
    holes = {one.account: one.identity for one in found.coverage.missing() if one.kind != "skipped"}
    assert holes.keys() == {"", TWO, DARK}
    assert set(holes.values()) <= set(events)
    assert {holes[TWO], holes[DARK]} <= set(ids)


def coverage(**changes: Any) -> Coverage:
    nothing = {"unread": (), "failed": (), "accepted": (), "skipped": (), "accounts": 0, "accounts_read": 0}
    return Coverage(**nothing | changes)
