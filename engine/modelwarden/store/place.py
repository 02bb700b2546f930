"""Places that hold documents by name: a folder, or a bucket in S3 below a prefix."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct

from modelwarden.collect.aws import OWN, Answer, Aws, Failure
from modelwarden.errors import UserError
from modelwarden.evidence import Source, Unknown
from modelwarden.run import MAX_BYTES, write_new
from modelwarden.whole_file import whole

_HOME: Final = "us-east-1"
"""Asked where the caller has no region of its own; S3 redirects to where the bucket is."""
_PAGES: Final = 50
"""Of one listing; a thousand names each."""


class NotKept(UserError):
    """A document that was not written."""

    help = "let whoever gates write below `records`, and gate again"


class AlreadyThere(NotKept):
    """A document of this name was written before, and says something else."""


class Place(Protocol):
    """Documents by name, `a/b/c.json`. What cannot be read is unknown and never missing."""

    def names(self, folder: str) -> list[str] | Unknown:
        """Names right below a folder, sorted; none where there is no such folder."""
        ...

    def read(self, name: str) -> bytes | Unknown: ...

    def find(self, name: str) -> bytes | Unknown | None:
        """The same, but None where it is certain that there is no document of this name."""
        ...

    def write(self, name: str, data: bytes) -> str:
        """Write a new document, whole or not at all; where it is now.

        Raises:
            AlreadyThere: there is one of this name.
            NotKept: it could not be written.
        """
        ...

    def replace(self, name: str, data: bytes) -> str:
        """Write a document over whatever stands there, whole or not at all; where it is now.

        Raises:
            NotKept: it could not be written.
        """
        ...


class Folder(Struct, frozen=True):
    """Files below a folder."""

    path: Path
    most: int = MAX_BYTES
    """Bytes of a document; of a larger one no more than one more is read."""

    def names(self, folder: str) -> list[str] | Unknown:
        try:
            return sorted(f"{folder}/{one.name}" for one in (self.path / folder).iterdir())
        except FileNotFoundError as error:
            # Nobody wrote about this package yet; but a folder that is not there says nothing about any package.
            return [] if self.path.is_dir() else self._unknown(error)
        except OSError as error:
            return self._unknown(error)

    def read(self, name: str) -> bytes | Unknown:
        try:
            return self._bytes(name)
        except OSError as error:
            return self._unknown(error)

    def find(self, name: str) -> bytes | Unknown | None:
        try:
            return self._bytes(name)
        except FileNotFoundError as error:
            # As with names: a folder that is not there says nothing about what is in it.
            return None if self.path.is_dir() else self._unknown(error)
        except OSError as error:
            return self._unknown(error)

    def write(self, name: str, data: bytes) -> str:
        path = self.path / name
        try:
            # A folder that is not there may be a share that is not mounted: nobody would look for the run below it.
            self.path.stat()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_new(path, data)
        except FileExistsError as error:
            raise AlreadyThere(f"{path}: was written before") from error
        except OSError as error:
            raise NotKept(f"{path}: cannot be written: {error.strerror}") from error
        return str(path)

    def replace(self, name: str, data: bytes) -> str:
        path = self.path / name
        try:
            self.path.stat()
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as file:
                file.write(data)
        except OSError as error:
            raise NotKept(f"{path}: cannot be written: {error.strerror}") from error
        return str(path)

    def _bytes(self, name: str) -> bytes:
        with (self.path / name).open("rb") as file:
            return file.read(self.most + 1)

    def _unknown(self, error: OSError) -> Unknown:
        return Unknown("not readable", Source("records"), f"{self.path}: {error.strerror}")


class Bucket(Struct, frozen=True):
    """Objects in S3, with the caller's own credentials."""

    aws: Aws
    bucket: str
    prefix: str
    """Ends with a slash, or is empty."""
    most: int = MAX_BYTES
    """As of a folder."""

    def names(self, folder: str) -> list[str] | Unknown:
        found: list[str] = []
        token: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = self._call("ListObjectsV2", Prefix=f"{self.prefix}{folder}/", **token)
            if isinstance(answer, Failure):
                return answer.unknown()
            entries = answer.data.get("Contents", [])
            if len(entries) != answer.data["KeyCount"]:
                return Unknown("incomplete", answer.source, "the listing holds fewer objects than it counts")
            found += [entry["Key"].removeprefix(self.prefix) for entry in entries]
            if not answer.data["IsTruncated"]:
                return sorted(found)
            following = answer.data.get("NextContinuationToken")
            if not following or token.get("ContinuationToken") == following:
                break
            token = {"ContinuationToken": following}
        return Unknown("incomplete", answer.source, "the listing does not end")

    def read(self, name: str) -> bytes | Unknown:
        answer = self._get(name)
        return answer.unknown() if isinstance(answer, Failure) else bytes(answer.data["Body"])

    def find(self, name: str) -> bytes | Unknown | None:
        answer = self._get(name)
        if isinstance(answer, Failure):
            # To whoever may list some names alone, S3 says of what is not there that it is forbidden.
            gone = answer.code == "NoSuchKey" or (answer.state == "denied" and self._lists_without(name))
            return None if gone else answer.unknown()
        return bytes(answer.data["Body"])

    def write(self, name: str, data: bytes) -> str:
        where = f"s3://{self.bucket}/{self.prefix}{name}"
        answer = self._call("PutObject", Key=self.prefix + name, Body=data, IfNoneMatch="*")
        # An answer that was lost on its way back is asked for again, and finds what the first attempt wrote.
        if isinstance(answer, Failure) and answer.code == "PreconditionFailed":
            if self.read(name) != data:
                raise AlreadyThere(f"{where}: was written before")
        elif isinstance(answer, Failure):
            raise NotKept(f"{where}: cannot be written: {answer.source.api}: {answer.code}: {answer.message}")
        return where

    def replace(self, name: str, data: bytes) -> str:
        where = f"s3://{self.bucket}/{self.prefix}{name}"
        answer = self._call("PutObject", Key=self.prefix + name, Body=data, ChecksumAlgorithm="SHA256")
        if isinstance(answer, Failure):
            raise NotKept(f"{where}: cannot be written: {answer.source.api}: {answer.code}: {answer.message}")
        return where

    def _lists_without(self, name: str) -> bool:
        """Whether a listing is certain that there is no such object; the name itself would be the first of those that begin so."""
        answer = self._call("ListObjectsV2", Prefix=self.prefix + name, MaxKeys=1)
        if isinstance(answer, Failure):
            return False
        found = [entry["Key"] for entry in answer.data.get("Contents", [])]
        return len(found) == answer.data["KeyCount"] and self.prefix + name not in found

    def _get(self, name: str) -> Answer | Failure:
        return self._call("GetObject", Key=self.prefix + name, MaxBytes=self.most)

    def _call(self, operation: str, **parameters: Any) -> Answer | Failure:
        own = self.aws.own_account(_HOME)
        if isinstance(own, Failure):
            return own
        return self.aws.call(OWN, self.aws.home(_HOME), "s3", operation, Bucket=self.bucket, **parameters)


def place_at(location: str, aws: Aws, most: int = MAX_BYTES) -> Place:
    """The place at `s3://bucket/prefix`, or in a folder; `most` bytes of a document are read."""
    if not location.startswith("s3://"):
        return Folder(Path(location), most)
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    return Bucket(aws, bucket, f"{prefix}/" if prefix else "", most)
