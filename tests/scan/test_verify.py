"""The folder of a scan is verified as a whole: all that a scan seals is named, is there, and is as it was written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.scan.verify import verify
from tests.cli.conftest import clean_environment
from tests.command import Done, inside
from tests.render import runs
from tests.render.test_scan_page import scan

TIMES = {"started_at": runs.CLOCK, "as_of": runs.CLOCK}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A scan whose plan says when it began."""
    folder = scan(tmp_path_factory.mktemp("scans"), dark=False)
    rewrite(folder, "plan", lambda plan: plan.update(TIMES))
    return folder


@pytest.fixture
def folder(made: Folder, tmp_path: Path) -> Folder:
    shutil.copytree(made.path, tmp_path / made.id)
    return Folder(tmp_path / made.id)


def rewrite(folder: Folder, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Say something else in the plan or the manifest, with a checksum that fits."""
    document = {key: value for key, value in getattr(folder, name)().items() if key != "schema"}
    change(document)
    (folder.path / f"{name}.json").unlink()
    getattr(folder, f"write_{name}")(document)


def command(folder: Folder) -> Done:
    return inside("verify", folder.path, folder=folder.path.parent, environment=clean_environment())


def test_a_scan_as_it_was_written_is_intact(made: Folder) -> None:
    done = command(made)
    assert (done.code, done.out) == (0, f"intact  {made.path}: scan {made.id}, its plan, its manifest and 4 files\n")


def test_a_name_that_no_file_can_have_is_told(made: Folder) -> None:
    with pytest.raises(ScanError, match="names a file that nobody can have: `a\0b`"):
        made.check({"a\0b": "0"})


def plan_is_cut(folder: Folder) -> None:
    path = folder.path / "plan.json"
    path.write_bytes(path.read_bytes().replace(b"4.12.2", b"4.12.3"))


def of(change: Callable[[dict[str, Any]], object], name: str = "manifest") -> Callable[[Folder], None]:
    return lambda folder: rewrite(folder, name, change)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (plan_is_cut, "plan.json: the checksum does not fit"),
        (lambda folder: (folder.path / "plan.json").unlink(), "plan.json: cannot be read"),
        (of(lambda plan: plan.update(as_of="2020-01-01T00:00:00Z"), "plan"), "plan.json is of another scan than"),
        (of(lambda told: told.update(tables={})), "manifest.json: does not name `cells.jsonl`, which every scan has"),
        (of(lambda told: told["tables"].pop("evidence.parquet")), "does not name `evidence.parquet`"),
        (of(lambda told: told.update(tables=["cells.jsonl"])), "manifest.json: does not name the files of the scan"),
        (of(lambda told: told.pop("tables")), "manifest.json: does not name the files of the scan"),
        (of(lambda told: told["tables"].update({"a\0b": "0"})), "manifest.json: names `a\\u{0}b`, which no scan has"),
        (of(lambda told: told["tables"].update({"../plan.json": "0"})), "names `../plan.json`, which no scan has"),
        (lambda folder: (folder.path / "entries").mkdir(), "is a scan, and holds `entries` like a log"),
        (lambda folder: (folder.path / "findings.parquet").unlink(), "findings.parquet: cannot be read"),
    ],
)
def test_what_is_no_whole_scan_is_refused(spoil: Callable[[Folder], None], says: str, folder: Folder) -> None:
    spoil(folder)
    with pytest.raises(ScanError):
        verify(folder)
    done = command(folder)
    assert (done.code, done.out) == (1, "")
    assert says in done.err.splitlines()[0]
