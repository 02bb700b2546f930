"""The life of a waiver at the command line: nothing counts before two persons approved it, nor after it was taken back."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modelwarden import builtin
from modelwarden.authz import refused_waiver
from modelwarden.decide import decide
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Unknown
from modelwarden.finding import Digests, Finding
from modelwarden.gate import Sources, load_house, severities_of
from modelwarden.identity import who
from modelwarden.request import Request
from modelwarden.sandbox.server import Sandbox
from modelwarden.waivers.life import actor
from tests.cli.conftest import clean_environment
from tests.command import inside, process
from tests.waivers.conftest import CONTROL, PACKAGE, SETTINGS, Run, listed

NOW = datetime.now(UTC).replace(microsecond=0)


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def decided(pack: Path, as_of: datetime | None = None, outcome: Any = "fail") -> Any:
    """The decision on one fail that blocks and one pass, under the settings of the working copy."""
    house = load_house(Sources(config=pack / "modelwarden.toml"), {})
    request = Request("Production", "approve", text(as_of or datetime.now(UTC)))
    severities = severities_of(house)
    rules = house.settings.effective(
        Evidence(PACKAGE),
        request,
        lambda one, effective: refused_waiver(house.bundle.authorizer, one, effective, severities),
    )
    findings = [Finding(CONTROL, outcome), Finding("IMG-03", "pass")]
    digests = Digests("", "", "", "", "", "")
    made = decide(findings, rules, request, package=PACKAGE, digests=digests, advisory=False, notices=rules.notices)
    assert [one.finding for one in made.rulings] == findings, "a waiver changed a finding"
    return made


def test_two_persons_approve_and_only_then_it_counts(pack: Path, waiver: Run, request_one: Run) -> None:
    asked = request_one()
    assert asked.code == 0, asked.err
    assert "waivers/W-1.toml: asked for by ada (asserted) at " in asked.out
    assert decided(pack).verdict == "block"
    assert "waiver W-1 does not count: 0 of 2 approvals" in decided(pack).notices
    one = waiver("approve", "W-1", by="ben")
    assert one.out.rstrip().endswith("1 more approval is needed")
    assert listed(waiver)["W-1"]["state"] == "requested"
    assert decided(pack).verdict == "block"
    two = waiver("approve", "W-1", by="cem")
    assert "it counts once the organization layer is reviewed and pinned anew: modelwarden config digest ." in two.out
    shown = listed(waiver)["W-1"]
    assert (shown["state"], shown["approver"]) == ("live", ["ben", "cem"])
    made = decided(pack)
    assert (made.verdict, made.without_waivers) == ("flag", "block")
    assert made.rulings[0].waiver.approver == "ben (asserted), cem (asserted)"
    assert decided(pack, outcome="unknown").verdict == "undecided", "it covers fails only"
    late = waiver("approve", "W-1", by="dan")
    assert late.err.splitlines()[0] == "error: waiver `W-1` waits for no approval: it is live"


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("ada", "`ada` asked for it and may not approve it"),
        (" RETAIL", "`RETAIL` owns it and may not approve it"),
        ("zoe", "waiver `W-1`: `zoe` no policy permits it"),
        ("BEN", "`BEN` approved waiver `W-1` already"),
        (" ", "--as is empty"),
        ("ce\u202em", "--as: `ce\\x202em` holds a character that nobody sees"),
    ],
)
def test_who_may_not_approve(pack: Path, waiver: Run, request_one: Run, by: str, message: str) -> None:
    request_one()
    waiver("approve", "W-1", by="ben")
    before = (pack / "waivers/W-1.toml").read_bytes()
    done = waiver("approve", "W-1", by=by)
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {message}")
    assert done.err.splitlines()[1].startswith("  help: ")
    assert (pack / "waivers/W-1.toml").read_bytes() == before


def test_what_is_critical_is_left_to_fewer(waiver: Run, request_one: Run) -> None:
    request_one("--control", "IMG-01")
    assert "policy grant-critical-waiver-listed forbids it" in waiver("approve", "W-1", by="ben").err
    assert [waiver("approve", "W-1", by=name).code for name in ("cem", "dan")] == [0, 0]


def test_break_glass_is_hours_and_two_of_its_own_list(pack: Path, waiver: Run, request_one: Run) -> None:
    too_long = request_one("--break-glass")
    assert (
        too_long.err.splitlines()[0] == "error: waivers/W-1.toml: waiver `W-1`: break-glass lasts longer than 72 hours"
    )
    assert not (pack / "waivers/W-1.toml").exists()
    assert request_one("--break-glass", "--hours", "4").code == 0
    assert "`ben` no policy permits it" in waiver("approve", "W-1", by="ben").err
    assert [waiver("approve", "W-1", by=name).code for name in ("dan", "eve")] == [0, 0]
    made = decided(pack)
    assert made.verdict == "flag"
    assert any(notice.startswith("break-glass W-1 counts until ") for notice in made.notices)
    assert decided(pack, datetime.now(UTC) + timedelta(hours=4, seconds=1)).verdict == "block"
    assert "broke the glass, which is not renewed" in waiver("renew", "W-1", "--hours", "4", by="ada").err


def test_what_was_revoked_never_counts_again(pack: Path, waiver: Run, request_one: Run) -> None:
    request_one()
    for name in ("ben", "cem"):
        waiver("approve", "W-1", by=name)
    assert decided(pack).verdict == "flag"
    done = waiver("revoke", "W-1", "--reason", "the key has moved", by="zoe")
    assert done.code == 0, done.err
    assert decided(pack).verdict == "block"
    assert decided(pack, datetime.now(UTC) - timedelta(seconds=1)).verdict == "block"
    shown = listed(waiver)["W-1"]
    assert shown["state"] == "revoked"
    assert shown["why"].startswith("by zoe (asserted) at ")
    assert shown["why"].endswith(": the key has moved")
    again = waiver("revoke", "W-1", "--reason", "twice", by="zoe")
    assert again.err.startswith("error: waiver `W-1` was revoked already by zoe")
    renewed = waiver("renew", "W-1", "--expires", "2027-06-01", by="ada")
    assert renewed.err.startswith("error: waiver `W-1` was revoked by zoe")


def test_a_renewal_is_approved_anew_and_leaves_the_old_one(pack: Path, waiver: Run, request_one: Run) -> None:
    request_one()
    for name in ("ben", "cem"):
        waiver("approve", "W-1", by=name)
    before = (pack / "waivers/W-1.toml").read_bytes()
    assert waiver("renew", "W-1", "--expires", "2027-06-01", "--reason", "the vendor is late", by="ada").code == 0
    assert (pack / "waivers/W-1.toml").read_bytes() == before
    old, new = (listed(waiver)[id_] for id_ in ("W-1", "W-1-r2"))
    assert (old["state"], new["state"], new["renews"]) == ("live", "requested", "W-1")
    same = ("group", "controls", "owner", "ticket")
    assert [old[name] for name in same] == [new[name] for name in same]
    assert new["reason"] == "the vendor is late"
    after = datetime(2027, 4, 1, tzinfo=UTC)
    assert decided(pack, after).verdict == "block"
    for name in ("ben", "cem"):
        assert waiver("approve", "W-1-r2", by=name).code == 0
    assert decided(pack, after).rulings[0].waiver.id == "W-1-r2"
    twice = waiver("renew", "W-1", "--expires", "2027-07-01", by="ada")
    assert twice.err.splitlines()[0] == "error: waiver `W-1` is renewed already by `W-1-r2`"
    waiver("renew", "W-1-r2", "--expires", "2027-09-01", by="ada")
    assert "renewed by   W-1-r3" in waiver("show", "W-1-r2").out


def test_list_says_what_ends_soon_and_a_code_asks_for_attention(waiver: Run, request_one: Run) -> None:
    day = timedelta(days=1)
    request_one(id_="W-SOON", expires=f"{NOW + 10 * day:%Y-%m-%d}")
    request_one(id_="W-LATE", expires=f"{NOW + 100 * day:%Y-%m-%d}")
    for id_ in ("W-SOON", "W-LATE"):
        for name in ("ben", "cem"):
            waiver("approve", id_, by=name)
    assert {id_: one["state"] for id_, one in listed(waiver).items()} == {"W-SOON": "expiring", "W-LATE": "live"}
    assert list(listed(waiver, "--expiring", "30d")) == ["W-SOON"]
    assert set(listed(waiver, "--expiring", "120d")) == {"W-SOON", "W-LATE"}
    ended = listed(waiver, "--as-of", f"{NOW + 10 * day:%Y-%m-%d}T23:59:59Z")
    assert ended["W-SOON"]["state"] == "expiring"
    assert ended["W-SOON"]["days_left"] == 0, "the last day counts to its end"
    assert listed(waiver, "--as-of", f"{NOW + 11 * day:%Y-%m-%d}T00:00:00Z")["W-SOON"]["state"] == "expired"
    assert listed(waiver, "--as-of", "2026-01-01")["W-LATE"]["state"] == "not yet granted"
    assert waiver("list", "--expiring", "30d", "--exit-code").code == 1
    assert waiver("list", "--expiring", "1d", "--exit-code").code == 0
    wrong = waiver("list", "--expiring", "soon")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "error: --expiring: `soon` is no length of time")


ESCAPING = "arn:aws:sagemaker:*:*:model-package/*"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pattern", "*", "--expected-packages", "2"], "`*` does not begin with `arn:`"),
        (["--pattern", ESCAPING, "--expected-packages", "2"], f"`pattern` `{ESCAPING}` names no group"),
        (["--pattern", f"{ESCAPING}[a-z]*", "--expected-packages", "2"], "names no group"),
        (["--pattern", f"{ESCAPING}a/*"], "a pattern needs --expected-packages"),
        (["--control", "ENC-99"], "unknown control `ENC-99`"),
        (["--reason", "see \x1b[2J"], "--reason: `see \\x1b[2J` holds a character that nobody sees"),
        (["--reason", "one\n[[waiver]]"], "holds a character that nobody sees"),
        (["--reason", "x" * 1001], "--reason: longer than 1000 characters"),
        (["--expires", "2028-03-01"], "lasts longer than 366 days"),
        (["--expires", "2026-01-01"], "--expires: `2026-01-01` is over"),
        (["--expires", "soon"], "--expires: a date is expected, not `soon`"),
        (["--expires", "2027-01-01", "--hours", "3"], "when does it end?"),
        (["--id", "../W"], "--id: `../W` is no name of a file"),
        (["--account", "1"], "`1` is not an account id"),
        (["--package", PACKAGE, "--group", "churn"], "names more than one of package, group, pattern"),
        (["--package", PACKAGE, "--expected-packages", "2"], "`expected_packages` belongs to `group` and `pattern`"),
    ],
)
def test_what_the_settings_would_refuse_is_not_written(
    pack: Path, request_one: Run, arguments: list[str], message: str
) -> None:
    done = request_one(*arguments)
    first, help_ = done.err.splitlines()
    assert (done.code, message in first) == (2, True), done.err
    assert help_.startswith("  help: ")
    assert not list(pack.rglob("*.toml"))[1:]


def test_markup_stays_text_and_the_file_meets_the_schema(pack: Path, waiver: Run, request_one: Run) -> None:
    hostile = '<script>x</script> " \\ # [[waiver]]'
    request_one("--reason", hostile, "--unknown", "--account", "111122223333", "--expected-packages", "3")
    for name in ("ben", "cem"):
        waiver("approve", "W-1", by=name)
    waiver("revoke", "W-1", "--reason", hostile, by="zoe")
    written = tomllib.loads((pack / "waivers/W-1.toml").read_text(encoding="utf-8"))
    assert written["waiver"][0]["reason"] == written["waiver"][0]["revoked"]["reason"] == hostile
    schema = jsonschema.Draft202012Validator(json.loads(builtin.read("reports.schemas", "waiver.schema.json")))
    plain = json.loads(json.dumps(written, default=lambda moment: moment.isoformat()))
    assert list(schema.iter_errors(plain)) == []
    del plain["waiver"][0]["requested"]
    assert [error.validator for error in schema.iter_errors(plain)] == ["anyOf"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('by = "cem"', 'by = "ben"', "`ben` approved it twice"),
        ('by = "cem"', 'by = "Retail"', "the owner `retail` approved it"),
        ('by = "cem"', 'by = "Ada "', "`Ada ` approved what they asked for"),
        ('by = "cem"', 'by = "ce\\u202em"', "holds a character that nobody sees"),
        ('proof = "asserted"', 'proof = "trust me"', "unknown proof `trust me`"),
        ('proof = "asserted"', 'proof = "caller"', "`principal` belongs to proof `caller` and to no other"),
        ("[waiver.requested]", "[waiver.wanted]", "unknown setting `wanted`"),
        ('owner = "retail"', 'owner = "retail"\napprover = "ben"', "`approver` beside `requested`"),
        ('owner = "retail"', 'owner = "retail"\ngranted = 2026-01-01', "`granted` beside `requested`"),
        ('owner = "retail"', 'owner = "retail"\nrenews = "W-0"', "renews `W-0`, which does not exist"),
        ('owner = "retail"', 'owner = "retail"\nexpected_packages = 0', "a whole number from 1 is expected, not `0`"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_refused(
    pack: Path, waiver: Run, request_one: Run, old: str, new: str, message: str
) -> None:
    request_one()
    for name in ("ben", "cem"):
        waiver("approve", "W-1", by=name)
    file = pack / "waivers/W-1.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    done = waiver("list")
    assert (done.code, message in done.err.splitlines()[0]) == (2, True), done.err


def test_one_that_shares_its_file_is_shown_and_not_changed(pack: Path, waiver: Run) -> None:
    fields = 'group = "churn"\ncontrols = ["ENC-02"]\nowner = "a"\napprover = "ben"\nreason = "r"\nticket = "t"\nexpires = 2027-01-01\n'
    file = pack / "waivers/both.toml"
    file.parent.mkdir()
    file.write_text("".join(f'[[waiver]]\nid = "{id_}"\n{fields}' for id_ in ("W-1", "W-2")), encoding="utf-8")
    assert listed(waiver)["W-2"]["state"] == "live", "one written by hand is proven by the review of its layer"
    done = waiver("revoke", "W-2", "--reason", "mended", by="zoe")
    assert done.err.splitlines() == [
        "error: waivers/both.toml: waiver `W-2` has no file of its own",
        "  help: move it to waivers/W-2.toml",
    ]
    assert waiver("approve", "W-2", by="ben").err.startswith("error: waiver `W-2` was not asked for by ")


def test_who_acts_is_the_person_that_the_credentials_prove() -> None:
    user = who("arn:aws:iam::111122223333:user/team/jane")
    act = actor(user, None, NOW)
    assert (act.by, act.proof, act.principal) == ("jane", "caller", "arn:aws:iam::111122223333:user/team/jane")
    typed = actor(user, "ben", NOW)
    assert (typed.by, typed.proof, typed.principal) == ("ben", "asserted", None)
    for told, message in (
        (who("arn:aws:sts::111122223333:assumed-role/Deploy/jane"), "names no person"),
        (Unknown("AccessDenied"), "who acts is not known: AccessDenied"),
    ):
        with pytest.raises(UserError, match=message):
            actor(told, None, NOW)


def test_sts_proves_who_acts_and_a_list_may_name_an_arn(pack: Path, waiver: Run, request_one: Run) -> None:
    """The sandbox answers as the IAM user `sandbox` of the account that the credentials name."""
    file = pack / "modelwarden.toml"
    listed_arn = SETTINGS.replace('"ben", "cem", "dan"]', '"cem", "arn:aws:iam::111111111111:user/sand*"]', 1)
    file.write_text(listed_arn, encoding="utf-8")
    request_one()
    with Sandbox("demo") as sandbox:
        environment = clean_environment() | sandbox.environment()
        one = inside("waiver", "approve", "W-1", folder=pack, environment=environment)
        two = inside("waiver", "approve", "W-1", folder=pack, environment=environment)
    assert one.out.startswith("waivers/W-1.toml: approved by sandbox at ")
    assert two.err.splitlines()[0] == "error: `sandbox` approved waiver `W-1` already"
    assert waiver("approve", "W-1", by="cem").code == 0
    shown = listed(waiver)["W-1"]
    (proven, typed) = shown["approval"]
    assert (proven["proof"], proven["principal"]) == ("caller", "arn:aws:iam::111111111111:user/sandbox")
    assert (typed["proof"], "principal" in typed) == ("asserted", False)
    assert decided(pack).rulings[0].waiver.approver == "sandbox, cem (asserted)"


def test_no_pack_no_waiver_and_the_console_script(tmp_path: Path, pack: Path) -> None:
    done = process("waiver", "show", "W-1", "--pack", pack, folder=tmp_path, environment=clean_environment())
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: no waiver `W-1` in {pack}")
    done = process("waiver", "list", folder=tmp_path, environment=clean_environment())
    assert (done.code, done.err.splitlines()[0]) == (2, "error: .: holds no modelwarden.toml")
