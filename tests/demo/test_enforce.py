"""Writing a decision back: what was judged, by whom it may be, and nothing else in the registry changes."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from modelwarden import gate
from modelwarden.enforce import API, LONGEST_DESCRIPTION, NotEnforced, enforce
from modelwarden.settings.pack import digest_pack, read_pack
from tests.demo.registry import ME, Registry
from tests.organization import DEMO

NOW = "2026-11-24T06:00:00Z"
WRITTEN = {"ModelApprovalStatus", "ApprovalDescription"}
NOTED = {"LastModifiedTime", "LastModifiedBy", "ResponseMetadata"}
"""What AWS itself notes of any change."""


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)} - NOTED


def test_an_allow_approves_and_says_who_why_and_what(registry: Registry) -> None:
    arn, pack = registry.arn("credit-default/1"), registry.pack()
    before = registry.describe(arn)
    done = registry.gate(arn, *pack)
    assert done.code == 0, done.err
    assert f"{arn} is now Approved, and was PendingManualApproval" in done.err
    after = registry.describe(arn)
    assert changed(before, after) == WRITTEN
    assert after["ModelApprovalStatus"] == "Approved"
    (run,) = registry.runs()
    assert run.decision.digests.material.startswith("sha256:")
    assert after["ApprovalDescription"].split("; ")[:3] == [
        f"modelwarden: allow for Production by sandbox ({ME})",
        f"run {run.id}",
        f"material {run.decision.digests.material}",
    ]
    assert after["LastModifiedBy"]["IamIdentity"]["Arn"].endswith("assumed-role/ModelwardenReader/modelwarden")


def test_a_second_run_changes_nothing(registry: Registry) -> None:
    arn, pack = registry.arn("credit-default/2"), registry.pack()
    assert registry.gate(arn, *pack).code == 0
    once = registry.describe(arn)
    done = registry.gate(arn, *pack)
    assert done.code == 0, done.err
    assert f"{arn} is Approved already: nothing was written" in done.err
    twice = registry.describe(arn)
    assert changed(once, twice) == set()
    assert once["LastModifiedTime"] == twice["LastModifiedTime"]


@pytest.mark.parametrize("said", ["looks good", "modelwarden: allow for Staging by x; material sha256:00"])
def test_an_approval_that_does_not_name_this_material_is_given_anew(registry: Registry, said: str) -> None:
    """Whoever approved before approved something that nobody can tell any more."""
    arn, pack = registry.arn("credit-default/3"), registry.pack()
    registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription=said
    )
    done = registry.gate(arn, *pack)
    assert done.code == 0, done.err
    assert registry.describe(arn)["ApprovalDescription"].startswith("modelwarden: allow for Production by sandbox")


def test_flags_do_not_keep_from_approving_and_are_named(registry: Registry) -> None:
    arn = registry.arn("tumour-triage/5")
    done = registry.gate(arn, *registry.pack(), to="Staging")
    assert done.code == 0, done.err
    after = registry.describe(arn)
    assert after["ModelApprovalStatus"] == "Approved"
    assert after["ApprovalDescription"].startswith("modelwarden: flag for Staging by ")
    assert "; flagged IMG-03; " in after["ApprovalDescription"]
    assert len(after["ApprovalDescription"]) <= LONGEST_DESCRIPTION


def test_a_block_rejects_and_names_the_controls(registry: Registry) -> None:
    arn = registry.arn("credit-default/4")
    before = registry.describe(arn)
    done = registry.gate(arn, *registry.pack())
    assert done.code == 1, done.err
    after = registry.describe(arn)
    assert changed(before, after) == WRITTEN
    assert after["ModelApprovalStatus"] == "Rejected"
    assert "; blocked by BIAS-02; " in after["ApprovalDescription"]


def test_an_approval_is_taken_back_by_a_block(registry: Registry) -> None:
    arn = registry.arn("credit-default/4")
    registry.client(arn).update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    assert registry.gate(arn, *registry.pack()).code == 1
    assert registry.describe(arn)["ModelApprovalStatus"] == "Rejected"


def test_undecided_leaves_everything_as_it_is(registry: Registry) -> None:
    arn = registry.arn("credit-default/13")
    before = registry.describe(arn)
    done = registry.gate(arn, *registry.pack())
    assert done.code == 3, done.err
    assert "undecided: the approval status stays as it is" in done.err
    assert changed(before, registry.describe(arn)) == set()


def refused(registry: Registry, arn: str, *options: str, to: str = "Production") -> str:
    """What was said; nothing may have been written, and the decision stands all the same."""
    before = registry.describe(arn)
    done = registry.gate(arn, *options, to=to)
    assert done.code == 2, done.out + done.err
    after = registry.describe(arn)
    assert (changed(before, after), after["LastModifiedTime"]) == (set(), before["LastModifiedTime"])
    return done.err


def test_settings_of_the_judged_party_never_approve(registry: Registry) -> None:
    arn = registry.arn("credit-default/1")
    said = refused(registry, arn, "--config", str(DEMO / "modelwarden.toml"))
    assert "not approved: the allow is advisory" in said
    assert "--organization-digest" in said
    assert [run.decision.verdict for run in registry.runs()] == ["allow"]


def test_settings_of_the_judged_party_may_reject(registry: Registry) -> None:
    """To close the gate needs no authority."""
    arn = registry.arn("credit-default/4")
    assert registry.gate(arn, "--config", str(DEMO / "modelwarden.toml")).code == 1
    after = registry.describe(arn)
    assert after["ModelApprovalStatus"] == "Rejected"
    assert "; advisory settings; " in after["ApprovalDescription"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--principal", ME], "--principal"),
        (["--as-of", "2026-11-20"], "--as-of"),
        (["--replay", "."], "--replay"),
        (["--at", "deploy"], "--at deploy"),
    ],
)
def test_what_is_only_asserted_is_refused_before_anything_is_read(
    registry: Registry, options: list[str], named: str
) -> None:
    said = refused(registry, registry.arn("credit-default/1"), *registry.pack(), *options)
    assert f"--enforce refuses {named}" in said
    assert registry.runs() == []


def test_an_evidence_file_is_refused(registry: Registry) -> None:
    file = registry.folder / "evidence.json"
    file.write_text("{}")
    done = registry.gate(str(file), *registry.pack())
    assert done.code == 2
    assert "--enforce refuses an evidence file" in done.err


def test_a_denied_update_is_told_with_the_permission_and_the_decision_stands(registry: Registry) -> None:
    registry.fail(kind="deny", op=API)
    arn, pack = registry.arn("credit-default/1"), registry.pack()
    before = registry.describe(arn)
    done = registry.gate(arn, *pack, "--format", "json")
    assert done.code == 2
    assert f"{arn} was not set to Approved: {API}: AccessDeniedException" in done.err
    assert f"grant {API} to the role `ModelwardenReader`" in done.err
    assert json.loads(done.out)["verdict"] == "allow"
    assert [run.decision.verdict for run in registry.runs()] == ["allow"]
    assert changed(before, registry.describe(arn)) == set()


@pytest.mark.parametrize("kind", ["500", "cut"])
def test_an_update_of_which_nobody_knows_whether_it_happened_is_told_so(registry: Registry, kind: str) -> None:
    registry.fail(kind=kind, op=API)
    done = registry.gate(registry.arn("credit-default/1"), *registry.pack())
    assert done.code == 2
    assert "was set to Approved is not certain" in done.err
    assert "read the package, and gate it again" in done.err


def test_a_role_of_its_own_writes(registry: Registry) -> None:
    arn = registry.arn("credit-default/1")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}}]}
    registry.client(arn, "iam").create_role(RoleName="Approver", AssumeRolePolicyDocument=json.dumps(trust))
    assert registry.gate(arn, *registry.pack('[enforce]\nrole = "Approver"')).code == 0
    by = registry.describe(arn)["LastModifiedBy"]["IamIdentity"]["Arn"]
    assert by == "arn:aws:sts::444455556666:assumed-role/Approver/modelwarden"


def test_a_role_that_cannot_be_assumed_writes_nothing(registry: Registry) -> None:
    said = refused(registry, registry.arn("credit-default/1"), *registry.pack('[enforce]\nrole = "Nobody"'))
    assert "sts:AssumeRole: AccessDenied" in said
    assert "let your credentials assume the role `Nobody`" in said


def test_whoever_is_not_on_the_list_does_not_approve(registry: Registry) -> None:
    """The package's rating is High; to be listed for Low does not help."""
    pack = registry.pack(approvers="arn:aws:iam::111111111111:role/ModelRisk")
    said = refused(registry, registry.arn("credit-default/1"), *pack)
    assert (
        f"not approved: `{ME}` may not approve at effective risk rating High: approvers_high does not list it" in said
    )
    assert "let one of approvers_high approve: arn:aws:iam::111111111111:role/ModelRisk" in said


