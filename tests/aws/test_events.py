"""Approvals in a spoke, answered by the function in the hub: what is taken back, what stays, and what is recorded."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from modelwarden.aws import desk as functions
from modelwarden.aws import events
from modelwarden.aws.desk import desk_of
from modelwarden.aws.environment import NotSetUp
from modelwarden.request import Principal
from modelwarden.respond import desk as desks
from modelwarden.respond import message
from modelwarden.respond.case import NotRead
from modelwarden.snapshot import Deployment

from .conftest import SPOKE, Hub

APPROVER = f"arn:aws:iam::{SPOKE}:user/sandbox"


def calls(bodies: list[str]) -> list[dict[str, Any]]:
    """The events of CloudTrail among messages."""
    found = [json.loads(body) for body in bodies]
    return [one for one in found if one["detail-type"] == "AWS API Call via CloudTrail"]


def states(bodies: list[str]) -> list[dict[str, Any]]:
    """The events of the registry among messages."""
    return [one for one in map(json.loads, bodies) if one["detail-type"] == "SageMaker Model Package State Change"]


def test_an_approval_that_breaks_policy_is_taken_back(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/4")
    assert hub.pump() == []
    after = hub.registry.describe(arn)
    assert after["ModelApprovalStatus"] == "Rejected"
    (run,) = hub.archived()
    assert (run.decision.verdict, run.decision.request.moment) == ("block", "approve")
    assert after["ApprovalDescription"].split("; ")[:2] == [
        f"modelwarden: block for Production by sandbox ({APPROVER})",
        f"run {run.id}",
    ]
    assert "; blocked by BIAS-02; " in after["ApprovalDescription"]
    (claim,) = hub.claims(arn)
    assert (claim.run, claim.verdict, claim.done) == (
        run.id,
        "block",
        ("recorded", "reverted", "kept", "logged", "told"),
    )
    (word,) = hub.told()
    assert {name: word[name] for name in ("run", "package", "verdict", "blocked", "principal")} == {
        "run": run.id,
        "package": arn,
        "verdict": "block",
        "blocked": ["BIAS-02"],
        "principal": APPROVER,
    }
    assert word["done"] == [f"{arn} is now Rejected, and was Approved"]


def test_every_decision_enters_the_log_and_is_signed(hub: Hub) -> None:
    registry = hub.registry
    (registry.folder / "log").mkdir()
    registry.run("key", "new", "k", "--no-passphrase")
    hub.set_up(top=f'log = "{registry.folder / "log"}"\nsign = "{registry.folder / "k"}"\n')
    for ending in ("credit-default/1", "credit-default/4"):
        hub.approve(ending)
        hub.send(*calls(hub.bodies()))
        hub.pump()
    newest = hub.archived()[-1]
    run = registry.folder / f"{newest.id}.json"
    run.write_bytes(msgspec.json.encode(newest.to_json()))
    done = registry.run("verify", "log", "--key", "k.pub", "--run", run)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "whole     log: 2 entries, 2 of them under 2 checkpoints"
    assert any(line.startswith(f"run       {newest.id} is entry 2, ") for line in lines)
    assert any(line.startswith("signed    2 entries and 2 checkpoints by sha256:") for line in lines)


def test_an_approval_by_policy_stays_and_is_known_from_then_on(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/1")
    assert hub.pump() == []
    assert hub.status(arn) == "Approved"
    approved, served = hub.archived()
    assert [(one.decision.verdict, one.decision.request.moment) for one in (approved, served)] == [
        ("allow", "approve"),
        ("allow", "serve"),
    ]
    who = approved.decision.request.principal
    assert isinstance(who, Principal)
    assert (who.principal, who.state, who.source) == (APPROVER, "proven", "events:AWS API Call via CloudTrail")
    assert [one.id for one in hub.archived("kept/")] == [approved.id]
    assert hub.told() == []
    # A word about the package that approves nothing asks about what is approved, and of nobody. Two changes within the
    # registry's second, of which no control reads anything, would be one case.
    time.sleep(1.1)
    hub.registry.client(arn).update_model_package(
        ModelPackageArn=arn,
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved", "StageDescription": "live since today"},
    )
    hub.pump()
    (later,) = hub.archived()[2:]
    assert (later.decision.request.moment, later.decision.request.principal) == ("serve", None)
    assert hub.status(arn) == "Approved"


def test_what_is_no_longer_right_is_taken_back_too(hub: Hub) -> None:
    """A change of the stage's status is no approval, and leaves the package where no control lets it be."""
    hub.set_up()
    arn = hub.approve("credit-default/1")
    hub.pump()
    hub.registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelLifeCycle={"Stage": "Production", "StageStatus": "Live"}
    )
    hub.pump()
    said = hub.registry.describe(arn)["ApprovalDescription"]
    assert said.startswith("modelwarden: block for Production; run ")
    assert "; blocked by APR-01; " in said


