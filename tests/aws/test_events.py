"""Approvals in a spoke, answered by the function in the hub: what is taken back, what stays, and what is recorded."""

from __future__ import annotations

from .conftest import SPOKE, Hub


def test_an_approval_that_breaks_policy_is_taken_back(hub: Hub) -> None:
    hub.set_up()
    arn = hub.approve("credit-default/4")
    assert hub.pump() == []
    after = hub.registry.describe(arn)
    assert after["ModelApprovalStatus"] == "Rejected"
    (run,) = hub.archived()
    assert (run.decision.verdict, run.decision.request.moment) == ("block", "approve")
    assert after["ApprovalDescription"].split("; ")[:2] == [
        f"modelwarden: block for Production by sandbox (arn:aws:iam::{SPOKE}:user/sandbox)",
        f"run {run.id}",
    ]
