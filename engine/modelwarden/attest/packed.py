"""Signed evidence packs: an in-toto statement (v1) about the bytes of a pack, in one DSSE envelope beside it.

The archive itself stays as it is: the same runs give the same bytes, signed or not. The signature says who made it, and
nothing about what the runs in it decided.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from modelwarden.attest.envelope import open_, seal
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused
from modelwarden.attest.signer import Signer
from modelwarden.attest.statement import STATEMENT, SubjectOf
from modelwarden.typed import decoder

PACK: Final = "urn:modelwarden:pack:1"
MAX_BYTES: Final = 20_000
"""Of the file beside a pack."""


class PackOf(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The predicate of `urn:modelwarden:pack:1`."""

    manifest: str
    """Digest of the pack's manifest: `sha256:<hex>`."""
    purpose: str
    engine: str
    """Version of modelwarden that made the pack."""
    signed_at: str
    """UTC, by the clock of whoever signed."""


class PackStatement(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = field(name="_type", default=STATEMENT)
    subject: tuple[SubjectOf, ...]
    """The archive, by its bytes; its name is that which it had."""
    predicate_type: Literal["urn:modelwarden:pack:1"] = PACK
    predicate: PackOf


def beside(pack: Path) -> Path:
    """`churn.zip.dsse.json` for `churn.zip`."""
    return pack.with_name(f"{pack.name}.dsse.json")


def signed(name: str, sha256: str, about: PackOf, signer: Signer) -> bytes:
    """The file beside a pack; `sha256`: hex, of its bytes.

    Raises:
        UserError: the signer cannot sign it.
    """
    statement = PackStatement(subject=(SubjectOf(name, {"sha256": sha256}),), predicate=about)
    return seal(msgspec.json.encode(statement), signer) + b"\n"


def verified(data: bytes, key: PublicKey, sha256: str, where: str) -> PackOf:
    """What the file beside a pack says of it; `sha256`: hex, of the pack's bytes.

    Raises:
        Refused: too large, no such file, signed by another key, changed, or about another pack.
    """
    if len(data) > MAX_BYTES:
        raise Refused(f"{where}: larger than {MAX_BYTES} bytes")
    payload = open_(data.removesuffix(b"\n"), key, where)
    try:
        statement = decoder(PackStatement).decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{where}: not the statement about a pack: {' '.join(str(error).split())}") from error
    if [one.digest for one in statement.subject] != [{"sha256": sha256}]:
        raise Refused(f"{where}: of another pack, or the pack was changed: its bytes are `sha256:{sha256}`")
    return statement.predicate
