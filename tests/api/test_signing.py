"""Where the pack names a key, what the API decides is signed as the gate signs it, or not told."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from botocore.session import get_session

from modelwarden import gate
from modelwarden.api.answer import answer
from modelwarden.api.message import Call, Reply
from modelwarden.api.service import Service, service_of
from modelwarden.errors import UserError
from tests.cli.conftest import clean_environment
from tests.command import inside

from .conftest import BUCKET, GOOD, UNREADABLE, Api, client, load, other, question, sources_of


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("key")
    done = inside("key", "new", "gate.key", "--no-passphrase", folder=folder, environment=clean_environment())
    assert done.code == 0, done.err
    return folder / "gate.key"


@pytest.fixture(scope="module")
def signing(pack: gate.Sources, made: Api, key: Path) -> Service:
    """The same API under a pack that names a key."""
    folder = key.parent / "pack"
    folder.mkdir()
    text = (Path(str(pack.organization)) / "modelwarden.toml").read_text()
    (folder / "modelwarden.toml").write_text(f'sign = "{key}"\n{text}')
    house = load(sources_of(folder))
    return service_of(house, partial(gate.collector_of, house, session=get_session()), made.log.append)


def asked(service: Service, package: str) -> Reply:
    body = json.dumps(question(package)).encode()
    return answer(service, Call("POST", "/decisions", "", {"content-type": "application/json"}, body))


def attestations() -> set[str]:
    listed = client("s3").list_objects_v2(Bucket=BUCKET, Prefix="org/decisions/").get("Contents", [])
    return {one["Key"] for one in listed if one["Key"].endswith(".intoto.jsonl")}


def test_a_decision_is_signed_beside_its_run(api: Api, signing: Service, key: Path, tmp_path: Path) -> None:
    before = attestations()
    told = asked(signing, GOOD)
    assert told.status == 201
    run = json.loads(told.body)["run"]
    assert attestations() - before == {f"org/decisions/{run}.intoto.jsonl"}
    for ending in ("json", "intoto.jsonl"):
        found = client("s3").get_object(Bucket=BUCKET, Key=f"org/decisions/{run}.{ending}")
        (tmp_path / f"run.{ending}").write_bytes(found["Body"].read())
    arguments = ("verify", "run.intoto.jsonl", "--key", f"{key}.pub", "--any-subject", "--run", "run.json")
    done = inside(*arguments, "--allow-uncovered", folder=tmp_path, environment=clean_environment())
    assert done.code == 0, done.err


def test_where_nothing_has_a_digest_the_log_says_that_nothing_is_signed(api: Api, signing: Service) -> None:
    before = attestations()
    assert asked(signing, UNREADABLE).status == 201
    assert attestations() == before
    (said,) = [one for one in api.log if one.name == "unsigned"]
    assert (said.level, said.fields["why"]) == ("warning", "nothing that the package would run has a digest")


class Broken:
    """A key that is out of reach."""

    def sign(self, message: bytes) -> bytes:
        raise UserError("kms:Sign: AccessDeniedException", "let the function sign")

    @property
    def public_key(self) -> object:
        raise UserError("kms:GetPublicKey: AccessDeniedException", "let the function sign")


def test_what_should_be_signed_and_could_not_be_is_not_told(api: Api, signing: Service) -> None:
    listed = client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"]
    told = asked(other(signing, signer=Broken()), GOOD)
    assert told.status == 503
    assert b"allow" not in told.body
    assert "AccessDeniedException" in str(api.log[-1].fields["error"])
    assert client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == listed


def test_a_key_that_is_not_there_is_told_before_anything_is_decided(pack: gate.Sources, tmp_path: Path) -> None:
    text = (Path(str(pack.organization)) / "modelwarden.toml").read_text()
    (tmp_path / "modelwarden.toml").write_text(f'sign = "{tmp_path}/none.key"\n{text}')
    house = load(sources_of(tmp_path))
    with pytest.raises(UserError, match=r"none\.key"):
        service_of(house, partial(gate.collector_of, house), lambda event: None)
