"""What the tests of collection share: answers without a network, and the demo organization with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.session import get_session

from modelwarden.arn import parse_arn
from modelwarden.collect import Collector
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.cell import Cell, Lookups
from modelwarden.collect.collector import read_package
from modelwarden.collect.reading import Wants
from modelwarden.evidence import Evidence, Fact, Source
from modelwarden.sandbox.server import Sandbox
from tests.organization import PACKAGES, arn_of, ask

ACCOUNT, REGION = "111122223333", "eu-west-1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/churn/7"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0245f4c2-ab41-5c8f-8416-8a55afb3e2f6"

Said = Mapping[str, Any] | Failure | Callable[[Mapping[str, Any]], Any]


def failure(code: str, state: str = "denied", message: str = "") -> Failure:
    return Failure(state, code, message, Source("test:Call"))  # type: ignore[arg-type]


@dataclass
class Script:
    """Stands in for AWS: what each operation answers, and what was asked. An operation without an answer is denied."""

    answers: Mapping[str, Said]
    owned: bool = True
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    replaying = False

    def acts_as(self, account: str) -> bool:
        return self.owned

    def call(self, account: str, region: str, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        self.asked.append((operation, {"region": region, **parameters}))
        said = self.answers.get(operation, failure("AccessDeniedException"))
        said = said(parameters) if callable(said) else said
        return said if isinstance(said, Failure) else Answer(said, Source(f"{service}:{operation}"))

    def times(self, operation: str) -> int:
        return sum(asked == operation for asked, _ in self.asked)


def cell(script: Script, arn: str = ARN) -> Cell:
    return Cell(Lookups(script), parse_arn(arn))  # type: ignore[arg-type]


def read(script: Script, arn: str = ARN, needed: tuple[str, ...] | None = None) -> Evidence:
    """Evidence of a package whose account answers by the script."""
    return Evidence(arn, read_package(cell(script, arn), Wants(needed)))


def below(facts: Mapping[str, Fact], prefix: str) -> dict[str, Fact]:
    return {pointer.removeprefix(prefix): fact for pointer, fact in facts.items() if pointer.startswith(prefix)}


def described(**members: Any) -> dict[str, Any]:
    """An answer of DescribeModelPackage with what every one has, and what is given."""
    return {"ModelPackageArn": ARN, "ModelPackageName": "churn/7", "ModelPackageStatus": "Completed", **members}


@dataclass(frozen=True)
class Organization:
    """The demo over HTTP."""

    sandbox: Sandbox

    def ask(self, method: str, what: str, body: object = None) -> Any:
        return ask(self.sandbox, method, what, body)

    def collector(self, *, retries: int = 0, role: str | None = "ModelwardenReader", **how: Any) -> Collector:
        return Collector(role=role, retries=retries, session=get_session(), **how)

    def arn(self, ending: str) -> str:
        return next(arn for arn in map(arn_of, PACKAGES) if arn.endswith(ending))


@pytest.fixture(scope="session")
def running(demo_sandbox: Sandbox) -> Organization:
    return Organization(demo_sandbox)


@pytest.fixture
def organization(running: Organization) -> Iterator[Organization]:
    """Without faults and with counters at zero, before and after."""
    running.ask("DELETE", "faults")
    running.ask("DELETE", "stats")
    yield running
    running.ask("DELETE", "faults")