def test_a_policy_of_the_house_may_refuse_whoever_is_listed(registry: Registry) -> None:
    role_only = (
        '@id("roles-only")\nforbid (principal, action == Modelwarden::Action::"may_approve", resource)\n'
        'when { resource.effectiveRiskRating == "High" } unless { principal.kind == "role" };'
    )
    said = refused(registry, registry.arn("credit-default/1"), *registry.pack(house=role_only))
    assert "not approved: `sandbox` is listed in approvers_high, but policy roles-only forbids it" in said


def test_an_unknown_rating_never_approves(registry: Registry) -> None:
    """Nothing blocks under this profile, and the card's rating is of a type that nobody can read."""
    arn = registry.arn("credit-default/1")
    card = json.loads(registry.describe(arn)["ModelCard"]["ModelCardContent"])
    card["intended_uses"]["risk_rating"] = ["Low"]
    registry.client(arn).update_model_package(ModelPackageArn=arn, ModelCard={"ModelCardContent": json.dumps(card)})
    pack = registry.pack()
    toml = Path(pack[1]) / "modelwarden.toml"
    toml.write_text(toml.read_text().replace('profile = "recommended"', 'profile = "observe"'))
    pack[3] = digest_pack(read_pack(pack[1], None))
    said = refused(registry, arn, *pack)
    assert "not approved: the effective risk rating is unknown: wrong type" in said
    assert [run.decision.verdict for run in registry.runs()] == ["flag"]


