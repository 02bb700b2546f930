"""Defects of approval."""

from __future__ import annotations

from datetime import timedelta

from modelwarden.sandbox.demo.damage import defect, trait
from modelwarden.sandbox.demo.draft import APPROVER, TRAINER_ROLE, Draft, iso


@defect("approver-is-creator", APR_02="fail")
def _approver_is_creator(draft: Draft) -> None:
    """The creator signs in with another role; SourceIdentity and the session of IAM Identity Center tell."""
    identity = draft.describe["CreatedBy"]["IamIdentity"]
    person = identity.get("SourceIdentity") or identity["Arn"].rpartition("/")[2]
    if "@" not in person:
        raise ValueError(f"nobody is named behind {identity['Arn']}")
    draft.principal = APPROVER.rpartition("/")[0] + "/" + person


@defect("approver-is-trainer", APR_02="fail")
def _approver_is_trainer(draft: Draft) -> None:
    draft.principal = f"arn:aws:sts::{draft.group.account}:assumed-role/{TRAINER_ROLE}/console"


def _approve(draft: Draft, who: str) -> None:
    approved = draft.created + timedelta(days=2)
    group = draft.group
    role, _, session = who.partition("assumed-role/")[2].partition("/")
    account = who.split(":")[4]
    issuer = {
        "type": "Role",
        "arn": f"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/{role}",
        "accountId": account,
        "userName": role,
    }
    draft.describe.update(
        ModelApprovalStatus="Approved",
        ApprovalDescription="approved after review of the card and the reports",
        LastModifiedTime=iso(approved),
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
    )
    event = {
        "eventVersion": "1.09",
        "eventID": f"{group.name}-{draft.version}-approved",
        "eventTime": iso(approved),
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": "UpdateModelPackage",
        "awsRegion": group.region,
        "recipientAccountId": group.account,
        "userIdentity": {
            "type": "AssumedRole",
            "arn": who,
            "accountId": account,
            "principalId": f"AROAEXAMPLEEXAMPLE000:{session}",
            "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "true"}},
        },
        "requestParameters": {"modelPackageArn": draft.arn, "modelApprovalStatus": "Approved"},
        "responseElements": {"modelPackageArn": draft.arn},
        "resources": [{"ARN": draft.arn, "accountId": group.account, "type": "AWS::SageMaker::ModelPackage"}],
        "readOnly": False,
    }
    draft.trail.append({"account": group.account, "region": group.region, "event": event})


@trait("approved")
def _approved(draft: Draft) -> None:
    _approve(draft, APPROVER)


@defect("approved-by-creator", APR_02="fail")
def _approved_by_creator(draft: Draft) -> None:
    _approver_is_creator(draft)
    _approve(draft, draft.principal)
    draft.principal = APPROVER


@defect("approval-not-in-trail", APR_02="unknown")
def _approval_not_in_trail(draft: Draft) -> None:
    _approve(draft, APPROVER)
    draft.trail.clear()


@defect("not-approved", APR_01="fail", APR_02="unknown")
def _not_approved(draft: Draft) -> None:
    draft.describe["ModelApprovalStatus"] = "PendingManualApproval"


@defect("rejected", APR_01="fail")
def _rejected(draft: Draft) -> None:
    _approve(draft, APPROVER)
    draft.describe.update(
        ModelApprovalStatus="Rejected", ApprovalDescription="the fairness panel asked for another version"
    )
    draft.trail[0]["event"]["requestParameters"]["modelApprovalStatus"] = "Rejected"
