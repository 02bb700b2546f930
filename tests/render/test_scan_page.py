"""The page of a scan: coverage first, every verdict and reason in it, and nothing that a package says does anything."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from modelwarden.audit.formats import html as html_format
from modelwarden.audit.formats import writer
from modelwarden.audit.history import Before, history_of
from modelwarden.audit.page.attention import MAX
from modelwarden.audit.page.coverage import MAX_UNITS
from modelwarden.audit.report import report_of
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.estate import Account, Estate
from modelwarden.finding import Decision
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record, Running, ScanError
from modelwarden.scan.run import estate_to_json
from modelwarden.scan.summary import summarize
from modelwarden.snapshot import Deployment, LedgerRow
from modelwarden.tables import TablesWriter
from tests.cli.conftest import clean_environment
from tests.render import runs

SCRIPT = Path(sys.executable).with_name("modelwarden")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = (
    "<script>document.title = 'owned'</script><img src=http://192.0.2.1/x onerror=\"document.title='owned'\">\u202e"
)
ONE, TWO, DARK, CLOSED = "111122223333", "444455556666", "121212121212", "999900001111"
BUNDLE, SETTINGS, WAIVERS = (f"sha256:{digit * 64}" for digit in "abc")
DENIED = LedgerRow(TWO, "eu-west-1", "kms:DescribeKey", "denied", 1, 0.1, "AccessDenied: no grant")
SKIPPED = LedgerRow(CLOSED, "global", "", "skipped", 0, 0.0, "state:SUSPENDED")


def arn(account: str, name: str) -> str:
    return f"arn:aws:sagemaker:eu-west-1:{account}:model-package/{name}"


def judged(account: str, name: str, *ids: str, **changes: Any) -> Record:
    """A package of which these controls say what `runs.FINDINGS` holds."""
    decision: Decision = replace(runs.decided([runs.FINDINGS[id_] for id_ in ids]), package=arn(account, name))
    return replace(Record(arn(account, name), "judged", "approved", "Approved", decision=decision), **changes)


def unmapped(account: str, name: str) -> Record:
    return Record(arn(account, name), "unmapped", "newest of its group; claims no stage", "PendingManualApproval")


RECORDS = {
    ONE: [
        judged(ONE, "churn/7", "ENC-02", "IMG-03", why="deployed", endpoints=(f"arn:aws:sagemaker:::{ONE}/live",)),
        judged(ONE, "churn/8", "IMG-03", "CARD-04", "CARD-07"),
        judged(ONE, "fine/1", "BIAS-01"),
        Record(arn(ONE, "churn/1"), "inventory", "an older version that is neither approved nor deployed"),
    ],
    TWO: [judged(TWO, "loan/2", "ENC-01", "BIAS-01"), unmapped(TWO, "loan-single")],
}


def scan(
    path: Path, *, dark: bool = True, text: str = "", more: Sequence[Record] = (), manifest: bool = True
) -> Folder:
    """A recorded scan; `dark`: one cell was never read, and one API failed in another. `text`: every name from outside."""
    folder = Folder(path / "20261122T021000Z-0123abcd")
    names = {
        ONE: text or "retail-ml",
        TWO: text or "lending-ml",
        DARK: text or "laboratory",
        CLOSED: text or "legacy-ml",
    }
    accounts = tuple(Account(id_, name, "ACTIVE", text or "Workloads/Shop") for id_, name in sorted(names.items()))
    cells = sorted([(ONE, "eu-west-1"), (TWO, "eu-west-1"), *([(DARK, "eu-west-1")] if dark else [])])
    estate = Estate(accounts, tuple(cells), (replace(SKIPPED, error=text or SKIPPED.error),), (), "organization")
    run = runs.hostile(text) if text else runs.everything()
    folder.write_plan(
        {
            "versions": {"modelwarden": "0.1.0", "cedarpy": "4.12.2"},
            "bundle": {"digest": BUNDLE},
            "settings": {"digest": SETTINGS, "waivers_digest": WAIVERS},
            "controls": {id_: asdict(info) for id_, info in run.controls.items()},
            "estate": estate_to_json(estate),
        }
    )
    for account, region in cells:
        writer = folder.cell(account, region)
        records = [
            _hostile(record, run.decision, text) if text else record
            for record in [*RECORDS.get(account, ()), *(more if account == ONE else ())]
        ]
        for record in records:
            writer.add(record)
        ledger = (replace(DENIED, error=text or DENIED.error),) if dark and account == TWO else ()
        end = writer.close((text or "sts:AssumeRole: AccessDenied: not allowed") if account == DARK else "", ledger)
        with folder.judging(end) as (place, tally), TablesWriter(place, run.controls) as tables:
            for record in records:
                tally.add(record)
                tables.add(record)
    live = f"arn:aws:sagemaker:eu-west-1:{ONE}:endpoint/{text or 'live'}"
    running = Deployment(live, "InService", text or "main", text or "model", arn(ONE, "churn/7" + text), "")
    bare = replace(running, variant=text or "shadow", package=None, image=text or "docker.io/somebody/model:1")
    folder.write_running(ONE, "eu-west-1", Running((running, bare), "", ()))
    if manifest:
        clock = {"started_at": runs.CLOCK, "finished_at": runs.CLOCK, "as_of": runs.CLOCK, "as_of_asserted": True}
        said = {"id": folder.id, "kind": "scan", **clock, "advisory": True, "source": "organization"}
        folder.write_manifest(said | summarize(folder, estate).to_json() | {"tables": folder.seal(cells)})
    return folder


def _hostile(record: Record, decision: Decision, text: str) -> Record:
    mine = replace(decision, package=record.package + text) if record.decision else None
    words = {"why": text, "approval": text, "claimed": text, "created": text, "endpoints": (text,)}
    return replace(record, package=record.package + text, decision=mine, **words)


def page(folder: Folder, title: str = "Scan", scope: Scope | None = None, before: Before | None = None) -> str:
    """The HTML report of a scan, without frameworks."""
    with Source(folder, scope or Scope()) as source:
        told = history_of(source, before or Before())
        out = io.BytesIO()
        writer("html")(source, report_of(source, (), told, title=title, generated_at="2026-11-22T03:00:00Z"), out)
    return out.getvalue().decode()


def plain(page: str) -> str:
    """What a reader sees, on one line."""
    body = re.sub(r"(?s)<style>.*?</style>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_an_endpoint_without_a_package_is_on_the_page(tmp_path: Path) -> None:
    seen = plain(page(scan(tmp_path)))
    assert "1 of 2 containers behind endpoints run a package that was judged." in seen
    assert "endpoint/live shadow unregistered docker.io/somebody/model:1" in seen


def test_an_incomplete_scan_says_so_before_anything_else(tmp_path: Path) -> None:
    written = page(scan(tmp_path))
    seen = plain(written[written.index("<body>") :])
    assert seen.startswith("NOT COMPLETE: 2 of 3 account-regions were not read whole.")
    assert "<title>NOT COMPLETE · Scan · modelwarden</title>" in written
    assert "33 % 1 of 3 account-regions were read whole" in seen
    assert f"{DARK} laboratory eu-west-1 sts:AssumeRole: AccessDenied: not allowed" in seen
    assert f"{TWO} lending-ml eu-west-1 kms:DescribeKey denied AccessDenied: no grant" in seen
    assert f"{CLOSED} legacy-ml state:SUSPENDED" in seen
    assert "compliant" not in written.lower()


def test_what_was_read_comes_first(tmp_path: Path) -> None:
    written = page(scan(tmp_path))
    assert re.findall(r'<h2 id="(\w+)"', written) == [
        *("coverage", "verdicts", "exceptions", "changes", "aging", "unknowns", "obligations", "controls"),
        *("endpoints", "packages", "made"),
    ]


def test_a_complete_scan_raises_no_alarm(tmp_path: Path) -> None:
    written = page(scan(tmp_path, dark=False))
    assert "NOT COMPLETE" not in written
    assert "100 % 2 of 2 account-regions were read whole" in plain(written)


def test_every_verdict_is_counted_in_all_and_by_account(tmp_path: Path) -> None:
    seen = plain(page(scan(tmp_path)))
    assert "1 blocked 1 undecided 1 allowed with flags 1 allowed 1 unmapped 1 inventory" in seen
    assert f"{ONE} retail-ml Workloads/Shop 1 of 1 1 0 1 1 0 1" in seen
    assert f"{TWO} lending-ml Workloads/Shop 0 of 1 0 1 0 0 1 0" in seen
    assert f"{DARK} laboratory Workloads/Shop 0 of 1 0 0 0 0 0 0" in seen


def test_controls_stand_with_their_outcomes_most_fails_first(tmp_path: Path) -> None:
    written = page(scan(tmp_path))
    table = plain(written[written.index('aria-label="Findings by control"') :])
    assert re.findall(
        r"([A-Z]+-\d\d) (?:low|medium|high|critical) the problem of \1 is there (\d+ \d+ \d+ \d+)", table
    ) == [
        ("IMG-03", "2 0 0 0"),
        ("CARD-04", "1 0 0 0"),
        ("ENC-02", "1 0 0 0"),
        ("CARD-07", "0 1 0 0"),
        ("ENC-01", "0 1 0 0"),
        ("BIAS-01", "0 0 2 0"),
    ]
    assert (
        f"account CARD ENC IMG {ONE} retail-ml 1 failed, ?1 unknown 1 2 {TWO} lending-ml 0 0 failed, ?1 unknown 0"
        in table
    )


def test_a_package_says_why_it_was_judged_and_what_stops_it(tmp_path: Path) -> None:
    written = page(scan(tmp_path))
    found = re.findall(r'<details class="package (\w+)"[^>]*>\s*<summary>.*?class="name">([^<]*)<', written)
    assert found == [
        ("block", f"{ONE}/eu-west-1/churn/7"),
        ("undecided", f"{TWO}/eu-west-1/loan/2"),
        ("unmapped", f"{TWO}/eu-west-1/loan-single"),
        ("flag", f"{ONE}/eu-west-1/churn/8"),
        ("allow", f"{ONE}/eu-west-1/fine/1"),
    ]
    seen = plain(written)
    assert (
        f"package {arn(ONE, 'churn/7')} judged deployed; to Production (approve) endpoints arn:aws:sagemaker:::{ONE}/live"
        in seen
    )
    assert '/artifact/0/encryption/sse = "AES256"' in seen
    assert "expected aws:kms with a customer managed key" in seen
    assert "help mend it and register the package again" in seen
    assert "ENC-01 · cannot tell: the problem of ENC-01 is there" in seen
    assert "not judged newest of its group; claims no stage" in seen
    assert f"{arn(ONE, 'churn/1')} " not in seen, "what is only inventory is counted alone"
    assert "1 that are only inventory are not listed." in seen


def test_how_it_was_made_says_loudly_what_was_only_asserted(tmp_path: Path) -> None:
    seen = plain(page(scan(tmp_path)))
    made = seen[seen.rindex("How it was made") :]
    assert "ADVISORY: no pinned organization layer" in made
    assert f"ASSERTED: the time {runs.CLOCK} was stated by the caller" in made
    assert all(digest in made for digest in (BUNDLE, SETTINGS, WAIVERS))
    assert "modelwarden 0.1.0, cedarpy 4.12.2" in made
    waived = seen[seen.rindex("Exceptions") :]
    assert "W-1 2026-12-31 retail-risk 1 1 39 " in waived
    assert "BREAK-GLASS IS IN FORCE: W-2" in waived


def test_no_more_packages_are_spelled_out_than_fit_and_the_page_says_how_many_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_format, "MOST", 4)
    monkeypatch.setattr(html_format, "WORST", 4)
    written = page(scan(tmp_path, more=[judged(ONE, f"more/{number}", "ENC-02") for number in range(5)]))
    assert re.findall(r'<details class="package (\w+)"', written) == ["block"] * 4
    assert "Not spelled out here: 2 blocked, 1 undecided, 1 unmapped, 1 allowed with flags, 1 allowed." in plain(
        written
    )
    assert "/packages.parquet" in written


def test_memory_does_not_grow_with_packages_that_are_not_spelled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_format, "MOST", 10)
    monkeypatch.setattr(html_format, "WORST", 10)
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few = scan(tmp_path / "few", more=[judged(ONE, f"x/{number}", "ENC-02") for number in range(100)])
    many = scan(tmp_path / "many", more=[judged(ONE, f"x/{number}", "ENC-02") for number in range(2_000)])
    _peak_of_page(few)
    assert _peak_of_page(many) < 1.3 * _peak_of_page(few)


def _peak_of_page(folder: Folder) -> int:
    """Bytes that making the page takes, beside what is counted before."""
    with Source(folder) as source:
        found = report_of(source, (), history_of(source, Before()), title="", generated_at="")
        return _peak(lambda: writer("html")(source, found, io.BytesIO()))


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_records_that_are_not_those_that_were_counted_are_refused(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    before = folder.manifest()
    folder.unseal()
    before["tables"] = folder.seal([(TWO, "eu-west-1")])
    folder.write_manifest({name: value for name, value in before.items() if name != "schema"})
    with pytest.raises(ScanError, match="the records are not those that manifest"):
        page(folder)


@pytest.mark.parametrize("name", ["packages.parquet", "findings.parquet", "cells.jsonl"])
def test_a_table_that_was_changed_is_not_believed(tmp_path: Path, name: str) -> None:
    folder = scan(tmp_path)
    file = folder.path / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ScanError, match=f"{name}: was changed after it was written"):
        page(folder)


def test_a_text_from_outside_changes_no_tag(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tags = [
        re.findall(r"<[^>]*>", re.sub(r' id="p-\w+"', "", page(scan(tmp_path / where, text=text), text)))
        for where, text in (("a", HOSTILE), ("b", "x"))
    ]
    assert tags[0] == tags[1]
    assert not {"\x1b", "\u202e"} & set(page(Folder(next((tmp_path / "a").iterdir()))))


@pytest.mark.skipif(BROWSER is None and os.geteuid() != 0, reason="no Chromium (scripts/browser.sh)")
def test_a_browser_shows_it_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    assert BROWSER is not None, "no Chromium: run scripts/browser.sh"
    file, log = tmp_path / "page.html", tmp_path / "net.json"
    file.write_text(page(scan(tmp_path, text=HOSTILE), HOSTILE), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"]
    options += [
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--log-net-log={log}",
        "--dump-dom",
        "--enable-logging=stderr",
    ]
    done = subprocess.run([BROWSER, *options, file.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    assert html.unescape(title[1]).startswith("NOT COMPLETE · <script>")
    assert re.findall(r"<(?:script|img|iframe|object|embed|link|form)\b", done.stdout) == ["<script"], "our own"
    assert "192.0.2.1" not in log.read_text(encoding="utf-8", errors="replace").replace(file.as_uri(), "")
    assert "Content Security Policy" not in done.stderr  # nothing of ours is refused: no style attribute, no script


def report(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [SCRIPT, "report", *map(str, arguments)], env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr


def test_report_writes_the_page_of_a_scan(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    code, said = report(folder.path, "-o", f"html={tmp_path / 'page.html'}")
    assert code == 0
    assert said.splitlines() == [
        f"scan {folder.id} as html: {tmp_path / 'page.html'}",
        "the scan is NOT COMPLETE: 1 of 3 account-regions were read whole (33 %)",
    ]
    assert "NOT COMPLETE" in (tmp_path / "page.html").read_text(encoding="utf-8")


def _gate(folder: Folder) -> list[object]:
    (folder.path / "gate.json").write_text("{}")
    return [folder.path]


def _broken(folder: Folder, text: str | None = None) -> list[object]:
    file = folder.path / "manifest.json"
    file.write_text(file.read_text().replace('"read":1', '"read":3') if text is None else text)
    return [folder.path]


def _without_plan(folder: Folder) -> list[object]:
    (folder.path / "plan.json").unlink()
    return [folder.path]


def _unfinished(folder: Folder) -> list[object]:
    (folder.path / "manifest.json").unlink()
    return [folder.path]


def _empty(folder: Folder) -> list[object]:
    (folder.path / "empty").mkdir()
    return [folder.path / "empty"]


@pytest.mark.parametrize(
    ("bad", "error", "help_"),
    [
        (_gate, "is a scan, and a report is about one scan or gate runs", "write a report for each"),
        (lambda folder: [folder.path, folder.path], "is a scan, and a report is about", "write a report for each"),
        (_broken, "manifest.json: the checksum does not fit", "name a folder that `modelwarden scan` wrote"),
        (lambda folder: _broken(folder, "{"), "manifest.json: not JSON", "name a folder that `modelwarden scan` wrote"),
        (_without_plan, "plan.json: cannot be read", "name a folder that `modelwarden scan` wrote"),
        (_unfinished, "the scan did not come to its end", "go on with it: modelwarden scan --resume"),
        (_empty, "holds no scan and no run of a gate", "`modelwarden gate` and `modelwarden scan` record each run"),
    ],
)
def test_bad_input_is_one_line_a_next_step_and_exit_2(
    tmp_path: Path, bad: Callable[[Folder], list[object]], error: str, help_: str
) -> None:
    code, said = report(*bad(scan(tmp_path)), "-o", f"html={tmp_path / 'page.html'}")
    first, second = said.splitlines()
    assert code == 2
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith(f"  help: {help_}")
    assert not (tmp_path / "page.html").exists()


def compared(folder: Folder, **more: Any) -> Folder:
    """The same scan with a manifest that says more."""
    folder.write_manifest({name: value for name, value in folder.manifest().items() if name != "schema"} | more)
    return folder


def test_verdicts_are_summed_by_unit_and_findings_by_severity(tmp_path: Path) -> None:
    seen = plain(page(scan(tmp_path)))
    head = "share of verdicts block undecided flag allow unmapped inventory"
    assert f"unit accounts not read {head} Workloads/Shop 3 1 1 1 1 1 1 1 By account" in seen
    head = "severity controls that fail fail unknown pass"
    assert f"{head} critical 0 of 1 0 0 2 high 2 of 4 2 2 0 medium 1 of 1 2 0 0 By control" in seen


def test_a_hundred_units_are_all_there_and_the_worst_are_open(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    plan = {name: value for name, value in folder.plan().items() if name != "schema"}
    crowd = [f"{number:012}" for number in range(100)]
    plan["estate"]["accounts"] += [asdict(Account(id_, "", "ACTIVE", f"Team/{id_}")) for id_ in crowd]
    plan["estate"]["cells"] += [[id_, "eu-west-1"] for id_ in crowd]
    (folder.path / "plan.json").unlink()
    folder.write_plan(plan)
    holes = [{"account": id_, "region": "eu-west-1", "why": "no role"} for id_ in crowd]
    coverage = folder.manifest()["coverage"]
    written = page(compared(folder, coverage={**coverage, "unread": coverage["unread"] + holes}))
    assert all(f"Team/{id_}" in written for id_ in crowd)
    open_part, _, folded = written.partition('<details class="more">')
    assert open_part.count('class="wrap">') == MAX_UNITS
    folded = folded.partition("</details>")[0]
    assert folded.count('class="wrap">') == 101 - MAX_UNITS
    assert f"{101 - MAX_UNITS} more units: 0 block" in folded
    assert f"{101 - MAX_UNITS} account-regions not read" in folded


def test_what_is_new_is_on_the_page_where_the_scan_compares(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    assert "new since" not in plain(page(folder))
    assert "0 new since 20261121T" in plain(page(compared(folder, new=[], previous="20261121T000000000000Z-aaaaaaaa")))
    new = [arn(ONE, f"churn/{number}") for number in range(MAX + 2)]
    seen = plain(page(compared(folder, new=new, previous="20261121T000000000000Z-aaaaaaaa")))
    assert f"{len(new)} new since 20261121T000000000000Z-aaaaaaaa {ONE}/eu-west-1/churn/0 " in seen
    assert "and 2 more" in seen
