"""Keys: one run is the answer to each, whatever is cut off and whoever comes second."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwarden.evidence import Unknown
from modelwarden.store import NotKept
from modelwarden.store.keys import Claim, InUse, Keys, Settled, Unreadable
from modelwarden.store.place import Folder

NOON, LATER, AFTER = "2026-11-20T12:00:00Z", "2026-11-20T12:00:29Z", "2026-11-20T12:00:30Z"
EVEN_LATER = "2026-11-20T12:01:00Z"


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def keys(place: Folder, *recorded: str) -> Keys:
    """Keys where these runs were recorded."""
    return Keys(place, recorded.__contains__)


def take(keys: Keys, body: str, run: str, now: str) -> Claim:
    """A claim of 30 seconds that nobody is in the way of."""
    found = keys.claim("k", body, run, now, 30)
    assert isinstance(found, Claim)
    return found


def test_a_key_is_taken_once_and_then_answers(place: Folder) -> None:
    mine = take(keys(place), "body", "run-1", NOON)
    assert mine == Claim("body", "run-1", AFTER, 1)
    assert keys(place).claim("k", "body", "run-2", NOON, 30) == InUse(30)
    assert keys(place).settle("k", mine) == Settled("body", "run-1")
    assert keys(place).claim("k", "body", "run-3", "2027-11-20T12:00:00Z", 30) == Settled("body", "run-1")


@pytest.mark.parametrize("settled", [False, True])
def test_another_body_is_told_apart_before_and_after(place: Folder, settled: bool) -> None:
    mine = take(keys(place), "body", "run-1", NOON)
    if settled:
        keys(place).settle("k", mine)
    for now in (NOON, AFTER):
        assert keys(place).claim("k", "another", "run-2", now, 30) == "other body"


def test_a_claim_that_was_cut_off_ends(place: Folder) -> None:
    keys(place).claim("k", "body", "run-1", NOON, 30)
    assert keys(place).claim("k", "body", "run-2", LATER, 30) == InUse(1)
    assert keys(place).claim("k", "body", "run-3", AFTER, 30) == Claim("body", "run-3", EVEN_LATER, 2)


@pytest.mark.parametrize("freed", [False, True])
def test_a_run_that_was_left_behind_is_the_answer_at_once(place: Folder, freed: bool) -> None:
    """Also where its own instance thought that it had failed: the answer to its last write may have been lost."""
    mine = take(keys(place), "body", "run-1", NOON)
    if freed:
        keys(place).free("k", mine)
    assert keys(place, "run-1").claim("k", "body", "run-2", NOON, 30) == Settled("body", "run-1")
    assert keys(place).claim("k", "body", "run-3", NOON, 30) == Settled("body", "run-1")


def test_a_claim_that_was_freed_is_free_for_any_body(place: Folder) -> None:
    keys(place).free("k", take(keys(place), "body", "run-1", NOON))
    assert keys(place).claim("k", "another", "run-2", NOON, 30) == Claim("another", "run-2", AFTER, 2)


def test_of_two_who_worked_on_it_the_first_to_settle_is_right(place: Folder) -> None:
    slow = take(keys(place), "body", "run-1", NOON)
    fast = take(keys(place), "body", "run-2", AFTER)
    assert keys(place).settle("k", fast) == Settled("body", "run-2")
    assert keys(place).settle("k", slow) == Settled("body", "run-2")


class _Beaten(Folder, frozen=True):
    """Another instance is first, between the look and the write."""

    def write(self, name: str, data: bytes) -> str:
        if name.endswith("-claim.json"):
            Keys(Folder(self.path), lambda _: False).claim("k", "body", "run-0", NOON, 30)
        return super().write(name, data)


def test_whoever_was_beaten_looks_again(tmp_path: Path) -> None:
    assert keys(_Beaten(tmp_path)).claim("k", "body", "run-1", NOON, 30) == InUse(30)


def test_what_cannot_be_read_is_no_free_key(place: Folder, tmp_path: Path) -> None:
    keys(place).claim("k", "body", "run-1", NOON, 30)
    (tmp_path / "idempotency/k/000001-claim.json").write_text('{"body":"body"}')
    with pytest.raises(Unreadable, match="missing required field `run`"):
        keys(place).claim("k", "body", "run-2", AFTER, 30)
    with pytest.raises(Unreadable, match="not readable"):
        keys(Folder(tmp_path / "not-mounted")).claim("k", "body", "run-1", NOON, 30)


class _Full(Folder, frozen=True):
    def write(self, name: str, data: bytes) -> str:
        raise NotKept("no space")


def test_what_cannot_be_written_takes_no_key(tmp_path: Path) -> None:
    with pytest.raises(NotKept, match="no space"):
        keys(_Full(tmp_path)).claim("k", "body", "run-1", NOON, 30)


def test_find_tells_what_is_missing_from_what_cannot_be_read(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    (tmp_path / "here").write_bytes(b"data")
    assert (place.find("here"), place.find("there"), place.find("no/where")) == (b"data", None, None)
    assert isinstance(place.find("here/below"), Unknown)
    assert isinstance(Folder(tmp_path / "not-mounted").find("here"), Unknown)
