"""The log: nothing is lost, and every change is found and located."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from modelwarden.attest import checkpoint, entry, log
from modelwarden.attest.audit import audit
from modelwarden.attest.entry import Word
from modelwarden.attest.key import LocalKey
from modelwarden.attest.receipt import proven, receipt_of
from modelwarden.attest.refusal import NotSigned, Refused
from modelwarden.attest.shelf import Folder, Shelf, ShelfProblem, name_of
from modelwarden.attest.spool import Spool
from modelwarden.attest.tree import Edge, Tree, includes
from tests.attest.conftest import NOW, PACKAGE
from tests.conftest import ROOT

SIZE = 9


def word(number: int, run: str = "") -> Word:
    """As of a gate that has no key."""
    return Word(run or f"20261128T12{number:04}Z-aa", "gate", NOW, PACKAGE, "allow", {"run": f"{number:064x}"})


def add(shelf: Shelf, key: LocalKey, number: int, run: str = "") -> Word:
    """What a gate with the key does: a word of its own, and a checkpoint."""
    said = entry.signed(word(number, run), key)
    assert log.append(shelf, said) == number
    assert log.sign(shelf, key, lambda: NOW, entered=(number,)).size == number
    return said


def filled(path: Path, key: LocalKey | None, size: int = SIZE) -> Folder:
    """A log of so many entries, with a checkpoint after each where there is a key."""
    path.mkdir()
    shelf = Folder(path)
    for number in range(1, size + 1):
        if key is not None:
            add(shelf, key, number)
        else:
            log.append(shelf, word(number))
    return shelf


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, key: LocalKey) -> Path:
    return filled(tmp_path_factory.mktemp("log") / "log", key).path


@pytest.fixture
def shelf(sound: Path, tmp_path: Path) -> Folder:
    """A copy that may be spoilt."""
    shutil.copytree(sound, tmp_path / "log")
    return Folder(tmp_path / "log")


def file(shelf: Folder, number: int, kind: Any = "entries") -> Path:
    return shelf.path / name_of(kind, number)


def refusal(shelf: Folder, key: LocalKey | None, kept: Any = None) -> str:
    with pytest.raises(Refused) as error:
        audit(shelf, key.public_key if key else None, kept)
    assert error.value.exit_code == 1
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{shelf.path}: ")


def rewrite(shelf: Folder, first: int, words: Sequence[Word]) -> None:
    """What somebody without the key can do: entries that follow one another as they should."""
    before = file(shelf, first - 1).read_bytes() if first > 1 else None
    for number, one in enumerate(words, start=first):
        before = entry.write(number, before, "", one)
        file(shelf, number).write_bytes(before)


def test_a_sound_log_is_whole(shelf: Folder, key: LocalKey) -> None:
    found = audit(shelf, key.public_key)
    assert ([one.number for one in found.entries], found.covered, len(found.checkpoints)) == ([*range(1, 10)], 9, 9)
    assert msgspec.structs.replace(found.entries[4].word, signature="") == word(5)
    assert found.unsigned == ()
    schema = json.loads((ROOT / "reports/schemas/log_entry.schema.json").read_text())
    for line in found.lines:
        assert [one.message for one in Draft202012Validator(schema).iter_errors(json.loads(line))] == []


def test_every_flipped_byte_is_found_and_its_file_is_named(shelf: Folder, key: LocalKey) -> None:
    """Entry and checkpoint in the middle and at both ends; every byte of one of each, and some of those of the others."""
    for kind, where in (("entries", "entry {}: "), ("checkpoints", "checkpoints/000000/{:09}.txt: ")):
        for number in (1, 5, 9):
            path = file(shelf, number, kind)
            data = path.read_bytes()
            for place in range(0, len(data), 29):
                changed = bytearray(data)
                changed[place] ^= 1 << (place % 8)
                path.write_bytes(changed)
                assert refusal(shelf, key).startswith(where.format(number)), (kind, number, place)
            path.write_bytes(data)
    for read, data in (
        (lambda data: entry.read(data, "file"), file(shelf, 5).read_bytes()),
        (lambda data: checkpoint.read(data, "file", key.public_key), file(shelf, 5, "checkpoints").read_bytes()),
    ):
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << (place % 8)
            with pytest.raises(Refused):
                read(bytes(changed))


@pytest.mark.parametrize("number", [1, 4, 9])
def test_a_replaced_entry_is_located(shelf: Folder, key: LocalKey, number: int) -> None:
    rewrite(shelf, number, [word(number, "forged")])
    said = refusal(shelf, key)
    if number == 9:  # nothing follows it: the checkpoint says so
        assert said == "entry 9 was replaced after the checkpoint of 9 entries was signed"
    else:
        assert said == f"entry {number} was replaced: entry {number + 1} names another one before it"


@pytest.mark.parametrize("first", [1, 4, 9])
def test_a_history_rewritten_to_its_end_is_located_by_the_checkpoints(shelf: Folder, key: LocalKey, first: int) -> None:
    rewrite(shelf, first, [word(first, "forged"), *(word(number) for number in range(first + 1, 10))])
    assert refusal(shelf, key) == f"entry {first} was replaced after the checkpoint of {first} entries was signed"
    shutil.rmtree(shelf.path / "checkpoints")
    assert refusal(shelf, key) == "no signed checkpoint covers entries 1 to 9"


def test_checkpoints_of_another_key_do_not_count(tmp_path: Path, key: LocalKey, other: LocalKey) -> None:
    forged = filled(tmp_path / "forged", other, 3)
    assert refusal(forged, key).startswith("checkpoints/000000/000000001.txt: signed by another key than `sha256:")


def test_a_log_that_was_cut_off_is_found(shelf: Folder, key: LocalKey) -> None:
    file(shelf, 9).unlink()
    assert refusal(shelf, key) == "cut off: there is a checkpoint of 9 entries, and the log ends at entry 8"
    with pytest.raises(NotSigned, match="cut off: there is a checkpoint of 9 entries, and the log ends at entry 8"):
        log.sign(shelf, key, lambda: NOW)


def test_a_log_that_was_rolled_back_is_found_by_a_checkpoint_kept_elsewhere(shelf: Folder, key: LocalKey) -> None:
    kept = checkpoint.read(file(shelf, 9, "checkpoints").read_bytes(), "kept", key.public_key)
    audit(shelf, key.public_key, kept)
    for number in (8, 9):
        file(shelf, number).unlink()
        file(shelf, number, "checkpoints").unlink()
    assert audit(shelf, key.public_key).covered == 7
    assert refusal(shelf, key, kept) == (
        "cut off or rolled back: the checkpoint that was kept is of 9 entries, and the log ends at entry 7"
    )
    for number in (8, 9, 10):
        add(shelf, key, number, f"other-{number}")
    assert refusal(shelf, key, kept) == "rewritten: its first 9 entries are not those of the checkpoint that was kept"


def test_another_log_does_not_pass_for_the_one_of_a_checkpoint(tmp_path: Path, shelf: Folder, key: LocalKey) -> None:
    kept = checkpoint.read(file(shelf, 3, "checkpoints").read_bytes(), "kept", key.public_key)
    another = Folder(tmp_path / "another")
    another.path.mkdir()
    for number in range(1, 5):
        add(another, key, number, f"x-{number}")
    assert refusal(another, key, kept).startswith("another log than the one of the checkpoint that was kept")


def test_moved_and_missing_entries_are_located(shelf: Folder, key: LocalKey) -> None:
    third, fourth = file(shelf, 3), file(shelf, 4)
    a, b = third.read_bytes(), fourth.read_bytes()
    third.write_bytes(b)
    fourth.write_bytes(a)
    assert refusal(shelf, key) == "entry 3: holds entry 4: entries were moved or replaced"
    third.unlink()
    assert refusal(shelf, key) == "entry 3 is missing, and entry 4 is there"


@pytest.mark.parametrize(
    "name", ["note.txt", "entries/000000/1.json", "entries/000001/000000010.json", "checkpoints/x/y"]
)
def test_what_belongs_to_no_log_is_named(shelf: Folder, key: LocalKey, name: str) -> None:
    (shelf.path / name).parent.mkdir(exist_ok=True)
    (shelf.path / name).write_text("x")
    assert refusal(shelf, key) == f"`{name}` belongs to no log"


@pytest.mark.parametrize("name", ["entries", "checkpoints", "entries/000000", "entries/000000/000000009.json"])
def test_a_log_behind_a_link_is_none(shelf: Folder, key: LocalKey, tmp_path: Path, name: str) -> None:
    """What a link leads to may be another thing tomorrow; and what was passed over was not verified."""
    (shelf.path / name).rename(tmp_path / "elsewhere")
    (shelf.path / name).symlink_to(tmp_path / "elsewhere")
    assert refusal(shelf, key) == f"{name}: is a link"
    with pytest.raises((ShelfProblem, Refused), match=r"is a link|belongs to no log"):
        _ = log.sign(shelf, key, lambda: NOW) if name == "checkpoints" else log.append(shelf, word(10))


def test_what_a_link_adds_to_a_log_is_found(shelf: Folder, key: LocalKey, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (shelf.path / "entries/000001").symlink_to(tmp_path / "more")
    assert refusal(shelf, key) == "entries/000001: is a link"
    with pytest.raises(ShelfProblem, match="`entries/000001` belongs to no log"):
        log.append(shelf, word(10))


def test_what_is_no_regular_file_keeps_nobody_waiting(shelf: Folder, key: LocalKey) -> None:
    file(shelf, 9).unlink()
    os.mkfifo(file(shelf, 9))
    assert refusal(shelf, key) == "entries/000000/000000009.json: is no regular file"


@pytest.mark.parametrize("name", ["", "entries", "checkpoints", "checkpoints/000000"])
def test_a_part_that_cannot_be_read_is_never_passed_over(
    shelf: Folder, key: LocalKey, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    scandir = os.scandir

    def denied(path: Any) -> Any:
        if Path(path) == shelf.path / name:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    for one in (key, None):
        with pytest.raises(ShelfProblem, match=f"{shelf.path / name}: Permission denied"):
            audit(shelf, one.public_key if one else None)
    if name:
        with pytest.raises(ShelfProblem, match="Permission denied"):
            shelf.last("entries" if name == "entries" else "checkpoints")


@pytest.mark.parametrize("name", ["entries/zzz/x", "entries/000000/zzz", "entries/000000/000000010.json.bak"])
def test_nobody_goes_on_behind_what_belongs_to_no_log(shelf: Folder, name: str) -> None:
    (shelf.path / name).parent.mkdir(exist_ok=True)
    (shelf.path / name).write_text("x")
    with pytest.raises(ShelfProblem, match=f"`{name}` belongs to no log"):
        log.append(shelf, word(10))


def test_entries_that_nobody_signed_are_told(shelf: Folder, key: LocalKey) -> None:
    log.append(shelf, word(10))
    assert refusal(shelf, key) == "no signed checkpoint covers entries 10 to 10"
    add(shelf, key, 11)
    assert refusal(shelf, key) == (
        "1 entries are signed by nobody, the first is entry 10: whoever can write there could have written them"
    )
    found = audit(shelf, key.public_key, allow_unsigned=True)
    assert (found.covered, found.unsigned) == (11, (10,))


def test_a_signature_that_is_none_is_refused_by_whoever_goes_on_and_whoever_looks(shelf: Folder, key: LocalKey) -> None:
    said = entry.signed(word(10), key)
    for changed, told in (
        (replace(said, verdict="block"), f"its signature is not one of `{key.public_key.id}` over what it says"),
        (replace(said, signature=said.signature[:-4]), f"its signature is not one of `{key.public_key.id}`"),
        (replace(said, signature="!"), "its signature is not base64"),
    ):
        log.append(shelf, changed)
        with pytest.raises(Refused, match=f"entry 10: {told}"):
            log.sign(shelf, key, lambda: NOW)
        checkpointed = file(shelf, 10, "checkpoints")
        edge = Edge()
        for number in range(1, 11):
            edge = edge.plus(file(shelf, number).read_bytes())
        origin = checkpoint.read(file(shelf, 9, "checkpoints").read_bytes(), "", None).origin
        checkpointed.write_bytes(checkpoint.write(origin, edge, NOW, key).note)
        assert refusal(shelf, key).startswith(f"entry 10: {told}")
        checkpointed.unlink()
        file(shelf, 10).unlink()


def test_nobody_goes_on_from_less_than_was_seen_from_here(shelf: Folder, key: LocalKey, tmp_path: Path) -> None:
    kept = checkpoint.read(file(shelf, 7, "checkpoints").read_bytes(), "kept", key.public_key)

    def refused() -> str:
        with pytest.raises(NotSigned) as error:
            log.sign(shelf, key, lambda: NOW, kept)
        return str(error.value).removeprefix(f"{shelf.path}: ")

    assert log.sign(shelf, key, lambda: NOW, kept).size == 9
    for number in (7, 8, 9):
        file(shelf, number).unlink()
        file(shelf, number, "checkpoints").unlink()
    said = "rolled back, or another log: the checkpoint that was kept is of 7 entries, and the last one there is of "
    assert refused() == f"{said}6"
    for number in (7, 8, 9):
        add(shelf, key, number, f"other-{number}")
    assert refused() == "does not continue the checkpoint of 7 entries that was kept"
    for number in (8, 9):
        file(shelf, number).unlink()
        file(shelf, number, "checkpoints").unlink()
    assert refused() == "has another checkpoint of 7 entries than the one that was kept"
    shutil.rmtree(shelf.path / "checkpoints")
    assert refused() == "rolled back: the checkpoint that was kept is of 7 entries, and there is none"
    another = filled(tmp_path / "another", key, 8)
    shutil.rmtree(shelf.path)
    another.path.rename(shelf.path)
    assert refused() == f"{said}8"


def test_a_log_without_a_checkpoint_is_begun_by_whoever_wrote_its_first_entry(shelf: Folder, key: LocalKey) -> None:
    """Else who took all checkpoints away, and what he liked of the entries, would have the rest signed anew."""
    shutil.rmtree(shelf.path / "checkpoints")
    log.append(shelf, word(10))
    with pytest.raises(
        NotSigned, match="10 entries and no checkpoint: nobody can tell whether something was taken away"
    ):
        log.sign(shelf, key, lambda: NOW, entered=(10,))


def test_nobody_signs_what_does_not_follow(shelf: Folder, key: LocalKey, other: LocalKey) -> None:
    log.append(shelf, word(10))
    with pytest.raises(Refused, match="signed by another key"):
        log.sign(shelf, other, lambda: NOW)
    file(shelf, 10).write_bytes(entry.write(10, b"another", "", word(10)))
    with pytest.raises(NotSigned, match="entry 10 does not follow the one before it"):
        log.sign(shelf, key, lambda: NOW)


def test_more_than_a_thousand_entries_have_a_second_folder(tmp_path: Path) -> None:
    shelf = Folder(tmp_path)
    (tmp_path / "entries/000000").mkdir(parents=True)
    file(shelf, 999).write_bytes(entry.write(999, b"before", "", word(999)))
    (tmp_path / "entries/000001").mkdir()
    assert (shelf.last("entries"), log.append(shelf, word(1000)), shelf.last("entries")) == (999, 1000, 1000)
    assert name_of("entries", 1000) == "entries/000001/000001000.json"


def _write(path: Path, first: int, count: int) -> None:
    spool = Spool(path / f"spool-{first}", "log")
    for number in range(first, first + count):
        spool.put(word(number))
        spool.deliver(Folder(path / "log"))


def test_two_who_write_at_once_lose_nothing(tmp_path: Path, key: LocalKey) -> None:
    (tmp_path / "log").mkdir()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, first, 15)) for first in (0, 100)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(60)
    shelf = Folder(tmp_path / "log")
    log.sign(shelf, key, lambda: NOW, entered=(1,))
    entries = audit(shelf, key.public_key, allow_unsigned=True).entries
    assert sorted(one.word.run for one in entries) == sorted(word(n).run for n in (*range(15), *range(100, 115)))


def test_what_cannot_be_delivered_waits_and_comes_before_what_follows(tmp_path: Path) -> None:
    spool, shelf = Spool(tmp_path / "spool", "log"), Folder(tmp_path / "log")
    spool.put(word(1))
    with pytest.raises(ShelfProblem, match="log: No such file or directory"):
        spool.deliver(shelf)
    spool.put(word(2))
    assert len(spool.waiting()) == 2
    shelf.path.mkdir()
    assert spool.deliver(shelf) == {word(1).run: 1, word(2).run: 2}
    assert (spool.waiting(), spool.deliver(shelf)) == ([], {})


def rfc9162(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it stands there."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\x00" + leaves[0]).digest() if leaves else hashlib.sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + rfc9162(leaves[:k]) + rfc9162(leaves[k:])).digest()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
@settings(max_examples=25, deadline=None)
def test_the_tree_is_the_one_of_the_standard_and_proves_itself(leaves: list[bytes], data: st.DataObject) -> None:
    edge, tree = Edge(), Tree(leaves)
    for leaf in leaves:
        edge = edge.plus(leaf)
    assert edge.root == tree.root(len(leaves)) == rfc9162(leaves)
    assert len(edge.peaks) == len(leaves).bit_count()
    size = data.draw(st.integers(1, len(leaves)))
    number = data.draw(st.integers(1, size))
    root = rfc9162(leaves[:size])
    assert tree.continues(size, root)
    assert not tree.continues(size, hashlib.sha256(root).digest())
    proof = tree.proof(number, size)
    assert includes(root, size, number, leaves[number - 1], proof)
    assert not includes(root, size, number, leaves[number - 1] + b"x", proof)
    assert not includes(root, size + 1, number, leaves[number - 1], proof)


@pytest.mark.parametrize(
    "proof", [None, {}, [], {"type": "inclusion"}, {"type": "consistency", "path": []}, {"type": []}]
)
def test_a_proof_that_is_none_proves_nothing(sound: Path, key: LocalKey, proof: Any) -> None:
    document = msgspec.json.decode(receipt_of(audit(Folder(sound), None), 4)) | {"proof": proof}
    with pytest.raises(Refused, match="receipt: not a receipt: "):
        proven(msgspec.json.encode(document) + b"\n", key.public_key, "receipt")


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (b'"index":1', b'"index":true'),
        (b'"index":1', b'"index":1.0'),
        (b'"security":true', b'"security":1'),
        (b'"security":true', b'"security":false'),
        (b'"size":9', b'"size":"9"'),
        (b'"rule":[0,0,0,0,0]', b'"rule":[false,0,0,0,0]'),
        (b'"rule":[0,0,0,0,0]', b'"rule":[0.0,0,0,0,0]'),
    ],
)
def test_a_receipt_that_says_the_same_in_other_types_is_none(
    sound: Path, key: LocalKey, said: bytes, instead: bytes
) -> None:
    data = receipt_of(audit(Folder(sound), None), 1)
    assert data.count(said) == 1, data
    with pytest.raises(Refused, match="receipt: "):
        proven(data.replace(said, instead), key.public_key, "receipt")


def test_a_receipt_proves_an_entry_and_every_flipped_byte_is_found(sound: Path, key: LocalKey, other: LocalKey) -> None:
    data = receipt_of(audit(Folder(sound), None), 4)
    found, under = proven(data, key.public_key, "receipt")
    assert (replace(found.word, signature=""), found.number, under.size) == (word(4), 4, 9)
    with pytest.raises(Refused, match="receipt: checkpoint: signed by another key"):
        proven(data, other.public_key, "receipt")
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(Refused):
            proven(bytes(changed), key.public_key, "receipt")


def test_an_entry_of_another_place_has_no_use_for_a_receipt(sound: Path, key: LocalKey) -> None:
    found = audit(Folder(sound), key.public_key)
    document = msgspec.json.decode(receipt_of(found, 4)) | {"entry": found.lines[4].decode()}
    with pytest.raises(Refused, match="the proof does not show the entry in the log of the checkpoint"):
        proven(msgspec.json.encode(document) + b"\n", key.public_key, "receipt")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[" * 9_000, b'{"a":1,"a":2}', b"\xff", b"9" * 200_000])
def test_what_is_no_entry_is_refused(data: bytes, key: LocalKey) -> None:
    for read in (
        lambda: entry.read(data, "file"),
        lambda: checkpoint.read(data, "file", key.public_key),
        lambda: proven(data, key.public_key, "file"),
    ):
        with pytest.raises(Refused, match=r"^file: "):
            read()