def test_what_was_not_fully_read_is_not_approved(registry: Registry) -> None:
    """Nothing blocks under this profile; an approval would bind to something that nobody saw."""
    pack = registry.pack()
    toml = Path(pack[1]) / "modelwarden.toml"
    toml.write_text(toml.read_text().replace('profile = "recommended"', 'profile = "observe"'))
    pack[3] = digest_pack(read_pack(pack[1], None))
    registry.fail(kind="deny", op="s3:HeadObject")
    said = refused(registry, registry.arn("credit-default/1"), *pack)
    assert "not approved: not everything that" in said


def test_an_unversioned_package_has_no_status_to_write(registry: Registry) -> None:
    said = refused(registry, registry.arn("credit-default-single"), *registry.pack())
    assert "is unversioned, and only versions of a group have an approval status" in said


UPDATES: dict[str, dict[str, Any]] = {
    "card": {"ModelCard": {"ModelCardContent": '{"model_overview": {"model_owner": "somebody else"}}'}},
    "metadata": {"CustomerMetadataProperties": {"data": "other"}},
    "source": {"SourceUri": "s3://elsewhere/source.tar.gz"},
}
CHANGES = (*UPDATES, "environment", "specification", "artifact")


@pytest.mark.parametrize(
    ("change", "ending"),
    [*((change, "credit-default/1") for change in CHANGES), ("artifact", "credit-default/4")],
)
def test_a_package_that_changed_since_it_was_judged_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, change: str, ending: str
) -> None:
    arn = registry.arn(ending)
    house = registry.house(registry.pack(), monkeypatch)
    asked = gate.Question(arn, "Production", "approve")
    run = gate.judge(house, asked, gate.observe(house, asked), now=NOW, run_id="r")
    assert run.decision.verdict == ("allow" if ending.endswith("/1") else "block")
    _change(registry, arn, change)
    before = registry.describe(arn)
    with pytest.raises(NotEnforced, match="was changed after it was judged: its material digest is now sha256:"):
        enforce(house, run)
    assert changed(before, registry.describe(arn)) == set()


def _change(registry: Registry, arn: str, change: str) -> None:
    specification = copy.deepcopy(registry.describe(arn)["InferenceSpecification"])
    container = specification["Containers"][0]
    if change == "artifact":
        bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
        registry.client(arn, "s3").put_object(Bucket=bucket, Key=key, Body=os.urandom(8))
        return
    given = dict(UPDATES.get(change, {}))
    if change == "specification":
        given["AdditionalInferenceSpecificationsToAdd"] = [{"Name": "more", "Containers": [container]}]
    if change == "environment":
        container["Environment"] = {"SAGEMAKER_PROGRAM": "other.py"}
        given["InferenceSpecification"] = specification
    registry.client(arn).update_model_package(ModelPackageArn=arn, **given)


def test_other_settings_than_those_of_the_decision_do_not_write(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, pack = registry.arn("credit-default/1"), registry.pack()
    house = registry.house(pack, monkeypatch)
    asked = gate.Question(arn, "Production", "approve")
    run = gate.judge(house, asked, gate.observe(house, asked), now=NOW, run_id="r")
    toml = Path(pack[1]) / "modelwarden.toml"
    toml.write_text(toml.read_text().replace('forbidden_tags = ["latest"]', "forbidden_tags = []"))
    pack[3] = digest_pack(read_pack(pack[1], None))
    with pytest.raises(NotEnforced, match="controls or settings are not those of the decision"):
        enforce(registry.house(pack, monkeypatch), run)
    assert registry.describe(arn)["ModelApprovalStatus"] == "PendingManualApproval"


def test_other_credentials_than_those_that_were_judged_do_not_write(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = registry.arn("credit-default/1")
    house = registry.house(registry.pack(), monkeypatch)
    asked = gate.Question(arn, "Production", "approve")
    run = gate.judge(house, asked, gate.observe(house, asked), now=NOW, run_id="r")
    for name, value in registry.sandbox.environment("222222222222").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NotEnforced, match=r"judged for sandbox .*, but the credentials are now those of sandbox"):
        enforce(house, run)
    assert registry.describe(arn)["ModelApprovalStatus"] == "PendingManualApproval"
