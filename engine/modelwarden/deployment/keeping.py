"""What is kept: the table, the bucket under Object Lock, and the keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelwarden.checkup import Part
from modelwarden.deployment.hub import Hub, is_key, judge
from modelwarden.store.items import CELLS

_DEPLOY: Final = "deploy the stack again with deploy/hub.yaml"
_KEYS: Final = {"pk": "HASH", "sk": "RANGE"}
_EXPIRES: Final = "expires_at"
_BLOCKED: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_CANCEL: Final = "nothing encrypted under it can be read without it: enable it, or cancel its deletion"


def keeping(hub: Hub) -> Iterator[Part]:
    """Everything in which something is kept."""
    key = hub.id("DataKey")
    yield judge(
        "table",
        "create it anew with deploy/hub.yaml",
        _table,
        hub.of("Table", "dynamodb", "DescribeTable", "TableName"),
        key,
    )
    backups = hub.of("Table", "dynamodb", "DescribeContinuousBackups", "TableName")
    yield judge("table's backups", "enable point-in-time recovery", _backups, backups)
    expiry = hub.of("Table", "dynamodb", "DescribeTimeToLive", "TableName")
    yield judge("table's expiry", f"enable it on {_EXPIRES}", _expiry, expiry)
    versions = hub.of("Records", "s3", "GetBucketVersioning", "Bucket")
    yield judge("bucket's versions", _DEPLOY, _versions, versions)
    lock = hub.of("Records", "s3", "GetObjectLockConfiguration", "Bucket")
    yield judge("bucket's Object Lock", _DEPLOY, _locked, lock)
    encryption = hub.of("Records", "s3", "GetBucketEncryption", "Bucket")
    yield judge("bucket's encryption", _DEPLOY, _encrypted, encryption, key)
    public = hub.of("Records", "s3", "GetPublicAccessBlock", "Bucket")
    yield judge("bucket's public access", _DEPLOY, _private, public)
    signing = hub.of("SigningKey", "kms", "DescribeKey", "KeyId")
    yield judge("signing key", "enable it, or begin a new log with a key of that kind", _signs, signing)
    yield judge("data key", _CANCEL, _enabled, hub.of("DataKey", "kms", "DescribeKey", "KeyId"))


def _table(told: Mapping[str, Any], key: str) -> Iterator[str]:
    table = told["Table"]
    if table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield f"it is {table['TableStatus']}"
    if {one["AttributeName"]: one["KeyType"] for one in table["KeySchema"]} != _KEYS:
        yield "its key is not pk and sk"
    if CELLS not in [one["IndexName"] for one in table.get("GlobalSecondaryIndexes", [])]:
        yield f"it has no index `{CELLS}`"
    if not table.get("DeletionProtectionEnabled"):
        yield "it can be deleted"
    if not is_key(table.get("SSEDescription", {}).get("KMSMasterKeyArn"), key):
        yield "it is not encrypted under the data key"


def _backups(told: Mapping[str, Any]) -> Iterator[str]:
    point = told["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    if point != "ENABLED":
        yield f"point-in-time recovery is {point}"


def _expiry(told: Mapping[str, Any]) -> Iterator[str]:
    said = told["TimeToLiveDescription"]
    if (said["TimeToLiveStatus"], said.get("AttributeName")) not in (("ENABLED", _EXPIRES), ("ENABLING", _EXPIRES)):
        yield f"it is {said['TimeToLiveStatus']} on {said.get('AttributeName', 'nothing')}"


def _versions(told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("Status") != "Enabled":
        yield f"they are {told.get('Status', 'not kept')}"


def _locked(told: Mapping[str, Any]) -> Iterator[str]:
    said = told["ObjectLockConfiguration"]
    kept = said.get("Rule", {}).get("DefaultRetention", {})
    if said.get("ObjectLockEnabled") != "Enabled":
        yield "it is off"
    elif kept.get("Mode") not in ("GOVERNANCE", "COMPLIANCE") or not (kept.get("Years") or kept.get("Days")):
        yield "nothing is kept by itself: there is no default retention"


def _encrypted(told: Mapping[str, Any], key: str) -> Iterator[str]:
    for one in told["ServerSideEncryptionConfiguration"]["Rules"]:
        said = one["ApplyServerSideEncryptionByDefault"]
        if said["SSEAlgorithm"] != "aws:kms" or not is_key(said.get("KMSMasterKeyID"), key):
            yield f"it is {said['SSEAlgorithm']} by {said.get('KMSMasterKeyID', 'a key of AWS')}, and not by the data key"


def _private(told: Mapping[str, Any]) -> Iterator[str]:
    said = told["PublicAccessBlockConfiguration"]
    lacking = [name for name in _BLOCKED if said.get(name) is not True]
    if lacking:
        yield f"{', '.join(lacking)} is off"


def _signs(told: Mapping[str, Any]) -> Iterator[str]:
    key = told["KeyMetadata"]
    kind = key.get("KeySpec") or key.get("CustomerMasterKeySpec"), key.get("KeyUsage")
    if kind != ("ECC_NIST_P256", "SIGN_VERIFY"):
        yield f"it is {' for '.join(str(one) for one in kind)}"
    yield from _enabled(told)


def _enabled(told: Mapping[str, Any]) -> Iterator[str]:
    if told["KeyMetadata"].get("KeyState") != "Enabled":
        yield f"it is {told['KeyMetadata'].get('KeyState')}"
