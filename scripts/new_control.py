#!/usr/bin/env python3
"""Scaffold a control and its cases: `scripts/new_control.py ENC-09 --cedar stale_key`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

CEDAR = """@id("{id}")
@title("what is wrong, in lower case")
@severity("medium")
@rationale("Why it matters, in one sentence.")
@remediation("what to do about it")
@reads("/package/status")
@source("NIST 800-53 ...")
@since("0.1.0")
forbid (
  principal,
  action in Modelwarden::Action::"promote",
  resource
)
unless
{{ resource has package.status && resource.package.status == "Completed" }};
"""

PYTHON = '''"""What is wrong, as a sentence.

Which facts it reads, and what it makes of them when they are absent or unknown.
"""

from modelwarden.control import Fail, Parameters, Pass, Verdict, View, control
from modelwarden.evidence import Present


@control(
    id="{id}",
    title="what is wrong, in lower case",
    severity="medium",
    rationale="Why it matters, in one sentence.",
    remediation="what to do about it",
    reads=("/package/status",),
    source="NIST 800-53 ...",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    match evidence.get("/package/status"):
        case Present("Completed"):
            return Pass()
    return Fail(expected="a completed package", at=["/package/status"])
'''

CASES = [
    {"name": "complete", "outcome": "pass", "facts": {"/package/status": "Completed"}},
    {
        "name": "failed",
        "outcome": "fail",
        "facts": {"/package/status": "Failed"},
        "says": ['/package/status = "Failed"'],
    },
    {
        "name": "not read",
        "outcome": "unknown",
        "facts": {
            "/package/status": {"state": "unknown", "reason": "AccessDenied", "api": "sagemaker:DescribeModelPackage"}
        },
        "says": ["/package/status is unknown: AccessDenied"],
    },
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", help="FAMILY-01")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--cedar", metavar="NAME", help="name of the problem: stale_key")
    kind.add_argument("--python", metavar="NAME")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="checkout to write into")
    arguments = parser.parse_args()
    name = arguments.cedar or arguments.python
    if not re.fullmatch(r"[A-Z][A-Z0-9]{1,15}-\d{2,3}", arguments.id) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        print("error: the id must look like ENC-09 and the name like stale_key", file=sys.stderr)
        return 2
    control = arguments.root / (f"policies/{name}.cedar" if arguments.cedar else f"rules/{name}.py")
    cases = arguments.root / f"tests/controls/{arguments.id}/cases.json"
    for path in (control, cases):
        if path.exists():
            print(
                f"error: {path} exists already\n  help: ids and names are never reused; choose another", file=sys.stderr
            )
            return 2
    cases.parent.mkdir(parents=True, exist_ok=True)
    control.write_text((CEDAR if arguments.cedar else PYTHON).format(id=arguments.id))
    cases.write_text(json.dumps(CASES, indent=2) + "\n")
    print(f"{control}\n{cases}\nnext: write the cases, then the control, then `make docs check`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
