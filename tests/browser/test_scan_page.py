"""The page of a scan in a real browser: readable on a telephone, whole on paper, and by the rules of axe-core."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from modelwarden.scan.folder import Folder
from tests.browser.test_page import HOSTILE, browse, pytestmark  # noqa: F401 - the mark holds for this module too
from tests.render.test_scan_page import ONE, judged, page, scan

PHONE = 375
"""CSS pixels; a window of the browser is at least 500 wide, a frame is not."""
_PROBE = """
const root = document.documentElement;
const told = {client: root.clientWidth, scroll: root.scrollWidth};
document.querySelectorAll("details").forEach(one => one.open = true);
told.opened = root.scrollWidth;
const done = found => parent.postMessage(JSON.stringify({...told, ...found}), "*");
typeof axe === "undefined" ? done({}) : axe.run().then(found => done({
  violations: found.violations.map(one => one.id + ": " + one.nodes[0].html), passes: found.passes.length}));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A scan with holes, long names, and more packages than fit a screen."""
    long = "customer-lifetime-value-" * 6
    more = [judged(ONE, f"{long}/{number}", "ENC-02", "IMG-03") for number in range(30)]
    return scan(tmp_path_factory.mktemp("scan"), more=more)


def bare(text: str) -> str:
    """The page without its policy, under which no script of a test would run."""
    found, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert count == 1
    return found


def probe(path: Path, text: str, width: int, *options: str, axe: bool = False, script: str = _PROBE) -> dict[str, Any]:
    """What a script finds on the page in a frame of so many pixels."""
    path.mkdir(exist_ok=True)
    library = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") if axe else ""
    assert "</script" not in library
    scripts = f"<script>{library}</script><script>{script}</script>"
    (path / "inner.html").write_text(bare(text).replace("</body>", f"{scripts}</body>"), encoding="utf-8")
    frame = path / "frame.html"
    frame.write_text(
        f'<!doctype html><title>frame</title><iframe src="inner.html" width="{width}" height="800" frameborder="0">'
        '</iframe><pre id="told"></pre><script>addEventListener("message", one => '
        'document.getElementById("told").textContent = one.data)</script>',
        encoding="utf-8",
    )
    seen = browse(frame, "--dump-dom", "--virtual-time-budget=30000", "--window-size=1600,1000", *options)
    told = re.search(r'<pre id="told">(\{.*?\})</pre>', seen, re.DOTALL)
    assert told is not None, seen[-500:]
    found: dict[str, Any] = json.loads(html.unescape(told[1]))
    return found


@pytest.mark.parametrize("text", ["", HOSTILE, "ü" * 300, "arn:aws:iam::" + "x" * 300])
def test_nothing_moves_the_body_sideways_on_a_telephone(tmp_path: Path, text: str) -> None:
    found = probe(tmp_path / "probe", page(scan(tmp_path, text=text)), PHONE)
    assert PHONE - 20 <= found["client"] <= PHONE
    assert found["scroll"] <= found["client"]
    assert found["opened"] <= found["client"]


def test_the_measure_sees_what_is_too_wide(folder: Folder, tmp_path: Path) -> None:
    wide = page(folder).replace("</main>", '<div><svg width="600" height="9"></svg></div></main>')
    found = probe(tmp_path / "probe", wide, PHONE)
    assert found["scroll"] > found["client"]


@pytest.mark.parametrize(("width", "dark"), [(PHONE, True), (1280, False)])
def test_axe_finds_nothing(folder: Folder, tmp_path: Path, width: int, dark: bool) -> None:
    """With every package opened, in both colour schemes."""
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    found = probe(tmp_path / "probe", page(folder), width, scheme, axe=True)
    assert found["violations"] == []
    assert found["passes"] > 20


def test_axe_sees_what_is_wrong(folder: Folder, tmp_path: Path) -> None:
    wrong = page(folder).replace('<html lang="en">', "<html>").replace("</main>", '<img src="data:,"></main>')
    found = probe(tmp_path / "probe", wrong, PHONE, axe=True)
    assert {one.partition(":")[0] for one in found["violations"]} >= {"html-has-lang", "image-alt"}


def sheets(path: Path, text: str) -> int:
    """Pages of paper."""
    path.mkdir(exist_ok=True)
    file, printed = path / "page.html", path / "page.pdf"
    file.write_text(text, encoding="utf-8")
    browse(file, f"--print-to-pdf={printed}")
    return len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))


def test_what_is_folded_is_printed(folder: Folder, tmp_path: Path) -> None:
    """As many sheets as of a page on which somebody opened everything, and more than if the folds stayed closed."""
    text = page(folder)
    opened = bare(text).replace("<details ", "<details open ")
    folded = bare(text).replace("details::details-content", "details.none")
    assert sheets(tmp_path / "printed", text) == sheets(tmp_path / "opened", opened)
    assert sheets(tmp_path / "printed", text) > sheets(tmp_path / "folded", folded)


def test_a_page_with_hostile_names_runs_nothing_and_asks_nobody(tmp_path: Path) -> None:
    told = scan(tmp_path, text=HOSTILE)
    file = tmp_path / "page.html"
    file.write_text(page(told, title=HOSTILE), encoding="utf-8")
    log = tmp_path / "net.json"
    seen = browse(file, "--dump-dom", f"--log-net-log={log}")
    assert re.findall(r"<(?:script|img|iframe|object|embed|link|form)\b", seen) == ["<script"], "our own"
    assert re.search(r"<output[^>]*>5 of 5 packages<", seen), "its script ran"
    assert "192.0.2.1" not in "".join(re.findall(r'"url":"([^"]+)"', log.read_text(errors="replace")))


MANY = 10_000
_USE = """
const at = id => document.getElementById(id);
const shown = () => [...document.querySelectorAll("#list > :not([hidden]) .name")].map(one => one.textContent);
const set = (id, value) => {
  const began = performance.now();
  at(id).value = value;
  at(id).dispatchEvent(new Event("input", {bubbles: true}));
  document.body.getBoundingClientRect();
  return performance.now() - began;
};
const told = {client: 1, scroll: 1, opened: 1, all: shown().length, times: {}};
told.times["first search"] = set("search", "team-77 IMG-03");
told.searched = shown();
told.said = at("found").value;
told.times["next search"] = set("search", "team-7");
at("clear").click();
told.times["verdict"] = set("verdict", "undecided");
told.undecided = shown().length;
told.kinds = [...new Set([...document.querySelectorAll("#list > :not([hidden])")].map(one => one.classList[1]))];
told.times["sort"] = set("sort", "name");
at("clear").click();
set("sort", "name");
told.first = shown()[0];
at("clear").click();
told.cleared = shown().length;
const last = document.querySelector("#list").lastElementChild;
location.hash = last.id;
setTimeout(() => parent.postMessage(JSON.stringify({...told, linked: last.open}), "*"), 50);
"""


def test_ten_thousand_packages_are_searched_filtered_and_sorted(
    folder: Folder, tmp_path: Path, record_property: Callable[[str, str], None]
) -> None:
    """The packages of a page, copied under names of their own."""
    head, _, rest = page(folder).partition('<div id="list">')
    block, _, tail = rest.partition("\n</div>\n</section>")
    ones = re.findall(r"(?s)<details class=\"package.*?</div></details>", block)
    assert len(ones) > 5
    kinds = [re.search(r'class="package (\w+)"', one)[1] for one in ones]  # type: ignore[index]
    copies = []
    for number in range(MANY):
        one = re.sub(r'id="p-\w+"', f'id="p-{number}"', ones[number % len(ones)])
        copies.append(re.sub(r'(class="name">)[^<]*', rf"\g<1>{ONE}/eu-west-1/team-{number:04}/1", one))
    text = f'{head}<div id="list">{"".join(copies)}\n</div>\n</section>{tail}'
    found = probe(tmp_path / "probe", text, 1280, script=_USE)
    assert found["all"] == found["cleared"] == MANY
    with_control = [number for number in range(7700, 7800) if "IMG-03" in ones[number % len(ones)]]
    assert found["searched"] == [f"{ONE}/eu-west-1/team-{number}/1" for number in with_control]
    assert found["said"] == f"{len(with_control)} of {MANY} packages"
    assert found["undecided"] == sum(kinds[number % len(ones)] == "undecided" for number in range(MANY))
    assert found["kinds"] == ["undecided"]
    assert found["first"] == f"{ONE}/eu-west-1/team-0000/1"
    assert found["linked"], "an address with the name of a package opens it"
    times = ", ".join(f"{name} {time:.0f} ms" for name, time in found["times"].items())
    record_property("measured", f"page of {MANY:,} packages, {len(text) / 1e6:.1f} MB: {times}")
