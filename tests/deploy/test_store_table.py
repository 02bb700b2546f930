"""The template of the store's table is one that CloudFormation takes. What it grants is compared in tests/store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "deploy/store-table.yaml"


def test_cfn_lint_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [linter, "--non-zero-exit-code", "informational", "--include-checks", "I", "--", TEMPLATE],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
