"""Why something is unknown, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from modelwarden.evidence import Unknown
from modelwarden.finding import ControlInfo, Ruling

_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403")
_BUSY: Final = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded")


@dataclass(frozen=True, slots=True)
class Cause:
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


def help_for(ruling: Ruling, info: ControlInfo) -> str:
    """The next step: the control's remedy for a violation, for an unread fact what would make it readable."""
    if ruling.finding.unset_parameters:
        return f"set {', '.join(ruling.finding.unset_parameters)} under [parameters] of the settings"
    cause = cause_of(ruling)
    if cause is None:
        return info.remediation
    if cause.reason in _DENIED and cause.api:
        return f"grant {cause.api} to the role that reads (deploy/reader-role.yaml); `modelwarden doctor ARN` lists what is missing"
    if cause.reason in _BUSY:
        return "run again later, or with more --retries"
    if cause.reason == "not collected":
        return "read the package again: `modelwarden evidence ARN`"
    if cause.reason in ("malformed", "no event found"):
        return info.remediation
    return "run again; `modelwarden doctor ARN` shows what can be read"
