"""Model artifacts: where the package says they lie, which objects are there, and how each is encrypted."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.aws import Answer, Failure
from modelwarden.collect.image import time_text
from modelwarden.collect.report import plain
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

MAX_OBJECTS: Final = 1_000
"""Objects below one prefix that are read; a longer listing leaves the count unknown."""

_URI: Final = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.*)", re.DOTALL)
_HTTPS: Final = re.compile(r"https://(?P<bucket>[^/.]+)\.s3[.-][a-z0-9.-]+/(?P<key>.+)", re.DOTALL)
_HEAD: Final = ("encryption/sse", "etag", "version_id", "checksum_sha256", "size", "modified_at")
_KEY: Final = ("arn", "manager", "state", "origin", "rotation_enabled")


class Location(Struct, frozen=True):
    """One place that a container loads from."""

    container: int
    origin: str
    uri: str
    prefix: bool
    """Whether everything below the URI is meant."""


def locations(containers: list[Mapping[str, Any]]) -> Iterator[Location]:
    """Every model data location of every container, in the order of the package."""
    for index, container in enumerate(containers):
        if isinstance(container.get("ModelDataUrl"), str):
            yield Location(index, "ModelDataUrl", container["ModelDataUrl"], prefix=False)
        source = container.get("ModelDataSource")
        if isinstance(source, Mapping):
            yield from _s3(index, "ModelDataSource", source.get("S3DataSource"))
        for entry in container.get("AdditionalModelDataSources") or ():
            if isinstance(entry, Mapping):
                yield from _s3(index, "AdditionalModelDataSources", entry.get("S3DataSource"))
        yield from _s3(index, "AdditionalS3DataSource", container.get("AdditionalS3DataSource"))


def _s3(index: int, origin: str, source: Any) -> Iterator[Location]:
    if not isinstance(source, Mapping) or not isinstance(source.get("S3Uri"), str):
        return
    yield Location(index, origin, source["S3Uri"], prefix=source.get("S3DataType") == "S3Prefix")
    if isinstance(source.get("ManifestS3Uri"), str):
        yield Location(index, origin, source["ManifestS3Uri"], prefix=False)


def split(uri: str) -> tuple[str, str] | None:
    """(bucket, key) of an S3 URI in either spelling; None for anything else."""
    found = _URI.fullmatch(uri) or _HTTPS.fullmatch(uri)
    return (found["bucket"], found["key"]) if found else None


def stated(pointer: str, location: Location, uri: str, source: Source) -> dict[str, Fact]:
    """What the package says of an artifact."""
    return {
        f"{pointer}/container": Present(location.container, source),
        f"{pointer}/origin": Present(location.origin, source),
        f"{pointer}/location": Present(plain(location.uri), source),
        f"{pointer}/uri": Present(plain(uri), source),
    }


def no_object(pointer: str, fact: Fact) -> dict[str, Fact]:
    """Facts of an object that is not there or could not be read, and of its key."""
    return {f"{pointer}/{name}": fact for name in _HEAD} | no_key(f"{pointer}/kms_key", fact)


def object_facts(pointer: str, answer: Answer) -> dict[str, Fact]:
    """Facts of s3:HeadObject."""
    data, source = answer.data, answer.source

    def text(name: str) -> Fact:
        value = data.get(name)
        return Present(plain(str(value)), source) if value not in (None, "") else Absent(source)

    checksum = data.get("ChecksumSHA256")
    size, modified = data.get("ContentLength"), data.get("LastModified")
    version = text("VersionId")
    return {
        f"{pointer}/encryption/sse": text("ServerSideEncryption"),
        f"{pointer}/etag": text("ETag"),
        # "null" is the version of an object that was written before versioning was switched on: it pins nothing.
        f"{pointer}/version_id": Absent(source) if version == Present("null", source) else version,
        f"{pointer}/checksum_sha256": _checksum(checksum, source) if checksum else Absent(source),
        f"{pointer}/size": Present(size, source) if isinstance(size, int) else Absent(source),
        f"{pointer}/modified_at": Present(time_text(modified), source) if modified else Absent(source),
    }


def _checksum(value: Any, source: Source) -> Fact:
    """AWS writes base64, and `base64-N` for a checksum of N parts, which is no digest of the content."""
    try:
        raw = base64.b64decode(str(value), validate=True)
    except ValueError:
        return Absent(source)
    return Present("sha256:" + raw.hex(), source) if len(raw) == 32 else Absent(source)


def no_key(pointer: str, fact: Fact) -> dict[str, Fact]:
    """Facts of a key that is not there or could not be read."""
    return {f"{pointer}/{name}": fact for name in _KEY}


def key_facts(pointer: str, answer: Answer) -> dict[str, Fact]:
    """Facts of kms:DescribeKey; rotation is a call of its own (`asks_rotation`)."""
    metadata = answer.data.get("KeyMetadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}

    def text(name: str) -> Fact:
        value = metadata.get(name)
        return (
            Present(plain(value), answer.source)
            if isinstance(value, str)
            else Unknown("malformed", answer.source, f"no {name}")
        )

    return {
        f"{pointer}/arn": text("Arn"),
        f"{pointer}/manager": text("KeyManager"),
        f"{pointer}/state": text("KeyState"),
        f"{pointer}/origin": text("Origin"),
    }


def asks_rotation(answer: Answer) -> bool:
    """Only a customer's key with key material of KMS rotates at the customer's choice."""
    metadata = answer.data.get("KeyMetadata")
    return (
        isinstance(metadata, Mapping)
        and metadata.get("KeyManager") == "CUSTOMER"
        and metadata.get("Origin") == "AWS_KMS"
    )


def rotation_fact(answer: Answer | Failure) -> Fact:
    """Fact of kms:GetKeyRotationStatus."""
    if isinstance(answer, Failure):
        return answer.fact()
    enabled = answer.data.get("KeyRotationEnabled")
    return (
        Present(enabled, answer.source)
        if isinstance(enabled, bool)
        else Unknown("malformed", answer.source, "no KeyRotationEnabled")
    )
