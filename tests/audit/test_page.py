"""The page tells the scope, the time and the frameworks of its report; a large one has files beside it; a PDF holds the same."""

from __future__ import annotations

import builtins
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.audit.changes import Changed, Changes
from modelwarden.audit.formats import html as html_format
from modelwarden.audit.formats import pdf as pdf_format
from modelwarden.audit.formats import writer
from modelwarden.audit.history import Point
from modelwarden.audit.page import charts, drill, packages
from modelwarden.audit.report import Row
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.scan.folder import Folder
from tests.cli.conftest import clean_environment
from tests.command import inside
from tests.render.test_scan_page import DARK, HOSTILE, ONE, TWO, judged, plain, scan

from .conftest import AS_OF, report


def written(folder: Folder, scope: Scope | None = None, format_: str = "html") -> bytes:
    with Source(folder, scope or Scope()) as source:
        out = io.BytesIO()
        writer(format_)(source, report(folder, scope), out)
    return out.getvalue()


@pytest.fixture(scope="module")
def page(nights: list[Folder]) -> str:
    """Of the last of three nights, with earlier ones and frameworks."""
    return written(nights[2]).decode()


def test_time_is_told(page: str) -> None:
    seen = plain(page)
    assert f"{AS_OF[0]} 2 of 2 20 % 2 1 1 1" in seen
    assert f"{AS_OF[2]} 1 of 3 72 % 2 1 2 1" in seen
    assert f"{ONE}/eu-west-1/always/1 ENC-02 fail 2026-08-01 112" in seen


def changed(folder: Folder, changes: Changes) -> str:
    with Source(folder) as source:
        found = report(folder)
        out = io.BytesIO()
        writer("html")(source, replace(found, history=replace(found.history, changes=changes)), out)
    return plain(out.getvalue().decode())


def test_changes_are_told_with_their_causes_and_a_problem_is_loud(nights: list[Folder]) -> None:
    one = Changed(
        f"arn:aws:sagemaker:eu-west-1:{ONE}:model-package/a/1", "worse", "allow", "block", ("X-1",), ("policy",)
    )
    seen = changed(nights[2], Changes("r", AS_OF[1], "", (), {"worse": 3}, 2, (one,)))
    assert "Since 2026-11-01, scan r 2 newly blocked. 3 worse." in seen
    assert f"{ONE}/eu-west-1/a/1 worse allow block X-1 policy and 2 more" in seen
    assert "Nobody can tell what changed: no bundle" in changed(nights[2], Changes("r", AS_OF[1], "no bundle"))
    assert "No package that was read changed." in changed(nights[2], Changes("r", AS_OF[1]))


def test_an_obligation_is_evidence_and_says_that_nobody_checked_it(page: str) -> None:
    seen = plain(page[page.index('<h2 id="obligations"') :])
    assert "A control gives evidence for an obligation, which is less than fulfilling it." in seen
    rows = re.findall(r'<th scope="row" class="wrap">[^<]*<span class="soft">\(unverified\)', page)
    assert rows
    assert "compliant" not in page.lower()


def test_every_picture_has_a_text_and_a_table(page: str) -> None:
    pictures = re.findall(r'<svg class="picture" role="img" aria-labelledby="(\w+)-title (\w+)-about"', page)
    assert pictures == [(name, name) for name in ("funnel", "burn", "posture", "heat")]
    for name, _ in pictures:
        assert f'<title id="{name}-title">' in page
        assert f'<desc id="{name}-about">' in page
    for label in ("Verdicts by stage", "Waived findings that are left, by day", "Posture over time"):
        assert f'role="region" aria-label="{label}"' in page


def test_a_scope_is_in_the_head_and_leaves_out_what_is_not_in_it(nights: list[Folder]) -> None:
    seen = plain(written(nights[0], Scope(account=(ONE,))).decode())
    assert f"Only a part: account={ONE}." in seen
    assert "100 % 1 of 1 account-regions were read whole" in seen
    assert "NOT COMPLETE" not in seen
    assert TWO not in seen
    assert f"scope account={ONE}" in seen


def test_a_scope_is_not_complete_where_an_endpoint_elsewhere_may_run_a_package_of_it(nights: list[Folder]) -> None:
    seen = plain(written(nights[2], Scope(account=(ONE,))).decode())
    assert "NOT COMPLETE: what was not read elsewhere bears on it. Everything below is less than the whole" in seen
    assert f"{DARK} laboratory eu-west-1 sts:AssumeRole: AccessDenied: not allowed" in seen
    assert f"{TWO} lending-ml eu-west-1 kms:DescribeKey" not in seen, "what is read of packages there is none of it"
    assert f"{DARK} laboratory Workloads/Shop" not in seen, "it is no account of the scope"


