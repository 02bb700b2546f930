"""Waivers: who they are about, when they count, and what makes one unusable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwarden.evidence import Evidence
from modelwarden.finding import AppliedWaiver, Finding
from modelwarden.request import Request
from modelwarden.settings import Effective, Settings, SettingsError, load_settings
from modelwarden.waiver import Waiver

IDS = ("ENC-01", "ENC-02", "IMG-01")
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"

WAIVER: dict[str, Any] = {
    "id": "W-1",
    "package": PACKAGE,
    "controls": ["ENC-02"],
    "expires": "2026-12-31",
    "owner": "Ada Example",
    "approver": "Ben Example",
    "reason": "the key is being moved",
    "ticket": "RISK-7",
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(**changes: Any) -> str:
    """One `[[waiver]]`; a change to None leaves the field out, `!text` is written without quotes."""
    rows = {name: value for name, value in {**WAIVER, **changes}.items() if value is not None}
    lines = [f"{name} = {_toml(value)}" for name, value in rows.items()]
    return "\n".join(["[[waiver]]", *lines, ""])


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return value[1:] if value.startswith("!") else f"'{value}'"
    return str(value).lower() if isinstance(value, bool) else str(value)


def load(*waivers: str) -> Settings:
    Path("modelwarden.toml").write_text("\n".join(waivers), encoding="utf-8")
    return load_settings(environment={}, flags={}, declarations={}, control_ids=IDS)


def applied(
    found: Settings,
    outcome: Any = "fail",
    *,
    package: str = PACKAGE,
    as_of: str = "2026-11-22T02:10:00Z",
    control: str = "ENC-02",
) -> str | None:
    effective = found.effective(Evidence(package), Request("Production", "approve", as_of))
    waiver = effective.waiver(Finding(control, outcome))
    return waiver.id if waiver else None


def test_a_waiver_covers_the_fail_that_it_names_and_nothing_else() -> None:
    found = load(written())
    assert found.effective(Evidence(PACKAGE), Request("Production", "approve", "2026-11-22T02:10:00Z")).waiver(
        Finding("ENC-02", "fail")
    ) == AppliedWaiver("W-1", "Ada Example", "Ben Example", "the key is being moved", "2026-12-31", "RISK-7")
    assert applied(found, "unknown") is None
    assert applied(found, "pass") is None
    assert applied(found, control="ENC-01") is None
    assert applied(found, package=PACKAGE.replace("/7", "/8")) is None


def test_unknown_is_covered_only_where_the_waiver_lists_it() -> None:
    found = load(written(unknown=True))
    assert applied(found, "unknown") == "W-1"
    assert applied(found, "fail") == "W-1"
    assert applied(found, "not-applicable") is None


@pytest.mark.parametrize(
    ("changes", "package", "expected"),
    [
        ({"package": None, "group": "churn"}, PACKAGE, "W-1"),
        ({"package": None, "group": "churn"}, PACKAGE.replace("111122223333", "444455556666"), "W-1"),
        (
            {"package": None, "group": "churn", "account": "111122223333"},
            PACKAGE.replace("111122223333", "444455556666"),
            None,
        ),
        ({"package": None, "group": "churn", "region": "eu-west-1"}, PACKAGE.replace("eu-west-1", "us-east-1"), None),
        ({"package": None, "group": "churn"}, PACKAGE.replace("churn", "churned"), None),
        ({"package": None, "group": "churn"}, PACKAGE.removesuffix("/7"), None),
        ({"package": None, "pattern": "arn:aws:sagemaker:*:111122223333:model-package/churn/*"}, PACKAGE, "W-1"),
        ({"package": None, "pattern": "arn:aws:sagemaker:*:111122223333:model-package/x*/*"}, PACKAGE, None),
        ({"package": None, "pattern": "arn:aws:sagemaker:*:*:model-package/churn/*"}, "no arn", None),
    ],
)
def test_package_group_and_pattern(changes: dict[str, Any], package: str, expected: str | None) -> None:
    assert applied(load(written(**changes)), package=package) == expected


@pytest.mark.parametrize(
    ("changes", "as_of", "expected"),
    [
        ({}, "2026-12-31T23:59:59Z", "W-1"),
        ({}, "2027-01-01T00:00:00Z", None),
        ({"expires": "!2026-12-31"}, "2026-12-31T23:59:59Z", "W-1"),
        ({"expires": "!2026-12-31T12:00:00Z"}, "2026-12-31T11:59:59Z", "W-1"),
        ({"expires": "!2026-12-31T12:00:00Z"}, "2026-12-31T12:00:00Z", None),
        ({"expires": "!2026-12-31T12:00:00+02:00"}, "2026-12-31T10:00:00Z", None),
        ({"granted": "!2026-11-23"}, "2026-11-22T02:10:00Z", None),
        ({"granted": "!2026-11-22"}, "2026-11-22T02:10:00Z", "W-1"),
        ({}, "not a time", None),
    ],
)
def test_the_last_day_counts_and_the_request_is_the_clock(
    changes: dict[str, Any], as_of: str, expected: str | None
) -> None:
    assert applied(load(written(**changes)), as_of=as_of) == expected


def test_expired_waivers_are_listed_and_not_applied() -> None:
    found = load(written(), written(id="W-2", expires="2026-01-01"))
    effective = found.effective(Evidence(PACKAGE), Request("Production", "approve", "2026-11-22T02:10:00Z"))
    assert [waiver.id for waiver in effective.waivers("ENC-02")] == ["W-1"]
    assert [waiver.id for waiver in effective.expired_waivers()] == ["W-2"]
    assert "waiver W-2 for ENC-02 expired: 2026-01-01" in effective.notices


GLASS = {
    "break_glass": True,
    "approver": "!['Ben Example', 'Cem Example']",
    "granted": "!2026-11-20T10:00:00Z",
    "expires": "!2026-11-23T10:00:00Z",
}


def test_break_glass_takes_two_people_and_hours_and_is_loud() -> None:
    found = load(written(**GLASS))
    assert applied(found) == "W-1"
    assert found.waivers[0].loud
    effective = found.effective(Evidence(PACKAGE), Request("Production", "approve", "2026-11-22T02:10:00Z"))
    (notice,) = effective.notices
    assert notice.startswith("break-glass W-1 counts until 2026-11-23T10:00:00+00:00: ENC-02, owned by Ada Example, ")
    assert notice.endswith("approved by Ben Example, Cem Example: the key is being moved")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({name: None}, f"waiver `W-1`: `{name}` is missing") for name in WAIVER if name not in ("id", "package")),
        ({"id": None}, "waiver: `id` is missing"),
        ({"package": None}, "waiver `W-1`: names none of package, group, pattern"),
        ({"group": "churn"}, "waiver `W-1`: names more than one of package, group, pattern"),
        ({"package": "churn"}, "waiver `W-1`: `churn` does not begin with `arn:`"),
        ({"package": None, "pattern": "*"}, "waiver `W-1`: `*` does not begin with `arn:`"),
        ({"package": "arn:aws:sagemaker:*"}, "waiver `W-1`: `package` is one ARN, not a pattern"),
        ({"account": "111122223333"}, "waiver `W-1`: `account` and `region` belong to `group`"),
        ({"package": None, "group": "a", "account": "1"}, "waiver `W-1`: `1` is not an account id"),
        ({"controls": "![]"}, "waiver `W-1`: `controls`: the list is empty"),
        ({"controls": "!['ENC-2']"}, "waiver `W-1`: unknown control `ENC-2`"),
        ({"controls": "!['*']"}, "waiver `W-1`: unknown control `*`"),
        ({"reason": " "}, "waiver `W-1`: `reason`: a text is expected, not ` `"),
        ({"ticket": "!3"}, "waiver `W-1`: `ticket`: a text is expected, not `3`"),
        ({"expires": "soon"}, "waiver `W-1`: `expires`: a date is expected, not `soon`"),
        ({"expires": "!2026-12-31T12:00:00"}, "waiver `W-1`: `expires`: `2026-12-31 12:00:00` names no time zone"),
        ({"expires": "!9999-12-31"}, "waiver `W-1`: `expires`: `9999-12-31` is too far away"),
        ({"unknown": "yes"}, "waiver `W-1`: `unknown`: true or false is expected, not `yes`"),
        ({"aprover": "x"}, "waiver: unknown setting `aprover`"),
        ({"approver": " ada example "}, "waiver `W-1`: the owner `Ada Example` approved it"),
        ({"approver": "!['Ben', 'Ada Example']"}, "waiver `W-1`: the owner `Ada Example` approved it"),
        ({"granted": "!2025-01-01"}, "waiver `W-1`: lasts longer than 366 days"),
        ({"granted": "!2027-01-01"}, "waiver `W-1`: expires before it was granted"),
        ({**GLASS, "approver": "Ben"}, "waiver `W-1`: break-glass needs two approvers"),
        ({**GLASS, "approver": "!['Ben', 'ben ']"}, "waiver `W-1`: break-glass needs two approvers"),
        (
            {**GLASS, "approver": "!['Ben Example', '\uff22\uff25\uff2e  example']"},
            "waiver `W-1`: break-glass needs two approvers",
        ),
        ({**GLASS, "approver": '!["Ben", "Be\\uFE0Fn"]'}, "waiver `W-1`: break-glass needs two approvers"),
        ({"approver": "Ada  EXAMPLE"}, "waiver `W-1`: the owner `Ada Example` approved it"),
        (
            {"approver": "Ada Exam\u00adple"},
            "waiver `W-1`: `approver`: `Ada Exam\\xadple` holds a character that nobody sees",
        ),
        (
            {"owner": "Ada\u200bExample"},
            "waiver `W-1`: `owner`: `Ada\\x200bExample` holds a character that nobody sees",
        ),
        ({"approver": "\u3164"}, "waiver `W-1`: `approver`: `\u3164` names nobody"),
        ({**GLASS, "granted": None}, "waiver `W-1`: `granted` is missing"),
        ({**GLASS, "expires": "!2026-11-23T10:00:01Z"}, "waiver `W-1`: break-glass lasts longer than 72 hours"),
        ({**GLASS, "expires": "!2026-11-23"}, "waiver `W-1`: break-glass lasts longer than 72 hours"),
    ],
)
def test_a_waiver_that_cannot_be_used_is_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(**changes))
    assert str(caught.value) == f"modelwarden.toml: {message}"
    assert caught.value.help


def test_ids_are_unique_over_all_files() -> None:
    Path("waivers").mkdir()
    Path("waivers/more.toml").write_text(written(), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^waivers/more\.toml: waiver `W-1` exists already in modelwarden\.toml$"):
        load(written())
    Path("waivers/more.toml").write_text(written(id="W-2"), encoding="utf-8")
    assert [waiver.id for waiver in load(written()).waivers] == ["W-1", "W-2"]


def test_waivers_have_a_digest_of_their_own() -> None:
    one, two = load(written()), load(written(reason="another reason"))
    assert one.digest == two.digest
    assert one.waivers_digest != two.waivers_digest


def test_a_waiver_that_does_not_say_when_it_began_counts_for_no_longer_than_any_other() -> None:
    found = load(written(expires="2031-12-31"))
    assert applied(found) is None
    assert applied(found, as_of="2030-12-29T00:00:00Z") is None
    assert applied(found, as_of="2031-01-01T00:00:00Z") == "W-1"
    effective = found.effective(Evidence(PACKAGE), Request("Production", "approve", "2026-11-22T02:10:00Z"))
    assert effective.notices == [
        "waiver W-1 does not count: it ends on 2031-12-31, more than 366 days from now, and does not say when it was `granted`"
    ]


def test_a_waiver_that_nobody_granted_who_may_does_not_count_and_the_decision_says_so() -> None:
    found = load(written(loud=True), written(id="W-2"))

    def refusal(waiver: Waiver, effective: Effective) -> str:
        return "`Ben Example` no policy permits it" if waiver.id == "W-1" else ""

    request = Request("Production", "approve", "2026-11-22T02:10:00Z")
    effective = found.effective(Evidence(PACKAGE), request, refusal)
    given = effective.waiver(Finding("ENC-02", "fail"))
    assert given is not None
    assert given.id == "W-2"
    assert effective.notices == ["waiver W-1 does not count: `Ben Example` no policy permits it"]
