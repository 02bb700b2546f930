"""The file: opened by every later release, refused where it is none of ours, and never half written."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from modelwarden.store import migration
from modelwarden.store.sqlite import SqliteState
from modelwarden.store.state import Hearsay, NoState, Standing, StateError

from .conftest import ACCOUNT, REGION, arn, at, row, run_id, seen

VERSION_1 = Path(__file__).parents[1] / "compat/state-1.sqlite"
"""Two scans as the first release wrote them: `churn` was blocked and then flagged, `fraud` was not listed any more."""


def test_a_file_of_version_1_is_read_and_written(tmp_path: Path) -> None:
    shutil.copy(VERSION_1, tmp_path / "state.sqlite")
    state = SqliteState(tmp_path / "state.sqlite", create=False)
    flagged = seen("churn", 2, "flag", evidence="sha256:e2")
    assert state.standing(arn("churn")) == Standing(flagged, run_id(2), at(1), at(2), at(2), run_id(2), "block")
    fraud = Standing(seen("fraud", 1), run_id(2), at(1), at(1), at(2), run_id(2), "allow", at(2), "not listed")
    assert state.standing(arn("fraud")) == fraud
    assert [(one.event, one.why) for one in state.history(arn("churn"))] == [("first", ()), ("changed", ("evidence",))]
    assert [(one.id, one.complete, dict(one.verdicts)) for one in state.runs(9)] == [
        (run_id(2), True, {"flag": 1}),
        (run_id(1), True, {"allow": 1, "block": 1}),
    ]
    state.begin(row(3))
    state.put(run_id(3), [seen("fraud", 3)])
    assert [one.event for one in state.history(arn("fraud"))] == ["first", "closed", "reopened"]
    state.begin(row(4, kind="import"))
    heard = Hearsay(arn("fraud"), ACCOUNT, REGION, at(1), at(2), {"approval": "Approved"}, (), "sha256:h1")
    assert [state.put_heard(run_id(4), [heard], at(4)) for _ in range(2)] == [1, 0]
    assert [dict(one.declared) for one in state.history(arn("fraud"))] == [{}, {}, {}, {"approval": "Approved"}]
    state.close()


def test_a_file_of_an_earlier_version_goes_through_every_later_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.sqlite"
    SqliteState(path).close()

    def further(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE further (id INTEGER)")

    def fails(connection: sqlite3.Connection) -> None:
        further(connection)
        connection.execute("CREATE TABLE broken (")

    here = migration.VERSION
    monkeypatch.setattr(migration, "VERSION", here + 1)
    monkeypatch.setattr(migration, "STEPS", {**migration.STEPS, here + 1: fails})
    with pytest.raises(StateError, match="the state cannot be used: incomplete input"):
        SqliteState(path)
    assert version(path) == (here, 0)
    monkeypatch.setattr(migration, "STEPS", {**migration.STEPS, here + 1: further})
    SqliteState(path).close()
    assert version(path) == (here + 1, 1)


def version(path: Path) -> tuple[int, int]:
    """(version, tables that only the later step makes) of a file."""
    connection = sqlite3.connect(path)
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'further'").fetchone()
    connection.close()
    return number, tables


def test_a_file_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    SqliteState(path).close()
    connection = sqlite3.connect(path)
    newer = migration.VERSION + 1
    connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    with pytest.raises(StateError) as caught:
        SqliteState(path)
    expected = f"{path}: was written by a newer release: version {newer}, and this one reads up to {newer - 1}"
    assert str(caught.value) == expected
    assert caught.value.help == "update modelwarden"
    assert version(path) == (newer, 0)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE books (id INTEGER)")
    connection.close()
    with pytest.raises(StateError, match=r"is a database of something else$"):
        SqliteState(path)


def test_bytes_that_are_no_database_are_named(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"not a database at all, and longer than the header of one" * 40)
    with pytest.raises(StateError) as caught:
        SqliteState(path)
    assert str(caught.value) == f"{path}: the state is damaged: file is not a database"
    assert caught.value.help == "restore it from a copy, or move it away: the next scan begins anew"
    assert path.read_bytes().startswith(b"not a database")


def test_a_file_that_was_overwritten_in_its_middle_is_no_empty_state(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    state = SqliteState(path)
    state.begin(row(1))
    state.put(run_id(1), (seen(f"model-{number}", 1) for number in range(900)))
    state.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))

    def listed() -> None:
        list(SqliteState(path).standings(ACCOUNT, REGION))

    with pytest.raises(StateError, match="the state is damaged"):
        listed()


def test_a_value_that_this_release_cannot_read_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    state = SqliteState(path)
    state.begin(row(1))
    state.put(run_id(1), [seen("churn", 1)])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE package SET controls = '{'")
    connection.commit()
    connection.close()
    with pytest.raises(StateError, match="the state is damaged"):
        state.standing(arn("churn"))


def test_who_only_reads_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "runs/state.sqlite"
    with pytest.raises(NoState) as caught:
        SqliteState(path, create=False)
    assert str(caught.value) == f"{path}: there is no state"
    assert not path.parent.exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot be opened: (File exists|Not a directory)"):
        SqliteState(tmp_path / "file/state.sqlite")


def test_a_put_that_breaks_off_keeps_whole_batches_and_may_be_repeated(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.sqlite")
    state.begin(row(1))
    names = [f"model-{number:04}" for number in range(700)]

    def broken() -> object:
        yield from (seen(name, 1) for name in names[:600])
        raise OSError("the disk of the records")

    with pytest.raises(OSError, match="the disk of the records"):
        state.put(run_id(1), broken())  # type: ignore[arg-type]
    assert len(list(state.standings(ACCOUNT, REGION))) == 500
    state.put(run_id(1), (seen(name, 1) for name in names))
    assert [one.seen.package for one in state.standings(ACCOUNT, REGION)] == [arn(name) for name in names]
    assert all(len(list(state.history(arn(name)))) == 1 for name in names[::50])


WRITER = """
import sys
from pathlib import Path
from tests.store.conftest import row, run_id, seen
from modelwarden.store.sqlite import SqliteState
number = int(sys.argv[2])
state = SqliteState(Path(sys.argv[1]))
state.begin(row(number))
state.put(run_id(number), (seen(f"model-{one:04}", number, "block" if number % 2 else "allow") for one in range(1500)))
state.close()
"""


def test_processes_that_meet_at_a_new_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, str(number)], cwd=root, stderr=subprocess.PIPE)
        for number in range(1, 5)
    ]
    told = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    state = SqliteState(path)
    found = list(state.standings(ACCOUNT, REGION))
    assert len(found) == 1500
    assert {one.seen.run for one in found} == {run_id(4)}
    assert [one.id for one in state.runs(9)] == [run_id(number) for number in (4, 3, 2, 1)]
    state.close()