def test_what_nobody_knows_is_one_band() -> None:
    verdicts = {"block": 1, "undecided": 1, "flag": 0, "allow": 2}
    (one,) = charts.posture([Point("r", AS_OF[0], complete=False, cells=4, read=2, verdicts=verdicts)])
    assert one.shares == {"allow": 25, "flag": 0, "block": 12.5, "undecided": 12.5, "unread": 50}
    assert one.unknown == 62.5
    assert [bar.kind for bar in one.bars] == ["allow", "block", "undecided", "unread"]
    assert [(bar.y, bar.height) for bar in one.bars][-2:] == [(50, 12.5), (0, 50)]
    (dark,) = charts.posture([Point("r", AS_OF[0], complete=False, cells=4, read=0, verdicts=verdicts)])
    assert dark.unknown == 100
    assert [bar.kind for bar in dark.bars] == ["unread"], "what nobody read is no share of what is allowed"


def test_waivers_burn_down_the_day_after_their_last(nights: list[Folder]) -> None:
    found = report(nights[2])
    steps = charts.burn_down(found.exceptions, found.as_of)
    assert [(one.day, one.ending, one.findings) for one in steps] == [
        ("2026-11-22", (), 2),
        ("2026-11-24", ("W-2",), 1),
        ("2027-01-01", ("W-1",), 0),
    ]
    assert charts.burn_down((), found.as_of) == ()


