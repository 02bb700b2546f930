"""The templates of the store's table and of signing are ones that CloudFormation takes. What the first grants is compared in
tests/store. One process lints both, since its start takes longer than a template."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
TEMPLATES = (DEPLOY / "store-table.yaml", DEPLOY / "signing.yaml")


def test_cfn_lint_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [linter, "--non-zero-exit-code", "informational", "--include-checks", "I", "--", *TEMPLATES],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
