"""Who is behind an ARN: the principal without its session, and the person where AWS names one."""

from __future__ import annotations

import re

from modelwarden.request import Principal

_SESSION = re.compile(r"^arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/(?P<session>.+)$")
_USER = re.compile(r"^arn:[\w-]+:iam::\d+:user/.+$")
_ROLE = re.compile(r"^arn:[\w-]+:iam::\d+:role/(?:.+/)?(?P<role>[^/]+)$")


def who(arn: str, *, source_identity: str | None = None, asserted: bool = False) -> Principal:
    """Read a principal from `sts:GetCallerIdentity.Arn`, `CreatedBy.IamIdentity.Arn` or a CloudTrail `userIdentity.arn`.

    The person is, in this order: SourceIdentity (set by the identity provider and kept along role chaining), the IAM
    user, the session of a role of IAM Identity Center (`AWSReservedSSO_*`, where the service sets the user name). Any
    other session name is chosen by the caller and names nobody.
    """
    state = "asserted" if asserted else "proven"
    session = _SESSION.match(arn)
    # A role's path is missing in a session's ARN, so it is left out of every principal: both spellings compare equal.
    role = _ROLE.match(arn)
    if session:
        principal = f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
    elif role:
        principal = arn.split(":role/", 1)[0] + f":role/{role['role']}"
    else:
        principal = arn
    if source_identity:
        return Principal(principal, source_identity, "person", state)  # type: ignore[arg-type]
    if _USER.match(arn):
        return Principal(principal, arn.rsplit("/", 1)[-1], "person", state)  # type: ignore[arg-type]
    if session and session["role"].startswith("AWSReservedSSO_"):
        return Principal(principal, session["session"], "person", state)  # type: ignore[arg-type]
    return Principal(principal, principal, "role", state)  # type: ignore[arg-type]
