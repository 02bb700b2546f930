"""What the kits are tried on: a checkout with evidence of each kind, values that want to be commands, a stand-in for the gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from scripts import judges

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"

_ENCRYPTED: Final = {
    "/artifact_count": 1,
    "/artifact/0/encryption/sse": "aws:kms",
    "/artifact/0/kms_key/manager": "CUSTOMER",
    "/artifact/0/kms_key/arn": "arn:aws:kms:eu-west-1:111122223333:key/1",
}
FACTS: Final[dict[str, dict[str, Any]]] = {
    "allowed": _ENCRYPTED,
    "blocked": _ENCRYPTED | {"/artifact/0/encryption/sse": "AES256"},
    "undecided": _ENCRYPTED
    | {"/artifact/0/kms_key/manager": {"state": "unknown", "reason": "AccessDenied", "api": "kms:DescribeKey"}},
}
HOSTILE: Final = [
    "$(touch owned)",
    "`touch owned`",
    "'; touch owned; '",
    '"; touch owned; "',
    "allowed.json; touch owned",
    "allowed.json\ntouch owned",
    "x\nverdict=allow",
    "$((a[$(touch owned)]))",
]


@dataclass(frozen=True)
class Shell:
    """One script that a shell has run."""

    code: int
    log: str


def check_out(folder: Path) -> None:
    """Settings under which one control decides, and an evidence file of each kind."""
    controls = {path.parent.name for path in (ROOT / "tests/controls").glob("*/cases.json")} - {"ENC-02"}
    off = "".join(f'{id_} = "off"\n' for id_ in sorted(controls))
    keys = f'[parameters]\napproved_kms_keys = ["{_ENCRYPTED["/artifact/0/kms_key/arn"]}"]\n'
    (folder / "modelwarden.toml").write_text(f'profile = "recommended"\n{keys}[enforcement]\n{off}')
    for name, facts in FACTS.items():
        document = {"schema": "modelwarden.evidence/1", "package": PACKAGE, "facts": facts}
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "broken.json").write_text("{")


def run_script(
    text: str, *shell: str, folder: Path, environment: Mapping[str, str], first: Path | None = None
) -> Shell:
    """`text` by a shell that finds commands in `first`, then beside this interpreter, then where this process does."""
    found = [str(first)] if first else []
    path = ":".join([*found, str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [*shell, "-c", text],
        cwd=folder,
        env={"HOME": str(folder), "LANG": "C.UTF-8"} | dict(environment) | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return Shell(done.returncode, done.stdout.decode())


def stand_in(folder: Path, code: int = 0, verdict: str | None = None) -> Path:
    """A folder with a `modelwarden` that keeps its arguments in `arguments`, each ended by NUL, and ends with `code`.

    With a verdict it writes `modelwarden-report/decision.json` as the gate does.
    """
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    answer = f'echo \'{{"verdict": "{verdict}"}}\' > modelwarden-report/decision.json\n' if verdict else ""
    command = bin_ / "modelwarden"
    command.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > '{folder}/arguments'\n{answer}exit {code}\n")
    command.chmod(0o755)
    return bin_


def arguments_of(folder: Path) -> list[str]:
    """What the last `stand_in` was called with."""
    return (folder / "arguments").read_text().split("\0")[:-1]


def judge(name: str) -> Path:
    """The file of `scripts.judges`; without it the test fails and says what to do."""
    try:
        return judges.path(name)
    except judges.JudgeMissing as error:
        pytest.fail(str(error), pytrace=False)
