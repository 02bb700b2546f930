"""Places of records: what cannot be listed or read is unknown and never missing, and nothing is written over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modelwarden.collect.answer import Answer, Failure
from modelwarden.evidence import Source, Unknown
from modelwarden.store.place import AlreadyThere, Bucket, Folder, NotKept
from modelwarden.store.records import Records

S3 = Source("s3:Call")
DENIED = Failure("denied", "AccessDenied", "no", S3)
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"


class Script:
    """Stands in for AWS: answers in turn, by operation."""

    def __init__(self, **answers: list[Mapping[str, Any] | Failure]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def own_account(self, region: str) -> str:
        return "111122223333"

    def home(self, region: str) -> str:
        return region

    def call(self, account: str, region: str, service: str, operation: str, **given: Any) -> Answer | Failure:
        self.asked.append((operation, given))
        said = self._answers[operation].pop(0)
        return said if isinstance(said, Failure) else Answer(said, S3)


def bucket(**answers: list[Mapping[str, Any] | Failure]) -> Bucket:
    return Bucket(Script(**answers), "org", "runs/")  # type: ignore[arg-type]


def page(*keys: str, token: str = "", count: int | None = None) -> dict[str, Any]:
    found = {"Contents": [{"Key": key} for key in keys], "KeyCount": len(keys) if count is None else count}
    return {**found, "IsTruncated": bool(token), **({"NextContinuationToken": token} if token else {})}


def test_a_listing_is_read_to_its_end() -> None:
    found = bucket(ListObjectsV2=[page("runs/a/2.json", token="t"), page("runs/a/1.json")]).names("a")
    assert found == ["a/1.json", "a/2.json"]


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([DENIED], "AccessDenied"),
        ([page("runs/a/1.json", token="t"), DENIED], "AccessDenied"),
        ([page("runs/a/1.json", token="t"), page("runs/a/2.json", token="t")], "incomplete"),
        ([page("runs/a/1.json", count=2)], "incomplete"),
        ([{**page("runs/a/1.json"), "IsTruncated": True}], "incomplete"),
    ],
    ids=["denied", "cut off", "a token again", "counts more", "no token"],
)
def test_half_a_listing_is_none(pages: list[Mapping[str, Any] | Failure], reason: str) -> None:
    place = bucket(ListObjectsV2=pages)
    found = place.names("a")
    assert isinstance(found, Unknown)
    assert found.reason == reason
    assert isinstance(Records(bucket(ListObjectsV2=[DENIED])).newest(PACKAGE, lambda run: True), Unknown)


def test_a_lost_answer_is_no_lost_run() -> None:
    """The first attempt wrote it; the second one is told that it is there."""
    taken = Failure("malformed", "PreconditionFailed", "exists", S3)
    written = bucket(PutObject=[taken], GetObject=[{"Body": b"mine"}]).write("a/1.json", b"mine")
    assert written == "s3://org/runs/a/1.json"
    with pytest.raises(AlreadyThere, match=r"1\.json: was written before"):
        bucket(PutObject=[taken], GetObject=[{"Body": b"somebody else's"}]).write("a/1.json", b"mine")
    with pytest.raises(NotKept, match="AccessDenied"):
        bucket(PutObject=[DENIED]).write("a/1.json", b"mine")


def test_a_new_object_never_replaces_another() -> None:
    place = bucket(PutObject=[{}])
    place.write("a/1.json", b"x")
    assert place.aws.asked == [  # type: ignore[attr-defined]
        ("PutObject", {"Bucket": "org", "Key": "runs/a/1.json", "Body": b"x", "IfNoneMatch": "*"})
    ]


def test_a_folder_keeps_and_never_replaces(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    assert place.names("a/b") == []
    place.write("a/b/1.json", b"x")
    assert place.names("a/b") == ["a/b/1.json"]
    assert place.read("a/b/1.json") == b"x"
    with pytest.raises(AlreadyThere, match=r"1\.json: was written before"):
        place.write("a/b/1.json", b"y")
    assert place.read("a/b/1.json") == b"x"
    assert isinstance(place.read("a/b/2.json"), Unknown)


def test_a_folder_that_is_not_there_is_unknown_and_not_made(tmp_path: Path) -> None:
    place = Folder(tmp_path / "share")
    found = place.names("a")
    assert isinstance(found, Unknown)
    assert found.detail.endswith("share: No such file or directory")
    with pytest.raises(NotKept, match="No such file or directory"):
        place.write("a/1.json", b"x")
    assert not (tmp_path / "share").exists()
