"""KMS keys: which one is meant, and what KMS says of it."""

from __future__ import annotations

import re
from typing import Any, Final

from modelwarden.arn import PackageArn
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.cell import Cell
from modelwarden.collect.text import text_fact, whole
from modelwarden.evidence import Absent, Fact, Present, Unknown

NAMES: Final = ("arn", "manager", "state", "origin", "rotation_enabled")
_ARN: Final = re.compile(r"arn:[\w-]+:kms:(?P<region>[a-z0-9-]+):\d{12}:(?:key|alias)/.+")
_ID: Final = re.compile(r"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def no_key(pointer: str, fact: Fact) -> dict[str, Fact]:
    """Facts of a key that is not there or could not be read."""
    return {f"{pointer}/{name}": fact for name in NAMES}


def spelled(key: str, arn: PackageArn, *, alias: bool) -> str | None:
    """A key as an ARN, so that whoever asks means the same one; None for what nobody can resolve.

    A plain id or alias means one of the package's account. Where that is not certain (`alias=False`), only an id is
    taken so: ids are unique, and an alias of that name may stand for another key there.
    """
    if _ARN.fullmatch(key):
        return key
    home = f"arn:{arn.partition}:kms:{arn.region}:{arn.account}"
    if _ID.fullmatch(key):
        return f"{home}:key/{key}"
    return f"{home}:{key}" if alias and key.startswith("alias/") else None


def read_key(cell: Cell, pointer: str, key: str, *, alias: bool, rotation: bool) -> dict[str, Fact]:
    """Facts of kms:DescribeKey and, where asked for, of kms:GetKeyRotationStatus."""
    name = spelled(key, cell.arn, alias=alias)
    if name is None:
        return no_key(pointer, Unknown("key not understood", None, f"`{whole(key[:200])}` is neither ARN nor id"))
    region = name.split(":")[3]
    answer = cell.call("kms", "DescribeKey", region=region, KeyId=name)
    if isinstance(answer, Failure):
        # A key that KMS cannot find says nothing of who managed it: only a denial and a deletion look like this.
        return no_key(pointer, answer.unknown())
    metadata = answer.data["KeyMetadata"]
    if not _is_meant(str(metadata.get("Arn")), name):
        return no_key(pointer, Unknown("malformed", answer.source, "KMS described another key"))
    facts = key_facts(pointer, answer)
    if not _asks_rotation(metadata):
        return facts | {f"{pointer}/rotation_enabled": Absent(answer.source)}
    if not rotation:
        return facts
    status = cell.call("kms", "GetKeyRotationStatus", region=region, KeyId=metadata["Arn"])
    return facts | {f"{pointer}/rotation_enabled": rotation_fact(status)}


def key_facts(pointer: str, answer: Answer) -> dict[str, Fact]:
    """Facts of kms:DescribeKey; a member that every key has is unknown where the answer lacks it."""
    rows = {"arn": "Arn", "manager": "KeyManager", "state": "KeyState", "origin": "Origin"}
    facts: dict[str, Fact] = {}
    for name, member in rows.items():
        fact = text_fact(answer.data["KeyMetadata"].get(member), answer.source)
        facts[f"{pointer}/{name}"] = (
            Unknown("malformed", answer.source, f"no {member}") if isinstance(fact, Absent) else fact
        )
    return facts


def rotation_fact(answer: Answer | Failure) -> Fact:
    """Fact of kms:GetKeyRotationStatus."""
    if isinstance(answer, Failure):
        return answer.unknown()
    return Present(answer.data["KeyRotationEnabled"], answer.source)


def _is_meant(found: str, asked: str) -> bool:
    """The key itself, or one of the same account and region behind an alias."""
    return found == asked or (":alias/" in asked and found.split(":")[:5] == asked.split(":")[:5])


def _asks_rotation(metadata: Any) -> bool:
    """Only a customer's key with key material of KMS rotates at the customer's choice."""
    return bool(metadata.get("KeyManager") == "CUSTOMER" and metadata.get("Origin") == "AWS_KMS")
