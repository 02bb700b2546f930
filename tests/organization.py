"""The demo organization over HTTP, in the environment of this process, for every folder of tests that needs one."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modelwarden import gate
from modelwarden.sandbox.server import Sandbox

DEMO = Path(gate.__file__).parent / "sandbox/demo"
SCENARIO: dict[str, Any] = json.loads((DEMO / "scenario.json").read_text(encoding="utf-8"))
PACKAGES: list[dict[str, Any]] = SCENARIO["packages"]
CLOCK: str = SCENARIO["clock"]


def arn_of(package: dict[str, Any]) -> str:
    return str(package["describe"]["ModelPackageArn"])


@contextmanager
def demo() -> Iterator[Sandbox]:
    """A running sandbox, and an environment in which AWS clients talk to it and to nothing else."""
    with Sandbox("demo") as sandbox, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_"))]:
            patch.delenv(name)
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        yield sandbox


def ask(sandbox: Sandbox, method: str, what: str, body: object = None) -> Any:
    """One request to the sandbox's own interface: `faults`, `stats`, `timeline`."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox.endpoint}/_sandbox/{what}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())
