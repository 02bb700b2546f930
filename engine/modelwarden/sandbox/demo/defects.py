"""All defects and traits of the demo; here those of the account, the group and the texts, elsewhere the rest."""

from __future__ import annotations

from modelwarden.sandbox.demo import (  # noqa: F401 (importing them registers their defects)
    defects_of_approval,
    defects_of_cards,
    defects_of_encryption,
    defects_of_images,
    defects_of_reports,
)
from modelwarden.sandbox.demo.damage import CHANGES, FINDINGS, defect, trait
from modelwarden.sandbox.demo.draft import Draft

__all__ = ["CHANGES", "FINDINGS"]

_BLIND = (
    *("ENC_01", "ENC_02", "ENC_06", "IMG_01", "IMG_02", "IMG_03", "IMG_04"),
    *("CARD_01", "CARD_02", "CARD_03", "CARD_04", "CARD_07", "EVAL_01", "BIAS_04", "APR_02", "HYG_01"),
)
"""controls that apply at approve to a package of which nothing but its ARN is known, where no attribute is protected"""


@defect("tag-missing-on-group", HYG_01="fail")
def _tag_missing_on_group(draft: Draft) -> None:
    """The group is created without it: `missing_tags` in the estate."""


@defect("account-not-readable", **dict.fromkeys(_BLIND, "unknown"))
def _account_not_readable(draft: Draft) -> None:
    """The account is suspended or has no reader role: see the estate."""


@trait("hostile-text")
def _hostile_text(draft: Draft) -> None:
    draft.describe["ModelPackageDescription"] = (
        "<script>alert(1)</script> \x1b[31mred\x1b[0m =1+1 \u202eeslaf\u202c \x00 ]]>"
    )
    draft.describe["CustomerMetadataProperties"]["note"] = "::error file=x::%0A|a|b|\n# heading `code` ${jndi:ldap://x}"
    (draft.card or {})["model_overview"]["model_description"] = (
        "Estimates churn <img src=x onerror=alert(1)> \x07 and rings the bell of a terminal."
    )


@trait("unversioned")
def _unversioned(draft: Draft) -> None:
    """A package outside of any group: no version, no approval status, tags of its own."""
    group, name = draft.group, f"{draft.group.name}-single"
    arn = f"arn:aws:sagemaker:{group.region}:{group.account}:model-package/{name}"
    for field in ("ModelPackageGroupName", "ModelPackageVersion", "ModelApprovalStatus", "ModelLifeCycle"):
        del draft.describe[field]
    draft.describe.update(ModelPackageName=name, ModelPackageArn=arn)
    draft.tags = group.all_tags()
