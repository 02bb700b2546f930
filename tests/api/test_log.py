"""Where the pack names a log, each decision stands in it, signed, before anybody is told of it or finds it again."""

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
from modelwarden.attest.entry import read
from modelwarden.attest.location import shelf_at
from modelwarden.attest.shelf import Shelf
from modelwarden.sandbox.server import Sandbox
from tests.cli.conftest import clean_environment
from tests.command import inside
from tests.organization import ask

from .conftest import BAD, BUCKET, GOOD, REGION, UNREADABLE, Api, client, load, question, sources_of

LOG = "api-log"


def logging_to(log: str, folder: Path, pack: gate.Sources, api: Api, more: str = "") -> Service:
    """The same API under a pack that names a log."""
    (folder / "pack").mkdir()
    text = (Path(str(pack.organization)) / "modelwarden.toml").read_text()
    (folder / "pack/modelwarden.toml").write_text(f'log = "{log}"\n{more}{text}')
    house = load(sources_of(folder / "pack"))
    return service_of(house, partial(gate.collector_of, house, session=get_session()), api.log.append)


def asked(service: Service, package: str, **headers: str) -> Reply:
    body = json.dumps(question(package)).encode()
    return answer(service, Call("POST", "/decisions", "", {"content-type": "application/json", **headers}, body))


def stored(folder: str = "org/") -> int:
    return int(client("s3").list_objects_v2(Bucket=BUCKET, Prefix=folder)["KeyCount"])


def words(shelf: Shelf) -> list[tuple[str, str]]:
    entries = (read(shelf.read("entries", number).data, "log") for number in range(1, shelf.last("entries") + 1))
    return [(one.word.run, one.word.verdict) for one in entries]


def test_decisions_are_entered_and_signed_under_object_lock(api: Api, pack: gate.Sources, tmp_path: Path) -> None:
    """Also one that is no yes, and the attestation beside the run; `verify` finds the log whole, and the run in it."""
    client("s3").create_bucket(
        Bucket=LOG, ObjectLockEnabledForBucket=True, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    done = inside("key", "new", "gate.key", "--no-passphrase", folder=tmp_path, environment=clean_environment())
    assert done.code == 0, done.err
    location = f"s3://{LOG}/gate?mode=GOVERNANCE&years=1"
    service = logging_to(location, tmp_path, pack, api, f'sign = "{tmp_path / "gate.key"}"\n')
    told = [json.loads(asked(service, package).body) for package in (BAD, GOOD, UNREADABLE)]
    assert [one["verdict"] for one in told] == ["block", "allow", "undecided"]
    shelf = shelf_at(location, lambda: service.collector().aws)
    assert words(shelf) == [(one["run"], one["verdict"]) for one in told]
    of_good = read(shelf.read("entries", 2).data, "log").word.sha256
    assert set(of_good) == {"run", "attestation"}
    for one in client("s3").list_objects_v2(Bucket=LOG)["Contents"]:
        path = tmp_path / one["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client("s3").get_object(Bucket=LOG, Key=one["Key"])["Body"].read())
    kept = client("s3").get_object(Bucket=BUCKET, Key=f"org/decisions/{told[1]['run']}.json")["Body"].read()
    (tmp_path / "run.json").write_bytes(kept)
    arguments = ("verify", "gate", "--key", "gate.key.pub", "--run", "run.json")
    done = inside(*arguments, folder=tmp_path, environment=clean_environment())
    assert done.code == 0, done.err
    assert done.out.startswith("whole     gate: 3 entries, 3 of them under 3 checkpoints\n")
    assert f"run       {told[1]['run']} is entry 2, " in done.out


@pytest.mark.parametrize("package", [GOOD, BAD], ids=["allow", "block"])
def test_what_the_log_refuses_is_no_answer_and_is_found_nowhere(
    api: Api, pack: gate.Sources, tmp_path: Path, package: str
) -> None:
    """Neither by who asked nor by whoever looks among the records; the same question is judged anew once the log is there."""
    service = logging_to(str(tmp_path / "log"), tmp_path, pack, api)
    before = stored("org/decisions/"), stored("org/444455556666/")
    key = {"idempotency-key": f"refused-{package[-1]}"}
    told = asked(service, package, **key)
    assert told.status == 503
    assert b"verdict" not in told.body
    assert f"{tmp_path / 'log'}" in str(api.log[-1].fields["error"])
    assert (stored("org/decisions/"), stored("org/444455556666/")) == before
    assert api.judged() == []
    (tmp_path / "log").mkdir()
    again = asked(service, package, **key)
    assert again.status == 201
    run, verdict = (json.loads(again.body)[name] for name in ("run", "verdict"))
    assert words(shelf_at(str(tmp_path / "log"), lambda: service.collector().aws)) == [(run, verdict)]
    assert asked(service, package, **key).body == again.body
    assert len(words(shelf_at(str(tmp_path / "log"), lambda: service.collector().aws))) == 1


def test_a_decision_that_was_logged_and_could_not_be_recorded_is_no_answer(
    api: Api, demo_sandbox: Sandbox, pack: gate.Sources, tmp_path: Path
) -> None:
    """The log says that it was made; nobody is told, and nothing stands behind it."""
    (tmp_path / "log").mkdir()
    service = logging_to(str(tmp_path / "log"), tmp_path, pack, api)
    before = stored("org/decisions/")
    ask(demo_sandbox, "POST", "faults", [{"kind": "deny", "op": "s3:PutObject"}])
    assert asked(service, GOOD).status == 503
    assert stored("org/decisions/") == before
    assert [verdict for _, verdict in words(shelf_at(str(tmp_path / "log"), lambda: service.collector().aws))] == [
        "allow"
    ]
