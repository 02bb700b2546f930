"""Whether the roles of one account can be assumed. Only the function's own role can prove that: they trust nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from modelwarden.checkup import CANNOT_TELL, OK, WRONG, Part
from modelwarden.collect.aws import Access, Aws, Failure, Tape
from modelwarden.deployment.hub import Hub, judge, unread
from modelwarden.gate import House

_TRUST: Final = (
    "the role must exist there, and its trust policy name the function's role, the ExternalId and the organization"
)
_AS_FUNCTION: Final = "ask with the credentials of the function's role"


def roles(hub: Hub, house: House | None, account: str) -> Iterator[Part]:
    """The reader role, and the one by which approvals are taken back, where they are."""
    if house is None:
        yield Part("reader role", CANNOT_TELL, "the policy pack could not be used", "see above")
        return
    collect, enforce = house.settings.collect, house.settings.enforce
    yield _role(hub, house, account, "reader role", collect.role, collect.external_id)
    if enforce.role or house.settings.respond.mode == "enforce":
        # As `enforce` chooses it.
        external_id = enforce.external_id if enforce.role else collect.external_id
        yield _role(hub, house, account, "enforcer role", enforce.role or collect.role, external_id)


def _role(hub: Hub, house: House, account: str, name: str, role: str | None, external_id: str | None) -> Part:
    if role is None:
        return Part(name, WRONG, "the policy pack names none", "name it in the pack (docs/deployment.md)")
    aws = Aws(Access(role, external_id, house.settings.collect.via, hub.aws.access.attempts), Tape())
    who = aws.identity(hub.region)
    own = hub.id("EventsRole")
    if isinstance(who, Failure) or isinstance(own, Failure):
        return judge(name, _TRUST, lambda *_: (), who, own)
    failure = aws.enter(account, hub.region)
    if failure is not None and failure.state != "denied":
        return unread(name, failure)
    caller = str(who.data["Arn"])
    if not _is(caller, own):
        became = "was assumed" if failure is None else f"was refused ({failure.code})"
        return Part(name, CANNOT_TELL, f"{role} {became} by {caller}, and the function is {own}", _AS_FUNCTION)
    if not aws.acts_as(account) or failure is not None:
        said = failure.message if failure else f"{account} is the function's own account: no role is assumed there"
        return Part(name, WRONG, f"{role} in {account}: {said}", _TRUST)
    return Part(name, OK)


def _is(caller: str, role: str) -> bool:
    """Whether a caller is a session of a role."""
    return caller.partition(":assumed-role/")[2].partition("/")[0] == role.rpartition("/")[2]
