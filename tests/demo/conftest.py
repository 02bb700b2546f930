"""The demo organization over HTTP, every package of it collected and judged in this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session, get_session
from msgspec.structs import replace

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from tests.demo.registry import Registry, restored
from tests.organization import CLOCK, DEMO, PACKAGES, arn_of, ask


def name_of(package: dict[str, Any]) -> str:
    return ascii("/".join(arn_of(package).split(":")[4:]).replace("model-package/", ""))[1:-1]


def question_of(package: dict[str, Any], **changes: Any) -> gate.Question:
    planned = package["planned"]
    question = gate.Question(arn_of(package), planned["to"], planned["at"], planned.get("principal"), CLOCK)
    return replace(question, **changes)


@dataclass(frozen=True)
class Organization:
    """A running demo organization and the rules of its house."""

    sandbox: Sandbox
    house: gate.House
    session: Session

    def ask(self, method: str, what: str, body: object = None) -> Any:
        """One request to the sandbox's own interface."""
        return ask(self.sandbox, method, what, body)

    def collector(self, *, retries: int = 0, **collecting: Any) -> Collector:
        """One that has read nothing yet."""
        return Collector(role="ModelwardenReader", retries=retries, session=self.session, **collecting)

    def gate(self, question: gate.Question, collector: Collector | None = None) -> Run:
        """One package through collector, evaluation and decision."""
        return self.judge(question, gate.collect(collector or self.collector(), self.house, question))

    def judge(self, question: gate.Question, observed: gate.Observed) -> Run:
        return gate.judge(self.house, question, observed, now=CLOCK, run_id="test")


@pytest.fixture(scope="session")
def organization(demo_sandbox: Sandbox) -> Organization:
    rules = gate.load_house(gate.Sources(config=DEMO / "modelwarden.toml"), {})
    return Organization(demo_sandbox, rules, get_session())


@pytest.fixture(scope="session")
def runs(organization: Organization) -> dict[str, Run]:
    """ARN -> run, all packages read by one collector: what they share is looked up once."""
    collector = gate.collector_of(organization.house)
    found = {}
    for package in PACKAGES:
        question = question_of(package)
        observed = gate.collect(collector, organization.house, question)
        found[question.target] = organization.judge(question, observed)
    return found


@pytest.fixture
def registry(running: Sandbox, tmp_path: Path) -> Iterator[Registry]:
    with restored(running, tmp_path) as registry:
        yield registry
