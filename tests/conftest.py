"""Options and fixtures that every test folder may use."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader, create_loader

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden"

sys.path.insert(0, str(ROOT))  # for `scripts` and `tests`

from modelwarden.sandbox import wire  # noqa: E402
from modelwarden.sandbox.server import Sandbox  # noqa: E402
from tests.organization import demo  # noqa: E402

_SCRUBBED = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?Z"), "@@NOW@@"),
    (re.compile(r"\d{8}T\d{6,12}Z-[0-9a-f]{8}"), "@@RUN@@"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "rewrite the files of tests/golden; what a test says of outcomes stands in the test and is never rewritten"
    parser.addoption("--update-goldens", action="store_true", help=about)


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """Service models are read once in this process: to parse them takes longer than most tests."""
    loader = create_loader()

    def shared(search_path_string: str | None = None) -> Loader:
        return create_loader(search_path_string) if search_path_string else loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", shared)
        # A client of S3 takes the bucket out of the model's paths, by which the sandbox knows the operations: it reads first.
        wire._s3_routes()
        yield


@pytest.fixture(scope="session")
def demo_sandbox() -> Iterator[Sandbox]:
    """The demo organization, one for all folders: each would put itself into the environment of the process."""
    with demo() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """The demo organization for a file that changes it."""
    with Sandbox("demo") as sandbox:
        yield sandbox


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests measured (`record_property("measured", text)`), also from the processes of pytest-xdist."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    told = [
        text
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, text in report.user_properties
        if name == "measured"
    ]
    if told:
        terminalreporter.section("measured")
        for text in told:
            terminalreporter.line(text)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text, without clock and run ids, is what `tests/golden/<name>` holds."""

    def compare(name: str, text: str) -> None:
        for pattern, word in _SCRUBBED:
            text = pattern.sub(word, text)
        file = GOLDEN / name
        if request.config.getoption("--update-goldens"):
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file} is missing: run pytest --update-goldens and read what it wrote"
        assert text == file.read_text(encoding="utf-8"), f"if the new text is right: pytest --update-goldens, {name}"

    return compare
