"""What `modelwarden compare` says of real scans of the demo organization, between which one thing after another changed."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from msgspec import structs

from modelwarden import builtin, cli, gate
from modelwarden.audit.changes import changes_of
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.compare import Comparison, compare, recorded
from modelwarden.compare.change import Kind, Reach, kind_of
from modelwarden.render.comparison import text
from modelwarden.render.text import printable
from modelwarden.scan import run as scanning
from modelwarden.scan.find import all_ended, latest
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.tables.pairs import Found
from tests.demo.registry import Registry, restored
from tests.organization import CLOCK, demo

from .conftest import settings, work

ONE, OTHER = "222222222222", "777788889999"
SCHEMA = Draft202012Validator(json.loads(builtin.read("reports.schemas", "comparison.schema.json")))
TAGS = '"cost-center", "dpo",'
HOSTILE = "\x1b[31m\u202e##[error]"
CARD = {"model_overview": {"model_description": HOSTILE}}
LATER = "2027-01-02T00:00:00Z"

CONTROL = """
@id("{id}")
@title("the house does not want it")
@severity("low")
@rationale("The house rebuilds its models.")
@remediation("register the package again")
@reads("{reads}")
@source("house rule 1")
@since("0.1.0")
forbid (principal, action in Modelwarden::Action::"promote", resource)
unless {{ {complies} }};
"""
NEWER = "resource has package.version && resource.package.version >= "
SOON = 'context.asOf < datetime("2027-01-01T00:00:00Z")'
WAIVER = f"""
[[waiver]]
id = "for-a-while"
package = "arn:aws:sagemaker:eu-west-1:{ONE}:model-package/mailroom/6"
controls = ["APR-02"]
owner = "retention team"
approver = "model risk"
reason = "the approver leaves"
ticket = "RISK-481"
granted = 2026-11-01
expires = 2026-12-31
"""
LEVEL = """
[enforcement]
CARD-04 = { Staging = "block", block_from = 2027-01-01 }
"""


def mailroom(version: int) -> str:
    return f"arn:aws:sagemaker:eu-west-1:{ONE}:model-package/mailroom/{version}"


class Nights:
    """Scans in one folder of runs, which tests look at and never change."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.count = 0
        self.ids: dict[str, str] = {}

    def scan(self, more: str, *, least: int = 1, accounts: tuple[str, ...] = (ONE, OTHER), **options: Any) -> str:
        """The id of a scan whose settings have `more`, and whose bundle asks for versions from `least` on."""
        self.count += 1
        bundle = self.runs / "bundle" / "house"
        bundle.mkdir(parents=True, exist_ok=True)
        wanted = {"HOUSE-01": ("/package/version", f"{NEWER}{least}"), "HOUSE-03": ("/request/as_of", SOON)}
        wanted |= dict.fromkeys(options.get("added", ()), ("/package/version", f"{NEWER}8"))
        for id_, (reads, complies) in wanted.items():
            (bundle / f"{id_}.cedar").write_text(CONTROL.format(id=id_, reads=reads, complies=complies))
        table = f'regions = ["eu-west-1", "us-east-1"]\naccounts = {list(accounts)}'
        config = settings(self.runs / "bundle", table, more)
        config.write_text(config.read_text().replace('"cost-center",', options.get("tags", '"cost-center",')))
        house = gate.load_house(gate.Sources(config=config, flags={"retries": 0, "bundle": (str(bundle),)}), {})
        collector = gate.collector_of(house)
        plan = scanning.plan_of(house, collector, options.get("as_of", CLOCK))
        folder = Folder(self.runs / f"2026112{self.count}T060000000000Z-0000000{self.count}")
        scanning.begin(folder, plan, house)
        scanning.tidy(work(folder, plan, house, collector), self.runs)
        return folder.id

    def folder(self, name: str) -> Path:
        return self.runs / self.ids[name]

    def compare(self, earlier: str, later: str) -> Comparison:
        return compare(*(recorded(Folder(self.folder(name))) for name in (earlier, later)), 1_000)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Scans `base`, `clock` (later), `rules` (fewer accounts, other rules) and `evidence` (other packages)."""
    nights = Nights(tmp_path_factory.mktemp("runs"))
    with demo() as sandbox, restored(sandbox, nights.runs) as registry:
        nights.ids["base"] = nights.scan(WAIVER + LEVEL)
        nights.ids["clock"] = nights.scan(WAIVER + LEVEL, as_of=LATER)
        nights.ids["rules"] = nights.scan(LEVEL, least=6, accounts=(ONE,), added=["HOUSE-02"], tags=TAGS)
        (nights.runs / "bundle/house/HOUSE-02.cedar").unlink()
        change(registry)
        nights.ids["evidence"] = nights.scan(WAIVER + LEVEL)
    return nights


def change(registry: Registry) -> None:
    """One package is changed, one is deleted, one is new, and an account cannot be read in one region."""
    client = registry.client(mailroom(6))
    client.update_model_package(
        ModelPackageArn=mailroom(6), ModelCard={"ModelCardContent": json.dumps(CARD), "ModelCardStatus": "Draft"}
    )
    client.delete_model_package(ModelPackageName=mailroom(1))
    client.create_model_package(
        ModelPackageGroupName="mailroom",
        InferenceSpecification=registry.describe(mailroom(7))["InferenceSpecification"],
        ModelLifeCycle={"Stage": "Production", "StageStatus": "PendingApproval"},
    )
    registry.fail(kind="deny", op="sagemaker:*", account=OTHER, region="us-east-1")


def causes(comparison: Comparison, package: str) -> dict[str, list[tuple[str, ...]]]:
    """Control -> (kind, name, before, after) of each cause, of one package that changed."""
    (found,) = [one for changes in comparison.named.values() for one in changes if one.package == package]
    return {
        one.control: [(cause.kind, cause.name, cause.before, cause.after) for cause in one.causes]
        for one in found.differences
    }


def kinds(comparison: Comparison) -> dict[str, list[str]]:
    """Kind -> group and version of each package."""
    return {kind: sorted(one.package.split("/", 1)[1] for one in changes) for kind, changes in comparison.named.items()}


@pytest.mark.parametrize("name", ["base", "clock", "rules", "evidence"])
def test_a_scan_and_itself_differ_in_nothing(nights: Nights, name: str) -> None:
    found = nights.compare(name, name)
    assert (dict(found.kinds), dict(found.groups), found.notes, found.code()) == ({}, {}, [], 0)
    rows = [
        record for cell in Folder(nights.folder(name)).cells() for record in Folder(nights.folder(name)).records(*cell)
    ]
    assert found.unchanged == len(rows)


MIRRORED = {
    "broken": "fixed",
    "new": "gone",
    "now judged": "no longer judged",
    "not read": "not read before",
    "not in scope": "not in scope before",
    "changed": "changed",
}


@pytest.mark.parametrize("pair", [("base", "clock"), ("base", "rules"), ("clock", "evidence"), ("rules", "evidence")])
def test_the_other_way_round_is_the_mirror(nights: Nights, pair: tuple[str, str]) -> None:
    there, back = nights.compare(*pair), nights.compare(*reversed(pair))
    mirror = MIRRORED | {other: one for one, other in MIRRORED.items()}
    assert kinds(back) == {mirror[kind]: packages for kind, packages in kinds(there).items()}
    assert there.unchanged == back.unchanged
    assert {(one.control, one.after, one.before, frozenset(one.causes)): n for one, n in back.groups.items()} == {
        (one.control, one.before, one.after, frozenset(one.causes)): n for one, n in there.groups.items()
    }


def test_time_alone(nights: Nights) -> None:
    found = nights.compare("base", "clock")
    clock = ("clock", "as_of", CLOCK, LATER)
    late = {"HOUSE-03": [clock]}
    assert causes(found, mailroom(6)) == {"APR-02": [("waiver", "for-a-while", "counts", "expired"), clock], **late}
    assert causes(found, mailroom(7)) == {
        "CARD-04": [
            (
                "enforcement",
                "CARD-04",
                "flag (flag until 2027-01-01 (block_from), enforcement CARD-04 (settings file))",
                "block (enforcement CARD-04 (settings file))",
            ),
            clock,
        ],
        **late,
    }
    assert kinds(found) == {
        "broken": ["mailroom/6"],
        "changed": ["card-fraud/5", "mailroom/5", "mailroom/7"],
    }
    assert (found.newly_blocked, found.code()) == (1, 1)


def test_rules_that_differ(nights: Nights) -> None:
    found = nights.compare("base", "rules")
    tags = '["cost-center", "data-classification", "owner"]', '["cost-center", "data-classification", "dpo", "owner"]'
    files = [recorded(Folder(nights.folder(name))).files["house/HOUSE-01.cedar"].sha256 for name in ("base", "rules")]
    added = [("policy", "house/HOUSE-02.cedar", "not there", "there")]
    assert causes(found, mailroom(6)) == {
        "APR-02": [("waiver", "for-a-while", "counts", "not there")],
        "HOUSE-02": added,
        "HYG-01": [("parameters", "required_tags", *tags)],
    }
    assert causes(found, mailroom(5)) == {
        "HOUSE-01": [("policy", "house/HOUSE-01.cedar", *files)],
        "HOUSE-02": added,
        "HYG-01": [("parameters", "required_tags", *tags)],
    }
    # The new control fails there as well; the verdict is the same, so it is told once for all packages.
    assert list(causes(found, mailroom(7))) == ["HYG-01"]
    assert (found.added, found.removed, found.edited) == (["HOUSE-02"], [], ["HOUSE-01"])
    assert found.notes == ["the controls differ", "the settings differ", "the waivers differ"]


def test_evidence_that_differs(nights: Nights) -> None:
    found = nights.compare("base", "evidence")
    told = causes(found, mailroom(6))
    assert told["CARD-04"] == [
        ("evidence", "/card/content/intended_uses/risk_rating", '"Medium"', "absent"),
        (
            "evidence",
            "/card/content/intended_uses/explanations_for_risk_rating",
            '"A letter that goes to the wrong department arrives a day later than it should."',
            "absent",
        ),
    ]
    assert {kind for causes in told.values() for kind, *_ in causes} == {"evidence"}
    assert {"gone": ["mailroom/1"], "new": ["mailroom/8"], "no longer judged": ["mailroom/7"]}.items() <= kinds(
        found
    ).items()


def test_what_was_not_read_is_neither_gone_nor_fixed_nor_new(nights: Nights) -> None:
    """In `evidence` a region of an account was denied; in `rules` the account was not in scope."""
    packages = [f"card-fraud/{version}" for version in range(1, 6)]
    denied, narrow = nights.compare("base", "evidence"), nights.compare("base", "rules")
    assert kinds(denied)["not read"] == kinds(narrow)["not in scope"] == packages
    assert kinds(nights.compare("evidence", "base"))["not read before"] == packages
    assert kinds(nights.compare("rules", "base"))["not in scope before"] == packages
    assert [(cell.account, cell.region, cell.later.reach) for cell in denied.unread] == [
        (OTHER, "us-east-1", "not read")
    ]
    assert {row.api for row in denied.failed} >= {"sagemaker:ListModelPackages"}
    assert [(cell.account, cell.later.reach) for cell in narrow.unread] == [(OTHER, "not in scope")] * 2
    assert (denied.code(), narrow.code()) == (3, 3)
    assert (denied.complete, narrow.complete) == (False, True)


def compared(capsys: pytest.CaptureFixture[str], nights: Nights, *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of the command; a name of a scan stands for its id."""
    given = [nights.ids.get(one, one) for one in arguments]
    code = cli.run(["compare", *given, "--runs", str(nights.runs)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_text_says_first_what_was_not_read(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = compared(capsys, nights, "base", "evidence")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"earlier  {nights.ids['base']}  as of {CLOCK} (asserted)  4 of 4 cells read whole"
    later = f"later    {nights.ids['evidence']}  as of {CLOCK} (asserted)  3 of 4 cells read whole, NOT COMPLETE"
    assert lines[1] == later
    assert lines[3].startswith("coverage: 3 of 4 account-regions were read by both scans; what follows is less than")
    assert lines[4].startswith(f"  not read  {OTHER}/us-east-1  sagemaker:ListModelPackages: AccessDeniedException")
    at = lines.index("1 broken: blocked or undecided now, and were not")
    assert lines[at + 1].startswith(f"  {ONE}/eu-west-1/mailroom/6  flag -> block for Production (serve)  CARD-")
    assert '      evidence    /card/content/intended_uses/risk_rating  "Medium" -> absent' in lines
    end = "3 of 4 cells read by both scans, NOT COMPLETE; 2 newly blocked; 1 broken, 1 new, 5 not read, "
    assert lines[-1].startswith(end)
    assert all(line == printable(line) for line in lines)


def test_a_text_of_a_card_is_shown_and_acts_on_nothing(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = compared(capsys, nights, "base", "evidence", "--format", "json")
    told = {cause["after"] for one in json.loads(out)["changes"] for f in one["findings"] for cause in f["causes"]}
    assert any(HOSTILE in json.loads(after) for after in told if after.startswith('"'))
    assert all(line == printable(line) for line in out.splitlines())
    found = nights.compare("base", "evidence")
    (change,) = found.named["broken"]
    (cause,) = [cause for one in change.differences for cause in one.causes if "\u202e" in cause.after][:1]
    found.named["broken"] = [
        structs.replace(change, differences=(structs.replace(change.differences[0], causes=(cause,)),))
    ]
    shown = text(found)
    assert "\\u001b[31m\\u{202e}\\u{23}#[error]" in shown
    assert all(line == printable(line) for line in shown.splitlines())


def test_the_text_caps_what_it_names_and_counts_all(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = compared(capsys, nights, "base", "rules", "--limit", "2")
    assert "5 not in scope of the later scan\n" in out
    assert "  and 3 more (--limit)" in out
    assert f"  {OTHER}/us-east-1/card-fraud/5  was allow for Staging (approve)" in out, "what was judged comes first"
    assert "  added     HOUSE-02  the house does not want it: 3 fail" in out
    assert "  edited    HOUSE-01  house/HOUSE-01.cedar" in out


def test_json_fits_the_published_schema(nights: Nights, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = ["-o", f"json={tmp_path / 'again.json'}", "-o", f"text={tmp_path / 'text'}"]
    for pair in (("base", "evidence"), ("rules", "base"), ("base", "base")):
        code, out, _ = compared(capsys, nights, *pair, "--format", "json", *files)
        SCHEMA.validate(json.loads(out))
        assert code == 0
        assert (tmp_path / "again.json").read_text() == out
        assert (tmp_path / "text").read_text().startswith("earlier  ")
    document = json.loads(compared(capsys, nights, "base", "evidence", "--format", "json", "--limit", "1")[1])
    assert document["complete"] is False
    assert [one["kind"] for one in document["changes"]] == ["broken", "new", "not read", "no longer judged", "gone"]
    assert document["packages"]["not read"] == 5


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        (("base", "base"), 0),
        (("base", "clock"), 1),
        (("clock", "base"), 0),
        (("base", "evidence"), 3),
        (("base", "rules"), 3),
        (("evidence", "base"), 1),
    ],
)
def test_the_exit_code_that_somebody_asks_for(
    nights: Nights, capsys: pytest.CaptureFixture[str], pair: tuple[str, str], code: int
) -> None:
    assert compared(capsys, nights, *pair, "--exit-code")[0] == code


def test_how_scans_are_named(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    _, by_word, _ = compared(capsys, nights, "previous", "last")
    _, by_id, _ = compared(capsys, nights, "rules", "evidence")
    _, by_folder, _ = compared(capsys, nights, str(nights.folder("rules")), str(nights.folder("evidence")))
    assert by_word == by_id == by_folder
    _, wrong, _ = compared(capsys, nights, "last", "previous")
    assert "note     the first scan began after the second: read it the other way round, or compare " in wrong


def test_a_folder_that_cannot_be_looked_into_may_be_the_newest_scan(
    nights: Nights, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old, new = (changed(nights, name, tmp_path) for name in ("rules", "evidence"))
    before, after = tmp_path / "20200101T060000000000Z-aaaaaaaa", tmp_path / "20991120T060000000000Z-aaaaaaaa"
    before.symlink_to(before)
    looked, broken = all_ended(tmp_path)
    why = "cannot be read: Too many levels of symbolic links"
    assert ([one.folder.path for one in looked], broken) == ([old, new], [(before.name, f"{before}: {why}")])
    assert latest(tmp_path) == Folder(new), "what is older than it is not the newest"
    after.symlink_to(after)
    with pytest.raises(ScanError, match=f"{after}: {why}; it may be the newest"):
        latest(tmp_path)
    with pytest.raises(ScanError, match=f"{after}: {why}"):
        latest(after)
    assert latest(tmp_path / "nothing") is None


def changed(nights: Nights, name: str, into: Path, **plan: Any) -> Path:
    """A copy of a scan that says something else in its plan, and whose checksum fits."""
    folder = Folder(into / nights.ids[name])
    shutil.copytree(nights.folder(name), folder.path)
    if plan:
        document = {key: value for key, value in folder.plan().items() if key != "schema"} | plan
        (folder.path / "plan.json").unlink()
        folder.write_plan(document)
    return folder.path


def test_what_cannot_be_compared_is_exit_2(nights: Nights, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tampered, unfinished = changed(nights, "base", tmp_path / "a"), changed(nights, "clock", tmp_path / "b")
    with (tampered / "packages.parquet").open("ab") as file:
        file.write(b"x")
    (unfinished / "cells.jsonl").unlink()
    gated = tmp_path / "20261120T060000000000Z-aaaaaaaa.json"
    gated.write_text("{}")
    for scan, said in {
        str(tampered): f"error: {tampered}/packages.parquet: was changed after it was written\n",
        str(unfinished): f"error: {unfinished}: is no scan that came to its end\n",
        str(gated): f"error: {gated}: is no scan\n  help: name two scans",
        "yesterday": f"error: {nights.runs}/yesterday: is no scan that came to its end\n",
    }.items():
        code, out, err = compared(capsys, nights, "base", scan)
        assert (code, out) == (2, "")
        assert err.startswith(said)
    (tmp_path / "empty").mkdir()
    assert cli.run(["compare", "previous", "last", "--runs", str(tmp_path / "empty")]) == 2
    assert "holds no two scans that came to their end" in capsys.readouterr().err


def test_other_versions_of_the_engine_may_be_a_cause(nights: Nights, tmp_path: Path) -> None:
    versions = recorded(Folder(nights.folder("evidence"))).plan.versions | {"cedarpy": "4.13.0"}
    later = changed(nights, "evidence", tmp_path, versions=versions)
    found = compare(*(recorded(Folder(one)) for one in (nights.folder("base"), later)), 100)
    told = [kind for kind, *_ in causes(found, mailroom(6))["CARD-04"]]
    assert told == ["evidence", "evidence", "engine"]
    assert found.notes == ["cedarpy differs: 4.12.2 -> 4.13.0"]


def test_settings_that_cannot_be_read_name_no_parameter(nights: Nights, tmp_path: Path) -> None:
    settings = recorded(Folder(nights.folder("rules"))).said
    later = changed(nights, "rules", tmp_path, settings=settings | {"schema": "modelwarden.settings/9"})
    found = compare(*(recorded(Folder(one)) for one in (nights.folder("base"), later)), 100)
    assert causes(found, mailroom(5))["HYG-01"] == [("parameters", "", "", "")]
    assert f"the settings of scan {nights.ids['rules']} cannot be read by this release" in found.notes[0]
    # Nobody can tell any more whether the time alone would have done it.
    assert causes(found, mailroom(6))["APR-02"] == [("waiver", "for-a-while", "counts", "does not count")]


@pytest.mark.parametrize(
    ("told", "kind", "why"),
    [
        ({}, "not in scope", "its account was not expected"),
        ({"skipped": [OTHER, "skipped", "state:SUSPENDED"]}, "not in scope", "state:SUSPENDED"),
        ({"unread": [ONE, "denied", "AccessDenied"]}, "not read", "organizations:ListAccounts: denied: AccessDenied"),
    ],
)
def test_an_account_that_nobody_could_list_is_not_out_of_scope(
    nights: Nights, tmp_path: Path, told: dict[str, list[str]], kind: Kind, why: str
) -> None:
    """The scan `rules` looked at one account of two: on purpose, or since nobody told it of the other."""
    rows = {
        name: [
            {"account": account, "region": "aws-global", "api": "organizations:ListAccounts", "state": state}
            | {"error": error, "calls": 0, "seconds": 0.0}
        ]
        for name, (account, state, error) in told.items()
    }
    estate = Folder(nights.folder("rules")).plan()["estate"] | rows
    later = changed(nights, "rules", tmp_path, estate=estate)
    found = compare(*(recorded(Folder(one)) for one in (nights.folder("base"), later)), 100)
    assert found.kinds[kind] == 5
    assert {cell.later.why for cell in found.unread} == {why}


REACHES: tuple[Reach, ...] = get_args(Reach)
ROLES = (
    ("judged", "allow"),
    ("judged", "block"),
    ("judged", "undecided"),
    ("inventory", ""),
    ("unmapped", ""),
    ("gone", ""),
)
RECORDED = [None, *(Found("p", role, "", "", "", verdict, "", "", "") for role, verdict in ROLES)]  # type: ignore[arg-type]


@pytest.mark.parametrize("earlier", REACHES)
@pytest.mark.parametrize("later", REACHES)
def test_no_hole_is_ever_good_news(earlier: Reach, later: Reach) -> None:
    """Every pair of what two scans may have recorded of a package, however they read its account and region."""
    for before, after in itertools.product(RECORDED, RECORDED):
        kind = kind_of(before, after, earlier, later, differs=False)
        deleted, made = (one is not None and one.role == "gone" for one in (after, before))
        if kind == "gone":
            assert deleted or (after is None and later == "read")
        if kind == "new":
            assert made or (before is None and earlier == "read")
        if kind == "fixed":
            assert before
            assert after
            assert (before.verdict in ("block", "undecided"), after.verdict) == (True, "allow")
        if kind is None:
            there = {one.role + one.verdict for one in (before, after) if one and one.role != "gone"}
            assert len(there) == 0 or (len(there) == 1 and before and after), "nothing vanishes"


def test_a_report_tells_the_same_changes_and_narrows_them(nights: Nights) -> None:
    told = nights.compare("base", "evidence")
    with Source(Folder(nights.folder("evidence"))) as source:
        found = changes_of(source, Folder(nights.folder("base")))
    assert (found.problem, found.run, found.newly_blocked) == ("", nights.ids["base"], told.newly_blocked)
    assert found.kinds == {kind: count for kind, count in told.kinds.items() if count}
    assert {(one.package, one.kind) for one in found.named} == {
        (one.package, kind) for kind, some in told.named.items() for one in some
    }
    with Source(Folder(nights.folder("evidence")), Scope(account=(ONE,))) as source:
        narrow = changes_of(source, Folder(nights.folder("base")))
    assert {one.package for one in narrow.named} == {one.package for one in found.named if f":{ONE}:" in one.package}
    assert 0 < sum(narrow.kinds.values()) < sum(found.kinds.values())


def test_a_report_says_why_nothing_can_be_compared(nights: Nights, tmp_path: Path) -> None:
    broken = Folder(changed(nights, "base", tmp_path, versions=7))
    with Source(Folder(nights.folder("evidence"))) as source:
        found = changes_of(source, broken)
    assert found.kinds == {}
    assert "not a scan of this version" in found.problem
