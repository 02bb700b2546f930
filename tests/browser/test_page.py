"""The page in a real browser: everything is there, nothing of what packages say runs, nothing is fetched."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment

SCRIPT = Path(sys.executable).with_name("modelwarden")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<script>document.title = 'owned'</script><img src=http://192.0.2.1/x onerror=\"document.title='owned'\">"

pytestmark = pytest.mark.skipif(
    BROWSER is None and os.geteuid() != 0, reason="no Chromium, and only root could install one (scripts/browser.sh)"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page over one blocked, one undecided and one flagged package with hostile texts."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "strict.toml").write_text('profile = "strict"\n[parameters]\napproved_image_sources = ["good"]\n')
    (folder / "observe.toml").write_text('profile = "observe"\n')
    for number, settings in enumerate(["strict", "strict", "observe"]):
        arn = f"arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/{number + 1}"
        facts: dict[str, object] = {"/package/arn": arn}
        if number == 2:
            facts["/package/kms_key/manager"] = "CUSTOMER"
        if number != 1:
            facts |= {
                "/container_count": 1,
                "/container/0/image/source": HOSTILE,
                "/container/0/image/uri": "\u202e\x1b[2J" + HOSTILE,
            }
        file = folder / f"{number}.json"
        file.write_text(json.dumps({"schema": "modelwarden.evidence/1", "package": arn, "facts": facts}))
        command = [SCRIPT, "gate", file, "--to", "Production", "--config", folder / f"{settings}.toml"]
        done = subprocess.run(
            [*command, "--runs", folder / "runs"], env=clean_environment(), capture_output=True, text=True
        )
        assert done.returncode == [1, 3, 0][number], done.stdout + done.stderr
    out = folder / "page.html"
    command = [SCRIPT, "report", folder / "runs", "--title", HOSTILE, "-o", f"html={out}"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def browse(page: Path, *options: str) -> str:
    """What the browser makes of the page; every host name and address but the file itself leads nowhere."""
    assert BROWSER is not None, "no Chromium: run scripts/browser.sh"
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={page.parent / 'profile'}",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


def test_nothing_of_what_a_package_says_runs(page: Path) -> None:
    """The page is shown as it was written: same title, no element that a text brought along."""
    seen = browse(page, "--dump-dom")
    title = re.search(r"<title>(.*?)</title>", seen, re.DOTALL)
    assert title is not None
    assert html.unescape(title[1]).startswith("<script>")
    assert "owned" not in html.unescape(title[1]).split("</script>", 1)[1].replace("document.title='owned'", "")
    assert re.findall(r"<(?:script|img|iframe|object|embed|link|form|a)\b", seen) == []
    assert not {"\x1b", "\u202e"} & set(seen)


def test_every_package_is_there_with_its_verdict(page: Path) -> None:
    seen = browse(page, "--dump-dom")
    found = re.findall(r'<details class="package (\w+)"', seen)
    assert found == ["block", "undecided", "flag"]
    assert all(f"111122223333/eu-west-1/churn/{number}" in seen for number in (1, 2, 3))
    assert "IMG-01" in seen


def test_the_page_asks_nobody_for_anything(page: Path) -> None:
    """By the browser's own log of its network stack."""
    log = page.parent / "net.json"
    browse(page, "--dump-dom", f"--log-net-log={log}")
    urls = set(re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', log.read_text(encoding="utf-8", errors="replace")))
    assert not {url for url in urls if "192.0.2.1" in url}
    assert "default-src 'none'" in page.read_text(encoding="utf-8")


def test_it_is_drawn(page: Path) -> None:
    """In the size of a screen and of a telephone: a picture, and not a blank one."""
    for size in ("1280,900", "390,844"):
        picture = page.parent / f"{size}.png"
        browse(page, f"--screenshot={picture}", f"--window-size={size}")
        assert picture.stat().st_size > 10_000