@pytest.mark.parametrize("only", [calls, states])
def test_either_event_alone_is_enough(hub: Hub, only: Any) -> None:
    """Whoever set the status is in CloudTrail, too, where the event does not say it."""
    hub.set_up()
    arn = hub.approve("credit-default/4")
    hub.send(*only(hub.bodies()))
    assert hub.pump() == []
    assert hub.status(arn) == "Rejected"
    (run,) = hub.archived()
    who = run.decision.request.principal
    assert isinstance(who, Principal)
    assert (who.principal, who.state) == (APPROVER, "proven")


def test_the_author_cannot_approve(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/3")
    (call,) = calls(hub.bodies())
    lena = "arn:aws:sts::222222222222:assumed-role/AWSReservedSSO_DataScience_3b9f1c7d5e2a4068/lena.ortiz@example.com"
    call["detail"]["userIdentity"]["arn"] = lena
    hub.send(call)
    hub.pump()
    assert hub.status(arn) == "Rejected"
    (run,) = hub.archived()
    assert [one.finding.control for one in run.decision.rulings if one.effect == "blocks"] == ["APR-02"]


def test_a_stage_that_nobody_knows_is_no_way_around(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/4", stage="Prodduction")
    assert hub.pump() == []
    assert hub.status(arn) == "Rejected"
    assert hub.archived()[0].decision.request.stage == "Production"


@pytest.mark.parametrize("broken", ["log", "records"])
def test_what_cannot_be_logged_or_kept_is_taken_back_all_the_same(hub: Hub, broken: str) -> None:
    """Whoever can break the log must not keep an approval by it; the message comes again until it can be logged."""
    missing = hub.registry.folder / "nowhere"
    hub.set_up(
        top=f'log = "{missing / "log"}"\n' if broken == "log" else "",
        records=str(missing) if broken == "records" else "",
    )
    if broken == "log":
        missing.write_text("no folder")
    arn = hub.approve("credit-default/4")
    hub.send(*calls(hub.bodies()))
    hub.pump()
    assert hub.status(arn) == "Rejected"
    (claim,) = hub.claims(arn)
    assert "reverted" in claim.done
    assert ("logged" in claim.done, claim.ended) == (False, False)
    assert len(hub.dead_letters()) == 3, (
        "the approval, and the two events of taking it back, which would go on behind it"
    )


def test_a_defect_is_told_by_its_place_alone(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.set_up()
    hub.approve("credit-default/4")

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a secret")

    hub.monkeypatch.setattr(events, "take", broken)
    assert len(hub.pump()) == 6
    (first, *_) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert (first.getMessage(), vars(first)["reason"]) == ("a defect", "ZeroDivisionError")
    assert "a secret" not in str(vars(first))


def test_messages_that_come_again_or_out_of_order_do_no_harm(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/4")
    first = hub.bodies()
    hub.send(*reversed(first), *first, *first)
    hub.pump()
    once = hub.registry.describe(arn)
    hub.send(*first)
    hub.pump()
    assert (len(hub.archived()), len(hub.claims(arn)), len(hub.told())) == (1, 1, 1)
    assert hub.registry.describe(arn)["LastModifiedTime"] == once["LastModifiedTime"]
    # What was approved again is another approval, also by the same words.
    hub.approve("credit-default/4")
    hub.pump()
    assert hub.status(arn) == "Rejected"
    assert (len(hub.archived()), len(hub.claims(arn)), len(hub.told())) == (2, 2, 1)


def test_a_late_approval_is_not_whose_the_package_is_now(hub: Hub) -> None:
    """The event of an earlier approval says nothing about the present one: the trail is asked."""
    hub.set_up()
    hub.approve("credit-default/1")
    (late,) = calls(hub.bodies())
    late["detail"]["eventTime"] = "2026-11-20T05:00:00Z"
    late["detail"]["userIdentity"]["arn"] = "arn:aws:iam::444455556666:user/somebody-else"
    hub.send(late)
    hub.pump()
    who = hub.archived()[0].decision.request.principal
    assert isinstance(who, Principal)
    assert (who.principal, who.source) == (APPROVER, "cloudtrail:LookupEvents")


def test_what_is_changed_after_it_was_approved_is_approved_by_nobody(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/1")
    hub.pump()
    hub.registry.client(arn).update_model_package(
        ModelPackageArn=arn, CustomerMetadataProperties={"swapped": "after the approval"}
    )
    hub.pump()
    run = hub.archived()[-1]
    assert (run.decision.request.moment, run.decision.verdict) == ("approve", "undecided")
    principal = run.decision.request.principal
    assert getattr(principal, "reason", "") == "changed after it was approved"


def pack_of(hub: Hub) -> list[str]:
    """Options that name the organization layer of the function."""
    digest = hub.desk.house.settings.layers[0].digest
    return ["--organization", str(hub.registry.folder / "pack"), "--organization-digest", digest]


def again_of(hub: Hub) -> list[bytes]:
    """Messages that the function put into its own queue."""
    found: list[bytes] = []
    hub.monkeypatch.setattr(type(hub.desk.outlets), "later", lambda self, message, seconds: found.append(message))
    return found


def test_whoever_only_asked_the_gate_approved_nothing(hub: Hub) -> None:
    """The gate allowed it for somebody who did not approve it: who did is judged, by the trail if need be."""
    hub.set_up()
    arn = hub.registry.arn("credit-default/1")
    hub.registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"}
    )
    done = hub.registry.gate(arn, *pack_of(hub), enforce=False)
    assert done.code == 0, done.err
    hub.bodies()
    hub.approve("credit-default/1")
    hub.send(*states(hub.bodies()))
    hub.pump()
    (run,) = hub.archived()
    who = run.decision.request.principal
    assert isinstance(who, Principal)
    assert (run.decision.request.moment, who.principal, who.source) == (
        "approve",
        APPROVER,
        "cloudtrail:LookupEvents",
    )


def test_what_the_gate_approved_and_somebody_changed_is_approved_by_nobody(hub: Hub) -> None:
    hub.set_up()
    arn = hub.registry.arn("credit-default/2")
    hub.registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"}
    )
    done = hub.registry.gate(arn, *pack_of(hub))
    assert done.code == 0, done.err
    hub.bodies()
    hub.registry.client(arn).update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"swapped": "yes"})
    hub.pump()
    (run,) = hub.archived()
    assert (run.decision.request.moment, run.decision.verdict) == ("approve", "undecided")
    assert getattr(run.decision.request.principal, "reason", "") == "changed after it was approved"


def test_what_stays_undecided_comes_again(hub: Hub) -> None:
    hub.set_up()
    later = again_of(hub)
    arn = hub.approve("credit-default/13")
    hub.send(*calls(hub.bodies()) * 2)
    assert hub.pump() == []
    assert hub.status(arn) == "Approved"
    (claim,) = hub.claims(arn)
    assert (claim.verdict, claim.done) == ("undecided", ("recorded", "again 0", "kept", "logged", "told that it waits"))
    (word,) = hub.told()
    assert (word["verdict"], word["undecided"]) == ("undecided", ["BIAS-01", "BIAS-02", "BIAS-03"])
    assert word["done"] == []
    assert [json.loads(one)["attempt"] for one in later] == [1]
    hub.send(later[0].decode())
    hub.pump()
    assert [json.loads(one)["attempt"] for one in later] == [1, 2]
    assert hub.claims(arn)[0].done[-1] == "again 1"
    assert hub.told() == []


@pytest.mark.parametrize(
    ("stage", "more", "status", "done"),
    [
        ("Production", "", "Rejected", "is now Rejected, and was Approved"),
        (
            "Production",
            'revert_to = "PendingManualApproval"\n',
            "PendingManualApproval",
            "is now PendingManualApproval",
        ),
        ("Production", "undecided = { Production = 'leave' }\n", "Approved", "left as it is, although it stays"),
    ],
)
def test_in_the_end_the_settings_say_what_becomes_of_it(
    hub: Hub, stage: str, more: str, status: str, done: str
) -> None:
    hub.set_up(more=more)
    later = again_of(hub)
    arn = hub.approve("credit-default/13", stage)
    hub.pump()
    assert hub.status(arn) == "Approved"
    hub.seconds = 59 * 60
    hub.send(later.pop(0).decode())
    hub.pump()
    assert hub.status(arn) == "Approved"
    hub.seconds = 61 * 60
    hub.send(later[-1].decode())
    hub.pump()
    assert hub.status(arn) == status
    assert done in hub.told()[-1]["done"][0]
    assert len(hub.archived()) == 1


def test_what_becomes_readable_while_it_waits_is_decided(hub: Hub) -> None:
    hub.set_up()
    later = again_of(hub)
    hub.registry.fail(op="s3:GetObject", account=SPOKE, kind="deny")
    arn = hub.approve("credit-default/4")
    hub.pump()
    assert (hub.status(arn), [one.decision.verdict for one in hub.archived()]) == ("Approved", ["undecided"])
    hub.registry.sandbox.gateway.faults.clear()
    hub.send(later[0].decode())
    hub.pump()
    assert hub.status(arn) == "Rejected"
    assert [one.decision.verdict for one in hub.archived()] == ["undecided", "block"]


GLASS = """
[[waiver]]
id = "glass"
package = "{arn}"
controls = ["BIAS-02"]
owner = "ana"
approver = ["bo", "cy"]
break_glass = true
reason = "the old model is down"
ticket = "INC-1"
granted = 2026-11-20T05:00:00Z
expires = 2026-11-20T18:00:00Z
"""


def test_a_broken_glass_is_honoured_and_told(hub: Hub) -> None:
    hub.set_up(more=GLASS.format(arn=hub.registry.arn("credit-default/4")))
    arn = hub.approve("credit-default/4")
    hub.pump()
    assert hub.status(arn) == "Approved"
    assert hub.archived()[0].decision.verdict == "flag"
    word = hub.told()[0]
    assert (word["verdict"], word["withoutWaivers"], word["breakGlass"]) == ("flag", "block", True)
    assert word["waivers"] == ["glass"]


def test_returning_to_what_was_allowed_once_is_honoured(hub: Hub) -> None:
    """The rules became stricter since then; whoever is listed may return to it, and nobody else."""
    everywhere = '[[scope]]\nname = "{name}"\nmatch = {{ group = "*" }}\nparameters = {{ {what} }}\n'
    listed = everywhere.format(name="all", what=f'rollback_approvers = ["{APPROVER}"]')
    stricter = everywhere.format(name="later", what='approved_image_sources = ["nothing"]')
    hub.set_up()
    arn = hub.approve("credit-default/1")
    hub.pump()
    allowed = hub.archived("kept/")[0].id
    for more, status in ((stricter, "Rejected"), (stricter + listed, "Approved")):
        hub.set_up(more=more)
        hub.approve("credit-default/1")
        hub.pump()
        assert hub.status(arn) == status
    returned, served = hub.archived()[-2:]
    assert (returned.decision.verdict, returned.decision.rollback and returned.decision.rollback.run) == (
        "flag",
        allowed,
    )
    # The rules of today still block it, which is told and no reason to take it back.
    assert (served.decision.request.moment, served.decision.verdict) == ("serve", "block")
    told = {word["run"]: word for word in hub.told()}
    assert told[returned.id]["rollback"] == allowed
    assert told[served.id]["done"] == [f"left as it is: run {returned.id} returned to it"]


def test_an_endpoint_brings_every_package_that_it_runs(hub: Hub) -> None:
    """What runs without an approval has none that could be taken back; that it runs is told."""
    hub.set_up()
    names = {"credit-decision": ("credit-default/16", "Approved"), "credit-preview": ("credit-default/20", "Rejected")}
    for name in names:
        arn = f"arn:aws:sagemaker:eu-west-1:{SPOKE}:endpoint/{name}"
        hub.send(
            {
                "source": ["aws.sagemaker"],
                "detail-type": "SageMaker Endpoint State Change",
                "time": "2026-11-20T06:00:00Z",
                "detail": {"EndpointArn": arn, "EndpointStatus": "IN_SERVICE"},
            }
        )
    assert hub.pump() == []
    runs = {run.decision.package.partition("package/")[2]: run.decision for run in hub.archived()}
    assert runs.keys() == {ending for ending, _ in names.values()}
    # Nobody ever judged the approval of the first.
    assert [runs[ending].request.moment for ending, _ in names.values()] == ["approve", "serve"]
    assert [hub.status(hub.registry.arn(ending)) for ending, _ in names.values()] == ["Approved", "Rejected"]
    assert [(word["verdict"], word["done"]) for word in hub.told()] == [("block", [])]


ENDPOINT = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Endpoint State Change",
    "time": "2026-11-20T06:00:00Z",
    "detail": {"EndpointArn": f"arn:aws:sagemaker:eu-west-1:{SPOKE}:endpoint/credit-decision"},
}


