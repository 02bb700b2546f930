"""What nobody needs any more: said of a waiver only where a scan read and judged all that it could cover."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.errors import UserError
from modelwarden.render import scan as scan_text
from modelwarden.scan.folder import Folder
from modelwarden.waiver import Waiver
from modelwarden.waivers.use import Use, uses
from tests.cli.conftest import clean_environment
from tests.command import Done, inside
from tests.render.test_scan_page import DARK, ONE, TWO, arn, page, plain, scan
from tests.waivers.conftest import LISTED

W = Waiver(
    id="W-1",
    controls=("ENC-02",),
    target=("package", arn(ONE, "fine/1")),
    account=None,
    region=None,
    owner="retail",
    approvers=("ben",),
    reason="moving",
    ticket="R-1",
    expires="2027-03-01",
    ends=datetime(2027, 3, 2, tzinfo=UTC),
    granted=datetime(2026, 11, 1, tzinfo=UTC),
    unknown=False,
    break_glass=False,
    loud=False,
    path="waivers/W-1.toml",
)


def judged_now(made: Folder) -> Path:
    """The same, as of the time of the clock."""
    told = {name: value for name, value in made.manifest().items() if name != "schema"}
    made.write_manifest(told | {"as_of_asserted": False})
    return made.path


def planned(made: Folder, **estate: Any) -> Path:
    """The same, whose plan says this of the estate; None takes it out."""
    plan = {name: value for name, value in made.plan().items() if name != "schema"}
    told = {name: value for name, value in (plan["estate"] | estate).items() if value is not None}
    (made.path / "plan.json").unlink()
    made.write_plan(plan | {"estate": told})
    return judged_now(made)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged_now(scan(tmp_path_factory.mktemp("whole"), dark=False))


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One account was not read, and one API failed in another."""
    return judged_now(scan(tmp_path_factory.mktemp("holed"), dark=True))


def use(*scans: Path, **changes: Any) -> Use:
    (found,) = uses([replace(W, **changes)], scans)
    return found


def group(name: str, account: str | None = ONE) -> dict[str, Any]:
    return {"target": ("group", name), "account": account}


def pattern(value: str) -> dict[str, Any]:
    return {"target": ("pattern", value)}


@pytest.mark.parametrize(
    ("changes", "need", "why"),
    [
        ({"target": ("package", arn(ONE, "churn/7"))}, "needed", "found 1 findings that it covers"),
        ({"controls": ("BIAS-01",)}, "no longer needed", "all of it passes or does not apply"),
        ({"target": ("package", arn(ONE, "left/9"))}, "no longer needed", "found no package that it covers"),
        (group("CHURN"), "needed", "found 1 findings"),
        (group("churn", None), "needed", "found 1 findings"),
        (pattern("arn:aws:sagemaker:*:*:model-package/chur?/*"), "needed", "found 1 findings"),
        (group("left", None), "no longer needed", "found no package"),
        # churn/1 is inventory: whether it complies nobody looked.
        (group("churn") | {"controls": ("BIAS-01",)}, "cannot tell", "judged 2 of the 3 packages"),
        # A control that did not judge the package says nothing of it.
        ({}, "cannot tell", "did not judge all of its packages by ENC-02"),
        # ENC-01 could not tell of loan/2, and might have failed.
        (group("loan", TWO) | {"controls": ("ENC-01",)}, "cannot tell", "could not tell 1 findings"),
        (group("loan", TWO) | {"controls": ("ENC-01",), "unknown": True}, "needed", "found 1 findings"),
        ({"target": ("package", arn(ONE, "churn/1"))}, "cannot tell", "judged 0 of the 1 packages that it covers"),
        ({"target": ("package", arn(TWO, "loan-single"))}, "cannot tell", "judged 0 of the 1 packages that it covers"),
        ({"target": ("package", arn("777788889999", "x/1"))}, "cannot tell", "was to read no account and region"),
        ({"granted": datetime(2026, 11, 23, tzinfo=UTC)}, "cannot tell", "is older than the waiver"),
    ],
)
def test_need(whole: Path, changes: dict[str, Any], need: str, why: str) -> None:
    found = use(whole, **changes)
    assert (found.need, why in found.why) == (need, True), found.why


@pytest.mark.parametrize(
    ("changes", "need"),
    [
        (group("left", ONE), "no longer needed"),
        (group("left", TWO), "cannot tell"),
        (group("left", DARK), "cannot tell"),
        (group("left", None), "cannot tell"),
        (pattern(f"arn:aws:sagemaker:eu-west-1:{ONE}:model-package/left/*"), "no longer needed"),
        (pattern(f"arn:aws:sagemaker:eu-west-1:{ONE[:6]}*:model-package/left/*"), "no longer needed"),
        (pattern("arn:aws:sagemaker:eu-*:*:model-package/left/*"), "cannot tell"),
        (pattern(f"arn:aws:sagemaker:eu-west-1:[{ONE[0]}]*:model-package/left/*"), "cannot tell"),
    ],
)
def test_a_hole_never_makes_a_waiver_unneeded(holed: Path, changes: dict[str, Any], need: str) -> None:
    assert use(holed, **changes).need == need


ACCOUNT_WIDE = pattern(f"arn:aws:sagemaker:*:{ONE}:model-package/left/*")
REGION_WIDE = pattern("arn:aws:sagemaker:eu-west-1:*:model-package/left/*")


