"""Publishing: a scan shows itself last and whole, again changes nothing, and what cannot be told is never shown as told."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from msgspec import Struct
from scripts.analytics.questions import QUESTIONS

from modelwarden.analytics.facts import LONGEST
from modelwarden.analytics.publish import NotPublished, arrow_schema, edition_of, publish
from modelwarden.analytics.tables import TABLES
from modelwarden.evidence import Unknown
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.store import place
from tests.command import inside

from .conftest import Nights
from .scans import LENDING, RECORDS, RETAIL, arn, asking, judged, scan

COMPAT = Path(__file__).parents[1] / "compat/v0.1.0"


def files(where: Path) -> dict[str, bytes]:
    return {
        file.relative_to(where).as_posix(): file.read_bytes() for file in sorted(where.rglob("*")) if file.is_file()
    }


def rows(where: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        duckdb.sql(f"FROM read_parquet('{where}/{table}/*/*.parquet')").to_arrow_table().to_pylist()
    )
    return found


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


class Stops(Struct):
    """A folder that refuses what comes after so many files."""

    folder: place.Folder
    left: int

    def names(self, folder: str) -> list[str] | Unknown:
        return self.folder.names(folder)

    def read(self, name: str) -> bytes | Unknown:
        return self.folder.read(name)

    def write(self, name: str, data: bytes) -> str:
        raise AssertionError(f"{name}: nothing is written but what may be written over")

    def replace(self, name: str, data: bytes) -> str:
        self.left -= 1
        if self.left < 0:
            raise place.NotKept(f"{name}: cannot be written: s3:PutObject: AccessDenied: no")
        return self.folder.replace(name, data)


def test_every_file_has_the_columns_that_are_described(nights: Nights) -> None:
    for name, table in TABLES.items():
        found = [pq.read_schema(file) for file in sorted(nights.place.glob(f"{name}/*/*.parquet"))]
        assert found == [arrow_schema(table)] * 2


def test_texts_that_somebody_wrote_are_cut_and_say_so(nights: Nights) -> None:
    (churn,) = [row for row in nights.ask("models") if row["package"] == arn(RETAIL, "churn/7")]
    assert churn["use_case"] == "x" * (LONGEST - 1) + "…"


def test_publishing_again_changes_nothing(nights: Nights) -> None:
    before = files(nights.place)
    assert publish(nights.later, place.Folder(nights.place)).rows == {}
    assert files(nights.place) == before


def test_the_same_scan_makes_the_same_bytes_elsewhere(nights: Nights, there: Path) -> None:
    publish(nights.later, place.Folder(there))
    assert files(there).items() <= files(nights.place).items()


@pytest.mark.parametrize("after", [0, len(TABLES) - 1])
def test_a_publication_that_was_broken_off_shows_nothing(nights: Nights, there: Path, after: int) -> None:
    with pytest.raises(NotPublished, match="AccessDenied"):
        publish(nights.later, Stops(place.Folder(there), after))
    ask = asking(there)
    assert [ask(name) for name in ("posture", "models", "coverage")] == [[], [], []]
    assert publish(nights.later, place.Folder(there)).rows["runs"] == 1
    assert len(files(there)) == len(TABLES)


def test_a_scan_that_went_on_replaces_what_it_showed_before(tmp_path: Path, there: Path) -> None:
    first = scan(tmp_path / "first", 0)
    publish(first, place.Folder(there))
    second = scan(tmp_path / "second", 0, whole=True, finished_at="2099-01-01T00:00:00Z")
    assert first.id == second.id
    broken = [name for name in TABLES if name != "runs"]
    with pytest.raises(NotPublished):
        publish(second, Stops(place.Folder(there), len(broken)))
    assert [row["whole"] for row in asking(there)("posture_trend")] == [False], "until then, what was shown stays"
    publish(second, place.Folder(there))
    ask = asking(there)
    assert [row["whole"] for row in ask("posture_trend")] == [True]
    assert len(ask("models")) == sum(map(len, RECORDS.values())), "no package is there twice"
    with pytest.raises(NotPublished, match="a later record of this scan is published there"):
        publish(first, place.Folder(there))


def test_what_is_shown_and_cannot_be_read_is_not_written_over(nights: Nights, there: Path) -> None:
    publish(nights.later, place.Folder(there))
    (shown,) = there.glob("runs/*/*.parquet")
    shown.write_bytes(b"no Parquet")
    with pytest.raises(NotPublished, match="is no row of a published scan"):
        publish(nights.later, place.Folder(there))
    shown.unlink()
    shown.mkdir()
    with pytest.raises(NotPublished, match="cannot be read: not readable"):
        publish(nights.later, place.Folder(there))


def test_a_disk_that_is_full_is_told(nights: Nights, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", refuse)
    with pytest.raises(NotPublished, match="cannot be written: No space left on device"):
        publish(nights.later, place.Folder(there))
    assert files(there) == {}


def test_a_table_that_was_changed_is_not_published(nights: Nights, tmp_path: Path, there: Path) -> None:
    shutil.copytree(nights.later.path, tmp_path / nights.later.id)
    with (tmp_path / nights.later.id / "findings.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ScanError, match=r"findings\.parquet: was changed after it was written"):
        publish(Folder(tmp_path / nights.later.id), place.Folder(there))
    assert files(there) == {}


def rewritten(folder: Folder, into: Path, **changed: str) -> Folder:
    """A copy of a scan whose manifest says something else."""
    shutil.copytree(folder.path, into)
    told = {name: value for name, value in folder.manifest().items() if name != "schema"}
    Folder(into).write_manifest(told | changed)
    return Folder(into)


def test_a_scan_of_an_earlier_release_is_published_under_its_id_wherever_it_lies(tmp_path: Path, there: Path) -> None:
    folder = rewritten(Folder(COMPAT / "scan"), tmp_path / "moved", id="20261120T060000000000Z-1f0c9a2e")
    done = publish(folder, place.Folder(there))
    assert done.run == "20261120T060000000000Z-1f0c9a2e"
    assert done.rows["packages"] == sum(folder.manifest()["packages"].values())
    assert {row["data_capture_state"] for row in rows(there, "endpoints")} == {"unknown"}, "nobody read it then"


@pytest.mark.parametrize("changed", [{"id": "../x"}, {"started_at": "yesterday"}])
def test_a_scan_without_id_or_time_is_not_published(
    nights: Nights, tmp_path: Path, there: Path, changed: dict[str, str]
) -> None:
    folder = rewritten(nights.later, tmp_path / "scan", **changed)
    with pytest.raises(ScanError, match="does not say when the scan began, or what its id is"):
        publish(folder, place.Folder(there))
    assert files(there) == {}


def test_a_manifest_that_counts_other_packages_is_not_published(nights: Nights, tmp_path: Path, there: Path) -> None:
    shutil.copytree(nights.later.path, tmp_path / nights.later.id)
    folder = Folder(tmp_path / nights.later.id)
    told = {name: value for name, value in folder.manifest().items() if name != "schema"}
    folder.write_manifest(told | {"packages": {**told["packages"], "judged": 99}})
    with pytest.raises(ScanError, match=r"not those that manifest\.json counts"):
        publish(folder, place.Folder(there))


def test_other_columns_or_another_record_are_another_edition(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    known = edition_of(nights.later)
    assert edition_of(nights.earlier) != known == edition_of(nights.later)
    monkeypatch.setattr("modelwarden.analytics.publish.VERSION", "modelwarden.analytics/2")
    assert edition_of(nights.later) != known


def test_a_state_is_one_of_three_and_a_value_stands_beside_present_alone(nights: Nights) -> None:
    stated = [column.name for column in TABLES["packages"].columns if f"{column.name}_state" in _names("packages")]
    assert len(stated) > 10
    for row in rows(nights.place, "packages"):
        for name in stated:
            assert row[f"{name}_state"] in ("present", "absent", "unknown")
            assert (row[name] is not None) == (row[f"{name}_state"] == "present")
        if row["role"] != "judged":
            assert {row[f"{name}_state"] for name in stated} == {"unknown"}, "nobody read it"


def _names(table: str) -> set[str]:
    return {column.name for column in TABLES[table].columns}


def test_packages_of_hostile_names_are_rows_like_any_other(tmp_path: Path, there: Path) -> None:
    hostile = "'; DROP TABLE runs; -- <script>\u202e${Database}"
    record = judged(LENDING, "loan/9", "BIAS-01", why=hostile, approval=hostile)
    publish(scan(tmp_path, records=RECORDS | {LENDING: [record]}), place.Folder(there))
    (row,) = [row for row in asking(there)("models") if row["package"] == record.package]
    assert (row["why"], row["approval_status"]) == (hostile, hostile)


# The command.


def run(*arguments: str | Path, folder: Path) -> Any:
    return inside("publish", *arguments, folder=folder, environment={"PATH": "/usr/bin"})


def test_the_command_publishes_the_last_scan_and_says_what_is_missing(nights: Nights, there: Path) -> None:
    done = run("last", there, "--runs", nights.later.path.parent, folder=there.parent)
    assert (done.code, done.err) == (0, "the scan is NOT COMPLETE, and every view says so\n")
    assert done.out.startswith(
        f"scan {nights.later.id}: published below {there}; rows: coverage 5, holes 3, packages 7, "
    )
    again = run("last", there, "--runs", nights.later.path.parent, folder=there.parent)
    assert (again.code, again.out) == (0, f"scan {nights.later.id}: was published before, nothing is new\n")
    assert len(asking(there)("models")) == 7


REFUSED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "no folder": (("{run}", "nowhere"), "error: nowhere: is no folder\n  help: make it, or name s3://BUCKET/PREFIX\n"),
    "nothing": (("{run}", ""), "error: `` is no place to publish to\n  help: name a folder, or s3://BUCKET/PREFIX\n"),
    "no bucket": (("{run}", "s3:///x"), "error: `s3:///x` names no bucket\n  help: write it as s3://BUCKET/PREFIX\n"),
    "no place": (
        ("{run}", "gs://b/x"),
        "error: `gs://b/x` is no place to publish to\n  help: name a folder, or s3://BUCKET/PREFIX\n",
    ),
    "retries": (("{run}", ".", "--retries", "1"), "error: --retries has no effect on a folder\n  help: leave it out\n"),
    "among records": (
        ("{run}", "{run}"),
        "error: {run}: lies where records are\n  help: write what is no record elsewhere\n",
    ),
    "no scan": (("none", "."), "error: .modelwarden/runs/none: is no scan that came to its end\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_command_refuses(nights: Nights, tmp_path: Path, case: str) -> None:
    arguments, said = REFUSED[case]
    done = run(*(one.format(run=nights.later.path) for one in arguments), folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said.format(run=nights.later.path))
    assert files(tmp_path) == {}


def test_every_question_is_about_tables_that_are_published() -> None:
    for question in QUESTIONS.values():
        asked = {word.rpartition("}.")[2].strip() for word in question.sql.split() if word.startswith("${Database}.")}
        assert asked <= set(TABLES)
