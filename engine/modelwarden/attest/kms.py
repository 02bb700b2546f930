"""Keys in AWS KMS: asymmetric, ECC_NIST_P256, SIGN_VERIFY. The private key never leaves KMS."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from modelwarden.attest.key import KeyProblem, PublicKey, low, of_der
from modelwarden.attest.refusal import NotSigned
from modelwarden.collect.aws import OWN, Answer, Aws, Failure

MOST_BYTES: Final = 4_096
"""Of a message that KMS hashes itself (`MessageType=RAW`)."""
_ALGORITHM: Final = "ECDSA_SHA_256"


class KmsKey(Struct, frozen=True):
    """One key, used with the caller's own credentials."""

    aws: Aws
    arn: str
    public_key: PublicKey

    def sign(self, message: bytes) -> bytes:
        """Raises NotSigned where it is too long, KMS refuses, or what came back is no signature of this key."""
        if len(message) > MOST_BYTES:
            raise NotSigned(
                f"{self.arn}: KMS signs at most {MOST_BYTES} bytes, and the statement takes {len(message)}",
                "sign with a local key, or split the package: it has too many artifacts and images",
            )
        answer = _call(self.aws, self.arn, "Sign", Message=message, MessageType="RAW", SigningAlgorithm=_ALGORITHM)
        if isinstance(answer, Failure):
            raise NotSigned(f"{self.arn}: cannot sign: {_said(answer)}", "grant kms:Sign on the key")
        try:
            signature = low(bytes(answer.data["Signature"]))
        except ValueError:
            signature = b""
        if not self.public_key.verifies(signature, message):
            raise NotSigned(f"{self.arn}: what KMS answered is no signature of this key")
        return signature


def kms_signer(aws: Aws, arn: str) -> KmsKey:
    """The key of an ARN, once its public key was read.

    Raises:
        KeyProblem: it cannot be read, or is of another kind.
    """
    answer = _call(aws, arn, "GetPublicKey")
    if isinstance(answer, Failure):
        raise KeyProblem(f"{arn}: its public key cannot be read: {_said(answer)}", "grant kms:GetPublicKey on the key")
    if answer.data["KeyId"] != arn or answer.data["KeyUsage"] != "SIGN_VERIFY":
        raise KeyProblem(f"{arn}: not a key to sign with", "create one with KeyUsage SIGN_VERIFY, ECC_NIST_P256")
    return KmsKey(aws, arn, of_der(bytes(answer.data["PublicKey"]), arn))


def _call(aws: Aws, arn: str, operation: str, **parameters: Any) -> Answer | Failure:
    region = arn.split(":")[3]
    return aws.call(OWN, region, "kms", operation, KeyId=arn, **parameters)


def _said(failure: Failure) -> str:
    return f"{failure.source.api}: {failure.code}: {failure.message}".rstrip(": ")
