"""Security Hub holds what a decision found, in the form and under the `Id` that a scan gives it, and goes on with either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.aws import events
from modelwarden.render.asff import Hub as Place
from modelwarden.respond import claim
from modelwarden.respond.listing import listing

from .conftest import CONTEXT, HUB, REGION, SPOKE, Hub
from .test_events import GLASS, again_of, calls, pack_of

SHOWN = "security_hub = true\n"
ENDED = ("recorded", "reverted", "kept", "logged", "told", "listed")


def test_what_breaks_policy_is_shown(hub: Hub) -> None:
    hub.set_up(more=SHOWN)
    arn = hub.approve("credit-default/4")
    assert hub.pump() == []
    assert hub.shown() == {"BIAS-02": ("FAILED", "NEW", "ACTIVE")}
    (finding,) = hub.findings()
    (run,) = hub.archived()
    told = {name: finding[name] for name in ("AwsAccountId", "ProductArn", "UpdatedAt", "GeneratorId")}
    assert told == {
        "AwsAccountId": HUB,
        "ProductArn": f"arn:aws:securityhub:{REGION}:{HUB}:product/{HUB}/default",
        "UpdatedAt": run.finished_at,
        "GeneratorId": "modelwarden/BIAS-02",
    }
    assert finding["Resources"][0]["Id"] == arn
    assert finding["Resources"][0]["Details"]["Other"] == {"stage": "Production", "moment": "approve"}
    assert finding["ProductFields"]["modelwarden/run"] == run.id
    assert finding["ProductFields"]["modelwarden/told_by"] == "event"
    assert hub.claims(arn)[0].done == ENDED


def test_nothing_is_shown_where_nobody_asks_for_it(hub: Hub) -> None:
    hub.set_up()
    hub.registry.sandbox.gateway.stats.clear()
    arn = hub.approve("credit-default/4")
    hub.pump()
    assert hub.findings() == []
    assert hub.claims(arn)[0].done == ENDED[:-1]
    assert "securityhub:BatchImportFindings" not in hub.registry.sandbox.gateway.stats.told()["operations"]


def test_a_waiver_suppresses_it(hub: Hub) -> None:
    hub.set_up(more=SHOWN + GLASS.format(arn=hub.registry.arn("credit-default/4")))
    hub.approve("credit-default/4")
    hub.pump()
    assert hub.shown() == {"BIAS-02": ("FAILED", "SUPPRESSED", "ACTIVE")}


def test_what_passes_later_is_closed_and_nothing_else_is(hub: Hub) -> None:
    hub.set_up(more=SHOWN)
    later = again_of(hub)
    hub.registry.fail(op="s3:GetObject", account=SPOKE, kind="deny")
    hub.approve("credit-default/4")
    hub.pump()
    shown = hub.shown()
    unread = {name for name, state in shown.items() if state == ("NOT_AVAILABLE", "NEW", "ACTIVE")}
    assert {"BIAS-02", "BIAS-03"} <= unread == shown.keys()
    hub.registry.sandbox.gateway.faults.clear()
    hub.send(later[0].decode())
    hub.pump()
    after = hub.shown()
    assert after.pop("BIAS-02") == ("FAILED", "NEW", "ACTIVE")
    assert after.keys() == unread - {"BIAS-02"}
    assert set(after.values()) == {("PASSED", "RESOLVED", "ARCHIVED")}


@pytest.mark.parametrize("ending", ["credit-default/4", "credit-default/1"])
def test_what_security_hub_refuses_comes_again_and_nothing_is_done_twice(hub: Hub, ending: str) -> None:
    """Everything else is done by then: the approval is taken back, the decision recorded, and everybody told."""
    hub.set_up(more=SHOWN)
    if ending == "credit-default/1":  # which is allowed: something must be there that it mends
        again_of(hub)
        hub.registry.fail(op="s3:GetObject", account=SPOKE, kind="deny")
        hub.approve(ending)
        hub.pump()
        hub.registry.sandbox.gateway.faults.clear()
    before = (len(hub.archived()), len(hub.told()))
    hub.registry.fail(op="securityhub:BatchImportFindings", kind="deny", times=2)
    arn = hub.approve(ending)
    (approval,) = calls(hub.bodies())
    hub.send(approval)
    assert len(hub.pump()) == 2
    newest = hub.claims(arn)[-1]
    assert (newest.done[-1], newest.ended) == (claim.LISTED, True)
    told = [] if ending == "credit-default/1" else [newest.run]
    assert [word["run"] for word in hub.told()] == told
    assert len(hub.archived()) == before[0] + 1
    assert hub.dead_letters() == []
    active = {name for name, state in hub.shown().items() if state[2] == "ACTIVE"}
    assert active == ({"BIAS-02"} if told else set())


def test_findings_that_are_refused_are_named(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.set_up(more=SHOWN)
    refused = [{"Id": "modelwarden/BIAS-02/x", "ErrorCode": "InvalidInput", "ErrorMessage": "no resource"}]
    hub.monkeypatch.setattr(
        "modelwarden.store.security_hub.SecurityHub.send",
        lambda self, findings: {one["Id"]: f"{one['ErrorCode']}: {one['ErrorMessage']}" for one in refused},
    )
    arn = hub.approve("credit-default/4")
    hub.send(*calls(hub.bodies()))
    assert hub.pump() != []
    reasons = {vars(one)["reason"] for one in caplog.records if one.getMessage() == "a message comes again"}
    assert reasons == {"Security Hub refused 1 findings, the first is modelwarden/BIAS-02/x: InvalidInput: no resource"}
    assert (hub.status(arn), hub.claims(arn)[0].done) == ("Rejected", ENDED[:-1])
    assert [one["run"] for one in hub.told()] == [hub.archived()[0].id]


def test_an_older_decision_does_not_take_the_place_of_a_later_one(hub: Hub) -> None:
    """It died before it was shown; the package was decided anew since then."""
    hub.set_up(more=SHOWN)
    hub.registry.fail(op="securityhub:BatchImportFindings", kind="deny", times=1)
    hub.approve("credit-default/4")
    hub.send(*calls(hub.bodies()))
    (first,) = hub.batch()
    handled(hub, first)
    hub.seconds = 60
    arn = hub.approve("credit-default/4")
    hub.send(*calls(hub.bodies()))
    hub.pump()
    older, newer = hub.claims(arn)
    assert (older.done[-1], newer.done[-1]) == ("listed", "listed")
    assert {one["ProductFields"]["modelwarden/run"] for one in hub.findings()} == {newer.run}


def handled(hub: Hub, record: dict[str, Any]) -> None:
    """Handed to the function once, which fails, and never again."""
    assert events.handler({"Records": [record]}, CONTEXT)["batchItemFailures"] != []
    hub.client("sqs").delete_message(QueueUrl=hub.queue, ReceiptHandle=record["receiptHandle"])


def test_a_scan_closes_what_the_function_showed(hub: Hub) -> None:
    """The scan could read what the function could not, and never told of it itself."""
    hub.set_up(more=SHOWN)
    again_of(hub)
    registry = hub.registry
    registry.fail(op="s3:GetObject", account=SPOKE, kind="deny")
    arn = hub.approve("credit-default/1")
    hub.pump()
    shown = {one["Id"] for one in hub.findings()}
    assert shown
    registry.sandbox.gateway.faults.clear()
    registry.run("scan", "--runs", "runs", "--retries", "1", *pack_of(hub))
    sent = registry.run("report", "runs", "--send", "securityhub")
    assert sent.code == 0, sent.err
    after = [one for one in hub.findings() if one["Resources"][0]["Id"] == arn]
    assert {one["Id"] for one in after} == shown
    assert {(one["Compliance"]["Status"], one["RecordState"]) for one in after} == {("PASSED", "ARCHIVED")}


def test_it_is_the_finding_of_a_scan(hub: Hub) -> None:
    """But for which run it is of, and for which moment."""
    hub.set_up("flag", more=SHOWN)
    arn = hub.approve("credit-default/4")
    hub.pump()
    registry = hub.registry
    registry.run("scan", "--runs", "runs", "--retries", "1", *pack_of(hub))
    registry.run("report", "runs", "--format", "asff", "-o", f"asff={registry.folder / 'asff.json'}")
    theirs = [
        one for one in json.loads((registry.folder / "asff.json").read_text()) if arn == one["Resources"][0]["Id"]
    ]
    (scanned,) = [one for one in theirs if one["Compliance"]["Status"] == "FAILED"]
    (shown,) = hub.findings()
    same = ("Id", "ProductName", "GeneratorId", "Types", "Severity", "Title", "Remediation", "Workflow", "RecordState")
    assert {name: shown[name] for name in same} == {name: scanned[name] for name in same}
    assert shown["Description"] == scanned["Description"].replace("(serve)", "(approve)")


def test_that_nothing_says_why_is_a_finding_of_its_own(hub: Hub) -> None:
    hub.set_up()
    hub.approve("credit-default/1")
    hub.pump()
    run = hub.archived()[0]
    silent = replace(run, decision=replace(run.decision, verdict="undecided", rulings=()))
    place = Place("aws", HUB, REGION)
    (undecided,) = listing(silent, None, place)
    assert undecided["Title"] == "package is not decided"
    (closed,) = listing(run, silent, place)
    assert (closed["Id"], closed["RecordState"], closed["Compliance"]) == (
        undecided["Id"],
        "ARCHIVED",
        {"Status": "PASSED"},
    )
