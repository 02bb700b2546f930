"""What the simulated organization knows beyond moto's own backends: accounts, sessions, registries, records."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from modelwarden.sandbox.wire import Refusal, Request

READER_ROLE: Final = "ModelwardenReader"


@dataclass(frozen=True, slots=True)
class Account:
    """One member of the organization."""

    id: str
    name: str
    unit: str = "root"
    state: str = "ACTIVE"
    reader_role: bool = True
    external_id: str = ""
    """What AssumeRole of the reader role must bring; empty: nothing."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the request."""

    account: str
    arn: str
    principal_id: str
    expires: datetime | None = None


@dataclass(slots=True)
class Group:
    """A model package group of one cell."""

    name: str
    arn: str
    created: datetime
    description: str = ""
    created_by: Mapping[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None


@dataclass(slots=True)
class Cell:
    """What SageMaker and CloudTrail hold in one account and region."""

    groups: dict[str, Group] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`group/version` or the name of an unversioned package -> DescribeModelPackage answer; times are datetimes."""
    package_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """Key of an unversioned package -> tags. Versions have none of their own."""
    cards: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Name -> DescribeModelCard answers, oldest version first."""
    jobs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """(`training-job`, name) -> Describe answer."""
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> DescribeEndpoint answer."""
    endpoint_configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> DescribeEndpointConfig answer; an endpoint may name one that is not there any more."""
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> DescribeModel answer; the same holds."""
    trail: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Denial:
    """A standing AccessDenied: operation as `service:Operation`, account of the caller, None for every region."""

    operation: str
    account: str | None
    region: str | None

    def covers(self, operation: str, account: str, region: str) -> bool:
        """Whether a call falls under this denial."""
        named = self.operation in (operation, "*") or self.operation == f"{operation.partition(':')[0]}:*"
        return named and self.account in (None, account) and self.region in (None, region)


class World:
    """One simulated organization. Times of things that happen while it runs continue from the scenario's clock."""

    def __init__(self, organization: str, management: str, clock: datetime | None = None) -> None:
        self.organization, self.management = organization, management
        self.accounts: dict[str, Account] = {}
        self.cells: defaultdict[tuple[str, str], Cell] = defaultdict(Cell)
        self.sessions: dict[str, Caller] = {}
        self.denials: list[Denial] = []
        self.denied_objects: set[tuple[str, str]] = set()
        self.denied_keys: set[str] = set()
        self.blobs: dict[str, bytes] = {}
        """Image configuration by digest."""
        self.regions: set[str] = set()
        self.endpoint = ""
        self.faulty: Callable[[str, str, str], bool] = lambda operation, account, region: False
        """Whether a fault denies an operation that is no request of its own, such as `kms:Decrypt`."""
        self._clock, self._started = clock, time.monotonic()

    def now(self) -> datetime:
        """The scenario's clock, running; without one the real time."""
        if self._clock is None:
            return datetime.now(UTC)
        return self._clock + timedelta(seconds=time.monotonic() - self._started)

    def set_clock(self, clock: datetime | None) -> None:
        """Continue from another moment; None for the real time."""
        self._clock, self._started = clock, time.monotonic()

    def denies(self, operation: str, account: str, region: str) -> bool:
        """Whether the scenario or a fault denies an operation to an account."""
        standing = any(one.covers(operation, account, region) for one in self.denials)
        return standing or self.faulty(operation, account, region)

    def cell(self, account: str, region: str) -> Cell:
        """The cell, made empty when nobody has written to it."""
        return self.cells[account, region]


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the request, who asks, and the world it is asked of."""

    request: Request
    caller: Caller
    world: World
    parameters: Mapping[str, Any]

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def region(self) -> str:
        return self.request.region

    @property
    def cell(self) -> Cell:
        return self.world.cell(self.account, self.region)

    def need(self, name: str) -> Any:
        """A required member.

        Raises:
            Refusal: it is missing.
        """
        if self.parameters.get(name) in (None, ""):
            text = f"1 validation error detected: Value at '{name[:1].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null"
            raise Refusal("ValidationException", text)
        return self.parameters[name]


Handler = Callable[[Call], "Mapping[str, Any] | None"]
"""Answers a call; None leaves it to moto."""


def denied(call: Call, resource: str = "*") -> Refusal:
    """AWS's AccessDenied for a call, in the words and the status of its service."""
    service, name = call.request.service, call.request.name
    text = (
        f"User: {call.caller.arn} is not authorized to perform: {name} on resource: {resource} "
        f"because no identity-based policy allows the {name} action"
    )
    return access_denied(service, text)


def check_decrypt(call: Call, key: str | None) -> None:
    """What is encrypted with a customer key is read by those only who may decrypt with it.

    Raises:
        Refusal: `kms:Decrypt` is denied to the caller.
    """
    if key and call.world.denies("kms:Decrypt", call.account, call.region):
        text = f"User: {call.caller.arn} is not authorized to perform: kms:Decrypt on resource: {key}"
        raise access_denied(call.request.service, text)


def access_denied(service: str, text: str) -> Refusal:
    """The denial of a service, whose code and status differ by protocol."""
    if service == "ec2":
        return Refusal("UnauthorizedOperation", text, 403)
    if service in ("s3", "sts"):
        return Refusal("AccessDenied", "Access Denied" if service == "s3" else text, 403)
    return Refusal("AccessDeniedException", text, 400)


def page(
    items: list[Any],
    call: Call,
    size: int,
    token: str = "NextToken",  # noqa: S107 - a member name
    limit: str = "MaxResults",
) -> tuple[list[Any], dict[str, str]]:
    """One page of a list, and the member that carries the next token.

    Raises:
        Refusal: the token was not issued here.
    """
    text = call.parameters.get(token)
    start = 0
    if text is not None:
        if not str(text).startswith("sandbox-") or not str(text)[8:].isdigit():
            raise Refusal("ValidationException", f"Invalid {token}")
        start = int(str(text)[8:])
    end = start + int(call.parameters.get(limit) or size)
    return items[start:end], {token: f"sandbox-{end}"} if end < len(items) else {}
