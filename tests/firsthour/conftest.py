"""What the tests of the first hour share: the demo organization over HTTP, the console script, and the gate in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.sandbox.server import Sandbox
from tests.cli.conftest import clean_environment
from tests.command import Done, inside
from tests.organization import CLOCK, DEMO, PACKAGES, ask
from tests.organization import arn_of as any_arn

SETTINGS = DEMO / "modelwarden.toml"
ARNS = list(map(any_arn, PACKAGES))
ROLE = "ModelwardenReader"


def arn_of(end: str) -> str:
    """The ARN of the demo package that ends so: `credit-default/1`."""
    return next(arn for arn in ARNS if arn.endswith(f":model-package/{end}"))


@dataclass(frozen=True)
class Organization:
    """A running demo organization."""

    sandbox: Sandbox

    def ask(self, method: str, what: str, body: object = None) -> Any:
        """One request to the sandbox's own interface."""
        return ask(self.sandbox, method, what, body)

    def fail(self, *operations: str, kind: str = "deny") -> None:
        """From now on these operations go wrong."""
        self.ask("POST", "faults", [{"kind": kind, "op": operation} for operation in operations])

    def operations(self) -> set[str]:
        """What was called since the counters were cleared; a download from an address that ECR signed is no call."""
        return set(self.ask("GET", "stats")["operations"]) - {"ecr:DownloadLayer"}


@pytest.fixture(scope="session")
def demo(demo_sandbox: Sandbox) -> Organization:
    return Organization(demo_sandbox)


@pytest.fixture
def organization(demo: Organization) -> Iterator[Organization]:
    """The same without faults, before and after."""
    demo.ask("DELETE", "faults")
    demo.ask("DELETE", "stats")
    yield demo
    demo.ask("DELETE", "faults")


@pytest.fixture
def run(organization: Organization, tmp_path: Path) -> Callable[..., Done]:
    """Run `modelwarden ARGUMENTS` against the organization in an empty folder; `account` is the caller's."""

    def call(*arguments: str | Path, account: str | None = None, env: dict[str, str] | None = None) -> Done:
        environment = clean_environment() | organization.sandbox.environment(account) | (env or {})
        return inside(*arguments, folder=tmp_path, environment=environment)

    return call


def outcomes(arn: str, settings: Path = SETTINGS) -> dict[tuple[str, str], str]:
    """(control, moment) -> outcome of the gate to Production, read anew; standing in the environment of `demo`."""
    house = gate.load_house(gate.Sources(config=settings), {})
    found = {}
    collector = Collector(role=ROLE, retries=0, session=get_session())
    for moment in ("approve", "deploy"):
        question = gate.Question(arn, "Production", moment, None, CLOCK)
        judged = gate.judge(house, question, gate.collect(collector, house, question), now=CLOCK, run_id="test")
        found |= {(ruling.finding.control, moment): ruling.finding.outcome for ruling in judged.decision.rulings}
    return found
