"""A scan that is stopped or killed goes on where it was, and comes to the same as one that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden import gate
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from modelwarden.scan.folder import Folder
from tests.cli.conftest import clean_environment
from tests.command import inside
from tests.organization import CLOCK, ask

from .conftest import REGIONS, WITHOUT_ROLE, house, records, scan, settings

SCRIPT = Path(sys.executable).with_name("modelwarden")
ACCOUNTS = ("222222222222", "555566667777", "666677778888", "777788889999")
SCANNED = f"regions = {list(REGIONS)}\naccounts = {list(ACCOUNTS)}"
KILLS = int(os.environ.get("MODELWARDEN_TEST_KILLS", "6"))


@pytest.fixture(scope="module")
def undisturbed(organization: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> scanning.Outcome:
    folder = tmp_path_factory.mktemp("undisturbed")
    return scan(house(folder, SCANNED), folder / "run")


def start(folder: Path, sandbox: Sandbox, *options: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    return subprocess.Popen(
        [str(SCRIPT), "scan", "--config", str(settings(folder, SCANNED)), "--retries", "1", *options],
        cwd=folder,
        # A process that ends by a signal of its own says where it was.
        env=kept | sandbox.environment() | {"AWS_CONFIG_FILE": "/nonexistent", "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(folder: Path) -> list[Path]:
    """Folders of scans that have a plan."""
    return sorted(path.parent for path in (folder / "runs").glob("*/plan.json"))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def wait(folder: Path, process: subprocess.Popen[str]) -> Path:
    """The folder of the scan that began; fails where the process ends before."""
    for _ in range(300):
        if begun(folder):
            return begun(folder)[0]
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("the scan did not begin")


def test_killed_again_and_again_it_comes_to_the_same(
    organization: Sandbox,
    undisturbed: scanning.Outcome,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(7)
    process = start(tmp_path, organization, "--as-of", CLOCK, "--runs", str(tmp_path / "runs"))
    run = wait(tmp_path, process)
    killed = 0
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.0, 0.9))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
        process = start(tmp_path, organization, "--resume", str(run))
    _, said = process.communicate(timeout=120)
    assert process.returncode in (1, 3), said
    assert begun(tmp_path) == [run]
    told = manifest(run)
    assert told["digest"] == undisturbed.summary.digest
    assert told["packages"] == undisturbed.summary.to_json()["packages"]
    assert told["verdicts"] == undisturbed.summary.to_json()["verdicts"]
    folder = Folder(run)
    packages = [record.package for cell in folder.cells() for record in folder.records(*cell)]
    assert sorted(packages) == sorted(records(undisturbed))
    record_property("measured", f"a scan was killed {killed} times, and came to the same")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_keeps_what_was_read(
    organization: Sandbox, undisturbed: scanning.Outcome, tmp_path: Path, number: signal.Signals
) -> None:
    ask(organization, "POST", "faults", [{"kind": "latency", "ms": 300, "account": "555566667777"}])
    try:
        process = start(tmp_path, organization, "--as-of", CLOCK, "--runs", str(tmp_path / "runs"))
        run = wait(tmp_path, process)
        while not list((run / "cells").glob("[0-9]*.jsonl")):
            time.sleep(0.02)
        process.send_signal(number)
        out, said = process.communicate(timeout=60)
    finally:
        ask(organization, "DELETE", "faults")
    assert process.returncode == 3, said
    assert f"stopped: go on with `modelwarden scan --resume {run}`" in said
    assert "NOT COMPLETE" in out
    assert "Traceback" not in said
    told = manifest(run)
    assert told["complete"] is False
    kept = {path.name for path in (run / "cells").glob("[0-9]*.jsonl")}
    assert 0 < len(kept) < told["coverage"]["expected"]
    again = start(tmp_path, organization, "--resume", str(run))
    _, said = again.communicate(timeout=120)
    assert again.returncode in (1, 3), said
    assert manifest(run)["digest"] == undisturbed.summary.digest
    for name in kept:
        account, _, region = name.removesuffix(".jsonl").partition(".")
        assert f"{account}/{region}" not in said, "finished cells are not read again"


def test_nobody_goes_on_by_other_rules(organization: Sandbox, tmp_path: Path) -> None:
    process = start(tmp_path, organization, "--as-of", CLOCK, "--runs", str(tmp_path / "runs"))
    run = wait(tmp_path, process)
    process.communicate(timeout=60)
    done = subprocess.run(
        [
            str(SCRIPT),
            "scan",
            "--resume",
            str(run),
            "--profile",
            "strict",
            "--config",
            str(tmp_path / "modelwarden.toml"),
        ],
        cwd=tmp_path,
        env={**os.environ, **organization.environment()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "was begun with other controls or settings" in done.stderr


@pytest.mark.parametrize(("name", "text"), [("plan.json", "{"), ("plan.json", "{}"), ("plan.json", None)])
def test_a_folder_that_is_no_scan_is_refused(
    organization: Sandbox, tmp_path: Path, name: str, text: str | None
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    if text is not None:
        (folder / name).write_text(text)
    process = start(tmp_path, organization, "--resume", str(folder))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"error: {folder / name}" in said
    assert "name a folder that `modelwarden scan` wrote" in said


def test_a_cell_that_was_changed_is_not_believed(organization: Sandbox, tmp_path: Path) -> None:
    outcome = scan(
        house(tmp_path, 'accounts = ["777788889999"]\nregions = ["us-east-1"]'),
        tmp_path / "20261120T060000000000Z-1f0c9a2e",
    )
    (file,) = (outcome.folder.path / "cells").glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"aws:kms"', b'"aws:KMS"'))
    shutil.rmtree(outcome.folder.path / "judged")
    process = start(tmp_path, organization, "--resume", str(outcome.folder.path))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "was changed after it was written" in said


def test_a_folder_with_another_name_is_refused(organization: Sandbox, tmp_path: Path) -> None:
    outcome = scan(house(tmp_path, f'accounts = ["{WITHOUT_ROLE}"]\nregions = ["us-east-1"]'), tmp_path / "renamed")
    process = start(tmp_path, organization, "--resume", str(outcome.folder.path))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "give it back its name" in said or "was begun with other controls" in said


def test_whoever_names_another_folder_for_runs_goes_on_by_the_same_rules(organization: Sandbox, tmp_path: Path) -> None:
    config = settings(tmp_path, f'accounts = ["777788889999", "{WITHOUT_ROLE}"]\nregions = ["us-east-1"]')
    environment = {**os.environ, **organization.environment()}
    given = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 60}
    command = [str(SCRIPT), "scan", "--config", str(config)]
    subprocess.run([*command, "--runs", "elsewhere"], **given)  # type: ignore[call-overload]
    (run,) = (path.parent for path in (tmp_path / "elsewhere").glob("*/plan.json"))
    done = subprocess.run([*command, "--resume", str(run)], **given)  # type: ignore[call-overload]
    assert done.returncode == 3, done.stderr
    assert "1/2" not in done.stderr, "the cell that was read is not read again"


def test_a_scan_that_came_to_its_end_is_not_gone_on_with(organization: Sandbox, tmp_path: Path) -> None:
    table = 'accounts = ["777788889999"]\nregions = ["us-east-1"]'
    config = settings(tmp_path, table)
    given = {"cwd": tmp_path, "env": {**os.environ, **organization.environment()}, "capture_output": True, "text": True}
    command = [str(SCRIPT), "scan", "--config", str(config), "--runs", "runs"]
    subprocess.run(command, **given, timeout=60)  # type: ignore[call-overload]
    (run,) = (path.parent for path in (tmp_path / "runs").glob("*/plan.json"))
    assert not (run / "cells").exists(), "what is needed only to go on with it is gone"
    done = subprocess.run([*command, "--resume", str(run)], **given, timeout=60)  # type: ignore[call-overload]
    assert done.returncode == 2
    assert "nothing is left to go on with" in done.stderr


GOOD = "777788889999"
OF_ONE = 'units = ["Workloads/Finance"]\nexclude_accounts = ["444455556666", "555566667777"]\nregions = ["us-east-1"]'


def test_a_list_of_accounts_that_failed_is_asked_for_again(organization: Sandbox, tmp_path: Path) -> None:
    """Nothing was expected, so nothing is left to read; and yet the scan is gone on with, until the list is read."""
    config = settings(tmp_path, OF_ONE)
    environment = clean_environment() | organization.environment() | {"AWS_CONFIG_FILE": "/nonexistent"}

    def scanned(*options: str | Path) -> int:
        given = ("--config", config, "--retries", "0", "--judges", "0", *options)
        return inside("scan", *given, folder=tmp_path, environment=environment).code

    ask(organization, "POST", "faults", [{"kind": "deny", "op": "organizations:ListAccounts"}])
    try:
        assert scanned("--as-of", CLOCK, "--runs", "runs") == 3
        (run,) = begun(tmp_path)
        assert scanned("--resume", run) == 3
        first = Folder(run).plan()
        assert first["estate"]["cells"] == []
        assert [row["api"] for row in manifest(run)["coverage"]["failed"]] == ["organizations:ListAccounts"]
    finally:
        ask(organization, "DELETE", "faults")
    assert scanned("--resume", run, "--dry-run") == 0
    assert Folder(run).plan() == first, "only to look changes nothing"
    assert scanned("--resume", run) == 0
    told = manifest(run)["coverage"]
    assert (told["expected"], told["read"], told["failed"]) == (1, 1, [])
    again = Folder(run).plan()
    assert again["estate"]["cells"] == [[GOOD, "us-east-1"]]
    assert again | {"estate": None} == first | {"estate": None}


def test_what_was_expected_stays_expected_when_it_is_asked_again(organization: Sandbox, tmp_path: Path) -> None:
    """Which unit an account is in was not known, so it was scanned; by now it is known to be in another one."""
    rules = house(tmp_path, OF_ONE)
    ask(organization, "POST", "faults", [{"kind": "deny", "op": "organizations:ListRoots"}])
    try:
        before = scanning.plan_of(rules, gate.collector_of(rules), CLOCK)
    finally:
        ask(organization, "DELETE", "faults")
    after = scanning.asked_again(before, rules, gate.collector_of(rules))
    assert before.estate.unread
    assert after.estate.unread == ()
    assert after.estate.cells == before.estate.cells
    assert len(after.estate.cells) > 1
    assert not {row.account for row in after.estate.skipped} & {account for account, _ in after.estate.cells}
    assert scanning.asked_again(after, rules, gate.collector_of(rules)) is after
