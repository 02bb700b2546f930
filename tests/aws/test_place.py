"""A bucket as a place: what is there, what is not, and what nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelwarden.collect.aws import Access, Aws, Tape
from modelwarden.evidence import Unknown
from modelwarden.store.place import Place, place_at

from .conftest import Hub


@pytest.fixture
def place(hub: Hub) -> Iterator[Place]:
    """With `a.json` in it, for somebody who may list names and not read: as S3 treats whoever may not list all of them."""
    hub.set_up()
    found = place_at("s3://hub-records/records", Aws(Access(attempts=1), Tape()))
    found.write("a.json", b"{}")
    yield found
    hub.registry.sandbox.gateway.faults.clear()


def test_what_is_not_there_is_told_apart_from_what_may_not_be_read(hub: Hub, place: Place) -> None:
    """Another document whose name begins so is none."""
    place.write("b.json.intoto.jsonl", b"{}")
    assert (place.find("a.json"), place.find("b.json")) == (b"{}", None)
    hub.registry.fail(op="s3:GetObject", kind="deny")
    assert place.find("b.json") is None
    hidden = place.find("a.json")
    assert isinstance(hidden, Unknown)
    assert hidden.reason == "AccessDenied"


def test_where_names_cannot_be_listed_either_nobody_can_tell(hub: Hub, place: Place) -> None:
    hub.registry.fail(op="s3:GetObject", kind="deny")
    hub.registry.fail(op="s3:ListObjectsV2", kind="deny")
    for name in ("a.json", "b.json"):
        assert isinstance(place.find(name), Unknown)
