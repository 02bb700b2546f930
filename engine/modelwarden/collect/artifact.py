"""Model artifacts: where the package says they lie, and what S3 says of each object. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from msgspec import Struct

from modelwarden.collect.answer import Answer
from modelwarden.collect.text import text_fact, time_fact, whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

MAX_OBJECTS: Final = 1_000
"""Objects below one prefix that are read; a longer listing leaves the count unknown."""
NOT_UNDERSTOOD: Final = "location not understood"

_BUCKET: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]"
_S3: Final = re.compile(rf"s3://(?P<bucket>{_BUCKET})/(?P<key>.*)", re.DOTALL)
_HTTPS: Final = re.compile(
    rf"https://(?:(?P<bucket>{_BUCKET})\.)?s3(?:[.-](?:fips[.-])?(?:dualstack\.)?[a-z]{{2}}(?:-[a-z]+)+-\d)?"
    r"\.amazonaws\.com(?:\.cn)?/(?P<path>[^?#]*)"
)
_HEAD: Final = ("encryption/sse", "etag", "version_id", "checksum_sha256", "size", "modified_at")
_LOCATED: Final = ("ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources", "AdditionalS3DataSource")
_HARMLESS: Final = (
    *("ContainerHostname", "Image", "ImageDigest", "ProductId", "Environment", "ModelInput", "Framework"),
    *("FrameworkVersion", "NearestModelName", "ModelDataETag", "IsCheckpoint", "BaseModel", "AlgorithmName"),
)
"""Members of containers and algorithms that say nothing of where model data lie."""
_PLACE: Final = re.compile(r"(?:s3|https)://|arn:[^:]*:(?:s3|sagemaker):", re.IGNORECASE)


class Location(Struct, frozen=True):
    """One place that a container loads from."""

    container: int | None
    """None: of an algorithm that the package was made from."""
    origin: str
    uri: str
    """Empty where the package names none."""
    prefix: bool = False
    """Whether everything below the URI is meant."""
    gap: str = ""
    """Why more may lie there than what the URI names; empty where nothing may."""


def locations(containers: list[Mapping[str, Any]], algorithms: list[Mapping[str, Any]]) -> Iterator[Location]:
    """Every location of model data, in the order of the package.

    INVARIANT: what may be a location and is not understood is listed all the same, with a gap: dropped, it would be
    one artifact less to judge.
    """
    for index, container in enumerate(containers):
        found = list(_of(container, index))
        if not found and container.get("BaseModel"):
            found = [Location(index, "BaseModel", "", gap="the model data are content of a hub")]
        yield from found
    for algorithm in algorithms:
        for location in _of(algorithm, None):
            yield Location(None, "SourceAlgorithms", location.uri, location.prefix, location.gap)


def _of(holder: Mapping[str, Any], index: int | None) -> Iterator[Location]:
    if holder.get("ModelDataUrl"):
        yield Location(index, "ModelDataUrl", holder["ModelDataUrl"])
    if holder.get("ModelDataSource"):
        yield from _s3(index, "ModelDataSource", holder["ModelDataSource"].get("S3DataSource"))
    for entry in holder.get("AdditionalModelDataSources", ()):
        yield from _s3(index, "AdditionalModelDataSources", entry.get("S3DataSource"))
    if holder.get("AdditionalS3DataSource"):
        yield from _s3(index, "AdditionalS3DataSource", holder["AdditionalS3DataSource"])
    for name, value in holder.items():
        if name not in (*_LOCATED, *_HARMLESS) and _names_a_place(value):
            yield Location(index, name, "", gap=f"`{name}` may name model data")


def _s3(index: int | None, origin: str, source: Mapping[str, Any] | None) -> Iterator[Location]:
    if not source or not source.get("S3Uri"):
        yield Location(index, origin, "", gap=f"`{origin}` names no S3 location")
        return
    # A kind of location that is not known here may mean more than one object.
    gap = "" if source.get("S3DataType") in ("S3Prefix", "S3Object") else "an unknown S3DataType"
    yield Location(index, origin, source["S3Uri"], prefix=source.get("S3DataType") == "S3Prefix", gap=gap)
    if source.get("ManifestS3Uri"):
        yield Location(index, origin, source["ManifestS3Uri"], gap="a manifest may name further objects")


def _names_a_place(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_PLACE.match(value))
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(_names_a_place, inner))


def split(uri: str) -> tuple[str, str] | None:
    """(bucket, key) of an S3 URI in either spelling; None for anything else, such as the ARN of an access point.

    The key is empty where the whole bucket is meant.
    """
    found = _S3.fullmatch(uri)
    if found:
        return found["bucket"], found["key"]
    found = _HTTPS.fullmatch(uri)
    if not found:
        return None
    try:
        path = unquote(found["path"], errors="strict")
    except UnicodeDecodeError:
        return None
    bucket, _, key = (found["bucket"], "/", path) if found["bucket"] else path.partition("/")
    return (bucket, key) if re.fullmatch(_BUCKET, bucket) else None


def stated(pointer: str, location: Location, uri: str, source: Source) -> dict[str, Fact]:
    """What the package says of an artifact."""
    nowhere = Unknown(NOT_UNDERSTOOD, source, location.gap)
    return {
        f"{pointer}/container": Absent(source) if location.container is None else Present(location.container, source),
        f"{pointer}/origin": Present(whole(location.origin), source),
        f"{pointer}/location": Present(whole(location.uri), source) if location.uri else nowhere,
        f"{pointer}/uri": Present(whole(uri), source) if uri else nowhere,
    }


def no_object(pointer: str, fact: Fact) -> dict[str, Fact]:
    """Facts of an object that is not there or could not be read."""
    return {f"{pointer}/{name}": fact for name in _HEAD}


def object_facts(pointer: str, answer: Answer) -> dict[str, Fact]:
    """Facts of s3:HeadObject; those of its key are calls of their own."""
    data, source = answer.data, answer.source
    version = text_fact(data.get("VersionId"), source)
    size = data.get("ContentLength")
    return {
        f"{pointer}/encryption/sse": text_fact(data.get("ServerSideEncryption"), source),
        f"{pointer}/etag": text_fact(data.get("ETag"), source),
        f"{pointer}/version_id": pinned(version),
        f"{pointer}/checksum_sha256": _checksum(data, source),
        f"{pointer}/size": Absent(source) if size is None else Present(size, source),
        f"{pointer}/modified_at": time_fact(data.get("LastModified"), source),
    }


def pinned(version: Fact) -> Fact:
    """ "null" is the version of an object that was written before versioning was switched on: it pins nothing."""
    return Absent(version.source) if isinstance(version, Present) and version.value == "null" else version


def _checksum(data: Mapping[str, Any], source: Source) -> Fact:
    """AWS writes base64, and `base64-N` for a checksum of N parts, which is no digest of the content."""
    if data.get("ChecksumUnread"):
        return Unknown(whole(str(data["ChecksumUnread"])), source, "the checksum takes kms:Decrypt on the object's key")
    try:
        raw = base64.b64decode(data.get("ChecksumSHA256", ""), validate=True)
    except ValueError:
        return Absent(source)
    return Present("sha256:" + raw.hex(), source) if len(raw) == 32 else Absent(source)
