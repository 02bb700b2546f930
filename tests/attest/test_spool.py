"""The spool: what waits, for which log, and what is told where it cannot be kept or delivered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from modelwarden.attest.key import LocalKey
from modelwarden.attest.refusal import NotSigned
from modelwarden.attest.shelf import Folder
from modelwarden.attest.spool import Spool, SpoolProblem, others, spool_of
from modelwarden.cli import concluding
from modelwarden.run import RunError
from tests.attest.conftest import FACTS, NOW, PACKAGE
from tests.attest.test_log import file, word
from tests.cli.conftest import clean_environment
from tests.command import SCRIPT, Done, inside

GATE = ("gate", "evidence.json", "--to", "Production", "--runs", "runs", "--log", "log")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    document = {"schema": "modelwarden.evidence/1", "package": PACKAGE, "facts": FACTS}
    (tmp_path / "evidence.json").write_text(json.dumps(document))
    (tmp_path / "log").mkdir()
    return tmp_path


def run(folder: Path, *arguments: str) -> Done:
    return inside(*arguments, folder=folder, environment=clean_environment())


def entered(folder: Path) -> list[str]:
    return [json.loads(path.read_bytes())["word"]["run"] for path in sorted(folder.glob("log/entries/*/*.json"))]


def recorded(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("runs/*.json"))


def test_a_gate_that_is_ended_before_it_could_tell_leaves_no_decision_out_of_the_log(folder: Path) -> None:
    """By SIGTERM it enters the decision before it ends; by SIGKILL it cannot, and the next one does."""
    os.mkfifo(folder / "pipe")  # whoever writes to it waits for somebody who reads
    for number, (end, code) in enumerate(((signal.SIGTERM, 143), (signal.SIGKILL, -9)), start=1):
        process = subprocess.Popen(
            [SCRIPT, *GATE, "-o", "json=pipe"], cwd=folder, env=clean_environment(), stderr=subprocess.PIPE, text=True
        )
        for _ in range(600):
            if len(recorded(folder)) == number:
                break
            time.sleep(0.05)
        time.sleep(0.1)
        process.send_signal(end)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        if end == signal.SIGTERM:
            assert err.splitlines()[-2:] == [
                f"run {recorded(folder)[0]} is entry 1 of the log log",
                "error: terminated",
            ]
    assert entered(folder) == recorded(folder)[:1]
    assert "is entry 3 of the log log" in run(folder, *GATE).err
    assert entered(folder) == recorded(folder)


def test_a_decision_is_spooled_before_it_is_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Path:
        (waiting,) = folder.glob("runs/spool/*/*.json")
        raise RunError(f"{waiting.stem}: the disk is full")

    monkeypatch.setattr(concluding, "write", refused)
    done = run(folder, *GATE)
    (said,) = entered(folder)
    assert (done.code, done.out, done.err.splitlines()[-2]) == (2, "", f"error: {said}: the disk is full")


def test_what_cannot_be_locked_or_written_is_told_in_one_line(folder: Path) -> None:
    spool = spool_of(folder / "runs", str(folder / "log"))
    (spool.path / ".lock").mkdir(parents=True)
    done = run(folder, *GATE)
    told = f"warning: the log: {Path('runs') / 'spool' / spool.path.name}: cannot be locked: Is a directory: 1 entries wait"
    assert (done.code, [line for line in done.err.splitlines() if line.startswith(told)] != []) == (3, True), done.err
    assert "  help: name a writable folder with --runs" in done.err.splitlines()
    (folder / "file").touch()
    done = run(folder, "gate", *GATE[1:5], "file", *GATE[6:])
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        f"error: file/spool/{spool.path.name}: the entry of the log cannot be kept: Not a directory",
    )


@pytest.mark.parametrize("data", [b'{"run":"\xff"}', b"\xff", b"{}", b"[" * 9_000, b""])
def test_what_is_no_entry_is_not_entered(folder: Path, data: bytes) -> None:
    spool = spool_of(folder / "runs", str(folder / "log"))
    spool.put(word(1))
    (spool.path / f"{word(1).run}.json").write_bytes(data)
    with pytest.raises(SpoolProblem, match=f"{word(1).run}.json: not an entry of the log: ") as error:
        spool.deliver(Folder(folder / "log"))
    assert "\n" not in str(error.value)
    assert len(spool.waiting()) == 1


def test_one_log_has_one_spool_and_what_waits_for_another_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "link").symlink_to("log")
    runs = folder / "runs"
    names = ("log", "./log", str(folder / "log"), "link")
    assert {spool_of(runs, name).path for name in names} == {spool_of(runs, "log").path}
    bucket = "s3://org-log/gate?mode={}&years=7"
    assert spool_of(runs, bucket.format("COMPLIANCE")) == spool_of(runs, bucket.format("GOVERNANCE"))
    first = spool_of(runs, "elsewhere")
    first.put(word(1))
    assert others(spool_of(runs, "log")) == [first]
    done = run(folder, *GATE)
    warning = f"warning: 1 entries wait in runs/spool/{first.path.name} for another log: {folder / 'elsewhere'}"
    assert warning in done.err.splitlines()
    first.path.joinpath(f"{word(1).run}.json").unlink()
    assert others(spool_of(runs, "log")) == []


def test_the_last_checkpoint_is_kept_and_gone_on_from(folder: Path, key: LocalKey) -> None:
    spool, shelf = Spool(folder / "spool", "log"), Folder(folder / "log")

    def go_on(number: int) -> None:
        spool.put(word(number))
        spool.sign(shelf, key, lambda: NOW, spool.deliver(shelf).values())

    for number in (1, 2, 3):
        go_on(number)
    kept = (spool.path / ".checkpoint").read_bytes()
    assert kept == file(shelf, 3, "checkpoints").read_bytes()
    for number in (2, 3):
        file(shelf, number).unlink()
        file(shelf, number, "checkpoints").unlink()
    with pytest.raises(NotSigned, match="rolled back, or another log: the checkpoint that was kept is of 3 entries"):
        go_on(4)
    assert (spool.path / ".checkpoint").read_bytes() == kept
