"""Objects in S3: which ones a package names, and what S3 says of them. Reading; what is said is `artifact`'s and `report`'s."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from modelwarden.collect import artifact
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.artifact import MAX_OBJECTS, NOT_UNDERSTOOD, Location
from modelwarden.collect.cell import Cell
from modelwarden.collect.describe import Description, dig
from modelwarden.collect.key import no_key, read_key
from modelwarden.collect.package import containers_of
from modelwarden.collect.report import MAX_BYTES, read_report
from modelwarden.collect.text import text_fact, time_fact
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

Facts = dict[str, Fact]

_PAGES: Final = 50
"""Of one listing: S3 may answer with empty pages, but not for ever."""
_REPORT: Final = ("state", "problem", "content_sha256", "etag", "version_id", "modified_at")


class Report(Struct, frozen=True):
    """A report in S3: facts of the object, and its content where it is a JSON object."""

    facts: Facts
    document: dict[str, Any] | None
    nothing: Fact
    """What facts of the content are where there is no document."""
    source: Source


def read_artifacts(cell: Cell, described: Description, *, keys: bool, rotation: bool) -> Facts:
    """Listings first, since they say how many artifacts there are; then every object at once."""
    containers = [container for _, container in containers_of(described.data)]
    algorithms = dig(described.data, "SourceAlgorithmSpecification", "SourceAlgorithms") or []
    found = list(artifact.locations(containers, algorithms))
    gather = cell.lookups.pools.gather
    listed = gather(lambda location: _members(cell, location, described.source), found)
    members = [(location, uri) for location, (uris, _) in zip(found, listed, strict=True) for uri in uris]
    gap = next((gap for _, gap in listed if gap is not None), None)

    def one(numbered: tuple[int, tuple[Location, str]]) -> Facts:
        index, (location, uri) = numbered
        pointer = f"/artifact/{index}"
        stated = artifact.stated(pointer, location, uri, described.source)
        return stated | _object(cell, pointer, uri, described.source, keys=keys, rotation=rotation)

    facts: Facts = {"/artifact_count": gap or Present(len(members), described.source)}
    for read in gather(one, enumerate(members)):
        facts |= read
    return facts


def _members(cell: Cell, location: Location, source: Source) -> tuple[list[str], Unknown | None]:
    """URIs below a location, and why they are not all; an empty prefix stands for itself."""
    gap = Unknown("incomplete", source, location.gap) if location.gap else None
    if not location.prefix:
        return [location.uri], gap
    place = artifact.split(location.uri)
    if place is None:
        return [location.uri], gap or Unknown(NOT_UNDERSTOOD, source, "no prefix that S3 could list")
    uris, unlisted = _listed(cell, *place)
    # Where nobody could list, the prefix is not taken for an object: that there is none of its name would prove nothing.
    return uris if uris or unlisted else [location.uri], gap or unlisted


def _listed(cell: Cell, bucket: str, prefix: str) -> tuple[list[str], Unknown | None]:
    """URIs of the objects below a prefix, page by page, and why they are not all."""
    uris: list[str] = []
    token: dict[str, str] = {}
    for _ in range(_PAGES):
        answer = cell.call("s3", "ListObjectsV2", Bucket=bucket, Prefix=prefix, **token)
        if isinstance(answer, Failure):
            # No such bucket: the location itself is then read, and found absent.
            fact = answer.fact()
            return uris, fact if isinstance(fact, Unknown) else None
        entries, following = answer.data.get("Contents", []), answer.data.get("NextContinuationToken")
        if len(entries) != answer.data["KeyCount"]:
            return uris, Unknown("incomplete", answer.source, "the listing holds fewer objects than it counts")
        uris += [f"s3://{bucket}/{entry['Key']}" for entry in entries if not _is_folder(entry)]
        if not answer.data["IsTruncated"]:
            return uris, None
        if len(uris) > MAX_OBJECTS:
            break
        if not following or token.get("ContinuationToken") == following:
            return uris, Unknown("incomplete", answer.source, "the listing does not say how it goes on")
        token = {"ContinuationToken": following}
    why = f"more than {MAX_OBJECTS} objects, or {_PAGES} pages, below a prefix"
    return uris[:MAX_OBJECTS], Unknown("incomplete", answer.source, why)


def _is_folder(entry: dict[str, Any]) -> bool:
    """What consoles put there so that a folder can be seen."""
    return bool(entry["Key"].endswith("/")) and entry.get("Size") == 0


def _object(cell: Cell, pointer: str, uri: str, source: Source, *, keys: bool, rotation: bool) -> Facts:
    place = artifact.split(uri)
    if place is None or not place[1]:
        return _no_object(pointer, Unknown(NOT_UNDERSTOOD, source))
    answer = cell.call("s3", "HeadObject", Bucket=place[0], Key=place[1], ChecksumMode="ENABLED")
    if isinstance(answer, Failure):
        return _no_object(pointer, answer.fact())
    return artifact.object_facts(pointer, answer) | _key_of(cell, f"{pointer}/kms_key", answer, keys, rotation)


def _no_object(pointer: str, fact: Fact) -> Facts:
    return artifact.no_object(pointer, fact) | no_key(f"{pointer}/kms_key", fact)


def _key_of(cell: Cell, pointer: str, answer: Answer, keys: bool, rotation: bool) -> Facts:
    key, sse = answer.data.get("SSEKMSKeyId"), answer.data.get("ServerSideEncryption", "")
    if key:
        return read_key(cell, pointer, key, alias=False, rotation=rotation) if keys else {}
    if sse.startswith("aws:kms"):
        return no_key(pointer, Unknown("malformed", answer.source, "under a KMS key that the answer does not name"))
    return no_key(pointer, Absent(answer.source))


def no_report(pointer: str, fact: Fact) -> Facts:
    """Facts of a report that the package does not name, or that could not be read."""
    return {f"{pointer}/{name}": fact for name in _REPORT}


def read_object(cell: Cell, pointer: str, uri: str, source: Source) -> Report:
    """A report, of which the whole content is read."""
    place = artifact.split(uri)
    if place is None or not place[1]:
        fact: Fact = Unknown(NOT_UNDERSTOOD, source)
        return Report(no_report(pointer, fact), None, fact, source)
    answer = cell.call("s3", "GetObject", Bucket=place[0], Key=place[1], MaxBytes=MAX_BYTES)
    if isinstance(answer, Failure):
        return Report(no_report(pointer, answer.fact()), None, answer.fact(), answer.source)
    data, said = answer.data, answer.source
    facts: Facts = {
        f"{pointer}/etag": text_fact(data.get("ETag"), said),
        f"{pointer}/version_id": artifact.pinned(text_fact(data.get("VersionId"), said)),
        f"{pointer}/modified_at": time_fact(data.get("LastModified"), said),
    }
    read, document = read_report(pointer, data["Body"], said)
    return Report(facts | read, document, Unknown("malformed", said), said)
