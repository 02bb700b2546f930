"""S3 over moto's buckets: default encryption as AWS applies it since 2023, and objects that nobody may read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from modelwarden.sandbox.kms import resolve
from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Handler, check_decrypt

_UNKNOWN: Final = re.compile(
    "Analytics|IntelligentTiering|Metrics|Metadata(Annotation|Inventory|Journal)?(Table)?Configuration|Abac|Annotation"
    "|Torrent|DirectoryBuckets|CreateSession|RenameObject|WriteGetObjectResponse|UpdateObjectEncryption|RequestPayment"
    "|DeleteBucketInventory"
)


def answers(operation: str) -> bool:
    """Whether moto answers an operation. It takes those that it does not know for others, such as ListObjects."""
    return _UNKNOWN.search(operation) is None and " " not in operation


def encryption(algorithm: str, key: str | None) -> dict[str, Any]:
    """A bucket's default encryption, as moto keeps it."""
    applied = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
    return {"Rule": {"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": algorithm != "AES256"}}


def install() -> None:
    """Every bucket encrypts with SSE-S3 unless told otherwise, and a KMS object always names its key."""
    models = moto("s3.models")
    FakeBucket, S3Backend = models.FakeBucket, models.S3Backend  # noqa: N806 - classes
    if getattr(FakeBucket, "sandbox", False):
        return
    create, put = FakeBucket.__init__, S3Backend.put_object

    def initialise(bucket: Any, *args: Any, **kwargs: Any) -> None:
        create(bucket, *args, **kwargs)
        bucket.encryption = encryption("AES256", None)

    def put_object(backend: Any, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
        stored = put(backend, bucket_name, *args, **kwargs)
        if str(stored.encryption).startswith("aws:kms"):
            bucket = backend.get_bucket(bucket_name)
            key = resolve(stored.kms_key_id or "alias/aws/s3", bucket.account_id, bucket.region_name)
            stored.kms_key_id = key.arn if key is not None else stored.kms_key_id
        return stored

    def no_encryption(backend: Any, bucket_name: str) -> None:
        backend.get_bucket(bucket_name).encryption = encryption("AES256", None)

    FakeBucket.sandbox, FakeBucket.__init__ = True, initialise
    S3Backend.put_object, S3Backend.delete_bucket_encryption = put_object, no_encryption


def store(
    bucket: Any, key: str, content: bytes, size: int | None, sse: tuple[str | None, str | None], modified: datetime
) -> None:
    """Put an object of the scenario into a bucket. `size`: reported, and made up when somebody downloads it."""
    FakeKey = moto("s3.models").FakeKey  # noqa: N806 - a class

    class Sized(FakeKey):  # type: ignore[misc, valid-type]
        """An object whose zero bytes are never stored."""

        @property
        def value(self) -> bytes:
            return bytes(size or 0)

        @value.setter
        def value(self, new_value: bytes) -> None:
            self.contentsize = size or 0

    kind = FakeKey if size is None else Sized
    versioned = bucket.is_versioned
    name = f"{bucket.name}/{key}/{size}".encode()
    version = hashlib.sha256(name + content).hexdigest()[:32] if versioned else None
    stored = kind(
        key,
        content,
        bucket.account_id,
        bucket.region_name,
        etag=hashlib.md5(name if size is not None else content, usedforsecurity=False).hexdigest(),
        is_versioned=versioned,
        version_id=version or "null",
        bucket_name=bucket.name,
        encryption=sse[0],
        kms_key_id=sse[1],
    )
    stored.last_modified = modified
    bucket.keys.setlist(key, [stored])


def _guard(call: Call) -> Mapping[str, Any] | None:
    """Objects that the scenario denies are denied to everybody; moto answers the rest."""
    bucket, _, key = call.request.path.lstrip("/").partition("/")
    if (bucket, key) in call.world.denied_objects:
        raise Refusal("AccessDenied", "Access Denied", 403)
    # The checksum of an object is as secret as its content: asking for it takes the right to decrypt, too.
    checksum = call.request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if call.request.operation == "GetObject" or checksum:
        check_decrypt(call, _key_of(bucket, key))
    return None


def _key_of(bucket: str, key: str) -> str | None:
    """The KMS key of an object; None: it has none, or there is no such object."""
    backends = moto("s3.models").s3_backends
    if bucket not in backends.bucket_accounts:
        return None
    partition, account = backends.bucket_accounts[bucket]
    versions = backends[account][partition].buckets[bucket].keys.getlist(key, [])
    return getattr(versions[-1], "kms_key_id", None) if versions else None


OPERATIONS: Final[dict[str, Handler]] = {
    "s3:HeadObject": _guard,
    "s3:GetObject": _guard,
    "s3:GetObjectTagging": _guard,
    "s3:GetObjectAttributes": _guard,
}
