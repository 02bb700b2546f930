"""Signers: whoever signs for the gate, named as `FILE` or `awskms:ARN`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelwarden.attest.key import Passphrase, PublicKey, read_private
from modelwarden.errors import UserError
from modelwarden.settings.log import KEY_ARN, KMS

if TYPE_CHECKING:
    from modelwarden.collect.aws import Aws


class Signer(Protocol):
    """Signs with one key."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA over SHA-256 of the message, in DER.

        Raises:
            UserError: it cannot be signed.
        """
        ...


def signer_at(location: str, aws: Callable[[], Aws], passphrase: Passphrase) -> Signer:
    """The signer of a location; `aws` is asked for only where the key is in KMS.

    Raises:
        UserError: no such key, or one of another kind.
    """
    if not location.startswith(KMS):
        return read_private(Path(location), passphrase)
    arn = location.removeprefix(KMS)
    if not KEY_ARN.fullmatch(arn):
        raise UserError(
            f"`{location}` names no key in KMS", "write it as awskms:arn:aws:kms:REGION:ACCOUNT:key/ID, never an alias"
        )
    from modelwarden.attest.kms import kms_signer

    return kms_signer(aws(), arn)
