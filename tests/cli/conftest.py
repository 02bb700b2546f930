"""What the command-line tests share: the real console script, a sandbox, and evidence that was really collected."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwarden.render import FORMATS
from tests.command import SCRIPT, Done, inside, process

DEMO = Path(__file__).parents[2] / "engine/modelwarden/sandbox/demo"
CLOCK = "2026-11-20T06:00:00Z"
_OTHER_FORMATS = {*FORMATS} - {"text"}


def clean_environment() -> dict[str, str]:
    """The environment without anything that configures AWS or modelwarden, and without credentials on disk."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    nowhere = {
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return kept | nowhere


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Done]:
    """Run `modelwarden ARGUMENTS` in an empty folder."""

    def call(
        *arguments: str | Path, env: dict[str, str] | None = None, stdin: bytes | None = None, cwd: Path | None = None
    ) -> Done:
        environment = clean_environment() | (env or {})
        # The gate in one format shows what a process ends with; all else takes the same way out in this one, and
        # reads the models of services once.
        apart = arguments[0] == "gate" and not _OTHER_FORMATS & set(arguments) and "AWS_ENDPOINT_URL" not in environment
        if stdin is None and not apart:
            return inside(*arguments, folder=cwd or tmp_path, environment=environment)
        return process(*arguments, folder=cwd or tmp_path, environment=environment, stdin=stdin)

    return call


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Any]:
    """The demo organization over HTTP."""
    from modelwarden.sandbox.server import Sandbox

    with Sandbox("demo") as server:
        yield server


@pytest.fixture(scope="session")
def scenario() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DEMO / "scenario.json").read_text())
    return document


@pytest.fixture(scope="session")
def good(scenario: dict[str, Any]) -> dict[str, Any]:
    """A planned package without any defect, to be approved for Production."""
    return next(
        package
        for package in scenario["packages"]
        if package["planned"]["verdict"] == "allow"
        and package["planned"]["to"] == "Production"
        and package["planned"]["at"] == "approve"
    )


@pytest.fixture(scope="session")
def good_evidence(sandbox: Any, good: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Its evidence document with the reference, as the command line wrote it."""
    file = tmp_path_factory.mktemp("evidence") / "good.json"
    bases = [line for line in (DEMO / "modelwarden.toml").read_text().split('"') if "/ml/base:" in line]
    options = [option for base in bases for option in ("--base-image", base)]
    done = subprocess.run(
        [SCRIPT, "evidence", good["describe"]["ModelPackageArn"], "--role", "ModelwardenReader", *options, "-o", file],
        env=clean_environment() | sandbox.environment(),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode in (0, 3), done.stderr.decode()
    document: dict[str, Any] = json.loads(file.read_text())
    document.pop("digest")
    return document
