"""A deployed hub, how to ask about its parts, and what is said of each. What could not be read is never ok."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.checkup import CANNOT_TELL, OK, WRONG, Part
from modelwarden.collect.aws import OWN, Answer, Aws, Failure
from modelwarden.errors import UserError
from modelwarden.evidence import Source

_RESOURCES: Final = "cloudformation:DescribeStackResources"
_NONE: Final = (
    "ObjectLockConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
)
"""Codes by which services say that something is not there, besides those of every service."""


class NoStack(UserError):
    """AWS says that there is no such stack."""

    help = "name the stack of deploy/hub.yaml, with its region by --region"


class Resource(Struct, frozen=True):
    """One resource of the stack."""

    type: str
    id: str
    """Physical: a name, a URL or an ARN, as CloudFormation knows it."""


class Hub(Struct, frozen=True):
    """A stack of deploy/hub.yaml, and how to ask about it."""

    aws: Aws
    region: str
    stack: Answer | Failure
    """Of DescribeStacks."""
    resources: Mapping[str, Resource] | Failure
    """By logical id."""

    def ask(self, service: str, operation: str, **given: Any) -> Answer | Failure:
        """One operation with the caller's own credentials, in the region of the stack."""
        return self.aws.call(OWN, self.region, service, operation, **given)

    def id(self, logical: str) -> str | Failure:
        """The physical id of a resource."""
        if isinstance(self.resources, Failure):
            return self.resources
        found = self.resources.get(logical)
        return found.id if found else Failure("read", "missing", f"the stack has no {logical}", Source(_RESOURCES))

    def of(self, logical: str, service: str, operation: str, member: str, **given: Any) -> Answer | Failure:
        """The same about one resource, named by a member of the request."""
        name = self.id(logical)
        return name if isinstance(name, Failure) else self.ask(service, operation, **{member: name, **given})


def hub_of(aws: Aws, region: str, name: str) -> Hub:
    """The hub of a stack.

    Raises:
        NoCredentials: there is nobody to call AWS as.
        NoStack: AWS says that there is no such stack.
    """
    stack = aws.call(OWN, region, "cloudformation", "DescribeStacks", StackName=name)
    if isinstance(stack, Failure) and (stack.state == "read" or "does not exist" in stack.message):
        raise NoStack(f"there is no stack `{name}` in {region}: {stack.message}")
    listed = aws.call(OWN, region, "cloudformation", "DescribeStackResources", StackName=name)
    if isinstance(listed, Failure):
        return Hub(aws, region, stack, listed)
    found = {
        one["LogicalResourceId"]: Resource(one["ResourceType"], one["PhysicalResourceId"])
        for one in listed.data["StackResources"]
        if one.get("PhysicalResourceId")
    }
    return Hub(aws, region, stack, found)


def judge(name: str, help_: str, check: Callable[..., Iterable[str]], *answers: Answer | Failure | str) -> Part:
    """A part by what AWS answered. `check` is given what the answers hold, and tells what is wrong.

    INVARIANT: one answer that is missing is enough not to say ok.
    """
    failed = [one for one in answers if isinstance(one, Failure)]
    for one in failed:
        if one.state == "read" or one.code in _NONE:
            return Part(name, WRONG, f"{one.source.api}: {one.message or one.code}", help_)
    if failed:
        return unread(name, failed[0])
    try:
        wrong = list(check(*(one.data if isinstance(one, Answer) else one for one in answers)))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return Part(
            name, "cannot tell", f"the answer of AWS is not understood: {type(error).__name__}: {error}", "report it"
        )
    return Part(name, WRONG, "; ".join(wrong), help_) if wrong else Part(name, OK)


def unread(name: str, failure: Failure) -> Part:
    """A part that could not be read."""
    help_ = f"grant {failure.source.api} to whoever asks" if failure.state == "denied" else "run it again later"
    return Part(name, CANNOT_TELL, f"{failure.source.api}: {failure.code}: {failure.message}", help_)


def is_key(said: object, key: str) -> bool:
    """Whether what a service names by its ARN or its id is this key."""
    return isinstance(said, str) and said.rpartition("/")[2] == key.rpartition("/")[2]
