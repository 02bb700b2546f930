"""Receipts: the proof that one run stands in the log, for somebody who does not have the log."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from modelwarden.attest import checkpoint
from modelwarden.attest.audit import Audited
from modelwarden.attest.checkpoint import Checkpoint
from modelwarden.attest.entry import Entry, is_signed, read
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused, strict
from modelwarden.attest.tree import Proof, includes
from modelwarden.typed import converted

SCHEMA_VERSION: Final = "modelwarden.receipt/1"
MAX_BYTES: Final = 400_000


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    entry: str
    """The entry's text."""
    checkpoint: str
    """The signed note's text."""
    proof: Proof


def receipt_of(audited: Audited, number: int) -> bytes:
    """The receipt of an entry, under the log's last checkpoint.

    Raises:
        Refused: no checkpoint covers it.
    """
    if audited.covered < number:
        raise Refused(
            f"no checkpoint covers entry {number}, so there is nothing to prove it by", "gate with --sign and --log"
        )
    proof = audited.tree.proof(number, audited.covered)
    line, note = audited.lines[number - 1].decode(), audited.notes[-1].decode()
    return msgspec.json.encode(Receipt(SCHEMA_VERSION, line, note, proof)) + b"\n"


def proven(data: bytes, key: PublicKey, where: str, *, allow_unsigned: bool = False) -> tuple[Entry, Checkpoint]:
    """The entry that a receipt proves, and the checkpoint that it stands under.

    Raises:
        Refused: it is none, was changed, or proves nothing; or nobody signed the entry.
    """
    try:
        found = converted(strict(data, where), Receipt)
    except msgspec.ValidationError as error:
        raise Refused(f"{where}: not a receipt: {error}") from error
    if found.schema != SCHEMA_VERSION or msgspec.json.encode(found) + b"\n" != data:
        raise Refused(f"{where}: not a receipt as modelwarden writes it")
    under = checkpoint.read(found.checkpoint.encode(), f"{where}: checkpoint", key)
    entry = read(found.entry.encode(), f"{where}: entry")
    if not is_signed(entry.word, key, f"{where}: entry") and not allow_unsigned:
        raise Refused(
            f"{where}: entry {entry.number} is signed by nobody: whoever can write to the log could have written it",
            "if it is that of an asserted decision, which nobody signs, say --allow-unsigned",
        )
    if not includes(under.edge.root, under.size, entry.number, found.entry.encode(), found.proof):
        raise Refused(f"{where}: the proof does not show the entry in the log of the checkpoint")
    return entry, under
