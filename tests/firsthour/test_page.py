"""docs/first-hour.md shows what happens: every command of it is run, in order, and says what stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import SCRIPT, clean_environment

from .conftest import Organization, arn_of

PAGE = Path(__file__).parents[2] / "docs/first-hour.md"
SCRUB = (
    (re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?"), "@@DAY@@"),
    (re.compile(r"\d{8}T\d{6,12}Z-[0-9a-f]{8}"), "@@RUN@@"),
    (re.compile(r"\d+( ok| of|,|;| not| controls| permissions| passed| APIs)"), r"N\1"),
)
"""Days and runs differ, and so does how many controls and permissions there are in the next version."""
MARK = "@@COMMAND@@"


def scrubbed(text: str) -> list[str]:
    for pattern, replacement in SCRUB:
        text = pattern.sub(replacement, text)
    return [line.rstrip() for line in text.splitlines()]


def shown() -> list[tuple[str, list[str]]]:
    """(command, lines that it is shown to say), over all console blocks of the page."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    steps: list[tuple[str, list[str]]] = []
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="the page is for a shell")
def test_the_page_says_what_happens(organization: Organization, tmp_path: Path) -> None:
    steps = shown()
    assert len(steps) >= 10
    script = "\n".join(f"echo; echo '{MARK}'; {command}" for command, _ in steps)
    environment = clean_environment() | organization.sandbox.environment()
    environment |= {"ARN": arn_of("credit-default/4"), "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    said = done.stdout.split(f"\n{MARK}\n")[1:]
    for (command, expected), actual in zip(steps, said, strict=True):
        assert_says(command, scrubbed("\n".join(expected)), scrubbed(actual))


def assert_says(command: str, expected: list[str], actual: list[str]) -> None:
    """Line by line; `...` stands for any lines, and an empty line may follow."""
    while actual and not actual[-1]:
        actual.pop()
    at, gap = 0, False
    for line in expected:
        if line == "...":
            gap = True
            continue
        assert line in actual[at:], f"$ {command}\n{line!r} is not said after line {at} of:\n" + "\n".join(actual)
        found = actual.index(line, at)
        assert gap or found == at, f"$ {command}\n{actual[at]!r} is said before {line!r}"
        at, gap = found + 1, False
    assert gap or at == len(actual), f"$ {command}\nmore is said: {actual[at:]}"


def test_the_settings_of_the_page_are_ten_lines() -> None:
    (lines,) = (
        expected for command, expected in shown() if command.startswith("grep") and "modelwarden.toml" in command
    )
    assert len(lines) <= 10
