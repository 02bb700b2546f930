"""The whole chain in one test: a package of a spoke is registered and approved; its approval is taken back within seconds, and the
dashboard says so the next morning."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwarden.aws import scan
from modelwarden.store.location import state_at
from tests.analytics.scans import asking

from .conftest import SPOKE
from .night import TABLES, Night

pytestmark = pytest.mark.sandbox_only


def test_from_the_registration_in_a_spoke_to_the_dashboard_of_the_hub(night: Night, tmp_path: Path) -> None:
    hub = night.hub
    night.set_up()
    registry = hub.registry
    like = registry.describe(registry.arn("credit-default/4"))

    # Somebody registers a version, with no card and no report, and somebody approves it.
    made: str = registry.client(like["ModelPackageArn"]).create_model_package(
        ModelPackageGroupName=like["ModelPackageGroupName"],
        InferenceSpecification=like["InferenceSpecification"],
        ModelLifeCycle={"Stage": "Production", "StageStatus": "PendingApproval"},
    )["ModelPackageArn"]
    hub.bodies()  # that it was registered is no approval
    registry.client(made).update_model_package(
        ModelPackageArn=made,
        ModelApprovalStatus="Approved",
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
    )
    assert hub.status(made) == "Approved"

    # Its event comes from the spoke's bus over the hub's into the queue, and the function takes the approval back.
    assert hub.pump() == []
    assert hub.status(made) == "Rejected"
    (run,) = [one for one in hub.archived() if one.decision.package == made and one.decision.verdict == "block"]
    (word,) = [one for one in hub.told() if one["run"] == run.id]
    (claim,) = [one for one in hub.claims(made) if one.run == run.id]
    assert (word["verdict"], claim.done[:2]) == ("block", ("recorded", "reverted"))

    # At night the state machine scans the organization; what it found is in the table, and as Parquet on S3.
    told = night.run()
    state = state_at(scan._hub().house.settings.store or "", lambda: scan._hub().collector.aws)
    standing = state.standing(made)
    assert standing is not None
    assert (standing.seen.verdict, standing.run) == ("block", told["run"])
    where = tmp_path / "published"
    for key in night.names(TABLES):
        path = where / key.removeprefix("tables/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.client("s3").get_object(Bucket=TABLES, Key=key)["Body"].read())

    # In the morning the dashboard asks the same SQL as Athena.
    ask = asking(where)
    (model,) = [one for one in ask("models") if one["package"] == made]
    assert (model["account"], model["approval_status"], model["verdict"]) == (SPOKE, "Rejected", "block")
    (approval,) = [one for one in ask("audit") if one["package"] == made]
    assert approval["approval_description"].startswith("modelwarden: block for Production by sandbox")
    (latest,) = ask("posture_trend")
    assert (latest["run"], latest["complete"]) == (told["run"], False)
    failed = {one["control"] for one in ask("open_findings") if one["package"] == made and one["outcome"] == "fail"}
    assert failed >= {one for one in word["blocked"] if not one.startswith("APR-")}, "what nobody acts upon at night"
    assert failed
