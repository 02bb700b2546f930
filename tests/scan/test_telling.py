"""The telling of `modelwarden scan` by real processes: stdout is the result's alone, on a terminal and elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from tests.command import SCRIPT, Done, inside
from tests.organization import CLOCK, ask

from .conftest import REGIONS, WITHOUT_ROLE, settings
from .emf import SCHEMA

ACCOUNTS = ("666677778888", "777788889999", WITHOUT_ROLE)
SCANNED = f"regions = {list(REGIONS)}\naccounts = {list(ACCOUNTS)}"
SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"


def command(folder: Path, *options: str, scan: str = SCANNED) -> list[str]:
    config = settings(folder, scan)
    # No process that judges: what is told does not depend on it, and each takes longer to start than the scan.
    given = ["--config", str(config), "--runs", str(folder / "runs"), "--retries", "1", "--judges", "0"]
    return [str(SCRIPT), "scan", *given, *options]


def environment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    return kept | sandbox.environment() | {"AWS_CONFIG_FILE": "/nonexistent", "COLUMNS": "120"} | more


def run(folder: Path, sandbox: Sandbox, *options: str, scan: str = SCANNED) -> Done:
    _, *arguments = command(folder, *options, scan=scan)
    return inside(*arguments, folder=folder, environment=environment(sandbox))


class OnTerminal:
    """A scan whose stderr is a terminal."""

    def __init__(self, folder: Path, sandbox: Sandbox, *options: str, term: str = "xterm-256color") -> None:
        self._ours, theirs = pty.openpty()
        self._parts: list[bytes] = []
        self.process = subprocess.Popen(
            command(folder, *options),
            cwd=folder,
            env=environment(sandbox, TERM=term),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):  # Linux ends a terminal that nobody has open any more by EIO
            while part := os.read(self._ours, 65536):
                self._parts.append(part)

    def drawn(self) -> str:
        return b"".join(self._parts).decode()

    def end(self) -> tuple[str, str]:
        """(stdout, what was drawn)."""
        out, _ = self.process.communicate(timeout=60)
        self._thread.join(10)
        os.close(self._ours)
        return out, self.drawn()


def scans(folder: Path) -> list[Path]:
    return [path.parent for path in (folder / "runs").glob("*/plan.json")]


def test_a_terminal_shows_the_progress_and_stdout_the_summary_alone(organization: Sandbox, tmp_path: Path) -> None:
    scan = OnTerminal(tmp_path, organization)
    out, drawn = scan.end()
    assert scan.process.returncode == 3
    assert "6/6 cells" in drawn
    assert "2 not read" in drawn
    assert drawn.rindex(SHOWN) > drawn.rindex(HIDDEN)
    assert "recorded in" in drawn[drawn.rindex(SHOWN) :]
    assert "\x1b" not in out
    assert out.startswith("scan 20")
    assert out.endswith(" inventory\n")


@pytest.mark.parametrize(
    ("options", "term"), [((), "dumb"), (("--log-format", "json"), "xterm"), (("--quiet",), "xterm")]
)
def test_nothing_is_drawn_where_nobody_wants_it(
    organization: Sandbox, tmp_path: Path, options: tuple[str, ...], term: str
) -> None:
    out, drawn = OnTerminal(tmp_path, organization, *options, term=term).end()
    assert "\x1b" not in drawn
    assert "NOT COMPLETE" in out
    assert (drawn == "") == (options == ("--quiet",))


def test_without_rich_a_terminal_shows_lines(organization: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nclass No:\n def find_spec(self, name, path=None, target=None):\n"
        "  if name == 'rich': raise ModuleNotFoundError(name)\nimport importlib.util as u\nold = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'rich' else old(name, *more)\nsys.meta_path.insert(0, No())\n"
    )
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        _, drawn = OnTerminal(tmp_path, organization).end()
    finally:
        del os.environ["PYTHONPATH"]
    assert "\x1b" not in drawn
    assert len(re.findall(r"^\d/6  \d{12}/", drawn, re.MULTILINE)) == 6


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_the_terminal_as_it_was(organization: Sandbox, tmp_path: Path, times: int) -> None:
    ask(organization, "POST", "faults", [{"kind": "latency", "ms": 400, "account": "666677778888"}])
    try:
        scan = OnTerminal(tmp_path, organization)
        for _ in range(500):
            if HIDDEN in scan.drawn():
                break
            time.sleep(0.02)
        time.sleep(0.3)
        scan.process.send_signal(signal.SIGINT)
        for _ in range(500):
            if times == 1 or "stopping" in scan.drawn():
                break
            time.sleep(0.02)
        if times == 2:
            scan.process.send_signal(signal.SIGINT)
        out, drawn = scan.end()
    finally:
        ask(organization, "DELETE", "faults")
    assert drawn.rindex(SHOWN) > drawn.rindex(HIDDEN)
    assert "stopping: packages that are being read come to their end" in drawn
    assert "Traceback" not in drawn
    if times == 1:
        assert scan.process.returncode == 3
        assert "stopped: go on with `modelwarden scan --resume" in drawn
        assert "NOT COMPLETE" in out
    else:
        assert scan.process.returncode == -signal.SIGINT


def test_lines_of_json_and_of_nothing_else(organization: Sandbox, tmp_path: Path) -> None:
    done = run(tmp_path, organization, "--log-format", "json", "--format", "json")
    assert done.code == 3
    told = [json.loads(line) for line in done.err.splitlines()]
    events = [one["event"] for one in told]
    assert [one for one in events if one not in ("cell", "going", "listed", "judged")] == [
        "begun",
        "finished",
        "recorded",
    ]
    assert events.count("judged") == len(ACCOUNTS) * len(REGIONS)
    cells = [one for one in told if one["event"] == "cell"]
    assert sorted((one["account"], one["region"]) for one in cells) == sorted(
        (account, region) for account in ACCOUNTS for region in REGIONS
    )
    assert {one["level"] for one in cells if one["account"] == WITHOUT_ROLE} == {"warning"}
    manifest = json.loads(done.out)
    assert [one["id"] for one in told if one["event"] == "recorded"] == [manifest["id"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["time"]) for one in told)
    for secret in (
        "SecretAccessKey",
        "SessionToken",
        "Authorization",
        organization.environment()["AWS_SECRET_ACCESS_KEY"],
    ):
        assert secret not in done.err


def test_quiet_is_no_line_and_the_same_answer(organization: Sandbox, tmp_path: Path) -> None:
    done = run(tmp_path, organization, "--quiet")
    assert (done.code, done.err) == (3, "")
    assert "NOT COMPLETE" in done.out


def test_who_goes_on_counts_what_was_read_before(organization: Sandbox, tmp_path: Path) -> None:
    run(tmp_path, organization, "--as-of", CLOCK)
    (folder,) = scans(tmp_path)
    done = run(tmp_path, organization, "--resume", str(folder), "--log-format", "json")
    told = [json.loads(line) for line in done.err.splitlines()]
    assert (told[0]["event"], told[0]["cells"], told[0]["already"]) == ("begun", 6, 4)
    assert [one["done"] for one in told if one["event"] == "cell"] == [5, 6]


@pytest.mark.parametrize("closed", [False, True], ids=["nobody reads", "closed"])
def test_a_scan_whose_lines_nobody_reads_comes_to_the_same(organization: Sandbox, tmp_path: Path, closed: bool) -> None:
    read, write = os.pipe()
    os.close(read)
    whole = ["sh", "-c", f'exec "$@"{" 2>&-" if closed else ""}', "sh", *command(tmp_path)]
    done = subprocess.run(
        whole, cwd=tmp_path, env=environment(organization), stdout=subprocess.PIPE, stderr=write, text=True, timeout=120
    )
    os.close(write)
    assert done.returncode == 3
    assert "coverage 66 %: 4 of 6 account-regions were read whole" in done.stdout
    assert not re.search(r"^\d/6 ", done.stdout, re.MULTILINE)


def metrics(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert list(Draft202012Validator(SCHEMA).iter_errors(one)) == []
    return found


def test_metrics_are_added_to_a_file(organization: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    done = run(tmp_path, organization, "--metrics", str(file), "--format", "json")
    manifest = json.loads(done.out)
    whole, *accounts = metrics(file.read_text())
    assert whole["CellsExpected"] == 6
    assert whole["CellsUnread"] == 2
    assert whole["Incomplete"] == 1
    assert whole["PackagesBlocked"] == manifest["verdicts"]["block"]
    assert whole["ErrorsDenied"] >= 2
    assert whole["ApiCalls"] > 50
    assert [one["Account"] for one in accounts] == ["666677778888", WITHOUT_ROLE, "777788889999"]
    run(tmp_path, organization, "--metrics", str(file))
    assert len(metrics(file.read_text())) == 8, "a file that somebody follows is not written anew"


def test_metrics_on_stdout_follow_the_summary(organization: Sandbox, tmp_path: Path) -> None:
    done = run(tmp_path, organization, "--metrics", "-")
    head, _, tail = done.out.partition('{"_aws"')
    assert head.endswith("inventory\n")
    assert len(metrics('{"_aws"' + tail)) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--metrics", "-", "--format", "json"), "--metrics - and --format json both write JSON to stdout"),
        (("--metrics", "nowhere/metrics.jsonl"), "nowhere/metrics.jsonl: cannot be written: No such file or directory"),
    ],
)
def test_metrics_that_cannot_be_written_are_refused_before_anything_is_read(
    organization: Sandbox, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    done = run(tmp_path, organization, *options)
    assert done.code == 2
    assert says in done.err
    assert not (tmp_path / "runs").exists()


def test_an_estimate_by_the_formula_and_by_an_earlier_scan(organization: Sandbox, tmp_path: Path) -> None:
    before = run(tmp_path, organization, "--dry-run")
    assert before.code == 0
    assert "6 account-regions of 3 accounts would be read\n" in before.out
    assert "by the formula: at least 15 calls to enter accounts and list packages, and about 12 for each" in before.out
    run(tmp_path, organization)
    (folder,) = scans(tmp_path)
    after = run(tmp_path, organization, "--dry-run")
    assert f"calls for 4 of them, as scan {folder.name} made:" in after.out
    assert re.search(r"^  sagemaker:ListModelPackages +4$", after.out, re.MULTILINE)
    assert "2 account-regions of which no earlier scan tells: at least 5 calls" in after.out
    document = json.loads(run(tmp_path, organization, "--dry-run", "--format", "json").out)
    told = document["estimate"]
    assert (told["from"], told["scan"], told["known"], told["guessed"]) == ("scan", folder.name, 4, 2)
    assert told["calls"] == sum(told["apis"].values()) + 5
    assert len(document["cells"]) == 6
    assert scans(tmp_path) == [folder]


def test_an_estimate_for_a_scan_that_goes_on_is_about_what_is_left(organization: Sandbox, tmp_path: Path) -> None:
    run(tmp_path, organization, "--as-of", CLOCK)
    (folder,) = scans(tmp_path)
    done = run(tmp_path, organization, "--resume", str(folder), "--dry-run")
    assert "2 account-regions of 1 accounts would be read" in done.out
    assert "777788889999" not in done.out


def test_an_earlier_scan_that_was_changed_says_nothing(
    organization: Sandbox, whole: scanning.Outcome, tmp_path: Path
) -> None:
    run(tmp_path, organization)
    for file in (tmp_path / "runs").glob("*/cells.jsonl"):
        file.write_text("{}\n")
    done = run(tmp_path, organization, "--dry-run")
    assert done.code == 0
    assert "by the formula" in done.out
