"""A running organization over real HTTP, and AWS clients of its accounts."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from modelwarden.sandbox.server import Sandbox

TINY = Path(__file__).parent / "tiny" / "scenario.json"
MANAGEMENT, RETAIL, SHARED, CLOSED = "111111111111", "111122223333", "222233334444", "333344445555"
REGION = "eu-west-1"
CHURN = f"arn:aws:sagemaker:{REGION}:{RETAIL}:model-package/churn"

Client = Callable[..., Any]


class Organization:
    """A sandbox and its clients. No retries, so that every test sees the first answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def client(self, service: str, account: str = RETAIL, region: str = REGION, attempts: int = 1, **keys: str) -> Any:
        """As an account of the scenario, or with whatever keys are given."""
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=10)
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.sandbox.endpoint,
            config=config,
            **(keys or self._keys(account)),
        )

    def _keys(self, account: str) -> dict[str, str]:
        environment = self.sandbox.environment(account)
        return {
            "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
        }

    def ask(self, method: str, what: str, body: object = None) -> Any:
        """One request to the sandbox's own interface."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.sandbox.endpoint}/_sandbox/{what}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())

    def fail(self, **rule: object) -> None:
        """Arm one fault."""
        self.ask("POST", "faults", [rule])


@pytest.fixture(scope="module")
def shared() -> Iterator[Organization]:
    """For tests that only read."""
    with Sandbox(TINY) as sandbox:
        yield Organization(sandbox)


@pytest.fixture
def organization() -> Iterator[Organization]:
    """For tests that change something."""
    with Sandbox(TINY) as sandbox:
        yield Organization(sandbox)


@pytest.fixture
def empty() -> Iterator[Organization]:
    with Sandbox("empty") as sandbox:
        yield Organization(sandbox)


def describe(name: str) -> dict[str, Any]:
    """A package as the scenario file has it; placeholders are not resolved."""
    packages = json.loads(TINY.read_bytes())["packages"]
    found: dict[str, Any] = next(one["describe"] for one in packages if one["describe"]["ModelPackageName"] == name)
    return found
