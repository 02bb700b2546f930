"""Recordings: nothing secret in them, readable by their owner only, and as good as AWS for those who replay them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.collect import Collector
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.record import RecordingError, Tape, of_tape, redact, redacted
from modelwarden.evidence import Evidence, Present, Source, Unknown
from modelwarden.request import Principal

from .conftest import Organization


def nowhere() -> Session:
    """A session that cannot call AWS: any request is an error of the test."""

    def refuse(**_: Any) -> None:
        raise AssertionError("a replay called AWS")

    session = Session()
    session.set_credentials("AKIAEXAMPLE", "secret")
    session.register("before-send", refuse)
    return session


def replaying(folder: Path) -> Collector:
    return Collector(role="ModelwardenReader", replay=folder, session=nowhere())


BASES = ("333333333333.dkr.ecr.eu-west-1.amazonaws.com/ml/base:2026.10",)


@pytest.fixture(scope="module")
def recorded(running: Organization, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence, Any]:
    """A folder, and the evidence and reference that were read while it was written."""
    running.ask("DELETE", "faults")
    folder = tmp_path_factory.mktemp("recording") / "new" / "folder"
    collector = running.collector(record=folder)
    collector.caller()
    evidence = collector.package(running.arn("credit-default/16"))
    return folder, evidence, collector.reference(BASES)


def test_a_replay_gives_the_same_evidence_without_aws(recorded: tuple[Path, Evidence, Any]) -> None:
    folder, live, reference = recorded
    collector = replaying(folder)
    again = collector.package(live.package)
    assert again.facts == live.facts
    assert again.digest() == live.digest()
    assert collector.reference(BASES) == reference


def test_a_replay_proves_nothing_about_today(recorded: tuple[Path, Evidence, Any]) -> None:
    folder, live, _ = recorded
    assert live.asserted is False
    assert replaying(folder).package(live.package).asserted is True
    caller = replaying(folder).caller()
    assert isinstance(caller, Principal)
    assert caller.state == "asserted"


def test_a_replay_has_the_same_coverage(recorded: tuple[Path, Evidence, Any], running: Organization) -> None:
    folder, live, _ = recorded
    collector = replaying(folder)
    collector.package(live.package)
    fresh = running.collector()
    fresh.package(live.package)
    rows = [(row.account, row.region, row.api, row.state, row.calls, row.error) for row in fresh.ledger]
    assert [(row.account, row.region, row.api, row.state, row.calls, row.error) for row in collector.ledger] == rows


def test_only_the_owner_can_read_a_recording(recorded: tuple[Path, Evidence, Any]) -> None:
    folder = recorded[0]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_recording_holds_no_credentials_and_no_signed_address(recorded: tuple[Path, Evidence, Any]) -> None:
    text = "".join(file.read_text() for file in recorded[0].iterdir())
    for secret in ("AKIA", "ASIA", "sandbox-secret", "SessionToken", "_sandbox/blobs", "downloadUrl", "inference.py"):
        assert secret not in text
    assert "redacted:sha256:" in text
    assert "GetDownloadUrlForLayer" in " ".join(file.name for file in recorded[0].iterdir())


def test_a_call_that_was_not_recorded_is_unknown(recorded: tuple[Path, Evidence, Any], tmp_path: Path) -> None:
    folder, live, _ = recorded
    for file in folder.iterdir():
        if not file.name.startswith(("kms-DescribeKey", "s3-HeadObject")):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    evidence = replaying(tmp_path).package(live.package)
    for pointer in ("/package/kms_key/manager", "/artifact/0/etag", "/artifact/0/kms_key/manager"):
        fact = evidence.get(pointer)
        assert isinstance(fact, Unknown)
        assert fact.reason == "not recorded"
    assert evidence.get("/tag_keys") == live.get("/tag_keys")


def test_another_package_than_the_recorded_one_is_unknown(recorded: tuple[Path, Evidence, Any]) -> None:
    folder, live, _ = recorded
    evidence = replaying(folder).package(live.package.replace("/16", "/15"))
    assert isinstance(evidence.get("/container_count"), Unknown)


def hostile() -> Iterator[tuple[str, Any]]:
    good = {"data": {"Tags": []}, "source": {"api": "a", "at": None, "request_id": None}}
    failed = {"state": "denied", "code": "c", "message": "m"}
    yield from {
        "no JSON": b"{",
        "no UTF-8": b"\xff\xfe",
        "deep": b"[" * 200_000,
        "a list": [],
        "neither": {"source": good["source"]},
        "both": {**good, "failure": failed},
        "more": {**good, "command": "rm"},
        "no source": {"data": {}},
        "a source of other members": {**good, "source": {"api": "a", "at": None, "request_id": None, "x": 1}},
        "a source of other types": {**good, "source": {"api": 1, "at": None, "request_id": None}},
        "a number as time": {**good, "data": {"Tags": {"$time": 5}}},
        "no time": {**good, "data": {"Tags": {"$time": "tomorrow"}}},
        "no bytes": {**good, "data": {"Tags": {"$bytes": "%"}}},
        "an answer of another type": {**good, "data": {"Tags": "garbage"}},
        "an answer with a null": {**good, "data": {"Tags": [None]}},
        "an answer without what every one has": {**good, "data": {}},
        "a failure of an unknown state": {"failure": {**failed, "state": "fine"}, "source": good["source"]},
        "a failure of other members": {"failure": {**failed, "x": 1}, "source": good["source"]},
        "a failure of other types": {"failure": {**failed, "code": 1}, "source": good["source"]},
    }.items()


@pytest.mark.parametrize(("name", "content"), list(hostile()), ids=[name for name, _ in hostile()])
def test_a_file_that_is_no_recording_is_refused(
    name: str, content: Any, recorded: tuple[Path, Evidence, Any], tmp_path: Path
) -> None:
    folder, live, _ = recorded
    for file in folder.iterdir():
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        replaced = file.name.startswith("sagemaker-ListTags")
        (tmp_path / file.name).write_bytes(raw if replaced else file.read_bytes())
    with pytest.raises(RecordingError) as caught:
        replaying(tmp_path).package(live.package)
    assert "sagemaker-ListTags" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_regular_file_is_refused_and_not_waited_for(
    recorded: tuple[Path, Evidence, Any], tmp_path: Path
) -> None:
    folder, live, _ = recorded
    for file in folder.iterdir():
        if file.name.startswith("sagemaker-ListTags"):
            os.mkfifo(tmp_path / file.name)
        else:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecordingError, match="no regular file"):
        replaying(tmp_path).package(live.package)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
    with pytest.raises(RecordingError, match="no such folder"):
        replaying(tmp_path / "missing").package(arn)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        Tape(file / "below").keep("a", "r", "x:Y", {}, Answer({}, Source("x:Y")))


def test_a_link_in_the_folder_leads_nobody_out_of_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "folder"
    tape = Tape(folder)
    tape.keep("a", "r", "x:Y", {}, Answer({}, Source("x:Y")))
    (written,) = folder.iterdir()
    written.unlink()
    written.symlink_to(victim)
    with pytest.raises(RecordingError, match="cannot be written"):
        tape.keep("a", "r", "x:Y", {}, Answer({}, Source("x:Y")))
    assert victim.read_text() == "mine"


SOURCE = Source("sagemaker:ListTags", "2026-11-22T02:10:00Z", "r-1")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(["$time", "$bytes", "$$time"])
VALUES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.integers()
    | st.booleans()
    | st.binary(max_size=5)
    | st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(data=st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_is_kept_is_found_unchanged(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tape")
    Tape(folder).keep("a", "r", "x:Y", {"p": 1}, Answer(data, SOURCE))
    kept = Tape(replay=folder).find("a", "r", "x:Y", {"p": 1})
    assert kept is not None
    assert of_tape(kept) == Answer(data, SOURCE)


def test_a_failure_is_kept_as_one(tmp_path: Path) -> None:
    failed = Failure("denied", "AccessDeniedException", "no", SOURCE)
    Tape(tmp_path).keep("a", "r", "x:Y", {}, failed)
    kept = Tape(replay=tmp_path).find("a", "r", "x:Y", {})
    assert kept is not None
    assert of_tape(kept) == failed


def test_what_may_be_secret_is_replaced_by_its_digest() -> None:
    event = {"eventName": "UpdateModelPackage", "userIdentity": {"arn": "a", "accessKeyId": "AKIASECRET"}}
    document = {
        "Environment": {"TOKEN": "s3cr3t"},
        "Containers": [{"Environment": {"TOKEN": "s3cr3t"}, "Image": "i"}],
        "HyperParameters": {"password": "s3cr3t"},
        "Metadata": {"note": "s3cr3t"},
        "Events": [{"AccessKeyId": "AKIASECRET", "CloudTrailEvent": json.dumps(event), "Username": "ada"}],
    }
    shown = redacted(document)
    assert "s3cr3t" not in json.dumps(shown)
    assert "AKIASECRET" not in json.dumps(shown)
    assert shown["Containers"] == [{"Environment": {"TOKEN": redact("s3cr3t")}, "Image": "i"}]
    assert shown["Events"][0]["Username"] == "ada"
    assert redacted(shown) == shown
    assert redact("redacted:sha256:s3cr3t") != "redacted:sha256:s3cr3t"


def test_the_environment_has_one_digest_live_and_redacted(recorded: tuple[Path, Evidence, Any]) -> None:
    fact = recorded[1].get("/container/0/environment_sha256")
    assert isinstance(fact, Present)
    assert replaying(recorded[0]).package(recorded[1].package).get("/container/0/environment_sha256") == fact