@pytest.mark.parametrize(
    ("narrowed_by", "unneeded"),
    [
        ([], ["one cell", "one account", "one region", "everywhere"]),
        (["accounts"], ["one cell", "one account"]),
        (["exclude_accounts"], ["one cell", "one account"]),
        (["units", "tags"], ["one cell", "one account"]),
        (["regions"], ["one cell", "one region"]),
        (["accounts", "regions"], ["one cell"]),
        (None, ["one cell"]),
    ],
)
def test_a_scan_that_was_narrowed_tells_nothing_of_what_that_left_out(
    tmp_path: Path, narrowed_by: list[str] | None, unneeded: list[str]
) -> None:
    folder = planned(scan(tmp_path, dark=False), narrowed_by=narrowed_by)
    about = {
        "one cell": group("left", ONE) | {"region": "eu-west-1"},
        "one account": ACCOUNT_WIDE,
        "one region": REGION_WIDE,
        "everywhere": group("left", None),
    }
    found = {name: use(folder, **changes) for name, changes in about.items()}
    assert [name for name, one in found.items() if one.need == "no longer needed"] == unneeded
    said = f"was narrowed by `scan.{'`, `scan.'.join(narrowed_by)}`" if narrowed_by else "does not say whether"
    assert all(said in one.why for name, one in found.items() if name == "everywhere" not in unneeded), found


def test_a_scan_as_of_an_asserted_time_is_refused(tmp_path: Path) -> None:
    made = scan(tmp_path, dark=False)
    with pytest.raises(UserError, match=f"scan {made.id} was judged as of an asserted time") as caught:
        use(made.path)
    assert caught.value.help == "name scans that were made without --as-of"


def test_scans_must_agree_that_nobody_needs_it(whole: Path, holed: Path) -> None:
    assert use(whole, holed, **group("left", None)).need == "cannot tell"
    assert use(whole, holed, **group("left", ONE)).need == "no longer needed"
    assert use(holed, whole, **group("churn", ONE)).need == "needed"


def test_more_packages_than_it_said_are_too_many_whatever_was_not_read(whole: Path, holed: Path) -> None:
    for folder in (whole, holed):
        assert use(folder, **group("churn"), expected_packages=2).too_wide
        assert not use(folder, **group("churn"), expected_packages=3).too_wide
    assert not use(whole, **group("churn")).too_wide


HAND = """\
[[waiver]]
id = "{id}"
group = "{group}"
account = "{account}"
controls = ["ENC-02"]
owner = "retail"
approver = "ben"
reason = "moving"
ticket = "R-1"
granted = 2026-11-01
expires = 2027-03-01
{more}
"""


def test_prune_tells_and_revokes_only_when_asked(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "modelwarden.toml").write_text('profile = "strict"\n', encoding="utf-8")
    (tmp_path / "waivers").mkdir()
    for id_, name, more in (("W-LEFT", "left", ""), ("W-WIDE", "churn", "expected_packages = 1")):
        text = HAND.format(id=id_, group=name, account=ONE, more=more)
        (tmp_path / f"waivers/{id_}.toml").write_text(text, encoding="utf-8")

    def waiver(*arguments: str | Path) -> Done:
        return inside("waiver", *arguments, folder=tmp_path, environment=clean_environment())

    scan_id = whole.name
    said = [
        f"W-LEFT: no longer needed: scan {scan_id} found no package that it covers",
        "W-WIDE: covers more than its scope said: 3 packages, not 1",
    ]
    before = (tmp_path / "waivers/W-LEFT.toml").read_bytes()
    told = waiver("prune", whole)
    assert (told.code, told.out.splitlines(), told.err) == (0, said, "")
    assert (tmp_path / "waivers/W-LEFT.toml").read_bytes() == before
    assert waiver("prune", whole, "--exit-code").code == 1
    document = json.loads(waiver("prune", whole, "--format", "json").out)
    assert list(LISTED.iter_errors(document)) == []
    (left, wide) = document["uses"]
    assert (left["id"], left["need"], left["too_wide"]) == ("W-LEFT", "no longer needed", False)
    assert (wide["id"], wide["need"], wide["packages"], wide["too_wide"]) == ("W-WIDE", "needed", 3, True)
    shown = waiver("list", "--unused", whole, "--format", "json")
    assert list(LISTED.iter_errors(json.loads(shown.out))) == []
    shown = waiver("list", "--unused", whole, "--exit-code")
    assert (shown.code, [line for line in shown.out.splitlines() if line in said]) == (1, said)
    done = waiver("prune", whole, "--write", "--as", "zoe")
    assert done.err.startswith("waivers/W-LEFT.toml: revoked by zoe (asserted) at ")
    states = {one["id"]: one for one in json.loads(waiver("list", "--format", "json").out)["waivers"]}
    assert {id_: one["state"] for id_, one in states.items()} == {"W-LEFT": "revoked", "W-WIDE": "live"}
    assert states["W-LEFT"]["revoked"]["reason"] == f"no longer needed: scan {scan_id} found no package that it covers"
    assert waiver("prune", whole, "--as", "zoe").err.startswith("error: --as has no effect without --write")
    wrong = waiver("prune", tmp_path)
    assert (wrong.code, wrong.err.startswith(f"error: {tmp_path}")) == (2, True)


def test_the_scan_says_what_waived_packages_would_be(whole: Path) -> None:
    """churn/8 has a fail and an unknown at `block`, each waived, one of them by break-glass."""
    folder = Folder(whole)
    assert folder.manifest()["without_waivers"] == {"block": 1}
    seen = plain(page(folder))
    assert "would be block without waivers W-1, W-2" in seen
    assert "Waivers act on 1 packages, which would be without them: 1 blocked." in seen
    text = scan_text.text(folder.manifest(), folder.plan())
    assert "waivers act on 1 packages, which would be without them: 1 block" in text.splitlines()
