"""A folder that cannot be read is said to be, wherever what lies in it counts; nobody takes it for an empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwarden.audit.pack.build import _recorded
from modelwarden.audit.pack.subject import of_package
from modelwarden.catalog import BundleError, load_bundle
from modelwarden.entries import Unlisted, below, entries
from modelwarden.replay.recorded import recorded_at
from modelwarden.scan.chronicle import catch_up
from modelwarden.scan.folder import Folder
from tests.command import inside

CONTROL = """@id("ACME-01")
@title("the package has no name")
@severity("low")
@rationale("House rule.")
@remediation("name it")
@reads("/package/status")
@source("house")
@since("1.0")
forbid (principal, action in Modelwarden::Action::"promote", resource)
unless { resource has package.status };
"""
WHY = "cannot be read: Permission denied"


@pytest.fixture
def dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nobody may list; whoever runs the tests may list any."""
    folder = tmp_path / "dark"
    folder.mkdir()
    (folder / "one.json").write_text("{}")
    listing = Path.iterdir

    def iterdir(self: Path) -> Iterator[Path]:
        if self.name == "dark":
            raise PermissionError(13, "Permission denied", str(self))
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    return folder


def test_entries_are_those_of_this_ending_by_name(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in entries(tmp_path, ".json")] == ["a.json", "b.json"]
    assert [path.name for path in entries(tmp_path)] == ["a.json", "b.json", "c.txt"]
    assert entries(tmp_path / "nowhere") == []


def test_what_lies_below_is_told_but_for_links_and_what_nobody_enters(tmp_path: Path) -> None:
    for name in ("in/deep", "out"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x").touch()
    (tmp_path / "in/loop").symlink_to(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in below(tmp_path, lambda path: path.name != "out")}
    assert found == {"in", "in/deep", "in/deep/x", "in/loop", "out"}


def test_a_folder_whose_entries_nobody_may_look_at_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()

    def is_dir(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", is_dir)
    with pytest.raises(Unlisted, match=f"^{tmp_path}/in: {WHY}$"):
        list(below(tmp_path, lambda _: True))


READS: dict[str, Callable[[Path], Any]] = {
    "entries": entries,
    "below": lambda folder: list(below(folder.parent, lambda _: True)),
    "the runs of a replay": recorded_at,
    "the runs of a pack": lambda folder: of_package("arn:aws:sagemaker:eu-west-1:1:model-package/x/1", folder),
    "the responses of a pack": _recorded,
}


@pytest.mark.parametrize("reads", READS)
def test_what_cannot_be_read_is_said_with_its_name(dark: Path, reads: str) -> None:
    with pytest.raises(Unlisted, match=f"^{dark}: {WHY}$") as caught:
        READS[reads](dark)
    assert caught.value.help == "make it readable, or name another folder"


@pytest.mark.parametrize("kind", ["references", "cells"])
def test_the_parts_of_a_scan_that_cannot_be_listed_are_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Without its references a scan would have fewer holes, and without its cells fewer packages."""

    def denied(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / kind).mkdir()
    assert list(getattr(Folder(tmp_path), kind)()) == []
    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(Unlisted, match=f"^{tmp_path / kind}: {WHY}$"):
        list(getattr(Folder(tmp_path), kind)())


def test_controls_that_cannot_be_listed_are_no_bundle_without_them(dark: Path, tmp_path: Path) -> None:
    """The gate would be open where the one in the dark blocks."""
    house = tmp_path / "house"
    house.mkdir()
    (house / "named.cedar").write_text(CONTROL)
    assert "ACME-01" in load_bundle([house]).controls
    dark.rename(house / "dark")
    with pytest.raises(BundleError) as caught:
        load_bundle([house])
    assert f"{house}/dark: {WHY}" in str(caught.value)
    (house / "dark").rename(house / "tests")
    assert "ACME-01" in load_bundle([house]).controls, "tests are no controls"


@pytest.mark.parametrize(
    "command",
    [
        ("baseline", "dark", "readable", "--owner", "ana", "--ticket", "T-1"),
        ("test", "."),
    ],
)
def test_a_command_does_not_go_on_without_it(dark: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "readable").mkdir()
    done = inside(*command, folder=tmp_path, environment={"PATH": ""})
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: dark: {WHY}")


def test_a_scan_that_cannot_be_looked_into_is_told_to_the_store(tmp_path: Path) -> None:
    """It may hold history that the store does not have."""
    loop = tmp_path / "20261120T060000000000Z-aaaaaaaa"
    loop.symlink_to(loop)
    told = catch_up(None, tmp_path, "own")  # type: ignore[arg-type] - there is nothing to keep
    assert told == [
        f"the store does not take scan {loop.name}: {loop}: cannot be read: Too many levels of symbolic links"
    ]
