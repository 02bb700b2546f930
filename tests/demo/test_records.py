"""What the organization keeps of earlier decisions: who approved, and what may be rolled back to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden.evidence import Present, Unknown
from modelwarden.finding import Rollback, Ruling
from modelwarden.request import Principal
from modelwarden.run import Run
from tests.command import Done
from tests.demo.registry import ME, Registry

BUCKET = "s3://org-decisions/modelwarden"
ROLLS = f'[[scope]]\nname = "all"\nmatch = {{ group = "*" }}\nparameters = {{ rollback_approvers = ["{ME}"] }}\n'
STRICTER = '[[scope]]\nname = "later"\nmatch = { group = "*" }\nparameters = { approved_image_sources = ["nothing"] }\n'


@pytest.fixture(params=["bucket", "folder"])
def records(request: pytest.FixtureRequest, registry: Registry) -> str:
    """A place of either kind, which is empty."""
    if request.param == "folder":
        folder = registry.folder / "records"
        folder.mkdir()
        return str(folder)
    return bucket(registry)


def bucket(registry: Registry) -> str:
    client = home(registry)
    if "org-decisions" not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket="org-decisions", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for entry in client.list_objects_v2(Bucket="org-decisions").get("Contents", []):
        client.delete_object(Bucket="org-decisions", Key=entry["Key"])
    return BUCKET


def home(registry: Registry) -> Any:
    return registry.client("arn:aws:sagemaker:eu-west-1:111111111111:model-package/none/1", "s3")


def top(records: str) -> str:
    return f'records = "{records}"'


def ruling(run: Run, control: str) -> Ruling:
    return next(one for one in run.decision.rulings if one.finding.control == control)


def approved(registry: Registry, records: str, ending: str = "credit-default/1") -> tuple[str, Run]:
    """A package that the gate approved for Production, and the run that did."""
    arn = registry.arn(ending)
    done = registry.gate(arn, *registry.pack(ROLLS, top=top(records)))
    assert done.code == 0, done.err
    (run,) = registry.runs()
    assert f"run {run.id} kept in {records}/{'/'.join(arn.split(':')[3:5][::-1])}" in done.err
    return arn, run


def last(registry: Registry) -> Run:
    return registry.runs()[-1]


def deploy(registry: Registry, arn: str, records: str, more: str = ROLLS, *options: str, to: str = "Production") -> Run:
    registry.gate(arn, *registry.pack(more, top=top(records)), "--at", "deploy", *options, to=to, enforce=False)
    return last(registry)


def test_the_record_says_who_approved(registry: Registry, records: str) -> None:
    """CloudTrail would name the role that wrote the status; the record names who stood behind it."""
    arn, run = approved(registry, records)
    later = deploy(registry, arn, records)
    fact = later.evidence.get("/approver/principal")
    assert isinstance(fact, Present)
    assert (fact.value, fact.source and fact.source.api, fact.source and fact.source.request_id) == (
        ME,
        "records",
        run.id,
    )
    assert ruling(later, "APR-02").finding.outcome == "pass"


def test_without_records_the_trail_names_the_role_that_wrote(registry: Registry) -> None:
    arn = registry.arn("credit-default/1")
    assert registry.gate(arn, *registry.pack()).code == 0
    registry.gate(arn, *registry.pack(), "--at", "deploy", enforce=False)
    fact = last(registry).evidence.get("/approver/principal")
    assert isinstance(fact, Present)
    assert str(fact.value).endswith(":role/ModelwardenReader")


def _another_description(registry: Registry, arn: str) -> None:
    registry.client(arn).update_model_package(ModelPackageArn=arn, ApprovalDescription="looks good")


def _another_material(registry: Registry, arn: str) -> None:
    registry.client(arn).update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"data": "other"})


def _a_later_block(registry: Registry, arn: str) -> None:
    """The status is Approved again afterwards, and the description names the older run again."""
    said = registry.describe(arn)["ApprovalDescription"]
    records = (registry.folder / "pack/modelwarden.toml").read_text().splitlines()[0].split('"')[1]
    assert registry.gate(arn, *registry.pack(STRICTER, top=top(records))).code == 1
    registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription=said
    )


@pytest.mark.parametrize("change", [_another_description, _another_material, _a_later_block])
def test_a_record_that_does_not_prove_the_present_approval_leaves_the_trail_its_word(
    registry: Registry, records: str, change: Callable[[Registry, str], None]
) -> None:
    arn, _ = approved(registry, records)
    change(registry, arn)
    fact = deploy(registry, arn, records).evidence.get("/approver/principal")
    assert isinstance(fact, Present | Unknown)
    assert fact.source is not None
    assert fact.source.api == "cloudtrail:LookupEvents"


def test_an_approval_for_another_stage_is_none_for_this_one(registry: Registry, records: str) -> None:
    arn, _ = approved(registry, records)
    fact = deploy(registry, arn, records, to="Staging").evidence.get("/approver/principal")
    assert fact.source is not None
    assert fact.source.api == "cloudtrail:LookupEvents"


def roll(registry: Registry, arn: str, records: str, more: str) -> tuple[Done, Run]:
    pack = registry.pack(more, top=top(records))
    done = registry.gate(arn, *pack, "--rollback", "--format", "json", enforce=False)
    return done, last(registry)


def test_a_rollback_to_what_was_allowed_flags_and_is_recorded_as_one(registry: Registry, records: str) -> None:
    arn, run = approved(registry, records)
    pack = registry.pack(ROLLS + STRICTER, top=top(records))
    assert registry.gate(arn, *pack, enforce=False).code == 1
    assert ruling(last(registry), "IMG-01").effect == "blocks"
    done, later = roll(registry, arn, records, ROLLS + STRICTER)
    assert done.code == 0, done.err
    assert later.decision.verdict == "flag"
    assert later.decision.rollback == Rollback(
        run.id, "allow", "approve", run.finished_at, ME, run.decision.digests.bundle
    )
    judged = ruling(later, "IMG-01")
    assert (judged.finding.outcome, judged.effect) == ("fail", "flags")
    assert judged.why_level.endswith(f"; rollback to run {run.id}")
    said = json.loads(done.out)
    assert said["rollback"]["run"] == run.id
    assert any(f"rollback to what run {run.id} allowed for Production at " in notice for notice in said["notices"])


def test_a_rollback_may_be_enforced_and_says_so(registry: Registry, records: str) -> None:
    arn, run = approved(registry, records)
    pack = registry.pack(ROLLS + STRICTER, top=top(records))
    assert registry.gate(arn, *pack).code == 1
    assert registry.describe(arn)["ModelApprovalStatus"] == "Rejected"
    assert registry.gate(arn, *pack, "--rollback").code == 0
    after = registry.describe(arn)
    assert after["ModelApprovalStatus"] == "Approved"
    assert f"; rollback to run {run.id}; " in after["ApprovalDescription"]


def test_a_rollback_is_no_precedent_for_the_next(registry: Registry, records: str) -> None:
    arn, run = approved(registry, records)
    for _ in range(2):
        _, later = roll(registry, arn, records, ROLLS + STRICTER)
        assert later.decision.rollback is not None
        assert later.decision.rollback.run == run.id


def test_whoever_is_not_listed_does_not_roll_back(registry: Registry, records: str) -> None:
    arn, _ = approved(registry, records)
    done, later = roll(registry, arn, records, STRICTER)
    assert done.code == 1
    assert later.decision.rollback is None
    assert f"no rollback: `{ME}` may not roll back: parameter rollback_approvers" in later.decision.notices[0]


def test_a_policy_of_the_house_may_refuse_a_rollback(registry: Registry, records: str) -> None:
    arn, _ = approved(registry, records)
    never = (
        '@id("never-another-image")\nforbid (principal, action == Modelwarden::Action::"may_roll_back", resource)\n'
        'when { resource.failed.contains("IMG-01") };'
    )
    pack = registry.pack(ROLLS + STRICTER, top=top(records), house=never)
    assert registry.gate(arn, *pack, "--rollback", enforce=False).code == 1
    assert "policy never-another-image forbids it" in last(registry).decision.notices[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_another_material, "no recorded decision allowed this material for Production"),
        (None, "no recorded decision allowed this material for Staging"),
    ],
)
def test_nothing_is_rolled_back_to_that_was_not_allowed(
    registry: Registry, records: str, change: Callable[[Registry, str], None] | None, why: str
) -> None:
    arn, _ = approved(registry, records)
    if change:
        change(registry, arn)
    pack = registry.pack(ROLLS + STRICTER, top=top(records))
    to = "Production" if change else "Staging"
    done = registry.gate(arn, *pack, "--rollback", "--level", "IMG-01=block", to=to, enforce=False)
    assert done.code == 1, done.err
    assert last(registry).decision.notices[0] == f"no rollback: {why}"


def test_what_is_unknown_stays_undecided_in_a_rollback(registry: Registry, records: str) -> None:
    """That it was allowed once says nothing of what nobody can read today."""
    arn, _ = approved(registry, records)
    registry.fail(kind="deny", op="kms:DescribeKey")
    done, later = roll(registry, arn, records, ROLLS)
    assert done.code == 3
    assert later.decision.rollback is not None


def _spoil(registry: Registry, records: str) -> None:
    if records == BUCKET:
        (entry,) = home(registry).list_objects_v2(Bucket="org-decisions")["Contents"]
        home(registry).put_object(Bucket="org-decisions", Key=entry["Key"], Body=b"{}")
    else:
        (file,) = Path(records).rglob("*.json")
        file.write_bytes(b"{}")


def _forge(registry: Registry, records: str) -> None:
    """A newer run that says block hides behind nothing: whoever removes it must change the checksum, too."""
    files = sorted(Path(records).rglob("*.json")) if records != BUCKET else []
    if files:
        files[-1].write_bytes(files[-1].read_bytes().replace(b'"verdict":"allow"', b'"verdict":"flag"'))
        return
    (entry,) = home(registry).list_objects_v2(Bucket="org-decisions")["Contents"]
    data = home(registry).get_object(Bucket="org-decisions", Key=entry["Key"])["Body"].read()
    changed = data.replace(b'"verdict":"allow"', b'"verdict":"flag"')
    assert changed != data
    home(registry).put_object(Bucket="org-decisions", Key=entry["Key"], Body=changed)


@pytest.mark.parametrize("spoil", [_spoil, _forge])
def test_a_record_that_cannot_be_read_proves_nothing(
    registry: Registry, records: str, spoil: Callable[[Registry, str], None]
) -> None:
    arn, _ = approved(registry, records)
    spoil(registry, records)
    done, later = roll(registry, arn, records, ROLLS + STRICTER)
    assert done.code == 1
    assert later.decision.notices[0].startswith("no rollback: malformed: ")
    fact = deploy(registry, arn, records).evidence.get("/approver/principal")
    assert fact.source is not None
    assert fact.source.api == "cloudtrail:LookupEvents"


def test_a_bucket_that_may_not_be_listed_is_no_empty_one(registry: Registry) -> None:
    arn, _ = approved(registry, bucket(registry))
    registry.fail(kind="deny", op="s3:ListObjectsV2", account="111111111111")
    done, later = roll(registry, arn, BUCKET, ROLLS + STRICTER)
    assert done.code == 1
    assert later.decision.notices[0].startswith("no rollback: AccessDenied")


def test_a_folder_that_is_not_there_is_no_empty_one(registry: Registry) -> None:
    done, later = roll(registry, registry.arn("credit-default/1"), "/nonexistent/records", ROLLS + STRICTER)
    assert done.code == 1
    assert later.decision.notices[0].startswith("no rollback: not readable: /nonexistent/records: ")
    assert "warning: the run counts for no later decision: /nonexistent/records/" in done.err


def test_a_decision_that_cannot_be_kept_approves_nothing_and_still_rejects(registry: Registry) -> None:
    pack = registry.pack(top=top("/nonexistent/records"))
    arn, bad = registry.arn("credit-default/1"), registry.arn("credit-default/4")
    done = registry.gate(arn, *pack)
    assert done.code == 2
    assert "not approved: the run could not be kept where the organization keeps its decisions" in done.err
    assert registry.describe(arn)["ModelApprovalStatus"] == "PendingManualApproval"
    assert registry.gate(bad, *pack).code == 1
    assert registry.describe(bad)["ModelApprovalStatus"] == "Rejected"


def test_what_was_asserted_is_not_kept(registry: Registry, records: str) -> None:
    pack = registry.pack(top=top(records))
    done = registry.gate(registry.arn("credit-default/1"), *pack, "--as-of", "2026-11-20", enforce=False)
    assert done.code == 0, done.err
    assert "kept in" not in done.err


@pytest.mark.parametrize("options", [["--principal", ME], ["--as-of", "2026-11-20"], ["--replay", "."]])
def test_a_rollback_refuses_what_is_asserted(registry: Registry, options: list[str]) -> None:
    done = registry.gate(registry.arn("credit-default/1"), *registry.pack(), "--rollback", *options, enforce=False)
    assert done.code == 2
    assert f"--rollback refuses {options[0]}: it is asserted, not proven" in done.err


def test_a_rollback_without_records_says_what_is_missing(registry: Registry) -> None:
    done = registry.gate(registry.arn("credit-default/4"), *registry.pack(ROLLS), "--rollback", enforce=False)
    assert done.code == 1
    assert "no rollback: the organization layer does not say where decisions are kept: `records`" in done.out


def test_the_judged_party_does_not_name_the_records(registry: Registry) -> None:
    """Neither where an organization layer stands above it, nor where it stands in for one."""
    file = registry.folder / "modelwarden.toml"
    file.write_text('records = "s3://mine/forged"\n')
    for pack in ([], registry.pack()):
        done = registry.gate(registry.arn("credit-default/1"), *pack, enforce=False)
        assert done.code == 2
        assert "only the organization layer says where decisions are kept that count" in done.err


@pytest.mark.parametrize("location", ["records", "s3://", "s3://Bad_Bucket/x", "https://bucket/x"])
def test_a_place_that_is_none_is_refused(registry: Registry, location: str) -> None:
    done = registry.gate(registry.arn("credit-default/1"), *registry.pack(top=top(location)), enforce=False)
    assert done.code == 2
    assert f"`records`: `{location}` is neither a bucket nor a whole path" in done.err


def test_only_proven_runs_count(registry: Registry, records: str) -> None:
    """Whoever may gate with asserted answers could otherwise leave a precedent."""
    from msgspec.structs import replace

    from modelwarden import precedent

    _, run = approved(registry, records)
    material = run.decision.digests.material
    assert precedent.rollback_to(run, "Production", material) is not None
    decision, request = run.decision, run.decision.request
    asserted = replace(request, principal=Principal(ME, "sandbox", "person", "asserted"))
    for changed in (
        replace(decision, advisory=True),
        replace(decision, asserted=("principal",)),
        replace(decision, request=asserted),
        replace(decision, request=replace(request, principal=Unknown("AccessDenied"))),
        replace(decision, verdict="block"),
        replace(decision, verdict="undecided"),
    ):
        assert precedent.rollback_to(replace(run, decision=changed), "Production", material) is None
    assert precedent.rollback_to(run, "Production", "") is None
