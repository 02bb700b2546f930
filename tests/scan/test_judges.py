"""Processes that judge: one that is killed ends the scan with what was read kept, and none outlives the scan."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from tests.organization import CLOCK, ask

from .conftest import house, scan
from .test_resume import SCANNED, manifest, start, wait


@pytest.fixture
def slow(organization: Sandbox) -> Iterator[Sandbox]:
    """One account is slow, so that the scan lives on while others are judged."""
    ask(organization, "POST", "faults", [{"kind": "latency", "ms": 250, "account": "555566667777"}])
    yield organization
    ask(organization, "DELETE", "faults")


@pytest.fixture(scope="module")
def undisturbed(organization: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> scanning.Outcome:
    folder = tmp_path_factory.mktemp("undisturbed")
    return scan(house(folder, SCANNED), folder / "run")


def judges(process: subprocess.Popen[str]) -> list[int]:
    """Processes of the scan that multiprocessing made to judge."""
    found = []
    for task in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((task / "stat").read_text().rpartition(")")[2].split()[1])
            command = (task / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == process.pid and b"spawn_main" in command:
            found.append(int(task.name))
    return found


def judging(folder: Path, sandbox: Sandbox) -> tuple[subprocess.Popen[str], Path, list[int]]:
    """A scan that has judged a cell; its folder, and those who judge."""
    process = start(folder, sandbox, "--as-of", CLOCK, "--runs", str(folder / "runs"), "--judges", "2")
    run = wait(folder, process)
    for _ in range(500):
        if list(run.glob("judged/[0-9]*")):
            return process, run, judges(process)
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing was judged")


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_judge_that_is_killed_costs_nothing_that_was_read(
    slow: Sandbox, undisturbed: scanning.Outcome, tmp_path: Path
) -> None:
    process, run, those = judging(tmp_path, slow)
    assert those
    os.kill(those[0], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4, said
    assert "error: a process that judges was killed, perhaps for want of memory" in said
    assert f"help: go on with `modelwarden scan --resume {run}`: what was read is kept" in said
    assert "Traceback" not in said
    assert not (run / "manifest.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in (run / "cells").glob("[0-9]*.jsonl")}
    assert kept
    ask(slow, "DELETE", "faults")
    again = start(tmp_path, slow, "--resume", str(run))
    _, said = again.communicate(timeout=60)
    assert again.returncode in (1, 3), said
    assert manifest(run)["digest"] == undisturbed.summary.digest


def test_a_scan_that_is_killed_leaves_no_judge_behind(slow: Sandbox, tmp_path: Path) -> None:
    process, _, those = judging(tmp_path, slow)
    assert those
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for _ in range(250):
        if not any(map(alive, those)):
            return
        time.sleep(0.02)
    raise AssertionError("a judge lives on")
