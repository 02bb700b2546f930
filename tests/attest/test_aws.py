"""Keys in KMS, and a log in S3 under Object Lock, against the simulated AWS over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from modelwarden.attest import log
from modelwarden.attest.audit import audit
from modelwarden.attest.bucket import LockedShelf
from modelwarden.attest.checking import opened
from modelwarden.attest.key import KeyProblem, LocalKey
from modelwarden.attest.kms import MOST_BYTES
from modelwarden.attest.refusal import NotSigned, Refused
from modelwarden.attest.shelf import Folder, ShelfProblem, name_of
from modelwarden.attest.signer import Signer, signer_at
from modelwarden.attest.spool import Spool
from modelwarden.collect.aws import Access, Aws, Tape
from modelwarden.errors import UserError
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.log import LockedBucket, log_of
from tests.attest.conftest import attested
from tests.attest.test_log import add, word
from tests.organization import ask

REGION = "eu-west-1"
LATER = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """An organization of its own, in the environment of this process."""
    with Sandbox("empty") as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        yield sandbox


def client(service: str) -> Any:
    return get_session().create_client(service, region_name=REGION)


def aws(attempts: int = 1) -> Aws:
    return Aws(Access(attempts=attempts), Tape())


def nobody() -> bytes:
    raise AssertionError("nobody may be asked")


def new_key(spec: str = "ECC_NIST_P256", usage: str = "SIGN_VERIFY") -> str:
    return str(client("kms").create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def arn(server: Sandbox) -> str:
    return new_key()


@pytest.fixture
def kms(arn: str) -> Signer:
    return signer_at(f"awskms:{arn}", aws, nobody)


def test_kms_signs_an_attestation(run_of: Callable[..., Run], kms: LocalKey) -> None:
    found = opened(attested(run_of("flag"), kms), kms.public_key, "file")
    assert found.decision.predicate.verdict == "flag"


def test_kms_signs_no_more_than_it_takes(kms: Signer, arn: str) -> None:
    assert kms.public_key.verifies(kms.sign(b"x" * MOST_BYTES), b"x" * MOST_BYTES)
    with pytest.raises(NotSigned, match=r"KMS signs at most 4096 bytes, and the statement takes 4097"):
        kms.sign(b"x" * (MOST_BYTES + 1))
    given = {"KeyId": arn, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256"}
    with pytest.raises(ClientError, match="Member must have length less than or equal to 4096"):
        client("kms").sign(Message=b"x" * (MOST_BYTES + 1), **given)


def test_other_kinds_of_keys_are_refused(server: Sandbox) -> None:
    for made, said in (
        (new_key("RSA_2048"), "not a key on the curve P-256"),
        (new_key("ECC_NIST_P384"), "not a key on the curve P-256"),
        (
            new_key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
            "its public key cannot be read: kms:GetPublicKey: InvalidKeyUsage",
        ),
        (
            f"arn:aws:kms:{REGION}:111111111111:key/none",
            "its public key cannot be read: kms:GetPublicKey: NotFoundException",
        ),
    ):
        with pytest.raises(KeyProblem, match=said):
            signer_at(f"awskms:{made}", aws, nobody)


@pytest.mark.parametrize(
    "name", ["awskms:alias/gate", "awskms:", "awskms:arn:aws:kms:eu-west-1:111111111111:alias/gate"]
)
def test_a_key_in_kms_is_named_by_its_arn_alone(name: str) -> None:
    with pytest.raises(UserError, match="names no key in KMS"):
        signer_at(name, aws, nobody)


def test_what_kms_refuses_is_not_signed(server: Sandbox, run_of: Callable[..., Run], kms: LocalKey) -> None:
    ask(server, "POST", "faults", [{"op": "kms:Sign", "kind": "deny"}])
    try:
        with pytest.raises(NotSigned, match="cannot sign: kms:Sign: AccessDenied") as error:
            attested(run_of(), kms)
    finally:
        server.gateway.faults.clear()
    assert error.value.help == "grant kms:Sign on the key"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("s3://logs/gate/a?mode=COMPLIANCE&years=7", LockedBucket("logs", "gate/a/", "COMPLIANCE", 7)),
        ("s3://logs?mode=GOVERNANCE&years=1", LockedBucket("logs", "", "GOVERNANCE", 1)),
        ("/srv/log", Path("/srv/log")),
        ("s3://logs/gate", None),
        ("s3://logs/gate?mode=NONE&years=7", None),
        ("s3://logs/gate?mode=COMPLIANCE&years=0", None),
    ],
)
def test_where_a_log_may_be(location: str, expected: Any) -> None:
    assert log_of(location) == expected


@pytest.fixture
def shelf(server: Sandbox, request: pytest.FixtureRequest) -> LockedShelf:
    """An empty log in a bucket of its own."""
    name = "log-" + "".join(char if char.isalnum() else "-" for char in request.node.name.lower())[:50].strip("-")
    place = {"LocationConstraint": REGION}
    client("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=place)
    return LockedShelf(aws(), LockedBucket(name, "gate/", "COMPLIANCE", 7), lambda: LATER)


def filled(shelf: LockedShelf, key: LocalKey) -> LockedShelf:
    for number in (1, 2, 3):
        add(shelf, key, number)
    return shelf


def test_every_object_is_locked_and_its_copy_is_verified_offline(
    shelf: LockedShelf, key: LocalKey, tmp_path: Path
) -> None:
    filled(shelf, key)
    found = audit(shelf, key.public_key)
    assert (found.covered, len(found.entries)) == (3, 3)
    versions = [one.previous_version for one in found.entries]
    assert versions[0] == ""
    s3 = client("s3")
    for number in (1, 2, 3):
        head = s3.head_object(Bucket=shelf.place.bucket, Key="gate/" + name_of("entries", number))
        until = head["ObjectLockRetainUntilDate"].astimezone(UTC)
        assert (head["ObjectLockMode"], until) == ("COMPLIANCE", datetime(2033, 11, 28, 12, tzinfo=UTC))
        assert number == 3 or versions[number] == head["VersionId"]
    for one in shelf.everything():
        (tmp_path / one.name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one.name).write_bytes(one.data)
    assert audit(Folder(tmp_path), key.public_key).lines == found.lines


def test_what_was_deleted_or_put_anew_is_found(shelf: LockedShelf, key: LocalKey) -> None:
    filled(shelf, key)
    s3, name = client("s3"), name_of("entries", 2)
    same = {"Bucket": shelf.place.bucket, "Key": f"gate/{name}"}
    body = s3.get_object(**same)["Body"].read()
    s3.delete_object(**same)
    with pytest.raises(Refused, match=f"{name}: was deleted"):
        audit(shelf, key.public_key)
    s3.put_object(**same, Body=body, IfNoneMatch="*")  # the name is free again, and the very same bytes are no proof
    with pytest.raises(Refused, match=f"{name}: was deleted"):
        audit(shelf, key.public_key)


def test_what_was_written_over_is_found_also_by_whoever_goes_on(shelf: LockedShelf, key: LocalKey) -> None:
    filled(shelf, key)
    name = name_of("entries", 3)
    client("s3").put_object(Bucket=shelf.place.bucket, Key=f"gate/{name}", Body=b"x")
    with pytest.raises(Refused, match=f"{name}: was written over"):
        audit(shelf, key.public_key)
    with pytest.raises(Refused, match="entry 3: was written over"):
        log.append(shelf, word(4))


def test_a_number_that_another_one_took_is_not_written_over(shelf: LockedShelf, key: LocalKey) -> None:
    filled(shelf, key)
    taken: list[int] = []

    class Late(LockedShelf, frozen=True):
        """Sees an older state once, as one who is overtaken between looking and writing."""

        def last(self, kind: Any) -> int:
            taken.append(1)
            return 2 if len(taken) == 1 else super().last(kind)

    late = Late(shelf.aws, shelf.place, shelf.now)
    assert (log.append(late, word(4)), len(taken)) == (4, 2)
    assert [one.word.run for one in audit(shelf, None).entries] == [word(number).run for number in (1, 2, 3, 4)]


def test_a_failed_delivery_waits_for_the_next(shelf: LockedShelf, server: Sandbox, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "log")
    spool.put(word(1))
    ask(server, "POST", "faults", [{"op": "s3:PutObject", "kind": "deny"}])
    try:
        with pytest.raises(ShelfProblem, match="s3:PutObject: AccessDenied"):
            spool.deliver(shelf)
    finally:
        server.gateway.faults.clear()
    assert len(spool.waiting()) == 1
    spool.put(word(2))
    assert spool.deliver(shelf) == {word(1).run: 1, word(2).run: 2}


def test_a_bucket_without_object_lock_is_no_place_for_a_log(server: Sandbox) -> None:
    client("s3").create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": REGION})
    plain = LockedShelf(aws(), LockedBucket("plain", "", "GOVERNANCE", 1), lambda: LATER)
    with pytest.raises(ShelfProblem, match=r"s3:PutObject: InvalidRequest|the bucket keeps no versions"):
        log.append(plain, word(1))
