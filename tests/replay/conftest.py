"""A scan of the demo organization, recorded once, and runs of the gate over the same evidence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelwarden.gate import House, Observed
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from tests.cli.conftest import clean_environment
from tests.command import Done, inside
from tests.scan import conftest as scanned

from .records import run_of


@dataclass(frozen=True)
class Demo:
    """What was recorded."""

    house: House
    scan: Path
    runs: list[Run]
    """Of each package that the scan judged."""


@pytest.fixture(scope="session")
def demo(demo_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("recorded")
    rules = scanned.house(folder, 'regions = ["eu-west-1"]')
    outcome = scanned.scan(rules, folder / "scan")
    runs = []
    for number, record in enumerate(scanned.records(outcome).values()):
        if record.evidence is not None and record.decision is not None:
            reference = outcome.folder.reference(record.reference)
            runs.append(run_of(rules, record.evidence, number, Observed(record.evidence, reference, None)))
    return Demo(rules, folder / "scan", runs)


@pytest.fixture
def copied(demo: Demo, tmp_path: Path) -> Path:
    """The scan, for tests that change it."""
    shutil.copytree(demo.scan, tmp_path / "copied")
    return tmp_path / "copied"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Done]:
    """`modelwarden ARGUMENTS` in an empty folder, without credentials."""
    empty = tmp_path / "empty"
    empty.mkdir()
    return lambda *arguments: inside(*arguments, folder=empty, environment=clean_environment())