def test_an_endpoint_that_cannot_be_read_is_told(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.set_up()
    hub.registry.fail(op="sagemaker:DescribeEndpoint", kind="deny")
    hub.send(ENDPOINT)
    caplog.set_level("INFO")
    assert hub.pump() == []
    (told,) = [vars(one) for one in caplog.records if one.getMessage() == "answered"]
    assert (told["state"], told["package"]) == ("not read", "")
    assert told["why"].endswith(":endpoint/credit-decision: sagemaker:DescribeEndpoint: AccessDeniedException")


def test_every_package_of_an_endpoint_is_answered_whatever_becomes_of_another(hub: Hub) -> None:
    hub.set_up()
    names = ("credit-default/16", "credit-default/4")
    running = [
        Deployment("e", "InService", "v", "m", hub.registry.arn(name), "") for name in (*names, "credit-default/1")
    ]
    hub.monkeypatch.setattr(message, "run_by", lambda *_: tuple(running))
    answered: list[str] = []

    def answer(desk: Any, hint: Any) -> Any:
        answered.append(hint.package)
        if hint.package.endswith(names):
            raise NotRead("not now")
        return desks.answer(desk, hint)

    hub.monkeypatch.setattr(message, "answer", answer)
    with pytest.raises(NotRead, match="not now"):
        message.take(hub.desk, json.dumps(ENDPOINT).encode())
    assert answered == sorted(one.package for one in running if one.package)
    assert [run.decision.package for run in hub.archived()] == [hub.registry.arn("credit-default/1")]


@pytest.mark.parametrize(("mode", "told"), [("observe", 0), ("flag", 1)])
def test_other_modes_record_and_take_nothing_back(hub: Hub, mode: str, told: int) -> None:
    hub.set_up(mode)
    arn = hub.approve("credit-default/4")
    hub.pump()
    assert hub.status(arn) == "Approved"
    assert [one.decision.verdict for one in hub.archived()] == ["block"]
    words = hub.told()
    assert len(words) == told
    assert all(word["done"] == [f"would be Rejected: the mode is {mode}"] for word in words)


def test_what_the_gate_approved_is_not_approved_anew(hub: Hub) -> None:
    hub.set_up()
    arn = hub.registry.arn("credit-default/2")
    # The gate promotes what claims to be in Staging; the stage it is for follows.
    done = hub.registry.gate(arn, *pack_of(hub))
    assert done.code == 0, done.err
    hub.registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"}
    )
    hub.send(*hub.bodies()[-2:])
    hub.pump()
    assert {(one.decision.request.moment, one.decision.verdict) for one in hub.archived()} == {("serve", "allow")}
    assert hub.status(arn) == "Approved"


