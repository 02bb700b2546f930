"""Why a finding is what it is, and what a person can do about it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from modelwarden.evidence import Unknown, digest
from modelwarden.finding import ControlInfo, Ruling

_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403")
_BUSY: Final = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded")
_NEXT_STEPS: Final = {
    "not collected": "read the package again: `modelwarden evidence ARN`",
    "not returned": "grant kms:Decrypt on the key of the model card to the role that reads (deploy/reader-role.yaml)",
    "in another account": "name a role to assume in that account: --role, or `role` under [collect]",
    "location not understood": "state the model data as s3://bucket/key, and register the package again",
    "key not understood": "state the key by its ARN or id, and register the package again",
    "incomplete": "split what is listed, and run again; `modelwarden evidence ARN` shows what is missing",
    "not recorded": "record the package again with --record: the recording lacks this call",
    "an evidence file proves no principal": "name who acts with --principal ARN, or gate the ARN instead of a file",
}
"""Reason of an unknown fact -> what makes it known."""


class Cause(Struct, frozen=True):
    """One call that did not give what it should have."""

    api: str
    reason: str

    @property
    def text(self) -> str:
        return f"{self.api} {self.reason}" if self.api else self.reason


def cause_of(ruling: Ruling) -> Cause | None:
    """The call behind an unknown finding; None for findings that are certain."""
    if ruling.finding.outcome != "unknown":
        return None
    unread = next((seen.fact for seen in ruling.finding.observed if isinstance(seen.fact, Unknown)), None)
    return Cause(unread.source.api if unread.source else "", unread.reason) if unread else None


def fingerprint(package: str, stage: str, ruling: Ruling) -> str:
    """64 hex digits that stay the same from run to run for one control, package, stage and cause; lines do not count."""
    cause = cause_of(ruling)
    why = cause.text if cause else ruling.finding.outcome
    return digest([ruling.finding.control, package, stage, why]).removeprefix("sha256:")


def help_for(ruling: Ruling, info: ControlInfo) -> str:
    """The next step: the control's remedy for a violation, for an unread fact what would make it readable."""
    if ruling.finding.unset_parameters:
        return f"set {', '.join(ruling.finding.unset_parameters)} under [parameters] of the settings"
    cause = cause_of(ruling)
    if cause is None or cause.reason in ("malformed", "no event found"):
        return info.remediation
    if cause.reason in _DENIED and cause.api:
        return f"grant {cause.api} to the role that reads (deploy/reader-role.yaml); `modelwarden doctor ARN` lists what is missing"
    if cause.reason in _BUSY:
        return "run again later, or with more --retries"
    return _NEXT_STEPS.get(cause.reason, "run again; `modelwarden doctor ARN` shows what can be read")
