"""Recorded runs: written whole or not at all, never over another, and noticed when changed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from modelwarden import gate, run
from modelwarden.evidence import Evidence, Present, Source
from modelwarden.run import Run, RunError

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"


@pytest.fixture(scope="module")
def recorded() -> Run:
    facts = {"/package/arn": Present(PACKAGE, Source("sagemaker:DescribeModelPackage"))}
    observed = gate.Observed(Evidence(PACKAGE, facts, asserted=True), {}, None)
    question = gate.Question("-", "Production", "approve")
    house = gate.load_house(gate.Sources(), {})
    return gate.judge(house, question, observed, now="2026-11-22T02:10:00Z", run_id="20261122T021000Z-00000000")


def refusing(code: int) -> Any:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_run_reads_back_unchanged_and_only_its_owner_may_read_it(recorded: Run, tmp_path: Path) -> None:
    path = run.write(recorded, tmp_path / "runs")
    assert run.read(path) == recorded
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_run_is_never_written_over_another(recorded: Run, tmp_path: Path) -> None:
    path = run.write(recorded, tmp_path)
    before = path.read_bytes()
    with pytest.raises(RunError, match="cannot be recorded: File exists"):
        run.write(replace(recorded, kind="other"), tmp_path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_links_keeps_runs_too(
    recorded: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "link", refusing(code))
    path = run.write(recorded, tmp_path)
    assert run.read(path) == recorded
    with pytest.raises(RunError, match="cannot be recorded"):
        run.write(replace(recorded, kind="other"), tmp_path)
    assert run.read(path) == recorded
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_leaves_no_part_behind(recorded: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(RunError, match="cannot be recorded: No space left on device"):
        run.write(recorded, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id_", ["../x", "a/b", "", "x" * 81, "a\n"])
def test_an_id_is_no_path(recorded: Run, tmp_path: Path, id_: str) -> None:
    with pytest.raises(RunError, match="is no id of a run"):
        run.write(replace(recorded, id=id_), tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-1], "not JSON"),
        (lambda data: data.replace(b'"undecided"', b'"allow"'), "the checksum does not fit"),
        (lambda data: b"[" * 100_000, "not JSON"),
        (lambda data: b"\xff", "not JSON"),
        (lambda data: b"[]", "not a run"),
        (lambda data: b"", "not JSON"),
    ],
    ids=["cut", "another verdict", "deep", "not UTF-8", "a list", "empty"],
)
def test_a_changed_run_is_refused_in_one_line(recorded: Run, tmp_path: Path, change: Any, says: str) -> None:
    path = run.write(recorded, tmp_path)
    changed = change(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(RunError) as told:
        run.read(path)
    assert str(told.value).startswith(f"{path}: ")
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_a_checksum_that_fits_another_shape_does_not_help(recorded: Run, tmp_path: Path) -> None:
    document = recorded.to_json()
    for gone in [name for name in document if name not in ("schema", "checksum")]:
        rest = {name: value for name, value in document.items() if name not in (gone, "checksum")}
        path = tmp_path / f"{gone}.json"
        path.write_bytes(msgspec.json.encode({**rest, "checksum": run.digest(rest)}))
        with pytest.raises(RunError, match="not a run of this version"):
            run.read(path)
