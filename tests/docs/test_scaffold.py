"""The scaffold writes controls that lint, with cases that pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment
from tests.docs.test_pages import ROOT, SCRIPT


@pytest.mark.parametrize(("engine", "folder"), [("--cedar", "policies"), ("--python", "rules")])
def test_a_scaffolded_control_lints_and_passes_its_cases(tmp_path: Path, engine: str, folder: str) -> None:
    (tmp_path / folder).mkdir()
    command = [sys.executable, ROOT / "scripts/new_control.py", "ACME-09", engine, "stale_thing", "--root", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "next: write the cases" in done.stdout
    for arguments in (
        ["lint", "--bundle", tmp_path / folder],
        ["test", "--bundle", tmp_path / folder, tmp_path / "tests/controls"],
    ):
        done = subprocess.run(
            [SCRIPT, *arguments], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode != 0, "it wrote over a control"