def test_a_funnel_is_as_wide_as_its_share() -> None:
    levels = charts.funnel(
        [Row("Staging", "", "", {"allow": 6, "block": 2}), Row("Production", "", "", {"allow": 1, "undecided": 3})]
    )
    assert [(one.total, sum(bar.width for bar in one.bars), one.bars[0].x) for one in levels] == [
        (8, 100, 0),
        (4, 50, 25),
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that hold few packages."""
    monkeypatch.setattr(html_format, "MOST", 4)
    monkeypatch.setattr(html_format, "WORST", 2)
    monkeypatch.setattr(drill, "PACKAGES", 2)
    monkeypatch.setattr(packages, "_AT_ONCE", 3)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("text", ["", HOSTILE])
def test_a_large_report_has_files_beside_it(tmp_path: Path, text: str) -> None:
    folder = scan(tmp_path / "runs", text=text)
    beside = tmp_path / "report #1.html-packages"
    beside.mkdir()
    (beside / f"{TWO}-9.html").write_text("of somebody else")
    (beside / "mine.html").write_text("not ours")
    done = inside(
        "report", str(folder.path), "-o", "html=report #1.html", folder=tmp_path, environment=clean_environment()
    )
    assert done.code == 0, done.err
    assert (
        done.err.splitlines()[0]
        == "5 packages are too many for one page: 3 files in report #1.html-packages/ go with it"
    )
    names = [f"{ONE}-2.html", f"{ONE}.html", f"{TWO}.html"]
    assert sorted(one.name for one in beside.iterdir()) == sorted([*names, f"{TWO}-9.html", "mine.html"])
    page = (tmp_path / "report #1.html").read_text(encoding="utf-8")
    assert f'<a href="report%20%231.html-packages/{ONE}.html">' in page
    assert page.count('<details class="package') == 2
    kinds = {name: re.findall(r'<details class="package (\w+)"', (beside / name).read_text()) for name in names}
    assert [len(some) for some in kinds.values()] == [1, 2, 2]
    if not text:
        assert kinds == {names[0]: ["allow"], names[1]: ["block", "flag"], names[2]: ["undecided", "unmapped"]}
    one = (beside / names[1]).read_text(encoding="utf-8")
    assert 'href="../report%20%231.html#packages"' in one
    assert "NOT COMPLETE" in one
    assert len(re.findall(r"<(?:script|img|iframe|form)\b", one)) == 1, "its own script alone"


@pytest.mark.usefixtures("small")
def test_only_files_of_the_page_itself_are_replaced_or_removed_and_none_through_a_link(
    nights: list[Folder], tmp_path: Path
) -> None:
    def write(page: str) -> None:
        with Source(nights[0]) as source:
            drill.drill(source, told, tmp_path / page)

    told = report(nights[0])
    for page in ("report", "report.html"):
        write(page)
    ours, others = tmp_path / "report.html-packages", tmp_path / "report-packages"
    assert "../report.html#packages" in (ours / f"{ONE}.html").read_text()
    assert "../report#packages" in (others / f"{ONE}.html").read_text()
    written = {one.name for one in ours.iterdir()}
    shutil.copy(ours / f"{ONE}.html", ours / f"{ONE}-8.html")
    shutil.copy(others / f"{ONE}.html", ours / f"{ONE}-9.html")
    (ours / f"{TWO}-9.html").symlink_to(f"{ONE}.html")
    write("report.html")
    assert {one.name for one in ours.iterdir()} == {*written, f"{ONE}-9.html", f"{TWO}-9.html"}, "another page's stays"

    mine = tmp_path / "mine"
    mine.write_text("not a page")
    (ours / f"{ONE}.html").unlink()
    (ours / f"{ONE}.html").symlink_to(mine)
    with pytest.raises(
        drill.DrillError, match=rf"report.html-packages/{ONE}.html: is there, and is no file of this page$"
    ):
        write("report.html")
    assert mine.read_text() == "not a page"
    (tmp_path / "linked.html-packages").symlink_to(others)
    before = {one.name: one.read_bytes() for one in others.iterdir()}
    with pytest.raises(drill.DrillError, match=r"linked.html-packages: is a link, and nothing is written through it$"):
        write("linked.html")
    assert {one.name: one.read_bytes() for one in others.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_format, "MOST", 1)
    (tmp_path / "a.html-packages").write_text("in the way")
    folder = scan(tmp_path / "runs")
    done = inside("report", str(folder.path), "-o", "html=a.html", folder=tmp_path, environment=clean_environment())
    assert (done.code, done.err.splitlines()) == (
        2,
        [
            "error: a.html-packages: cannot be written: File exists",
            "  help: choose a folder that exists and is writable",
        ],
    )
    assert not (tmp_path / "a.html").exists()


def test_a_pdf_holds_the_same_and_reads_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With hostile names; what the renderer asked for is what its fetcher was asked."""
    weasyprint = pytest.importorskip("weasyprint", exc_type=(ImportError, OSError))
    asked: list[str] = []
    fetch = weasyprint.urls.URLFetcher.fetch
    monkeypatch.setattr(
        weasyprint.urls.URLFetcher,
        "fetch",
        lambda self, url, *rest, **more: asked.append(url) or fetch(self, url, *rest, **more),
    )
    monkeypatch.setattr(pdf_format, "WORST", 2)
    told: list[Any] = []
    monkeypatch.setattr(pdf_format, "fill", lambda name, **values: told.append(_fill(name, **values)) or told[-1])
    folder = scan(tmp_path, text=HOSTILE)
    printed = written(folder, format_="pdf")
    assert printed.startswith(b"%PDF-")
    assert asked == []
    assert "NOT COMPLETE" in told[0]
    assert re.search(r"Not spelled out here: \d [a-z ]+, \d [a-z ]+\. They are in the tables", plain(told[0]))
    assert told[0].count('<div class="package') == 2
    assert "<script" not in told[0]


_fill: Callable[..., str] = pdf_format.fill


@pytest.mark.parametrize(
    ("error", "line", "help_"),
    [
        (ImportError(), "a PDF needs WeasyPrint, which is not installed", "pip install 'modelwarden[pdf]'"),
        (
            OSError("cannot load library 'libpango-1.0-0':\nno such file"),
            "a PDF needs Pango, a library of the system: cannot load library 'libpango-1.0-0': no such file",
            "install it (Debian, Ubuntu: apt-get install",
        ),
    ],
)
def test_a_pdf_that_cannot_be_made_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str, help_: str
) -> None:
    imported = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "weasyprint":
            raise error
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    done = inside(
        "report", str(scan(tmp_path).path), "-o", "pdf=a.pdf", folder=tmp_path, environment=clean_environment()
    )
    first, second = done.err.splitlines()
    assert (done.code, first) == (2, f"error: {line}")
    assert second.startswith(f"  help: {help_}")
    assert not (tmp_path / "a.pdf").exists()


def test_a_package_that_passes_is_listed_with_what_it_passed(tmp_path: Path) -> None:
    folder = scan(tmp_path, dark=False, more=[judged(ONE, "waived/1", "CARD-04")])
    seen = plain(written(folder).decode())
    assert "0 blocked, 0 flagged, 0 unknown, 1 passed, 0 not applicable. Passed: BIAS-01" in seen
    assert "waived W-1 until 2026-12-31" in seen
