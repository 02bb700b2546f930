"""`modelwarden runs` and `history`, as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.store.sqlite import SqliteState
from modelwarden.store.state import State
from tests.cli.conftest import clean_environment
from tests.command import Done, inside

from .conftest import ACCOUNT, REGION, arn, at, create_table, row, run_id, seen, table

CHURN = arn("churn")


def filled(state: State) -> None:
    """Three scans; the last is still running."""
    state.begin(row(1))
    state.put(run_id(1), [seen("churn", 1), seen("fraud", 1)])
    state.close_missing(run_id(1), ACCOUNT, REGION, at(1))
    state.finish(row(1, finished_at=at(2), complete=True, verdicts={"allow": 2}, expected_cells=3, read_cells=3))
    state.begin(row(2))
    state.put(run_id(2), [seen("churn", 2, "block", evidence="sha256:e2", controls=("ENC-02", "IMG-01"))])
    state.finish(row(2, finished_at=at(3), verdicts={"block": 1}, expected_cells=3, read_cells=1))
    state.begin(row(3))
    state.put(run_id(3), [seen("fraud", 3, "", role="gone")])
    state.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    filled(SqliteState(tmp_path / ".modelwarden/runs/state.sqlite"))
    return tmp_path


def call(folder: Path, *arguments: str, **environment: str) -> Done:
    return inside(*arguments, folder=folder, environment=clean_environment() | environment)


RUNS = f"""\
{run_id(3)}  unfinished          0/0 read
{run_id(2)}  incomplete          1/3 read  1 block
{run_id(1)}  complete            3/3 read  2 allow
"""
HISTORY = f"""\
{CHURN}
  now       block for Production (serve)
  since     {at(2)}  run {run_id(2)}
  seen      {at(1)} to {at(2)}
  controls  ENC-02, IMG-01
  evidence  sha256:e2

{at(1)}  first     allow
{at(2)}  changed   block      evidence
2 changes
"""


def test_runs_are_listed_newest_first(folder: Path) -> None:
    assert call(folder, "runs") == Done(0, RUNS, "")
    assert call(folder, "runs", "--limit", "1").out == RUNS.splitlines(keepends=True)[0]


def test_runs_as_json_are_the_rows(folder: Path) -> None:
    document = json.loads(call(folder, "runs", "--format", "json").out)
    assert document["schema"] == "modelwarden.runs/1"
    assert [one["id"] for one in document["runs"]] == [run_id(3), run_id(2), run_id(1)]
    assert document["runs"][2]["verdicts"] == {"allow": 2}


def test_history_shows_the_state_and_what_brought_it(folder: Path) -> None:
    assert call(folder, "history", CHURN) == Done(0, HISTORY, "")


def test_history_of_a_package_that_was_deleted(folder: Path) -> None:
    out = call(folder, "history", arn("fraud")).out
    assert "  now       closed: deleted\n" in out
    assert f"{at(3)}  closed    gone       deleted\n" in out


def test_history_as_json_is_the_standing_and_the_changes(folder: Path) -> None:
    document = json.loads(call(folder, "history", CHURN, "--format", "json").out)
    assert document["schema"] == "modelwarden.history/1"
    assert document["standing"]["seen"]["verdict"] == "block"
    assert [one["why"] for one in document["changes"]] == [[], ["evidence"]]


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_package_that_no_scan_saw_has_a_next_step(folder: Path, format_: str) -> None:
    done = call(folder, "history", arn("nobody"), "--format", format_)
    expected = f"error: no scan has seen `{arn('nobody')}`\n  help: `modelwarden runs` shows what was scanned\n"
    assert done == Done(2, "", expected)


def test_what_is_no_arn_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    done = call(tmp_path, "history", "churn")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: `churn` is not the ARN of a model package")


@pytest.mark.parametrize("arguments", [("runs",), ("runs", "--format", "json"), ("history", CHURN)])
def test_without_a_store_there_is_a_next_step_and_no_file(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(tmp_path, *arguments)
    expected = (
        "error: .modelwarden/runs/state.sqlite: there is no state\n"
        "  help: run `modelwarden scan` first, or name the folder of its runs with --runs\n"
    )
    assert done == Done(2, "", expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_store_without_a_run_has_a_next_step(tmp_path: Path, format_: str) -> None:
    SqliteState(tmp_path / "here/state.sqlite").close()
    done = call(tmp_path, "runs", "--runs", "here", "--format", format_)
    assert done == Done(2, "", "error: the store knows no run\n  help: run `modelwarden scan` first\n")


@pytest.mark.parametrize("format_", ["text", "json"])
def test_names_that_a_terminal_would_act_on_are_spelled_out(tmp_path: Path, format_: str) -> None:
    state = SqliteState(tmp_path / "state.sqlite")
    state.begin(row(1))
    state.put(run_id(1), [seen("churn", 1, "block", stage="\x1b[31mProd\u202e", controls=("\x9b2J",))])
    state.close()
    done = call(tmp_path, "history", CHURN, "--runs", ".", "--format", format_)
    assert done.code == 0
    assert not {"\x1b", "\u202e", "\x9b"} & set(done.out)
    assert ("\\u{1b}[31mProd\\u{202e}" if format_ == "text" else "\\u001b[31mProd\\u202e") in done.out


def test_the_pack_names_a_table(tmp_path: Path, server: Sandbox) -> None:
    create_table("of-the-pack")
    filled(table("of-the-pack"))
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "modelwarden.toml").write_text(f'store = "dynamodb://of-the-pack?region={REGION}"\n')
    options = ("--organization", "pack", "--organization-digest", digest_pack(read_pack(str(pack), None)))
    assert call(tmp_path, "runs", *options, **server.environment()) == Done(0, RUNS, "")
    assert call(tmp_path, "history", CHURN, *options, **server.environment()) == Done(0, HISTORY, "")


def test_whatever_opens_no_store_loads_none() -> None:
    code = "import sys, modelwarden.cli.history, modelwarden.cli.runs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"sqlite3", "boto3", "botocore"} & set(done.stdout.split()) == set()
