"""The log: every decision, in an order that nobody can change unseen.

Each entry names the sha256 of the one before it, and each checkpoint signs the root hash of the tree over all entries so
far. Without the signing key nobody makes a checkpoint for another history; with a checkpoint kept elsewhere, not even who
has the key cuts the log off, or rolls it back, unseen.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import Final

from modelwarden.attest import checkpoint
from modelwarden.attest.entry import Word, read, write
from modelwarden.attest.refusal import NotSigned, Refused
from modelwarden.attest.shelf import Shelf, ShelfProblem, Stored, Taken
from modelwarden.attest.signer import Signer
from modelwarden.attest.tree import Edge

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


def sign(shelf: Shelf, signer: Signer, now: Callable[[], str]) -> int:
    """Write a checkpoint over all entries; the size that it is of.

    It goes on from the last checkpoint, which must be this signer's, so it signs nothing that it did not verify.

    Raises:
        UserError: the log cannot be read or written, is not what the last checkpoint says, or the signer refuses.
    """
    # In this order: what another gate adds meanwhile is no checkpoint without its entries.
    signed, size = shelf.last("checkpoints"), shelf.last("entries")
    if signed > size:
        raise NotSigned(
            f"{shelf.where}: cut off: there is a checkpoint of {signed} entries, and the log ends at entry {size}",
            "verify the log",
        )
    if signed == size:
        return signed
    origin, edge, before = "", Edge(), None
    if signed:
        stored = shelf.read("checkpoints", signed)
        found = checkpoint.read(stored.data, f"{shelf.where}: {stored.name}", signer.public_key)
        origin, edge = found.origin, found.edge
        before = _sound(shelf, signed)
    for number in range(edge.size + 1, size + 1):
        stored = _sound(shelf, number)
        if read(stored.data, stored.name).previous != _sha256(before):
            raise NotSigned(f"{shelf.where}: entry {number} does not follow the one before it", "verify the log")
        origin = origin or checkpoint.ORIGIN + _sha256(stored)
        edge, before = edge.plus(stored.data), stored
    with contextlib.suppress(Taken):  # by another gate, of the same entries
        shelf.put("checkpoints", size, checkpoint.write(origin, edge, now(), signer))
    return size


def _sound(shelf: Shelf, number: int) -> Stored:
    stored = shelf.read("entries", number)
    where = f"{shelf.where}: entry {number}"
    if stored.problem:
        raise Refused(f"{where}: {stored.problem}")
    found = read(stored.data, where)
    if found.number != number:
        raise Refused(f"{where}: holds entry {found.number}")
    return stored


def _sha256(stored: Stored | None) -> str:
    return hashlib.sha256(stored.data).hexdigest() if stored else ""
