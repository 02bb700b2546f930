"""Write the records of one release for `tests/compat`: `python -m tests.replay.record tests/compat/v0.1.0`.

A release's records are written once, with that release, and never again: they show that what it recorded can still be
judged, and is judged alike. Until 0.1.0 is out, they may be written anew where what it records changes.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from modelwarden import gate
from modelwarden.run import write
from tests.attest import record as signed
from tests.demo.conftest import question_of
from tests.organization import CLOCK, PACKAGES, arn_of, demo
from tests.scan import conftest as scanned
from tests.user_bundle.conftest import HONEST, cedar, python

ACCOUNTS = ("222222222222", "444455556666")
STATUS = cedar("ACME-01", "resource has package.status", "/package/status")
WAIVER = """
[[waiver]]
id = "w-1"
pattern = "arn:aws:sagemaker:*:*:model-package/*a*/*"
controls = ["APR-02", "BIAS-02"]
owner = "ana"
approver = "bo"
reason = "until the artifacts are copied"
ticket = "T-1"
expires = 2027-01-31
"""


def main(into: Path) -> None:
    """A run of the gate for a package that is blocked and for one that is allowed, a scan of two accounts, and all signed."""
    shutil.rmtree(into, ignore_errors=True)
    (into / "gate").mkdir(parents=True)
    with TemporaryDirectory() as folder, demo():
        os.chdir(folder)
        rules = _house(Path(folder))
        collector = gate.collector_of(rules)
        for number, verdict in enumerate(("allow", "block")):
            package = next(one for one in PACKAGES if one["planned"]["verdict"] == verdict)
            question = question_of(package)
            observed = gate.collect(collector, rules, question)
            run = gate.judge(rules, question, observed, now=CLOCK, run_id=f"20261120T060000{number:06}Z-00000000")
            write(run, into / "gate")
            print(f"{arn_of(package)}: {run.decision.verdict}")
        outcome = scanned.scan(rules, into / "scan")
        outcome.folder.tidy()
        print(outcome.folder.manifest()["verdicts"])
    signed.main(into)


def _house(folder: Path) -> gate.House:
    (folder / "house").mkdir()
    (folder / "house/status.cedar").write_text(STATUS)
    (folder / "house/honest.py").write_text(python("ACME-02", HONEST))
    scan = f'regions = ["eu-west-1"]\naccounts = {list(ACCOUNTS)}'
    file = scanned.settings(folder, scan, WAIVER)
    file.write_text('bundle = ["house"]\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    return gate.load_house(gate.Sources(config=Path(file.name)), {})


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
