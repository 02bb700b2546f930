"""A report counts what the records hold, narrows to a scope, and shows every hole in everything that it counts."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modelwarden.audit.formats import FORMATS, writer
from modelwarden.audit.framework import Framework, FrameworkError, Mapping, framework, frameworks, names
from modelwarden.audit.history import Before, history_of, newest
from modelwarden.audit.report import report_of
from modelwarden.audit.scope import Scope, scope_of
from modelwarden.audit.source import Source
from modelwarden.catalog import load_bundle
from modelwarden.errors import UserError
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record, ScanError
from tests.cli.conftest import clean_environment
from tests.command import SCRIPT, Done, inside
from tests.render.test_scan_page import DARK, HOSTILE, ONE, TWO, judged, scan

from .conftest import AS_OF, report

SCHEMA = Path(__file__).parents[2] / "reports/schemas/report.schema.json"


def records(folder: Folder) -> list[Record]:
    return [record for cell in folder.cells() for record in folder.records(*cell, with_evidence=False)]


def recount(folder: Folder, keep: Callable[[Record], bool] = lambda _: True) -> dict[str, Any]:
    """The same numbers, counted one record after the other."""
    found = [record for record in records(folder) if keep(record)]
    rulings = [ruling for record in found if record.decision for ruling in record.decision.rulings]
    controls: dict[str, Counter[str]] = {}
    for ruling in rulings:
        controls.setdefault(ruling.finding.control, Counter())[ruling.finding.outcome] += 1
    return {
        "roles": Counter(record.role for record in found),
        "verdicts": Counter(record.decision.verdict for record in found if record.decision),
        "findings": Counter(ruling.finding.outcome for ruling in rulings),
        "controls": controls,
        "waivers": Counter(ruling.waiver.id for ruling in rulings if ruling.waiver),
    }


@pytest.mark.parametrize(
    ("scope", "keep"),
    [
        (Scope(), lambda _: True),
        (Scope(account=(ONE,)), lambda record: f":{ONE}:" in record.package),
        (Scope(group=("chu*", "loan")), lambda record: "/churn/" in record.package or "/loan/" in record.package),
        (Scope(account=(ONE,), group=("fine",)), lambda record: "/fine/" in record.package),
        (Scope(account=("000000000000",)), lambda _: False),
        (Scope(unit=("Elsewhere",)), lambda _: False),
        (Scope(stage=("Staging",)), lambda record: record.role == "unmapped"),
        (Scope(owner=("nobody",)), lambda record: record.role == "unmapped"),
        (Scope(stage=("Production",)), lambda record: record.role in ("judged", "unmapped")),
        (Scope(account=(ONE,), stage=("Staging",)), lambda _: False),
        (Scope(group=("churn",), stage=("Staging",)), lambda _: False),
    ],
)
def test_numbers_equal_an_independent_count(tmp_path: Path, scope: Scope, keep: Callable[[Record], bool]) -> None:
    folder = scan(tmp_path)
    found, counted = report(folder, scope), recount(folder, keep)
    people = found.population
    assert people.total == sum(counted["roles"].values())
    assert people.judged == counted["roles"]["judged"]
    assert people.unmapped == counted["roles"]["unmapped"]
    assert people.inventory == counted["roles"]["inventory"]
    assert {name: count for name, count in people.verdicts.items() if count} == counted["verdicts"]
    assert found.findings == counted["findings"]
    assert {one.control: one.outcomes for one in found.controls} == counted["controls"]
    assert {one.waiver.id: one.findings for one in found.exceptions} == counted["waivers"]
    assert sum(one.findings for one in found.causes) == counted["findings"]["unknown"]
    assert sum(fails + unknowns for *_, fails, unknowns in found.families) == sum(
        counted["findings"][outcome] for outcome in ("fail", "unknown")
    )


def test_a_hole_is_in_the_coverage_and_beside_its_account(tmp_path: Path) -> None:
    found = report(scan(tmp_path))
    assert not found.coverage.whole
    assert found.coverage.words() == "1 of 3 account-regions were read whole (33 %)"
    assert (found.coverage.accounts, found.coverage.accounts_read) == (3, 1)
    assert {row.name: row.unread for row in found.accounts} == {ONE: 0, TWO: 1, DARK: 1}


def test_a_scope_leaves_out_the_holes_of_others_and_keeps_those_of_nobody(tmp_path: Path) -> None:
    part = report(scan(tmp_path / "dark"), Scope(account=(ONE,)))
    assert part.coverage.failed == ()
    assert [one.account for one in part.coverage.unread] == [DARK], "an endpoint there may run a package of the scope"
    assert (
        part.coverage.words()
        == "1 of 1 account-regions were read whole (99 %); what was not read elsewhere bears on it"
    )
    assert [row.name for row in part.accounts] == [ONE]
    folder = scan(tmp_path / "light", dark=False)
    assert report(folder, Scope(account=(ONE,))).coverage.whole
    told = {name: value for name, value in folder.manifest().items() if name != "schema"}
    denied = {"account": "111111111111", "region": "global", "api": "organizations:ListAccounts", "state": "denied"}
    told["coverage"]["failed"].append({**denied, "calls": 1, "seconds": 0.1, "error": "AccessDenied"})
    folder.write_manifest(told)
    found = report(folder, Scope(account=(ONE,)))
    assert not found.coverage.whole, "who else belongs to the organization is not known"
    assert [one.api for one in found.coverage.failed] == ["organizations:ListAccounts"]


def test_time_is_told_by_earlier_scans(nights: list[Folder]) -> None:
    found = report(nights[2]).history
    assert [(point.as_of, point.complete) for point in found.points] == [
        (AS_OF[0], True),
        (AS_OF[1], False),
        (AS_OF[2], False),
    ]
    since = {(one.package.split("/", 1)[1], one.control): one.since for one in report(nights[2]).history.oldest}
    assert since["always/1", "ENC-02"] == AS_OF[0]
    assert since["lately/1", "IMG-03"] == AS_OF[2]
    assert since["loan/2", "ENC-01"] == AS_OF[0]
    total = sum(sum(age.days.values()) for age in found.ages)
    assert total == sum(recount(nights[2])["findings"][outcome] for outcome in ("fail", "unknown"))
    assert report(nights[0]).history.points[-1].as_of == AS_OF[0], "what came later is not looked at"


def test_the_newest_scan_of_a_period_is_chosen(nights: list[Folder]) -> None:
    runs = nights[0].path.parent
    assert newest(runs, "", "9999").id == nights[2].id
    assert newest(runs, "2026-10-01", "2026-11-10").id == nights[1].id
    with pytest.raises(ScanError, match="holds no scan of that period"):
        newest(runs, "2027-01-01", "9999")


def copied(nights: list[Folder], into: Path) -> list[Folder]:
    return [Folder(Path(shutil.copytree(one.path, into / one.id))) for one in nights]


def test_an_old_scan_that_was_changed_is_told_and_costs_the_others_nothing(
    nights: list[Folder], tmp_path: Path
) -> None:
    first, second, third = copied(nights, tmp_path)
    (first.path / "manifest.json").write_text("{")
    table = second.path / "findings.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    found = report(third).history
    assert [point.run for point in found.points] == [third.id]
    assert [one.split(":")[0] for one in found.skipped] == [first.id, second.id]
    assert newest(tmp_path, "", "9999").id == third.id


def test_a_scan_that_may_be_the_newest_is_never_passed_over(nights: list[Folder], tmp_path: Path) -> None:
    *_, third = copied(nights, tmp_path)
    (third.path / "manifest.json").write_text("{")
    with pytest.raises(ScanError, match="it may be the newest"):
        newest(tmp_path, "", "9999")


def test_a_format_that_tells_nothing_of_time_opens_no_other_scan(nights: list[Folder], tmp_path: Path) -> None:
    *_, third = copied(nights, tmp_path)
    (tmp_path / nights[0].id / "plan.json").unlink()
    assert call(tmp_path, third.path, "-o", "sarif=a.sarif").code == 0
    done = call(tmp_path, third.path, "-o", "json=a.json")
    assert done.code == 0
    told = json.loads((tmp_path / "a.json").read_text())["report"]["history"]
    assert nights[0].id in told["skipped"][0]


def test_every_mapping_names_a_control_that_ships_and_every_file_is_checked() -> None:
    ships = set(load_bundle().controls)
    for name in names():
        one = framework(name)
        assert one.framework == name
        assert {mapping.control for mapping in one.mappings} <= ships
        assert len(set(one.mappings)) == len(one.mappings)
        assert set(one.refs) <= {mapping.ref for mapping in one.mappings}
        assert not any(
            mapping.verified and not (mapping.verified_by and mapping.verified_on) for mapping in one.mappings
        )
        assert {framework(other).superseded_by for other in one.supersedes} <= {name}
    with pytest.raises(FrameworkError, match="unknown framework `sox`"):
        framework("sox")


def test_a_framework_holds_from_its_day_until_it_is_superseded() -> None:
    assert "sr-11-7" in {one.framework for one in frameworks("2026-04-16")}
    assert "sr-11-7" not in {one.framework for one in frameworks("2026-04-17")}
    assert "sr-26-2" in {one.framework for one in frameworks("2026-04-17")}
    assert framework("sr-11-7").state("2026-11-20") == "superseded on 2026-04-17 by sr-26-2"
    assert framework("eu-ai-act").state("2026-11-20") == "not in force before 2027-12-02"


def test_an_obligation_counts_each_package_once_by_its_worst(tmp_path: Path) -> None:
    mappings = tuple(Mapping(control, "A", verified=False) for control in ("ENC-02", "IMG-03"))
    one = Framework("mine", "Mine", "2026-01-01", "2026-01-01", "us", verified=False, mappings=mappings)
    folder = scan(tmp_path)
    with Source(folder) as source:
        told = (
            report_of(source, [one], history_of(source, Before()), title="", generated_at="")
            .frameworks[0]
            .obligations[0]
        )
    worst: Counter[str] = Counter()
    for record in records(folder):
        outcomes = {
            ruling.finding.outcome
            for ruling in (record.decision.rulings if record.decision else ())
            if ruling.finding.control in ("ENC-02", "IMG-03")
        }
        found = next((kind for kind in ("fail", "unknown", "pass", "not-applicable") if kind in outcomes), None)
        worst.update([found] if found else [])
    assert told.packages == worst
    assert not told.verified


@pytest.mark.parametrize("format_", [one for one in FORMATS if one != "pdf"])  # whose pages are read in test_page
def test_every_format_says_that_it_is_not_whole(format_: str, tmp_path: Path) -> None:
    folder = scan(tmp_path)
    with Source(folder) as source:
        out = io.BytesIO()
        writer(format_)(source, report(folder), out)
    said = out.getvalue().decode()
    assert '"complete":false' in said or "NOT COMPLETE" in said
    assert "compliant" not in said.lower()


def test_json_is_what_its_schema_says(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for text in ("", HOSTILE):
        folder = scan(tmp_path / (text and "hostile"), text=text)
        with Source(folder) as source:
            out = io.BytesIO()
            writer("json")(source, report(folder), out)
        document = json.loads(out.getvalue())
        jsonschema.Draft202012Validator(schema).validate(document)
        open_ = sum(recount(folder)["findings"][outcome] for outcome in ("fail", "unknown"))
        assert len(document["findings"]) == open_ > 0


def call(tmp_path: Path, *arguments: object) -> Done:
    return inside("report", *map(str, arguments), folder=tmp_path, environment=clean_environment())


def changes(tmp_path: Path, *arguments: object) -> Done:
    return inside("compare", *map(str, arguments), folder=tmp_path, environment=clean_environment())


def test_a_report_of_a_folder_of_scans(nights: list[Folder], tmp_path: Path) -> None:
    done = call(
        tmp_path, nights[0].path.parent, "-o", "json=report.json", "--scope", f"account={ONE}", "--title", "Mine"
    )
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        f"scan {nights[2].id} as json: report.json",
        "the scan is NOT COMPLETE: 1 of 1 account-regions were read whole (99 %); what was not read elsewhere bears on it",
    ]
    told = json.loads((tmp_path / "report.json").read_text())["report"]
    assert (told["title"], told["scope"], told["run"]) == ("Mine", f"account={ONE}", nights[2].id)
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "gates").mkdir()
    monkeypatch.setattr(Path, "iterdir", denied)
    done = call(tmp_path, "gates", "-o", "html=page.html")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: gates: cannot be read: Permission denied")


def test_a_report_and_a_comparison_never_take_the_place_of_what_they_read(nights: list[Folder], tmp_path: Path) -> None:
    kept = {path: path.read_bytes() for folder in nights for path in folder.path.rglob("*") if path.is_file()}
    link = tmp_path / "link.json"
    link.symlink_to(nights[0].path / "plan.json")
    gate = tmp_path / "gate.json"
    gate.write_text("{}")
    newest, oldest = nights[2].path, nights[0].path
    cases = [
        (call(tmp_path, newest, "-o", f"json={newest}/packages.parquet"), f"{newest}/packages.parquet"),
        (call(tmp_path, newest.parent, "-o", f"html={oldest}/new.html"), f"{oldest}/new.html"),
        (call(tmp_path, newest, "-o", "json=link.json"), "link.json"),
        (call(tmp_path, gate, "-o", "html=gate.json"), "gate.json"),
        (changes(tmp_path, oldest, newest, "-o", f"text={newest}/manifest.json"), f"{newest}/manifest.json"),
        (changes(tmp_path, oldest, newest, "-o", "json=link.json"), "link.json"),
    ]
    for done, file in cases:
        told = f"error: {file}: lies where records are\n  help: write what is no record elsewhere\n"
        assert (done.code, done.out, done.err) == (2, "", told)
    assert kept == {path: path.read_bytes() for folder in nights for path in folder.path.rglob("*") if path.is_file()}
    assert gate.read_text() == "{}"


@pytest.mark.parametrize(
    ("arguments", "error", "help_"),
    [
        ((), "nothing is to be written", "add -o html=report.html, or --format json"),
        (("-o", "xml=a"), "-o: `xml=a` is not FORMAT=FILE", "formats are html, pdf, json, markdown, csv,"),
        (("-o", "json=no/such/a"), "no/such/a: cannot be written", "choose a folder that exists"),
        (("-o", "json=a", "-o", "html=a"), "-o: two formats go to `a`, and the last one", "name a file for each"),
        (("--format", "json", "--scope", "stage=production"), "--scope: unknown stage `production`", "use one of Dev"),
        (
            ("--format", "json", "--scope", "group=nothing-*"),
            "nothing that was read is in the scope group=nothing-*",
            "correct --scope, or leave it out",
        ),
        (
            ("--format", "json", "--scope", "account=000000000000"),
            "nothing that was read is in the scope account=000000000000",
            "correct --scope, or leave it out",
        ),
        (("--format", "json", "--scope", "team=a"), "--scope: `team=a` is no scope", "write it as KIND=VALUE"),
        (("--format", "json", "--scope", "account=1"), "--scope: `1` is not an account id", "write its 12 digits"),
        (("--format", "json", "--from", "yesterday"), "--from: `yesterday` is not a day", "write it as 2026-11-22"),
        (("--format", "json", "--to", "2026-01-01"), "--to has no effect beside one scan", "name the folder that"),
    ],
)
def test_a_wrong_question_is_exit_2(tmp_path: Path, arguments: tuple[str, ...], error: str, help_: str) -> None:
    done = call(tmp_path, scan(tmp_path).path, *arguments)
    first, second = done.err.splitlines()
    assert done.code == 2
    assert first.startswith(f"error: {error}")
    assert second.startswith(f"  help: {help_}")


def test_an_account_that_nobody_could_read_is_a_report_of_its_hole(tmp_path: Path) -> None:
    done = call(tmp_path, scan(tmp_path).path, "-o", "markdown=report.md", "--scope", f"account={DARK}")
    assert done.code == 0
    assert done.err.splitlines()[1:] == ["the scan is NOT COMPLETE: 0 of 1 account-regions were read whole (0 %)"]
    assert "NOT COMPLETE" in (tmp_path / "report.md").read_text()


def test_a_link_stays_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    folder = scan(tmp_path).path
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.json").write_text("old")
    (tmp_path / "a.json").symlink_to("real/a.json")
    assert call(tmp_path, folder, "-o", "json=a.json").code == 0
    assert (tmp_path / "a.json").is_symlink()
    assert json.loads((tmp_path / "real/a.json").read_text())["report"]
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        assert call(tmp_path, folder, "-o", "json=pipe").code == 0
        assert json.loads(read.result(timeout=30))["report"]
    assert {one.name for one in tmp_path.iterdir()} == {folder.name, "real", "a.json", "pipe"}


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    done = call(tmp_path, "nowhere", "--format", "json")
    assert done.code == 2
    assert "'nowhere' does not exist" in done.err


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_an_output_that_nobody_reads_to_its_end_is_exit_4(format_: str, tmp_path: Path) -> None:
    """More than a pipe holds, so that it is closed while it is written."""
    more = [judged(ONE, f"long-{number}/1", "ENC-02") for number in range(150)]
    folder = scan(tmp_path, more=more)
    command = f'set -o pipefail; "{SCRIPT}" report "$1" --format {format_} | head -c 1 >/dev/null'
    done = subprocess.run(
        ["bash", "-c", command, "bash", folder.path],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 4
    assert done.stderr == (
        "error: the output could not be written: it was closed\n  help: write it to a file with `-o FORMAT=FILE`\n"
    )


def test_gates_are_a_page_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    done = call(tmp_path, "run.json", "--format", "json")
    assert done.code == 2
    assert "a report over gate runs refuses another format than html" in done.err


def test_scopes_are_read() -> None:
    assert scope_of(["stage=Production", "unit=/A/B/", "stage=Staging"]) == Scope(
        unit=("A/B",), stage=("Production", "Staging")
    )
    assert Scope(unit=("A",)).accounts({"1": "A/B", "2": "AB", "3": "A"}) == ("1", "3")
    assert Scope(unit=("A",), account=("3", "9")).accounts({"1": "A/B", "3": "A"}) == ("3",)
    with pytest.raises(UserError):
        scope_of(["stage="])
