"""Which packages are judged, at which moment and for which stage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelwarden.collect.inventory import Listed
from modelwarden.scan.select import select

HEAD = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/"
STAGES = {"QA": "Staging", "Production": "Production"}


def listed(name: str, approval: str = "PendingManualApproval", claimed: str = "Production") -> Listed:
    return Listed(HEAD + name, "2026-01-01T00:00:00Z", approval, claimed)


def test_version_10_is_newer_than_version_9() -> None:
    nine, ten = select([listed("churn/9"), listed("churn/10")], (), STAGES, None, all_told=True)
    assert (nine.role, ten.role) == ("inventory", "judged")
    assert (ten.why, ten.moment, ten.stage) == ("newest of its group", "approve", "Production")


def test_an_older_version_is_said_not_to_run_only_where_what_runs_was_read() -> None:
    packages = [listed("churn/1"), listed("churn/2")]
    (known, _), (untold, _) = (select(packages, (), STAGES, None, all_told=told) for told in (True, False))
    assert known.why == "an older version that is neither approved nor deployed"
    assert untold.role == "inventory"
    assert untold.why == (
        "an older version that is not approved; what runs in its region was not all read, and it may be deployed"
    )


def test_an_approved_or_deployed_version_is_judged_at_serve_however_old() -> None:
    found = select(
        [listed("churn/1", "Approved"), listed("churn/2"), listed("churn/3", "Rejected")],
        [HEAD + "churn/2"],
        STAGES,
        None,
        all_told=True,
    )
    assert [(one.why, one.moment) for one in found] == [
        ("approved", "serve"),
        ("deployed", "serve"),
        ("newest of its group", "approve"),
    ]


def test_the_stage_is_claimed_else_the_accounts_else_unmapped() -> None:
    (claims,) = select([listed("churn/1", claimed="QA")], (), STAGES, "Production", all_told=True)
    (nothing,) = select([listed("churn/1", claimed="")], (), STAGES, "Production", all_told=True)
    (strange,) = select([listed("churn/1", claimed="Canary")], (), STAGES, "Production", all_told=True)
    (lost,) = select([listed("churn/1", claimed="")], (), STAGES, None, all_told=True)
    assert (claims.stage, nothing.stage) == ("Staging", "Production")
    assert (strange.role, strange.stage) == ("unmapped", None)
    assert strange.why.endswith("claims stage `Canary`, which `stages` does not map")
    assert lost.why.endswith("claims no stage")


def test_a_package_without_a_group_is_the_newest_of_its_own() -> None:
    (one,) = select([listed("alone")], (), STAGES, None, all_told=True)
    assert (one.role, one.moment) == ("judged", "approve")


NAMES = st.builds(lambda name, version: f"{name}/{version}", st.sampled_from("abc"), st.integers(1, 30))


@given(
    st.dictionaries(NAMES, st.sampled_from(["Approved", "Rejected", "PendingManualApproval", ""]), max_size=20),
    st.sets(NAMES),
)
def test_nothing_is_left_out(approvals: dict[str, str], running: set[str]) -> None:
    packages = [listed(name, approval) for name, approval in approvals.items()]
    found = select(packages, {HEAD + name for name in running}, STAGES, None, all_told=True)
    assert [one.listed for one in found] == packages
    for one in found:
        name = one.listed.arn.removeprefix(HEAD)
        judged = one.role == "judged"
        if approvals[name] == "Approved" or name in running:
            assert judged
            assert one.moment == "serve"
    for group in {name.partition("/")[0] for name in approvals}:
        newest = max(
            (name for name in approvals if name.startswith(f"{group}/")), key=lambda n: int(n.partition("/")[2])
        )
        assert next(one.role for one in found if one.listed.arn == HEAD + newest) == "judged"
