"""Envelopes: DSSE version 1 around an in-toto statement, one signature each, as one line of JSON."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from modelwarden.attest.base64_text import bytes_of, text_of
from modelwarden.attest.key import PublicKey
from modelwarden.attest.refusal import Refused, strict
from modelwarden.attest.signer import Signer

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


def pae(payload: bytes) -> bytes:
    """The bytes that are signed (DSSE, pre-authentication encoding): the type is signed with the payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, signer: Signer) -> bytes:
    """The envelope, without a line's end.

    Raises:
        UserError: the signer cannot sign it.
    """
    signature = signer.sign(pae(payload))
    return _written(payload, signer.public_key.id, signature)


def open_(line: bytes, key: PublicKey, where: str) -> bytes:
    """The payload of an envelope that `seal` wrote with this key.

    INVARIANT: nothing of the payload is read before the signature was verified.

    Raises:
        Refused: another shape, type or key, several signatures, or a signature that does not fit.
    """
    document = strict(line, where)
    payload, keyid, signature = _parts(document, where)
    if keyid != key.id:
        raise Refused(f"{where}: signed by another key: it names `{keyid[:80]}`, and the key given is `{key.id}`")
    if not key.verifies(signature, pae(payload)):
        raise Refused(f"{where}: the signature does not fit: the payload or the signature was changed")
    if _written(payload, keyid, signature) != line:
        raise Refused(f"{where}: not as modelwarden writes an envelope, although its signature fits")
    return payload


def _parts(document: Any, where: str) -> tuple[bytes, str, bytes]:
    """(payload, key id as it says, signature)."""
    if not isinstance(document, dict) or document.keys() != {"payloadType", "payload", "signatures"}:
        raise Refused(f"{where}: not a DSSE envelope: `payloadType`, `payload` and `signatures` are expected")
    if document["payloadType"] != PAYLOAD_TYPE:
        raise Refused(f"{where}: its payload is not an in-toto statement: `payloadType` is not `{PAYLOAD_TYPE}`")
    signatures = document["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        count = len(signatures) if isinstance(signatures, list) else "no list of"
        raise Refused(f"{where}: exactly one signature is expected, not {count}")
    signature = signatures[0]
    if (
        not isinstance(signature, dict)
        or signature.keys() != {"keyid", "sig"}
        or not isinstance(signature["keyid"], str)
    ):
        raise Refused(f"{where}: a signature has `keyid` and `sig`")
    return (
        _base64(document["payload"], f"{where}: `payload`"),
        signature["keyid"],
        _base64(signature["sig"], f"{where}: `sig`"),
    )


def _base64(text: Any, where: str) -> bytes:
    if not isinstance(text, str):
        raise Refused(f"{where}: not base64")
    try:
        return bytes_of(text)
    except ValueError as error:
        raise Refused(f"{where}: {error}") from error


def _written(payload: bytes, keyid: str, signature: bytes) -> bytes:
    text = {"payloadType": PAYLOAD_TYPE, "payload": text_of(payload)}
    return msgspec.json.encode({**text, "signatures": [{"keyid": keyid, "sig": text_of(signature)}]})
