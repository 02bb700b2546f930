"""KMS over moto's keys: foreign ARNs, keys that AWS manages, states."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.wire import NotSimulated, Refusal
from modelwarden.sandbox.world import Call, Handler, denied

_AWS_ALIAS: Final = "alias/aws/"
_LONGEST_MESSAGE: Final = 4_096
"""Bytes, of what KMS hashes itself."""


def install() -> None:
    """Symmetric keys need no RSA pair, which takes moto its time."""
    models, utils = moto("kms.models"), moto("kms.utils")

    def generate(spec: str) -> Any:
        return None if spec == "SYMMETRIC_DEFAULT" else utils.generate_private_key(spec)

    models.generate_private_key = generate


def backend(account: str, region: str) -> Any:
    """moto's keys of one account and region."""
    return moto("kms.models").kms_backends[account][region]


def aws_managed(account: str, region: str, alias: str) -> Any:
    """The key that AWS manages behind `alias/aws/SERVICE`; it comes into being when first used."""
    keys = backend(account, region)
    for key in keys.keys.values():
        if alias in key.aliases:
            return key
    service = alias.removeprefix(_AWS_ALIAS)
    key = keys.create_key(
        None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", f"Default key that protects my {service} data", None
    )
    key.key_manager, key.key_rotation_status = "AWS", True
    keys.create_alias(key.id, alias)
    return key


def resolve(name: str, account: str, region: str) -> Any | None:
    """A key by id, alias, key ARN or alias ARN; None: there is none."""
    if name.startswith("arn:"):
        _, _, _, region, account, name = name.split(":", 5)
        name = name.removeprefix("key/")
    if name.startswith(_AWS_ALIAS):
        return aws_managed(account, region, name)
    for key in backend(account, region).keys.values():
        if name == key.id or name in key.aliases:
            return key
    return None


def _key(call: Call) -> Any:
    name = call.need("KeyId")
    key = resolve(name, call.account, call.region) if _in_region(name, call.region) else None
    arn = (
        name
        if name.startswith("arn:")
        else f"arn:aws:kms:{call.region}:{call.account}:{name if '/' in name else f'key/{name}'}"
    )
    if arn in call.world.denied_keys or (key is not None and key.arn in call.world.denied_keys):
        raise denied(call, key.arn if key is not None else arn)
    if key is None:
        kind = "Alias" if "alias/" in name else "Key"
        raise Refusal("NotFoundException", f"{kind} '{arn}' does not exist")
    return key


def _in_region(name: str, region: str) -> bool:
    """KMS does not answer for keys of another region."""
    return not name.startswith("arn:") or name.split(":")[3] == region


def _describe_key(call: Call) -> Mapping[str, Any]:
    metadata = dict(_key(call).to_dict()["KeyMetadata"])
    metadata["Enabled"] = metadata["KeyState"] == "Enabled"
    return {"KeyMetadata": {key: value for key, value in metadata.items() if value is not None}}


def _rotation(call: Call) -> Mapping[str, Any]:
    key = _key(call)
    on = (
        bool(key.key_rotation_status)
        and key.key_state not in ("PendingDeletion", "PendingImport")
        and key.origin == "AWS_KMS"
    )
    return {"KeyId": key.arn, "KeyRotationEnabled": on, **({"RotationPeriodInDays": _period(key)} if on else {})}


def _period(key: Any) -> int:
    return int(getattr(key, "rotation_period", 365))


def _enable_rotation(call: Call) -> Mapping[str, Any]:
    key = _key(call)
    key.key_rotation_status = True
    key.rotation_period = int(call.parameters.get("RotationPeriodInDays") or 365)
    return {}


def _signing_key(call: Call) -> Any:
    """A key that signs, by its own state."""
    key = _key(call)
    if key.key_state != "Enabled":
        raise Refusal("DisabledException" if key.key_state == "Disabled" else "KMSInvalidStateException", key.arn)
    if key.key_usage != "SIGN_VERIFY":
        raise Refusal(
            "InvalidKeyUsageException",
            f"{key.arn} key usage is {key.key_usage} which is not valid for {call.request.operation}.",
        )
    return key


def _public_key(call: Call) -> Mapping[str, Any]:
    """moto names the key by its id, AWS by its ARN."""
    key = _signing_key(call)
    return {
        "KeyId": key.arn,
        "PublicKey": base64.b64encode(key.private_key.public_key()).decode(),
        "KeySpec": key.key_spec,
        "KeyUsage": key.key_usage,
        "SigningAlgorithms": key.signing_algorithms,
    }


def _sign(call: Call) -> Mapping[str, Any]:
    """moto takes messages of any length, and hashes a digest once more."""
    key, message = _signing_key(call), base64.b64decode(call.need("Message"))
    if len(message) > _LONGEST_MESSAGE:
        text = "failed to satisfy constraint: Member must have length less than or equal to"
        raise Refusal(
            "ValidationException", f"1 validation error detected: Value at 'message' {text} {_LONGEST_MESSAGE}"
        )
    if call.parameters.get("MessageType", "RAW") != "RAW":
        raise NotSimulated("kms:Sign of a DIGEST")
    algorithm = call.need("SigningAlgorithm")
    if algorithm not in key.signing_algorithms:
        raise Refusal(
            "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.key_spec}."
        )
    signature = base64.b64encode(key.private_key.sign(message, algorithm)).decode()
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm}


OPERATIONS: Final[dict[str, Handler]] = {
    "kms:DescribeKey": _describe_key,
    "kms:GetKeyRotationStatus": _rotation,
    "kms:EnableKeyRotation": _enable_rotation,
    "kms:GetPublicKey": _public_key,
    "kms:Sign": _sign,
}
