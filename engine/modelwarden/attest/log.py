"""The log: every decision, in an order that nobody can change unseen.

Each entry names the sha256 of the one before it, and each checkpoint signs the root hash of the tree over all entries so
far: what stood there, and in which order. It does not say who wrote an entry; that is said by the signature of its word.
Without the signing key nobody makes either; with a checkpoint kept elsewhere, not even who has the key cuts the log off, or
rolls it back, unseen. Whoever signs keeps the last one, and goes on from nothing that does not continue it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection
from typing import Final

from modelwarden.attest import checkpoint
from modelwarden.attest.checkpoint import Checkpoint
from modelwarden.attest.entry import Word, is_signed, read, write
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import NotSigned, Refused
from modelwarden.attest.shelf import Shelf, ShelfProblem, Stored, Taken
from modelwarden.attest.signer import Signer
from modelwarden.attest.tree import Edge

_VERIFY: Final = "verify the log, with a checkpoint that you kept"
_ROUNDS: Final = 200
"""How often a number is tried for, before whoever writes at the same time has to be something else than a gate."""


def append(shelf: Shelf, word: Word) -> int:
    """Enter a word; its number.

    Raises:
        ShelfProblem: it cannot be written.
        Refused: the last entry was changed.
    """
    for _ in range(_ROUNDS):
        last = shelf.last("entries")
        before = _sound(shelf, last) if last else None
        data = write(last + 1, before.data if before else None, before.version if before else "", word)
        try:
            shelf.put("entries", last + 1, data)
        except Taken:
            continue
        return last + 1
    raise ShelfProblem(
        f"{shelf.where}: no number was free in {_ROUNDS} attempts", "gate again: the entry is in the spool"
    )


def sign(
    shelf: Shelf, signer: Signer, now: Callable[[], str], kept: Checkpoint | None = None, entered: Collection[int] = ()
) -> Checkpoint:
    """Write a checkpoint over all entries, and give it back; the last one where it is of all of them.

    `kept`: the last one that was seen from here, which the log must continue; `entered`: numbers that whoever asks has just
    entered. Without a checkpoint in the log and without one that was kept, it begins only a log that he began.

    Raises:
        UserError: the log cannot be read or written, is not what a checkpoint says, or the signer refuses.
    """
    # In this order: what another gate adds meanwhile is no checkpoint without its entries.
    signed, size = shelf.last("checkpoints"), shelf.last("entries")
    if signed > size:
        raise NotSigned(
            f"{shelf.where}: cut off: there is a checkpoint of {signed} entries, and the log ends at entry {size}",
            _VERIFY,
        )
    if signed:
        found = _last(shelf, signed, signer, kept)
        if signed == size:
            return found
        origin, edge, before = found.origin, found.edge, _sound(shelf, signed)
    else:
        _check_begun(shelf, size, kept, entered)
        before = _sound(shelf, 1)
        origin, edge = checkpoint.ORIGIN + _sha256(before), Edge().plus(before.data)
    edge = _followed(shelf, edge, before, size, signer.public_key)
    written = checkpoint.write(origin, edge, now(), signer)
    with contextlib.suppress(Taken):  # by another gate, of the same entries
        shelf.put("checkpoints", size, written.note)
    return written


def _last(shelf: Shelf, number: int, signer: Signer, kept: Checkpoint | None) -> Checkpoint:
    """The last checkpoint of the log. Raises UserError where it is not this signer's, or not one of the log that was kept."""
    stored = shelf.read("checkpoints", number)
    where = f"{shelf.where}: {stored.name}"
    if stored.problem:
        raise Refused(f"{where}: {stored.problem}")
    found = checkpoint.read(stored.data, where, signer.public_key)
    if found.size != number:
        raise Refused(f"{where}: is the checkpoint of {found.size} entries")
    if kept is None:
        return found
    if kept.origin != found.origin or kept.size > found.size:
        raise NotSigned(
            f"{shelf.where}: rolled back, or another log: the checkpoint that was kept is of {kept.size} entries, and the last"
            f" one there is of {found.size}",
            _VERIFY,
        )
    before = _sound(shelf, kept.size) if found.size > kept.size else None
    if before and _followed(shelf, kept.edge, before, found.size, signer.public_key) != found.edge:
        raise NotSigned(
            f"{shelf.where}: does not continue the checkpoint of {kept.size} entries that was kept", _VERIFY
        )
    if kept.edge != found.edge and before is None:
        raise NotSigned(
            f"{shelf.where}: has another checkpoint of {kept.size} entries than the one that was kept", _VERIFY
        )
    return found


def _check_begun(shelf: Shelf, size: int, kept: Checkpoint | None, entered: Collection[int]) -> None:
    """Raises NotSigned where there was a checkpoint, or somebody else began."""
    if kept is not None:
        raise NotSigned(
            f"{shelf.where}: rolled back: the checkpoint that was kept is of {kept.size} entries, and there is none",
            _VERIFY,
        )
    if 1 not in entered:
        raise NotSigned(
            f"{shelf.where}: {size} entries and no checkpoint: nobody can tell whether something was taken away before",
            "begin a new log for this key",
        )


def _followed(shelf: Shelf, edge: Edge, before: Stored, size: int, key: PublicKey) -> Edge:
    """The edge with the entries up to a size, which follow one another and claim no signature that is none."""
    for number in range(edge.size + 1, size + 1):
        stored = _sound(shelf, number)
        found = read(stored.data, stored.name)
        if found.previous != _sha256(before):
            raise NotSigned(f"{shelf.where}: entry {number} does not follow the one before it", _VERIFY)
        is_signed(found.word, key, f"{shelf.where}: entry {number}")
        edge, before = edge.plus(stored.data), stored
    return edge


def _sound(shelf: Shelf, number: int) -> Stored:
    stored = shelf.read("entries", number)
    where = f"{shelf.where}: entry {number}"
    if stored.problem:
        raise Refused(f"{where}: {stored.problem}")
    found = read(stored.data, where)
    if found.number != number:
        raise Refused(f"{where}: holds entry {found.number}")
    return stored


def _sha256(stored: Stored) -> str:
    return hashlib.sha256(stored.data).hexdigest()
