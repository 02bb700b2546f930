"""Audit: whether a log is whole, and where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from modelwarden.attest import checkpoint
from modelwarden.attest.checkpoint import ORIGIN, Checkpoint
from modelwarden.attest.entry import Entry, is_signed, read
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused
from modelwarden.attest.shelf import Shelf, Stored, name_of, number_in
from modelwarden.attest.tree import Tree


class Audited(Struct, frozen=True):
    """A log that was found whole."""

    entries: tuple[Entry, ...]
    lines: tuple[bytes, ...]
    """Their bytes."""
    checkpoints: tuple[Checkpoint, ...]
    """By size."""
    notes: tuple[bytes, ...]
    """Their bytes."""
    tree: Tree
    unsigned: tuple[int, ...]
    """Numbers of entries that the key's owner did not sign; of none where no key was given."""

    @property
    def covered(self) -> int:
        """How many entries stand under a checkpoint."""
        return self.checkpoints[-1].size if self.checkpoints else 0


def audit(
    shelf: Shelf, key: PublicKey | None, kept: Checkpoint | None = None, *, allow_unsigned: bool = False
) -> Audited:
    """Read the whole log and compare everything with everything.

    `key`: whose entries and checkpoints count; None: no signature is verified. `kept`: a checkpoint from elsewhere.
    `allow_unsigned`: whether entries may stand there that nobody signed, as those of asserted decisions do.

    Raises:
        Refused: something was changed, replaced, moved, cut off or added; the message names the first place.
        ShelfProblem: it cannot be read.
    """
    where = shelf.where
    files = list(shelf.everything())
    entries = _numbered(files, where)
    notes = [one for one in files if one.name.startswith("checkpoints/")]
    if not entries:
        raise Refused(f"{where}: no log: there is no entry")
    found = _chained(entries, where)
    lines = tuple(one.data for one in entries)
    tree = Tree(lines)
    checkpoints = tuple(_noted(one, where, key) for one in notes)
    origin = ORIGIN + hashlib.sha256(lines[0]).hexdigest()
    _check(checkpoints, tree, len(lines), origin, where)
    if kept is not None:
        _check_kept(kept, tree, len(lines), origin, where)
    unsigned = _unsigned(found, key, where) if key is not None else ()
    audited = Audited(found, lines, checkpoints, tuple(one.data for one in notes), tree, unsigned)
    if key is not None and audited.covered < len(lines):
        raise Refused(
            f"{where}: no signed checkpoint covers entries {audited.covered + 1} to {len(lines)}",
            "the next gate that signs writes one; if that was long ago, somebody else wrote them",
        )
    if unsigned and not allow_unsigned:
        raise Refused(
            f"{where}: {len(unsigned)} entries are signed by nobody, the first is entry {unsigned[0]}: whoever can write there"
            " could have written them",
            "if they are those of asserted decisions, which nobody signs, say --allow-unsigned",
        )
    return audited


def _unsigned(entries: Sequence[Entry], key: PublicKey, where: str) -> tuple[int, ...]:
    return tuple(one.number for one in entries if not is_signed(one.word, key, f"{where}: entry {one.number}"))


def _numbered(files: Sequence[Stored], where: str) -> list[Stored]:
    """The entries, from 1 without a gap."""
    entries: list[Stored] = []
    for one in files:
        if one.problem:
            raise Refused(f"{where}: {one.name}: {one.problem}")
        kind = "entries" if one.name.startswith("entries/") else "checkpoints"
        number = number_in(one.name)
        if number == 0 or one.name != name_of(kind, number):  # type: ignore[arg-type]
            raise Refused(f"{where}: `{one.name}` belongs to no log")
        if kind == "entries":
            if number != len(entries) + 1:
                raise Refused(f"{where}: entry {len(entries) + 1} is missing, and entry {number} is there")
            entries.append(one)
    return entries


def _chained(stored: Sequence[Stored], where: str) -> tuple[Entry, ...]:
    """Each entry is whole, at its place, and names the one before it."""
    found: list[Entry] = []
    for number, one in enumerate(stored, start=1):
        entry = read(one.data, f"{where}: entry {number}")
        if entry.number != number:
            raise Refused(f"{where}: entry {number}: holds entry {entry.number}: entries were moved or replaced")
        before = stored[number - 2] if number > 1 else None
        expected = hashlib.sha256(before.data).hexdigest() if before else ""
        if entry.previous != expected:
            raise Refused(f"{where}: entry {number - 1} was replaced: entry {number} names another one before it")
        if before and before.version and entry.previous_version != before.version:
            raise Refused(f"{where}: entry {number - 1} is another version of its object than entry {number} names")
        found.append(entry)
    return tuple(found)


def _noted(stored: Stored, where: str, key: PublicKey | None) -> Checkpoint:
    found = checkpoint.read(stored.data, f"{where}: {stored.name}", key)
    if found.size != number_in(stored.name):
        raise Refused(f"{where}: {stored.name}: is the checkpoint of {found.size} entries")
    return found


def _check(checkpoints: Sequence[Checkpoint], tree: Tree, size: int, origin: str, where: str) -> None:
    """Every checkpoint is one of these entries; the first that is not says between which two something was replaced."""
    good = 0
    for one in checkpoints:
        if one.size > size:
            raise Refused(
                f"{where}: cut off: there is a checkpoint of {one.size} entries, and the log ends at entry {size}"
            )
        if one.edge.root != tree.root(one.size):
            place = f"entry {one.size}" if one.size == good + 1 else f"one of the entries {good + 1} to {one.size}"
            raise Refused(f"{where}: {place} was replaced after the checkpoint of {one.size} entries was signed")
        if one.origin != origin:
            raise Refused(f"{where}: the checkpoint of {one.size} entries is one of another log")
        good = one.size


def _check_kept(kept: Checkpoint, tree: Tree, size: int, origin: str, where: str) -> None:
    if kept.origin != origin:
        raise Refused(f"{where}: another log than the one of the checkpoint that was kept: entry 1 is another one")
    if kept.size > size:
        raise Refused(
            f"{where}: cut off or rolled back: the checkpoint that was kept is of {kept.size} entries, and the log ends at"
            f" entry {size}"
        )
    if not tree.continues(kept.size, kept.edge.root):
        raise Refused(
            f"{where}: rewritten: its first {kept.size} entries are not those of the checkpoint that was kept"
        )
