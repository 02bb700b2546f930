"""Keys: ECDSA on P-256 over SHA-256, the one kind that a file, KMS and every verifier know.

A key's id is `sha256:<hex>` over its SubjectPublicKeyInfo. An envelope's own word for its key is compared, never believed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from msgspec import Struct

from modelwarden.errors import UserError
from modelwarden.run import write_new

MAX_BYTES: Final = 20_000
"""Of a key file."""
LONGEST: Final = 1_023
"""Bytes of a passphrase: OpenSSL takes no more."""
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: with (r, s) everybody can write (r, order - s), which verifies as well."""
_SHA256: Final = ec.ECDSA(hashes.SHA256())

Passphrase = Callable[[], bytes]
"""Asked only where a key file is encrypted."""


class KeyProblem(UserError):
    """A key that cannot be used."""

    help = "make a pair with `modelwarden key new FILE`"


class PublicKey(Struct, frozen=True):
    """What verifies."""

    spki: bytes
    """SubjectPublicKeyInfo in DER."""

    @property
    def id(self) -> str:
        return "sha256:" + hashlib.sha256(self.spki).hexdigest()

    def pem(self) -> bytes:
        return _public(self.spki).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature (DER, the low one of the two) is this key's over the message."""
        try:
            _public(self.spki).verify(signature, message, _SHA256)
            return low(signature) == signature
        except (InvalidSignature, ValueError):
            return False


class LocalKey(Struct, frozen=True):
    """A private key in this process."""

    private: ec.EllipticCurvePrivateKey
    public_key: PublicKey

    def sign(self, message: bytes) -> bytes:
        """The signature in DER."""
        return low(self.private.sign(message, _SHA256))


def low(signature: bytes) -> bytes:
    """The one spelling of a signature (DER) that verifies here: nobody makes another one of it without the key.

    Raises:
        ValueError: it is none.
    """
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, _ORDER - s))


def of_der(spki: bytes, where: str) -> PublicKey:
    """A public key from its SubjectPublicKeyInfo.

    Raises:
        KeyProblem: it is none, or of another kind than P-256.
    """
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem(f"{where}: not a public key") from error
    return _of_public(key, where)


def read_public(path: Path) -> PublicKey:
    """The public key in a PEM file.

    Raises:
        KeyProblem: unreadable, another kind of key, or a private one.
    """
    data = _bytes(path)
    if b"PRIVATE KEY" in data:
        raise KeyProblem(f"{path}: is a private key", f"verifying takes the public one: {path}.pub")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem(f"{path}: not a public key in PEM") from error
    return _of_public(key, str(path))


def read_private(path: Path, passphrase: Passphrase) -> LocalKey:
    """The private key in a PEM file that nobody else may read.

    Raises:
        KeyProblem: unreadable, readable by others, encrypted under another passphrase, or another kind of key.
    """
    data = _bytes(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyProblem(f"{path}: others may read or write it: its mode is {mode:04o}", f"chmod 600 {path}")
    secret = passphrase() if b"ENCRYPTED" in data else None
    try:
        key = serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        what = "the passphrase does not open it" if secret is not None else "not a private key in PEM"
        raise KeyProblem(f"{path}: {what}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyProblem(f"{path}: not a key on the curve P-256")
    return LocalKey(key, _of_public(key.public_key(), str(path)))


def new_pair(path: Path, passphrase: bytes | None) -> PublicKey:
    """Write a new private key (mode 0600) and, beside it, `<path>.pub`; never over other files.

    Raises:
        KeyProblem: one of them is there, or the folder refuses; it names no file; the passphrase is too long.
    """
    if not path.name:
        raise KeyProblem(f"`{path}` names no file", "name files that are not there")
    if passphrase is not None and len(passphrase) > LONGEST:
        raise KeyProblem(f"the passphrase is longer than {LONGEST} bytes", "choose a shorter one")
    private = ec.generate_private_key(ec.SECP256R1())
    sealed: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        sealed = serialization.BestAvailableEncryption(passphrase)
    public = _of_public(private.public_key(), str(path))
    beside = path.with_name(path.name + ".pub")
    try:
        if os.path.lexists(beside):
            raise FileExistsError(17, "File exists", str(beside))
        write_new(path, private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
        write_new(beside, public.pem())
        beside.chmod(0o644)
    except OSError as error:
        raise KeyProblem(
            f"{path}: no pair of keys can be written: {error.strerror}", "name files that are not there"
        ) from error
    return public


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeyProblem(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise KeyProblem(f"{path}: larger than {MAX_BYTES} bytes")
    return data


def _of_public(key: object, where: str) -> PublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyProblem(f"{where}: not a key on the curve P-256")
    return PublicKey(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _public(spki: bytes) -> ec.EllipticCurvePublicKey:
    key = serialization.load_der_public_key(spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)  # INVARIANT: made by _of_public
    return key
