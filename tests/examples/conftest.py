"""The checkout of each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.checkout import check_out


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with settings under which one control decides, and an evidence file of each kind."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    check_out(folder)
    return folder
