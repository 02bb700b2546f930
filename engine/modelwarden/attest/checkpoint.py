"""Checkpoints: a signed note (C2SP tlog-checkpoint) of how many entries the log has, and of its root hash.

modelwarden.log/<hex sha256 of entry 1>     the log's name: no other log begins with that entry
7                                           entries
<base64>                                    root hash
peaks <base64> ...                          the edge of the tree, so that nobody has to read all entries to go on
at 2026-11-22T02:10:00Z

— modelwarden <base64>                      first four bytes of the key's id, and the signature in DER
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from modelwarden.attest.base64_text import bytes_of, text_of
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused
from modelwarden.attest.signer import Signer
from modelwarden.attest.tree import Edge

MAX_BYTES: Final = 8_000
ORIGIN: Final = "modelwarden.log/"
_NOTE: Final = re.compile(
    r"(?P<text>(?P<origin>modelwarden\.log/[0-9a-f]{64})\n(?P<size>[1-9][0-9]{0,11})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"peaks(?P<peaks>(?: [A-Za-z0-9+/]{43}=){1,40})\nat (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n)"
    "\n— modelwarden (?P<signature>[A-Za-z0-9+/]{20,400}={0,2})\n"
)


class Checkpoint(Struct, frozen=True):
    """A checkpoint as it was read."""

    origin: str
    edge: Edge
    at: str
    text: bytes
    """What is signed."""
    signature: bytes
    """With the first four bytes of the key's id before it."""

    @property
    def size(self) -> int:
        return self.edge.size

    @property
    def note(self) -> bytes:
        """The bytes of the file; the law: `read(found.note, where, key) == found`."""
        return self.text + f"\n— modelwarden {text_of(self.signature)}\n".encode()


def write(origin: str, edge: Edge, at: str, signer: Signer) -> Checkpoint:
    """A new checkpoint.

    Raises:
        UserError: the signer cannot sign it.
    """
    peaks = " ".join(text_of(one) for one in edge.peaks)
    text = f"{origin}\n{edge.size}\n{text_of(edge.root)}\npeaks {peaks}\nat {at}\n".encode()
    return Checkpoint(origin, edge, at, text, _hint(signer.public_key) + signer.sign(text))


def read(data: bytes, where: str, key: PublicKey | None) -> Checkpoint:
    """The checkpoint in some bytes; without a key, of whoever wrote it.

    Raises:
        Refused: it is none, is at odds with itself, or is not signed by the key.
    """
    try:
        found = _NOTE.fullmatch(data.decode()) if len(data) <= MAX_BYTES else None
        if found is None:
            raise Refused(f"{where}: not a checkpoint of a log")
        peaks = tuple(bytes_of(one) for one in found["peaks"].split())
        root, signature = bytes_of(found["root"]), bytes_of(found["signature"])
    except ValueError as error:
        raise Refused(f"{where}: not a checkpoint of a log") from error
    edge = Edge(int(found["size"]), peaks)
    if len(peaks) != edge.size.bit_count() or edge.root != root:
        raise Refused(f"{where}: was changed: its root hash does not fit its peaks")
    read_ = Checkpoint(found["origin"], edge, found["at"], found["text"].encode(), signature)
    if key is not None and signature[:4] != _hint(key):
        raise Refused(f"{where}: signed by another key than `{key.id}`")
    if key is not None and not key.verifies(signature[4:], read_.text):
        raise Refused(f"{where}: the signature does not fit: the checkpoint was changed")
    return read_


def _hint(key: PublicKey) -> bytes:
    return bytes.fromhex(key.id.removeprefix("sha256:")[:8])
