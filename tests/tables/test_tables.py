"""What is written is what is read; a writer that fails leaves nothing; another version is refused."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from modelwarden.evidence import Evidence, Present
from modelwarden.finding import AppliedWaiver, Decision, Finding
from modelwarden.scan.record import Record
from modelwarden.tables import TablesWriter, merge_tables, query, read_tables, there
from modelwarden.tables.schema import COLUMNS, ROWS, TablesError, library, opened, schema

from .records import CONTROLS, HOSTILE, arn, decision_of, judged, written

NAMES = {f"{name}.parquet" for name in COLUMNS}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [
        judged(arn(1), original_arn=arn(9, "444455556666")),
        judged(arn(2), original_arn=HOSTILE),
        Record(arn(1, "444455556666"), "inventory", HOSTILE, claimed=HOSTILE, approval=HOSTILE),
        judged(arn(2, "444455556666", "us-east-1")),
    ]


@pytest.fixture(scope="module")
def folder(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("tables") / "a[1]*", records)


def as_kept(record: Record) -> Record:
    """Of what passed, or does not apply, no facts are kept."""
    if record.decision is None:
        return record
    rulings = tuple(
        replace(one, finding=replace(one.finding, observed=()))
        if one.finding.outcome in ("pass", "not-applicable")
        else one
        for one in record.decision.rulings
    )
    return replace(record, decision=replace(record.decision, rulings=rulings))


def place(record: Record) -> tuple[str, str]:
    return record.package.split(":")[4], record.package.split(":")[3]


def read_back(folder: Path, records: Iterable[Record]) -> list[Record]:
    cells = dict.fromkeys(place(record) for record in records)
    return [record for cell in cells for record in read_tables(folder, *cell)]


def test_what_is_read_is_what_was_written(folder: Path, records: list[Record]) -> None:
    assert read_back(folder, records) == [as_kept(record) for record in records]


def test_a_cell_without_packages_has_none(folder: Path) -> None:
    assert list(read_tables(folder, "111122223333", "us-east-1")) == []


def test_evidence_is_left_out_where_nobody_wants_it(folder: Path, records: list[Record]) -> None:
    found = list(read_tables(folder, "111122223333", "eu-west-1", with_evidence=False))
    assert found == [replace(as_kept(record), evidence=None) for record in records[:2]]


def test_an_origin_is_a_column_of_its_own(folder: Path) -> None:
    origins = opened(folder / "packages.parquet").read(columns=["origin"])["origin"].to_pylist()
    assert origins == [arn(9, "444455556666"), HOSTILE, None, None]


def test_a_waiver_comes_back_whole(tmp_path: Path, records: list[Record]) -> None:
    decision = decision_of(records[0])
    waiver = AppliedWaiver("W-7", "o", "a", HOSTILE, "2026-12-31")
    rulings = (replace(decision.rulings[0], waiver=waiver), *decision.rulings[1:])
    record = replace(records[0], decision=replace(decision, rulings=rulings))
    written(tmp_path, [record])
    assert read_back(tmp_path, [record]) == [as_kept(record)]
    ids = opened(tmp_path / "findings.parquet").read(columns=["waiver_id"])["waiver_id"].to_pylist()
    assert ids[:2] == ["W-7", None]


def test_packages_that_were_gone_are_not_there(tmp_path: Path) -> None:
    roles = {1: "inventory", 2: "gone", 3: "unmapped"}
    written(tmp_path, [Record(arn(number), role, "") for number, role in roles.items()])  # type: ignore[arg-type]
    assert list(there(tmp_path, "111122223333", "eu-west-1")) == [arn(1), arn(3)]
    assert list(there(tmp_path, "444455556666", "eu-west-1")) == []


def test_few_documents_of_a_row_group_are_in_memory_at_once(tmp_path: Path) -> None:
    size, count = 16_000, ROWS["evidence"]
    texts = (random.Random(number).randbytes(size // 2).hex() for number in range(count))
    facts = ({"/approval/description": Present(text)} for text in texts)
    records = [
        Record(arn(number), "inventory", "", evidence=Evidence(arn(number), one)) for number, one in enumerate(facts)
    ]
    parts = [written(tmp_path / "part", records)]
    (tmp_path / "whole").mkdir()
    merge_tables(parts, tmp_path / "whole")
    allocated = library().arrow.total_allocated_bytes
    before = allocated()
    held = [allocated() - before for _ in read_tables(tmp_path / "whole", "111122223333", "eu-west-1")]
    assert len(held) == count
    assert max(held) < size * count


def test_memory_is_asked_of_the_system_for_every_thread_alike() -> None:
    code = "from modelwarden.tables.schema import library; print(library().arrow.default_memory_pool().backend_name)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "system\n"


def test_tables_of_nothing_are_tables(tmp_path: Path) -> None:
    written(tmp_path, [])
    assert list(read_tables(tmp_path, "111122223333", "eu-west-1")) == []
    assert query.outcomes(tmp_path) == query.worst(tmp_path, 5) == query.verdicts(tmp_path) == []


def test_parts_become_one_in_row_groups_of_their_size(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [written(tmp_path / str(number), [record]) for number, record in enumerate(records)]
    empty = written(tmp_path / "empty", [])
    (tmp_path / "whole").mkdir()
    monkeypatch.setitem(ROWS, "packages", 3)
    files = merge_tables([*parts[:2], empty, *parts[2:]], tmp_path / "whole")
    assert read_back(tmp_path / "whole", records) == [as_kept(record) for record in records]
    metadata = opened(tmp_path / "whole/packages.parquet").metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [3, 1]
    assert set(files) == NAMES


def test_columns_follow_the_rows_that_were_added_before(tmp_path: Path, records: list[Record]) -> None:
    with TablesWriter(tmp_path, CONTROLS) as writer:
        writer.add(records[0])
        writer.add_columns("packages", {"package": [arn(5), arn(6)], "role": ["inventory"] * 2})
        writer.add(records[1])
    rows = opened(tmp_path / "packages.parquet").read(columns=["package", "role", "verdict"]).to_pylist()
    assert [row["package"] for row in rows] == [arn(1), arn(5), arn(6), arn(2)]
    assert [row["verdict"] for row in rows][1:3] == [None, None]


def test_a_block_that_raises_leaves_no_table(tmp_path: Path, records: list[Record]) -> None:
    def broken() -> Iterator[Record]:
        yield records[0]
        raise ValueError("the reader broke")

    with pytest.raises(ValueError, match="the reader broke"):
        written(tmp_path, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_at_the_end_leaves_no_table(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = TablesWriter(tmp_path, CONTROLS)
    writer.add(records[0])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._tables["findings"]._file, "write_table", full)
    with pytest.raises(TablesError, match=r"findings\.parquet: cannot be written: No space left"), writer:
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_table_that_can_be_read(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from modelwarden.tables import TablesWriter\n"
        "writer = TablesWriter(Path(sys.argv[1]), {}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    with pytest.raises(TablesError, match=r"packages\.parquet: cannot be read"):
        query.verdicts(tmp_path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    older = schema("packages").with_metadata({b"modelwarden": b"modelwarden.tables/0"})
    library().parquet.write_table(older.empty_table(), tmp_path / "packages.parquet")
    with pytest.raises(TablesError) as told:
        query.verdicts(tmp_path)
    assert str(told.value).endswith("packages.parquet: is `modelwarden.tables/0`, not `modelwarden.tables/1`")
    assert told.value.help == "read it with the release that wrote it"


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and then something else"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "findings.parquet").write_bytes(content)
    with pytest.raises(TablesError, match=r"findings\.parquet: cannot be read: "):
        query.outcomes(tmp_path)


def test_tables_that_do_not_fit_each_other_are_refused(tmp_path: Path, records: list[Record]) -> None:
    written(tmp_path / "1", records[:2])
    written(tmp_path / "2", records[:1])
    (tmp_path / "2/findings.parquet").write_bytes((tmp_path / "1/findings.parquet").read_bytes())
    with pytest.raises(TablesError, match="its tables do not fit each other"):
        read_back(tmp_path / "2", records[:1])


@pytest.mark.parametrize(("module", "said"), [("pyarrow", "need pyarrow"), ("duckdb", "need duckdb")])
def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, said: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    library.cache_clear()
    try:
        with pytest.raises(TablesError, match=said) as told:
            query.outcomes(folder)
    finally:
        library.cache_clear()
    assert told.value.help == "pip install 'modelwarden[scan]'"


def test_the_gate_loads_no_tables() -> None:
    code = (
        "import sys, modelwarden.cli, modelwarden.gate; print([m for m in ('pyarrow', 'duckdb') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def said_of(records: Iterable[Record]) -> list[tuple[Record, Finding]]:
    return [(record, one.finding) for record in records if record.decision for one in record.decision.rulings]


def counted(keys: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(*key, count) for key, count in sorted(Counter(keys).items())]


def test_questions_count_what_was_written(folder: Path, records: list[Record]) -> None:
    found = said_of(records)
    still = [(record, finding) for record, finding in found if finding.outcome in {"fail", "unknown"}]
    assert {finding.outcome for _, finding in still} == {"fail", "unknown"}
    assert query.outcomes(folder) == counted((one.control, one.outcome) for _, one in found)
    assert query.severities(folder) == counted(
        (place(record)[0], CONTROLS[one.control].severity, one.outcome) for record, one in still
    )
    decision: Decision = decision_of(records[0])
    assert query.verdicts(folder) == [("inventory", None, 1), ("judged", decision.verdict, 3)]
    assert [(family, account, count) for family, account, _, _, count in query.families(folder)] == counted(
        (one.control.partition("-")[0], place(record)[0]) for record, one in found
    )
    (top,) = query.worst(folder, 1)
    amounts = Counter((record.package, one.outcome) for record, one in still)
    assert top[2:] == (amounts[top[0], "fail"], amounts[top[0], "unknown"])
    assert {account for account, *_ in query.matrix(folder, 1)} == {"111122223333"}


def test_a_hostile_package_is_a_value_and_no_question(folder: Path, records: list[Record]) -> None:
    assert query.open_findings(folder, HOSTILE) == []
    assert [row[0] for row in query.open_findings(folder, arn(2))] == [
        finding.control for _, finding in said_of(records[1:2]) if finding.outcome in {"fail", "unknown"}
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PACKAGES = st.lists(
    st.builds(
        Record,
        package=st.integers(1, 99).map(arn),
        role=st.sampled_from(["unmapped", "inventory", "gone"]),
        why=TEXT,
        approval=TEXT,
        claimed=TEXT,
        created=TEXT,
        endpoints=st.lists(TEXT, max_size=3).map(tuple),
    ),
    max_size=5,
    unique_by=lambda record: record.package,
)


@settings(max_examples=30, deadline=None)
@given(PACKAGES, st.dictionaries(st.integers(0, 4), TEXT))
def test_whatever_is_written_is_read_back(made: list[Record], origins: dict[int, str]) -> None:
    records = [
        replace(one, evidence=Evidence(one.package, {"/package/original_arn": Present(origins[number])}))
        if number in origins
        else one
        for number, one in enumerate(made)
    ]
    with tempfile.TemporaryDirectory() as folder:
        assert read_back(written(Path(folder), records), records) == records
