"""Slices: every package of a cell is in one and in no other, however often it is split; and what cannot be joined is no cell."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.scan.folder import Folder
from modelwarden.scan.joining import join
from modelwarden.scan.record import Record, ScanError
from modelwarden.scan.share import MOST_BYTES, Share, packed, unpack
from modelwarden.scan.slices import MOST, WHOLE, Slice, apart, is_whole
from modelwarden.snapshot import LedgerRow
from modelwarden.store import place

ACCOUNT, REGION = "111122223333", "eu-west-1"
names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)


def arn(group: str, version: int) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{group}/{version}"


@st.composite
def partitions(draw: st.DrawFn) -> list[Slice]:
    """Slices as the state machine comes to them: each may fall into finer ones, any number of times."""
    found = [WHOLE]
    for _ in range(draw(st.integers(0, 8))):
        index = draw(st.integers(0, len(found) - 1))
        found[index : index + 1] = found[index].into(draw(st.integers(2, 9))) or (found[index],)
    return found


@given(partitions(), names, st.integers(1, 999), st.integers(1, 999))
def test_a_group_is_in_one_slice_with_all_its_versions(
    slices: list[Slice], group: str, version: int, other: int
) -> None:
    holding = [one for one in slices if one.holds(arn(group, version))]
    assert len(holding) == 1
    assert holding == [one for one in slices if one.holds(arn(group, other))]


@given(partitions(), st.data())
def test_slices_cover_the_cell_if_none_is_missing(slices: list[Slice], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(slices))
    assert apart(shuffled) == tuple(sorted(slices, key=lambda one: (one.of, one.index)))
    assert is_whole(apart(shuffled))
    assert not is_whole(apart(shuffled[1:]))


def test_of_a_slice_and_those_made_of_it_the_coarse_one_stands() -> None:
    """It came to its end although it was given up; its packages are not there twice."""
    left, right = WHOLE.into(2)
    assert apart([left, *right.into(2), right]) == (left, right)
    assert not is_whole(apart(right.into(2)))


def test_it_falls_into_as_many_as_are_asked_for_and_at_the_end_into_none() -> None:
    assert [one.name for one in WHOLE.into(3)] == ["0-4", "1-4", "2-4", "3-4"]
    assert [one.name for one in Slice(1, 2).into(2)] == ["1-4", "3-4"]
    assert len(WHOLE.into(10**6)) == MOST
    assert Slice(5, MOST).into(2) == ()


def written(folder: Folder, part: Slice, *packages: str, unread: str = "", by: tuple[str, ...] = ()) -> None:
    writer = folder.slice(ACCOUNT, REGION, part)
    for package in packages:
        writer.add(Record(package, "inventory", "older"))
    row = LedgerRow(ACCOUNT, REGION, "sagemaker:ListModelPackages", "read", 2, 0.5)
    writer.close(unread, (row,), by)


def test_slices_joined_are_the_cell_in_the_order_of_its_packages(tmp_path: Path) -> None:
    folder, (left, right) = Folder(tmp_path), WHOLE.into(2)
    written(folder, left, arn("a", 1), arn("c", 1))
    written(folder, right, arn("b", 1))
    end = join(folder, ACCOUNT, REGION, [right, left])
    assert [one.package for one in folder.collected(ACCOUNT, REGION)] == [arn("a", 1), arn("b", 1), arn("c", 1)]
    assert (end.records, end.unread) == (3, "")
    assert [(row.api, row.calls, row.seconds) for row in end.ledger] == [("sagemaker:ListModelPackages", 4, 1.0)]


@pytest.mark.parametrize(
    ("more", "by", "accepted"),
    [("", ("sagemaker:Search",), ("sagemaker:Search",)), ("", (), ()), ("lost", ("sagemaker:Search",), ())],
)
def test_what_one_slice_lacks_the_cell_lacks(
    tmp_path: Path, more: str, by: tuple[str, ...], accepted: tuple[str, ...]
) -> None:
    """A gap accepts it only where it accepts all of it: not a defect, and not a slice that is missing."""
    folder, (left, right) = Folder(tmp_path), WHOLE.into(2)
    written(folder, left, arn("a", 1))
    written(folder, right, unread="denied", by=by)
    end = join(folder, ACCOUNT, REGION, [left, right], more)
    assert end.unread == "; ".join(filter(None, (more, "denied")))
    assert end.unread_by == accepted


def test_a_slice_that_is_not_there_makes_no_cell(tmp_path: Path) -> None:
    folder, (left, right) = Folder(tmp_path), WHOLE.into(2)
    written(folder, left, arn("a", 1))
    with pytest.raises(ScanError, match="a slice was not collected to its end"):
        join(folder, ACCOUNT, REGION, [left, right])
    assert folder.end(ACCOUNT, REGION) is None


def test_a_slice_that_was_changed_makes_no_cell(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    written(folder, Slice(0, 2), arn("a", 1))
    (path,) = tmp_path.rglob("0-2.jsonl")
    path.write_bytes(path.read_bytes().replace(b"older", b"newer"))
    with pytest.raises(ScanError, match="was changed after it was written"):
        join(folder, ACCOUNT, REGION, [Slice(0, 2)])
    assert folder.end(ACCOUNT, REGION) is None


def shared(tmp_path: Path, who: str) -> Share:
    (tmp_path / "place").mkdir(exist_ok=True)
    (tmp_path / who / "run").mkdir(parents=True)
    return Share(Folder(tmp_path / who / "run"), place.Folder(tmp_path / "place", MOST_BYTES))


def test_what_one_puts_the_other_has(tmp_path: Path) -> None:
    one, other = shared(tmp_path, "one"), shared(tmp_path, "other")
    (one.folder.path / "running").mkdir()
    (one.folder.path / "running/a.json").write_bytes(b"{}")
    (one.folder.path / "plan.json").write_bytes(b"[]")
    one.put("plan.json")
    one.put_together("told.tar", ["running/a.json"])
    other.fetch("plan.json")
    other.fetch_together("told.tar")
    assert {
        str(path.relative_to(other.folder.path)): path.read_bytes() for path in other.folder.path.rglob("*.json")
    } == {
        "plan.json": b"[]",
        "running/a.json": b"{}",
    }
    assert not (other.folder.path / "told.tar").exists()


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"plan\.json: cannot be read") as error:
        shared(tmp_path, "one").fetch("plan.json")
    assert error.value.help == "look into the place where the scan is shared"


@pytest.mark.parametrize("name", ["../x", "references/../../x"])
def test_a_name_in_the_place_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    """Whoever may write there names what is fetched."""
    share = shared(tmp_path, "one")
    (tmp_path / "place/run/references").mkdir(parents=True)
    (tmp_path / "place/x").write_bytes(b"{}")
    (tmp_path / "place/run/x").write_bytes(b"{}")
    with pytest.raises(ScanError, match="which is no file of a scan"):
        share.fetch(name)
    assert not list(tmp_path.glob("one/**/x"))


@pytest.mark.parametrize("told", [b"{}", b'{"end": 1}', b'{"end": {"account": "x"}}', b"no", b"[]"])
def test_what_does_not_say_how_a_cell_ended_is_an_error(tmp_path: Path, told: bytes) -> None:
    """Not a cell that nobody read: it may have been read, and lost."""
    path = tmp_path / f"judged/{ACCOUNT}.{REGION}/end.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(told)
    with pytest.raises(ScanError, match=r"end\.json"):
        Folder(tmp_path).end(ACCOUNT, REGION)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_an_archive_writes_nowhere_else(tmp_path: Path, name: str) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(ScanError, match="which is no file of a scan"):
        unpack(data.getvalue(), tmp_path / "in", "x.tar")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_an_archive_holds_files_alone(tmp_path: Path, kind: bytes) -> None:
    data, member = io.BytesIO(), tarfile.TarInfo("a")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(member)
    with pytest.raises(ScanError, match="holds `a`, which is no file of a scan"):
        unpack(data.getvalue(), tmp_path, "x.tar")


@pytest.mark.parametrize("cut", [b"", b"no archive", b"x" * 1024])
def test_what_is_no_archive_is_an_error(tmp_path: Path, cut: bytes) -> None:
    with pytest.raises(ScanError, match=r"x\.tar: is no archive of a scan"):
        unpack(cut, tmp_path, "x.tar")


def test_an_archive_that_was_cut_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5000)
    with pytest.raises(ScanError, match=r"x\.tar"):
        unpack(packed(tmp_path, ["a"])[:3000], tmp_path / "in", "x.tar")
    assert not (tmp_path / "in/a").exists()