@pytest.mark.parametrize(
    "operation",
    [
        "sagemaker:DescribeModelPackage",
        "s3:PutObject",
        "sagemaker:UpdateModelPackage",
        "events:PutEvents",
        "sns:Publish",
        "dynamodb:PutItem",
    ],
)
def test_what_fails_comes_again_and_goes_on_where_it_was(hub: Hub, operation: str) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/4")
    hub.registry.fail(op=operation, kind="deny", times=1)
    hub.pump()
    assert hub.status(arn) == "Rejected"
    assert (len(hub.archived()), len(hub.claims(arn)), len(hub.told())) == (1, 1, 1)
    assert hub.dead_letters() == []


POISON = [
    "no json",
    "[]",
    "{}",
    json.dumps(
        {
            "source": "aws.sagemaker",
            "detail-type": "SageMaker Model Package State Change",
            "time": "2026-11-20T06:00:00Z",
            "detail": {"ModelPackageArn": "arn:nothing"},
        }
    ),
    '{"schema":"modelwarden.again/1","package":"arn:aws:sagemaker:eu-west-1:444455556666:model-package/credit-default/4"}',
]
STRAY = [
    {"source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-20T06:00:00Z", "detail": {}},
    {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Card State Change",
        "time": "2026-11-20T06:00:00Z",
        "detail": {"ModelId": "<script>"},
    },
    {
        "source": "aws.sagemaker",
        "detail-type": "AWS API Call via CloudTrail",
        "time": "2026-11-20T06:00:00Z",
        "detail": {"eventName": "UpdateModelPackage", "errorCode": "AccessDenied"},
    },
]


