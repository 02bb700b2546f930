"""Entries of the log: what is said of one run, and where that stands among the others."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from modelwarden.attest.base64_text import bytes_of, text_of
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused, strict
from modelwarden.attest.signer import Signer
from modelwarden.evidence import digest
from modelwarden.typed import converted

SCHEMA_VERSION: Final = "modelwarden.log-entry/1"
MAX_BYTES: Final = 100_000
"""Of one entry; a usual one takes 800."""


class Word(Struct, frozen=True, forbid_unknown_fields=True):
    """What the log keeps of one run. The run itself lies elsewhere, and this proves whether it is still the same."""

    run: str
    kind: str
    """`gate` or `scan`."""
    entered_at: str
    """UTC, when the run was recorded."""
    subject: str
    """ARN of the package; empty for a scan."""
    verdict: str
    """Of the gate; empty for a scan."""
    sha256: dict[str, str]
    """File of the record -> hex over its bytes: the run, its attestation; for a scan its manifest and its tables."""
    signature: str = ""
    """Base64 of the key's signature over all of the above; empty: whoever decided had no key, and anybody could say this."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry as it is written."""

    schema: str
    number: int
    """Counts from 1."""
    previous: str
    """Hex sha256 of the entry before; empty for the first."""
    previous_version: str
    """VersionId of its object in S3; empty elsewhere."""
    word: Word
    checksum: str
    """`sha256:<hex>` over all of the above."""


def signed(word: Word, signer: Signer) -> Word:
    """The word with a signature.

    Raises:
        UserError: the signer cannot sign it.
    """
    return msgspec.structs.replace(word, signature=text_of(signer.sign(_said(word))))


def is_signed(word: Word, key: PublicKey, where: str) -> bool:
    """Whether the key's owner said this; False where nobody claims so.

    Raises:
        Refused: it claims so, and it is not true.
    """
    if not word.signature:
        return False
    try:
        signature = bytes_of(word.signature)
    except ValueError as error:
        raise Refused(f"{where}: its signature is {error}") from error
    if not key.verifies(signature, _said(word)):
        raise Refused(f"{where}: its signature is not one of `{key.id}` over what it says")
    return True


def _said(word: Word) -> bytes:
    """What is signed; neither a checkpoint nor an envelope begins like this."""
    said = {name: value for name, value in asdict(word).items() if name != "signature"}
    return f"modelwarden.log-word/1 {digest(said)}".encode()


def write(number: int, previous: bytes | None, previous_version: str, word: Word) -> bytes:
    """The bytes of an entry: one line of JSON."""
    before = hashlib.sha256(previous).hexdigest() if previous is not None else ""
    entry = Entry(SCHEMA_VERSION, number, before, previous_version, word, "")
    return _encode(msgspec.structs.replace(entry, checksum=_checksum(entry)))


def read(data: bytes, where: str) -> Entry:
    """The entry in some bytes.

    Raises:
        Refused: it is none, or one of its bytes was changed.
    """
    if len(data) > MAX_BYTES:
        raise Refused(f"{where}: larger than {MAX_BYTES} bytes")
    document: Any = strict(data, where)
    try:
        entry = converted(document, Entry)
    except msgspec.ValidationError as error:
        raise Refused(f"{where}: was changed: {error}") from error
    if entry.schema != SCHEMA_VERSION or entry.checksum != _checksum(entry) or _encode(entry) != data:
        raise Refused(f"{where}: was changed: its checksum does not fit")
    return entry


def _checksum(entry: Entry) -> str:
    document = asdict(entry) | {"word": asdict(entry.word)}
    return digest({key: value for key, value in document.items() if key != "checksum"})


def _encode(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
