"""A log in S3: every object under Object Lock, put where there is none, and known by its version and not by its name.

A deleted object leaves a marker, and a new one can be put under its name: so whoever reads looks at all versions, and takes
nothing that has another history than one put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from modelwarden.attest.shelf import MAX_BYTES, Kind, ShelfProblem, Stored, Taken, highest, name_of
from modelwarden.collect.aws import OWN, Answer, Aws, Failure
from modelwarden.collect.pools import THREADS
from modelwarden.settings.log import LockedBucket

_HOME: Final = "us-east-1"
"""Asked where the caller has no region of its own; S3 redirects to where the bucket is."""
_PAGES: Final = 10_000
"""Of one listing; a thousand names each."""


class LockedShelf(Struct, frozen=True):
    """The files of a log in a bucket, with the caller's own credentials."""

    aws: Aws
    place: LockedBucket
    now: Callable[[], datetime]

    @property
    def where(self) -> str:
        return f"s3://{self.place.bucket}/{self.place.prefix}".rstrip("/")

    def last(self, kind: Kind) -> int:
        folders = self._listed("CommonPrefixes", "Prefix", f"{kind}/", Delimiter="/")
        if not folders:
            return 0
        return highest(kind, self._listed("Contents", "Key", folders[-1]), self.where)

    def read(self, kind: Kind, number: int) -> Stored:
        name = name_of(kind, number)
        versions = {one.name: one for one in self._versions(name)}
        if name not in versions:
            raise ShelfProblem(f"{self.where}: {name} is not there")
        return self._fetch(versions[name])

    def put(self, kind: Kind, number: int, data: bytes) -> None:
        name = name_of(kind, number)
        now = self.now()
        until = now.replace(year=now.year + self.place.years, day=min(now.day, 28) if now.month == 2 else now.day)
        answer = self._call(
            "PutObject",
            Key=self.place.prefix + name,
            Body=data,
            IfNoneMatch="*",
            ObjectLockMode=self.place.mode,
            ObjectLockRetainUntilDate=until,
            ChecksumAlgorithm="SHA256",
        )
        if isinstance(answer, Failure):
            if answer.code not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise self._problem(name, answer)
            # An answer that was lost on its way back is asked for again, and finds what the first attempt wrote.
            stored = next((one for one in self._versions(name) if not one.problem), None)
            if stored is None or self._fetch(stored).data != data:
                raise Taken
        elif not answer.data.get("VersionId"):
            raise ShelfProblem(f"{self.where}: the bucket keeps no versions", "create it with Object Lock")

    def everything(self) -> Iterator[Stored]:
        listed = list(self._versions(""))
        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(self._fetch, listed)

    def _versions(self, prefix: str) -> Iterator[Stored]:
        """Every name below a prefix, with its one version; a problem where it has another history."""
        found: dict[str, list[str]] = {}
        deleted: set[str] = set()
        marker: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = self._call("ListObjectVersions", Prefix=self.place.prefix + prefix, **marker)
            if isinstance(answer, Failure):
                raise self._problem(prefix, answer)
            for one in answer.data.get("Versions", []):
                found.setdefault(one["Key"], []).append(one["VersionId"])
            deleted |= {one["Key"] for one in answer.data.get("DeleteMarkers", [])}
            if not answer.data["IsTruncated"]:
                break
            marker = {"KeyMarker": answer.data["NextKeyMarker"], "VersionIdMarker": answer.data["NextVersionIdMarker"]}
        else:
            raise ShelfProblem(f"{self.where}: the listing does not end")
        for key in sorted({*found, *deleted}):
            name, versions = key.removeprefix(self.place.prefix), found.get(key, [])
            problem = "was deleted" if key in deleted else "was written over" if len(versions) > 1 else ""
            yield Stored(name, b"", versions[-1] if versions else "", problem)

    def _fetch(self, stored: Stored) -> Stored:
        if stored.problem:
            return stored
        answer = self._call(
            "GetObject", Key=self.place.prefix + stored.name, VersionId=stored.version, MaxBytes=MAX_BYTES
        )
        if isinstance(answer, Failure):
            raise self._problem(stored.name, answer)
        return Stored(stored.name, bytes(answer.data["Body"]), stored.version)

    def _listed(self, field: str, name: str, prefix: str, **more: str) -> list[str]:
        """Names below a prefix, without that of the log, sorted."""
        found: list[str] = []
        token: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = self._call("ListObjectsV2", Prefix=self.place.prefix + prefix, **more, **token)
            if isinstance(answer, Failure):
                raise self._problem(prefix, answer)
            found += [entry[name].removeprefix(self.place.prefix) for entry in answer.data.get(field, [])]
            following = answer.data.get("NextContinuationToken")
            if not answer.data["IsTruncated"] or not following:
                return sorted(found)
            token = {"ContinuationToken": following}
        raise ShelfProblem(f"{self.where}: the listing does not end")

    def _call(self, operation: str, **parameters: Any) -> Answer | Failure:
        own = self.aws.own_account(_HOME)
        if isinstance(own, Failure):
            return own
        return self.aws.call(OWN, self.aws.home(_HOME), "s3", operation, Bucket=self.place.bucket, **parameters)

    def _problem(self, name: str, failure: Failure) -> ShelfProblem:
        return ShelfProblem(f"{self.where}: {name}: {failure.source.api}: {failure.code}: {failure.message}")