def test_the_dead_letters_are_the_poison(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/4")
    hub.send(*POISON, *STRAY)
    hub.pump()
    assert hub.status(arn) == "Rejected"
    assert sorted(hub.dead_letters()) == sorted(POISON)
    errors = [one for one in caplog.records if one.levelname == "ERROR"]
    assert {one.getMessage() for one in errors} == {"a message is no event"}
    assert len(errors) == 3 * len(POISON)
    assert not any(body in str(vars(one)) for one in caplog.records for body in POISON if len(body) > 2)


def test_enforcing_needs_a_pinned_organization_layer(hub: Hub) -> None:
    hub.set_up()
    (hub.registry.folder / "modelwarden.toml").write_text('[respond]\nmode = "enforce"\n')
    environment = {
        "AWS_REGION": "eu-west-1",
        "QUEUE_URL": "https://queue",
        "ARCHIVE": "s3://hub-records/all",
        "MODELWARDEN_CONFIG": str(hub.registry.folder / "modelwarden.toml"),
    }
    with pytest.raises(NotSetUp) as told:
        desk_of(environment)
    assert str(told.value) == "`respond.mode` is enforce, and no pinned organization layer says so"
    with pytest.raises(NotSetUp, match="QUEUE_URL is not set"):
        functions.desk_of({})
