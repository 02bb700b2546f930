"""A question is judged as the gate judges it, recorded where the organization keeps decisions, and once for each key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from modelwarden import gate
from modelwarden.api.answer import answer
from modelwarden.api.message import Call, Reply
from modelwarden.evidence import digest
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from modelwarden.store.decisions import Decisions
from modelwarden.store.keys import Keys
from modelwarden.store.place import Folder
from tests.command import inside
from tests.organization import ask

from .conftest import BAD, BUCKET, UNREADABLE, Api, Told, client, other, question
from .events import ME, event

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "reports/schemas/decision.schema.json").read_text())


def keys_of(api: Api) -> set[str]:
    """Names of the objects in the bucket of records."""
    return {one["Key"] for one in client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def test_a_block_is_created_and_recorded_twice(api: Api) -> None:
    """By its package, where it may prove something later; and by its id, by which it is read."""
    before = keys_of(api)
    told = api.call("POST", "/decisions", question())
    (run,) = api.judged()
    assert (told.status, told.json["verdict"], told.json["run"]) == (201, "block", run)
    assert told.headers["location"] == f"decisions/{run}"
    Draft202012Validator(SCHEMA).validate(told.json)
    place = "/".join(BAD.split(":")[3:5][::-1])
    assert keys_of(api) - before == {f"org/{place}/credit-default/4/{run}.json", f"org/decisions/{run}.json"}
    assert api.call("GET", f"/decisions/{run}").body == told.body


def test_it_is_what_the_gate_says(api: Api, pack: gate.Sources, tmp_path: Path, demo_sandbox: Sandbox) -> None:
    options = ("--organization", str(pack.organization), "--organization-digest", str(pack.organization_digest))
    arguments = ("gate", BAD, "--to", "Production", "--format", "json", "--runs", tmp_path, *options)
    said = json.loads(inside(*arguments, folder=tmp_path, environment=demo_sandbox.environment()).out)
    told = api.call("POST", "/decisions", question()).json
    for document in (said, told):
        # Where each ran and what it called; everything else is the same.
        for name in ("run", "coverage"):
            document.pop(name)
        document["request"].pop("as_of")
        for finding in document["findings"]:
            finding["observed"].pop("sources")
            for fact in finding["observed"]["facts"].values():
                fact.pop("source", None)
    assert told == said


def test_a_decision_of_the_gate_is_found_by_id_and_package(
    api: Api, pack: gate.Sources, tmp_path: Path, demo_sandbox: Sandbox
) -> None:
    options = ("--organization", str(pack.organization), "--organization-digest", str(pack.organization_digest))
    arguments = ("gate", UNREADABLE, "--to", "Production", "--format", "json", "--runs", tmp_path, *options)
    done = inside(*arguments, folder=tmp_path, environment=demo_sandbox.environment())
    run = json.loads(done.out)["run"]
    status, kind, _ = api.call("GET", f"/decisions/{run}").problem
    assert (status, kind) == (404, "no-decision")
    assert api.call("GET", f"/decisions/{run}?package={UNREADABLE}").body == done.out.encode()
    assert api.call("GET", f"/decisions/{run}?package={BAD}").problem[1] == "no-decision"
    assert api.call("GET", f"/decisions/{run}?package=churn").problem[:2] == (400, "malformed")


def test_the_same_again_under_a_key_is_not_judged_again(api: Api, demo_sandbox: Sandbox) -> None:
    asked = question(UNREADABLE)
    first = api.call("POST", "/decisions", asked, idempotency_key="same")
    assert len(api.judged()) == 1
    ask(demo_sandbox, "DELETE", "stats")
    again = api.call("POST", "/decisions", dict(reversed(asked.items())), idempotency_key="same")
    assert (again.status, again.body, again.headers["location"]) == (201, first.body, first.headers["location"])
    assert api.judged() == []
    assert {name.split(":")[0] for name in ask(demo_sandbox, "GET", "stats")["operations"]} == {"s3"}


def test_another_question_under_a_key_is_refused(api: Api) -> None:
    api.call("POST", "/decisions", question(UNREADABLE), idempotency_key="other")
    api.judged()
    same = partial(question, UNREADABLE)
    for changed in (question(), same(stage="Staging"), same(moment="deploy"), same(rollback=True)):
        told = api.call("POST", "/decisions", changed, idempotency_key="other")
        assert told.problem == (422, "key-reused", "`idempotency-key`: this key was sent with another body")
    assert api.judged() == []


def test_a_key_that_another_instance_works_on_is_in_use(api: Api) -> None:
    name, body = digest(["busy"]).removeprefix("sha256:"), digest({**question(), "rollback": False})
    run = "20261120T060000000001Z-00000000"
    Keys(api.service.decisions.place, lambda _: False).claim(name, body, run, api.service.now(), 30)
    told = api.call("POST", "/decisions", question(), idempotency_key="busy")
    assert told.problem[:2] == (409, "in-use")
    assert 0 < int(told.headers["retry-after"]) <= 30
    assert api.judged() == []


def test_instances_that_meet_at_one_key_judge_once(api: Api) -> None:
    # msgspec describes a type when it meets it first, and where two threads do at once the process ends (0.22). No
    # server of ours answers two calls at once in one process.
    assert api.call("POST", "/decisions", question("churn")).status == 422
    together = threading.Barrier(2)
    body = json.dumps(question(UNREADABLE)).encode()
    found: list[Reply] = []

    def ask_once() -> None:
        # As apart as instances are: no session, client or lookup is shared.
        service = other(api.service, collector=partial(gate.collector_of, api.service.house))
        call = Call("POST", "/decisions", "", {"content-type": "application/json", "idempotency-key": "race"}, body)
        together.wait()
        found.append(answer(service, call))

    threads = [threading.Thread(target=ask_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(api.judged()) == 1
    assert {one.status for one in found} in ({201}, {201, 409})
    assert len({one.body for one in found if one.status == 201}) == 1


def test_a_key_is_free_where_nothing_was_decided(api: Api) -> None:
    missing = question(BAD.replace("credit-default/4", "credit-default/4000"))
    assert api.call("POST", "/decisions", missing, idempotency_key="missing").problem[:2] == (404, "no-package")
    assert api.call("POST", "/decisions", question(UNREADABLE), idempotency_key="missing").status == 201


def test_a_key_is_its_callers_own(api: Api, lambda_: Callable[[Mapping[str, Any]], Told]) -> None:
    first = api.call("POST", "/decisions", question(UNREADABLE), idempotency_key="whose")
    body = json.dumps(question(UNREADABLE, "Staging"))
    theirs = [
        lambda_(event("POST", "/decisions", body, who=who, idempotency_key="whose"))
        for who in (ME, ME.replace("user/ann", "user/bob"), ME)
    ]
    assert [one.status for one in theirs] == [201, 201, 201]
    assert len({first.json["run"], *(one.json["run"] for one in theirs)}) == 3
    assert theirs[0].body == theirs[2].body


@pytest.mark.parametrize("key", ["", "a b", "é", "a,b", "x" * 256])
def test_what_is_no_key_is_refused(api: Api, key: str) -> None:
    told = api.send(
        "POST",
        "/decisions",
        json.dumps(question()).encode(),
        {"content-type": "application/json", "idempotency-key": key.encode("latin-1").decode("latin-1")},
    )
    assert told.problem[:2] == (400, "malformed")
    assert api.judged() == []


def test_what_could_not_be_recorded_is_not_told(api: Api, demo_sandbox: Sandbox) -> None:
    """Of whichever write fails, the caller learns no verdict, and the same question may be sent again."""
    for api_call in ("s3:PutObject", "s3:ListObjectsV2"):
        ask(demo_sandbox, "POST", "faults", [{"kind": "deny", "op": api_call}])
        told = api.call("POST", "/decisions", question(UNREADABLE), idempotency_key="unrecorded")
        assert told.problem[:2] == (503, "unavailable")
        assert b"undecided" not in told.body
        (failed,) = [one for one in api.log if one.name == "call"]
        assert failed.level == "error"
        assert "AccessDenied" in str(failed.fields["error"])
        assert failed.fields["instance"] == told.json["instance"]
        assert api.judged() == []
        demo_sandbox.gateway.faults.clear()
    assert api.call("POST", "/decisions", question(UNREADABLE), idempotency_key="unrecorded").status == 201


def test_both_records_of_a_decision_are_written_before_it_is_told(
    api: Api, demo_sandbox: Sandbox, tmp_path: Path
) -> None:
    body = json.dumps(question(UNREADABLE)).encode()
    call = Call("POST", "/decisions", "", {"content-type": "application/json"}, body)
    by_id_fails = other(api.service, decisions=Decisions(Folder(tmp_path / "not-mounted")))
    assert answer(by_id_fails, call).status == 503
    by_package_fails = other(api.service, decisions=Decisions(Folder(tmp_path)))
    ask(demo_sandbox, "POST", "faults", [{"kind": "deny", "op": "s3:PutObject"}])
    assert answer(by_package_fails, call).status == 503
    assert list(tmp_path.iterdir()) == []
    demo_sandbox.gateway.faults.clear()
    assert answer(by_package_fails, call).status == 201
    assert len(list(tmp_path.iterdir())) == 1


def test_a_record_that_cannot_be_read_is_no_missing_one(api: Api, demo_sandbox: Sandbox) -> None:
    run = api.call("POST", "/decisions", question(UNREADABLE)).json["run"]
    ask(demo_sandbox, "POST", "faults", [{"kind": "deny", "op": "s3:GetObject"}])
    assert api.call("GET", f"/decisions/{run}").problem[:2] == (503, "unavailable")
    assert api.call("GET", "/decisions/none").problem[:2] == (404, "no-decision"), "names say so, whoever may read"
    ask(demo_sandbox, "POST", "faults", [{"kind": "deny", "op": "s3:ListObjectsV2"}])
    for path in (f"/decisions/{run}", "/decisions/none", f"/decisions/none?package={UNREADABLE}"):
        assert api.call("GET", path).problem[:2] == (503, "unavailable")


def test_a_record_that_was_changed_is_no_decision(api: Api) -> None:
    run = api.call("POST", "/decisions", question(UNREADABLE)).json["run"]
    bucket, name = client("s3"), f"org/decisions/{run}.json"
    data = bucket.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    bucket.put_object(Bucket=BUCKET, Key=name, Body=data.replace(b'"verdict":"undecided"', b'"verdict":"allow"'))
    told = api.call("GET", f"/decisions/{run}")
    assert told.problem[:2] == (503, "unavailable")
    assert "checksum" in str(api.log[-1].fields["error"])


def test_the_caller_is_the_principal_and_says_what_proved_it(lambda_: Callable[[Mapping[str, Any]], Told]) -> None:
    session = "arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_Approver_1f0c/ann@example.com"
    for arn, principal in (
        (ME, {"principal": ME, "identity": "ann", "kind": "person"}),
        (
            session,
            {
                "principal": "arn:aws:iam::222222222222:role/AWSReservedSSO_Approver_1f0c",
                "identity": "ann@example.com",
                "kind": "person",
            },
        ),
    ):
        told = lambda_(event("POST", "/decisions", json.dumps(question(UNREADABLE)), who=arn)).json
        assert told["request"]["principal"] == {**principal, "state": "proven", "source": "execute-api:Invoke"}
        assert (told["asserted"], told["advisory"]) == ([], False)
        Draft202012Validator(SCHEMA).validate(told)
        object_ = client("s3").get_object(Bucket=BUCKET, Key=f"org/decisions/{told['run']}.json")
        run = Run.from_json(json.loads(object_["Body"].read()))
        assert Run.from_json(run.to_json()) == run
        facts = run.decision.request.facts()
        assert facts["/request/principal/principal"].source.api == "execute-api:Invoke"  # type: ignore[union-attr]


def test_nobody_rolls_back_whom_the_organization_does_not_list(api: Api) -> None:
    told = api.call("POST", "/decisions", question(UNREADABLE, rollback=True)).json
    assert told["verdict"] == "undecided"
    assert told["notices"][0].startswith("no rollback: ")
