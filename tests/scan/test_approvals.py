"""Whether the organization's records approve what the registry calls Approved, and what is live and blocked now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from modelwarden import precedent
from modelwarden.arn import parse_arn
from modelwarden.evidence import Present, Unknown
from modelwarden.precedent import Standing
from modelwarden.render import scan as scan_text
from modelwarden.render.text import short
from modelwarden.request import Principal
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import run as scanning
from modelwarden.scan.folder import Folder
from modelwarden.settings.pack import digest_pack, read_pack
from tests.demo.registry import Registry, restored
from tests.render.test_scan_page import page as scan_page

from .conftest import records, scan, settings
from .test_scan import SCHEMA

ACCOUNT = "444455556666"
TABLE = f'regions = ["eu-west-1"]\naccounts = ["{ACCOUNT}"]'


@pytest.fixture
def registry(running: Sandbox, tmp_path: Path) -> Iterator[Registry]:
    with restored(running, tmp_path) as registry:
        (tmp_path / "records").mkdir()
        yield registry


def top(registry: Registry) -> str:
    return f'records = "{registry.folder / "records"}"\n'


def scanned(
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    head: str = "",
    since: Folder | None = None,
    table: str = TABLE,
) -> scanning.Outcome:
    """A scan of one account, or of `table`, by a pinned organization layer that begins with `head`."""
    folder = registry.folder / "scan-pack"
    folder.mkdir(exist_ok=True)
    file = settings(folder, table)
    file.write_text(head + file.read_text())
    options = ["", str(folder), "", digest_pack(read_pack(str(folder), None))]
    return scan(registry.house(options, monkeypatch), registry.folder / name, since)


def approved(registry: Registry) -> tuple[str, Run]:
    """A package that the gate approved for the stage that it claims, and the run that did."""
    arn = registry.arn("credit-default/1")
    done = registry.gate(arn, *registry.pack(top=top(registry)), to="Staging")
    assert done.code == 0, done.err
    (run,) = registry.runs()
    return arn, run


def said(outcome: scanning.Outcome, arn: str) -> tuple[str, str]:
    record = records(outcome)[arn]
    return record.approval_record, record.approval_record_why


def test_what_the_gate_approved_is_recorded_and_what_somebody_flipped_is_out_of_band(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, run = approved(registry)
    flipped = registry.arn("credit-default/4")
    registry.client(flipped).update_model_package(ModelPackageArn=flipped, ModelApprovalStatus="Approved")
    outcome = scanned(registry, monkeypatch, "one", top(registry))
    assert said(outcome, arn) == ("recorded", f"run {run.id}")
    assert said(outcome, flipped) == ("out of band", "no recorded decision is about it")
    assert arn not in [one.package for one in outcome.summary.unrecorded]
    assert flipped in [one.package for one in outcome.summary.unrecorded]
    approvals = Counter(one.approval_record for one in records(outcome).values() if one.approval == "Approved")
    assert outcome.summary.approvals == approvals
    assert {one.approval_record for one in records(outcome).values() if one.approval != "Approved"} == {""}

    manifest, plan = outcome.folder.manifest(), outcome.folder.plan()
    written = json.loads((outcome.folder.path / "manifest.json").read_text())
    assert list(SCHEMA.iter_errors(written)) == []
    head = f"{approvals['out of band']} approved out of band"
    assert f"{head}:\n" in scan_text.text(manifest, plan)
    assert "credit-default/4  no recorded decision is about it\n" in scan_text.text(manifest, plan)
    page = scan_page(outcome.folder)
    assert f"<h3>{head}</h3>" in page
    assert 'credit-default/4 <span class="soft">no recorded decision is about it</span>' in page

    again = scanned(registry, monkeypatch, "two", top(registry), since=outcome.folder)
    assert again.summary.carried
    assert again.summary.to_json()["unrecorded"] == outcome.summary.to_json()["unrecorded"]
    without = scanned(registry, monkeypatch, "three")
    assert without.summary.code() == outcome.summary.code()
    assert (without.summary.approvals, without.summary.unrecorded) == (Counter(), [])
    assert "out of band" not in scan_text.text(without.folder.manifest(), plan)


def test_records_that_cannot_be_read_are_not_told_for_any_approved_package(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, _ = approved(registry)
    outcome = scanned(registry, monkeypatch, "one", 'records = "/nonexistent/records"\n')
    assert said(outcome, arn)[0] == "not told"
    assert said(outcome, arn)[1].startswith("its record could not be read: not readable: /nonexistent/records: ")
    assert set(outcome.summary.approvals) == {"not told"}
    written = scan_text.text(outcome.folder.manifest(), outcome.folder.plan())
    assert f"{outcome.summary.approvals['not told']} approved, nobody can tell by whom:\n" in written


def test_what_is_live_and_blocked_is_apart_from_what_waits_for_an_approval(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    flipped = registry.arn("credit-default/4")
    registry.client(flipped).update_model_package(ModelPackageArn=flipped, ModelApprovalStatus="Approved")
    outcome = scanned(registry, monkeypatch, "one", table='regions = ["eu-west-1", "us-east-1"]')
    decisions = {arn: one.decision for arn, one in records(outcome).items() if one.decision}
    blocked = {arn: one.request.moment for arn, one in decisions.items() if one.verdict == "block"}
    assert blocked[flipped] == "serve"
    assert "approve" in blocked.values()
    assert outcome.summary.blocked == Counter(blocked.values())
    live = outcome.summary.blocked["serve"]
    written = scan_text.text(outcome.folder.manifest(), outcome.folder.plan())
    _, _, section = written.partition(f"{live} approved or deployed, and blocked now:\n")
    section, _, rest = section.partition("\n\n")
    assert [line.split()[1] for line in section.splitlines()] == [
        short(arn)
        for arn, moment in sorted(blocked.items(), key=lambda one: parse_arn(one[0]).short)
        if moment == "serve"
    ]
    assert rest.startswith(f"{outcome.summary.blocked['approve']} newest of their group, and blocked:\n")
    page = scan_page(outcome.folder)
    assert f"<h3>{live} approved or deployed, and blocked now</h3>" in page


def test_a_record_that_differs_is_out_of_band_and_one_that_cannot_be_compared_is_not_told(registry: Registry) -> None:
    arn, run = approved(registry)
    registry.gate(arn, *registry.pack(top=top(registry)), "--at", "deploy", to="Staging", enforce=False)
    evidence = registry.runs()[-1].evidence
    assert precedent.standing(run, evidence, "Staging") == Standing("recorded", f"run {run.id}")

    def told(pointer: str, fact: Present | Unknown) -> Standing:
        return precedent.standing(run, replace(evidence, facts={**evidence.facts, pointer: fact}), "Staging")

    blocked = replace(run, decision=replace(run.decision, verdict="block"))
    who, description, image = f"run {run.id}", "/approval/description", "/container/0/image/uri"
    assert precedent.standing(run, evidence, "Production") == Standing(
        "out of band", f"{who} is for Staging, not for Production"
    )
    assert precedent.standing(blocked, evidence, "Staging") == Standing(
        "out of band", f"{who}, the newest that decided, says block"
    )
    assert told(description, Present("looks good")) == Standing(
        "out of band", f"its approval does not name {who}, the newest that decided"
    )
    assert told(description, Unknown("AccessDenied")) == Standing(
        "not told", f"its approval was not read, to compare it with {who}"
    )
    assert told(image, Present("other")) == Standing("out of band", f"it is no longer what {who} approved")
    assert told(image, Unknown("AccessDenied")) == Standing(
        "not told", f"not everything that it would run was read, to compare it with {who}"
    )
    assert precedent.standing(run, None, None) == Standing(
        "not told", f"nobody can tell its stage, to compare it with {who}"
    )
    assert precedent.standing(None, None, None) == Standing("out of band", "no recorded decision is about it")


def test_an_approval_that_was_judged_on_its_event_is_recorded_for_whoever_gave_it(registry: Registry) -> None:
    """Its description names no run: somebody approved beside the gate, and a run judged that approval."""
    _, run = approved(registry)
    given = Principal("arn:aws:iam::444455556666:user/grace", "grace", "person", "proven", "events:UpdateModelPackage")
    judged = replace(run, decision=replace(run.decision, request=replace(run.decision.request, principal=given)))
    by = {"/approval/status": Present("Approved"), "/approval/description": Present("looks good")}
    facts = {**run.evidence.facts, **by, "/approver/principal": Present(given.principal)}

    def told(**changes: Present | Unknown) -> Standing:
        named = {f"/{name.replace('__', '/')}": fact for name, fact in changes.items()}
        return precedent.standing(judged, replace(run.evidence, facts={**facts, **named}), "Staging")

    assert told() == Standing("recorded", f"run {run.id}, which judged it after it was given")
    assert told(approver__principal=Present("arn:aws:iam::444455556666:user/henk")) == Standing(
        "out of band",
        f"run {run.id} judged the approval of {given.principal}, and arn:aws:iam::444455556666:user/henk gave this one",
    )
    unread = Standing("not told", f"not everything was read, to compare it with run {run.id}")
    assert told(approver__principal=Unknown("AccessDenied")) == unread
    assert told(container__0__image__uri=Unknown("AccessDenied")) == unread
    assert told(container__0__image__uri=Present("other")) == Standing(
        "out of band", f"it is no longer what run {run.id} approved"
    )
