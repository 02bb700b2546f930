"""AWS Security Hub CSPM: findings are imported by BatchImportFindings, which is the one permission that it takes.

securityhub:BatchImportFindings on arn:PARTITION:securityhub:REGION:ACCOUNT:product/ACCOUNT/default
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from modelwarden.audit.formats.asff import Hub
from modelwarden.collect.aws import OWN, Answer, Aws
from modelwarden.errors import UserError

API: Final = "securityhub:BatchImportFindings"
_HELP: Final = {
    "AccessDeniedException": f"grant {API} on the account's own product, `product/ACCOUNT/default`",
    "InvalidAccessException": "enable Security Hub in the account and region of the credentials",
}


class NotSent(UserError):
    """Findings that Security Hub did not take; they are kept, and sent first the next time."""

    help = "they are kept: send again when it answers"
    exit_code = 4


def hub_of(aws: Aws) -> Hub:
    """The hub of the caller's own account and region.

    Raises:
        NotSent: nobody can tell the account.
        NoCredentials: there are none.
    """
    region = aws.home("us-east-1")
    answer = aws.identity(region)
    if not isinstance(answer, Answer):
        raise NotSent(f"sts:GetCallerIdentity: {answer.code}: {answer.message}")
    return Hub(str(answer.data["Arn"]).split(":")[1], str(answer.data["Account"]), region)


class SecurityHub:
    """One hub, with the caller's own credentials."""

    def __init__(self, aws: Aws, hub: Hub) -> None:
        self._aws = aws
        self.hub = hub

    def send(self, findings: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Id -> why, of those that were refused; `findings`: at most 100.

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
