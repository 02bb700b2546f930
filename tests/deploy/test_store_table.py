"""The templates beside that of the reader, and the example pipeline, are ones that CloudFormation takes. What they grant is compared
in tests/store, tests/deploy and tests/analytics. One process lints all, since its start takes longer than a template."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = [
    *(ROOT / f"deploy/{name}.yaml" for name in ("store-table", "signing", "analytics", "dashboard")),
    ROOT / "examples/codebuild/pipeline.yaml",
]


def test_cfn_lint_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [linter, "--non-zero-exit-code", "informational", "--include-checks", "I", "--", *TEMPLATES],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
