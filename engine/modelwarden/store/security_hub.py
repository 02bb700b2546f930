"""AWS Security Hub CSPM: findings are imported by BatchImportFindings; those of events are read back by GetFindings.

securityhub:BatchImportFindings on arn:PARTITION:securityhub:REGION:ACCOUNT:product/ACCOUNT/default, securityhub:GetFindings
on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from modelwarden.collect.aws import OWN, Answer, Aws
from modelwarden.collect.pages import listed
from modelwarden.errors import UserError
from modelwarden.evidence import Unknown
from modelwarden.render.asff import BY, Hub

API: Final = "securityhub:BatchImportFindings"
READ_BACK: Final = "securityhub:GetFindings"
_HELP: Final = {
    "AccessDeniedException": f"grant {API} on the account's own product, `product/ACCOUNT/default`",
    "InvalidAccessException": "enable Security Hub in the account and region of the credentials",
}


class NotSent(UserError):
    """Findings that Security Hub did not take; they are kept, and sent first the next time."""

    help = "they are kept: send again when it answers"
    exit_code = 4


def hub_of(aws: Aws, region: str) -> Hub:
    """The hub of the caller's own account in a region.

    Raises:
        NotSent: nobody can tell the account.
        NoCredentials: there are none.
    """
    answer = aws.identity(region)
    if not isinstance(answer, Answer):
        raise NotSent(f"sts:GetCallerIdentity: {answer.code}: {answer.message}")
    return Hub(str(answer.data["Arn"]).split(":")[1], str(answer.data["Account"]), region)


class SecurityHub:
    """One hub, with the caller's own credentials."""

    def __init__(self, aws: Aws, hub: Hub) -> None:
        self._aws = aws
        self.hub = hub

    def told_by_events(self) -> list[dict[str, Any]] | Unknown:
        """What decisions about one package told the hub last, open or archived; why not all of it could be read."""
        found: dict[str, dict[str, Any]] = {}

        def take(document: Mapping[str, Any]) -> bool:
            ours = (document.get("ProductArn"), document.get("ProductFields", {}).get(BY))
            if ours == (self.hub.product, "event"):
                found[document["Id"]] = dict(document)
            return "Id" in document

        by = {"Key": BY, "Value": "event", "Comparison": "EQUALS"}
        product = {"Value": self.hub.product, "Comparison": "EQUALS"}
        filters = {"Filters": {"ProductFields": [by], "ProductArn": [product]}}
        ask = partial(self._aws.call, OWN, self.hub.region, "securityhub", "GetFindings")
        return listed(ask, "Findings", take, filters) or [*found.values()]

    def send(self, findings: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Id -> why, of those that were refused; `findings`: at most `AT_ONCE`.

        Raises:
            NotSent: the call failed, or its answer does not account for all of them.
        """
        answer = self._aws.call(OWN, self.hub.region, "securityhub", "BatchImportFindings", Findings=[*findings])
        if not isinstance(answer, Answer):
            help_ = _HELP.get(answer.code, NotSent.help)
            raise NotSent(f"{API}: {answer.code}: {answer.message}", help_)
        failed = {
            one["Id"]: f"{one['ErrorCode']}: {one['ErrorMessage']}" for one in answer.data.get("FailedFindings", [])
        }
        if answer.data["SuccessCount"] + len(failed) != len(findings) or failed.keys() - {
            one["Id"] for one in findings
        }:
            raise NotSent(f"{API}: the answer does not account for every finding that was sent")
        return failed
