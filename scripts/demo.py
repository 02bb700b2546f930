#!/usr/bin/env python3
"""The demo: gate every package of the simulated organization as a pipeline would, scan it as every night, and report.

Each package is gated by its own `modelwarden gate` process over HTTP; the exit codes are compared with what the scenario
planned. The scan reads all accounts, of which one cannot be entered, so its exit code is 3. All lands in `demo-out/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from modelwarden.sandbox.server import Sandbox

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "engine/modelwarden/sandbox/demo"
OUT = ROOT / "demo-out"
MODELWARDEN = str(Path(sys.executable).with_name("modelwarden"))


def gate(package: dict[str, Any], clock: str, environment: dict[str, str]) -> tuple[dict[str, Any], int, str, str]:
    """One package through the command line: (package, exit code, verdict, what was said)."""
    planned = package["planned"]
    arn = package["describe"]["ModelPackageArn"]
    command = [
        MODELWARDEN,
        "gate",
        arn,
        "--to",
        planned["to"],
        "--at",
        planned["at"],
    ]
    command += [
        "--as-of",
        clock,
        "--config",
        str(DEMO / "modelwarden.toml"),
        "--runs",
        str(OUT / "runs"),
        "--format",
        "json",
    ]
    if planned.get("principal"):
        command += ["--principal", planned["principal"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    verdict = json.loads(done.stdout)["verdict"] if done.returncode in (0, 1, 3) else "error"
    return package, done.returncode, verdict, done.stdout + done.stderr


def main() -> int:
    shutil.rmtree(OUT, ignore_errors=True)
    scenario = json.loads((DEMO / "scenario.json").read_text())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    wrong = 0
    with Sandbox("demo") as sandbox, ThreadPoolExecutor(4) as pool:
        environment = inherited | sandbox.environment()
        answers = pool.map(lambda package: gate(package, scenario["clock"], environment), scenario["packages"])
        counts: Counter[str] = Counter()
        for package, code, verdict, said in answers:
            planned = package["planned"]
            counts[verdict] += 1
            name = package["describe"]["ModelPackageArn"].split(":", 3)[-1].replace("model-package/", "")
            fine = (code, verdict) == (planned["exit"], planned["verdict"])
            wrong += not fine
            defects = ", ".join(planned["defects"]) or "nothing wrong"
            print(
                f"{'ok ' if fine else 'BAD'} {verdict:<10} {name.encode('unicode_escape').decode():<52} {defects}"[:150]
            )
            if not fine:
                print(f"    planned {planned['verdict']} (exit {planned['exit']}), got exit {code}: {said[-500:]}")
        print(
            f"\n{sum(counts.values())} packages: "
            + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        )
        print("\nThe nightly scan of the same organization:\n", flush=True)
        code = scan(scenario["clock"], environment)
    pages = OUT / "decisions.html", OUT / "index.html"
    report(OUT / "runs", pages[0], "--title", "Demo organization")
    (scanned,) = (path.parent for path in (OUT / "scans").glob("*/plan.json"))
    report(scanned, pages[1], "--title", "Demo organization: audit report")
    if wrong or code != 3:
        said = f"{wrong} packages were judged otherwise than planned; the scan ended with {code}, planned 3"
        print(f"error: {said}", file=sys.stderr)
        return 1
    print(
        f"every exit code is as planned; the page over all gates: {pages[0]}\nthe audit report of the scan: {pages[1]}"
    )
    return 0


def scan(clock: str, environment: dict[str, str]) -> int:
    """The whole organization; its exit code."""
    config = ["--config", str(DEMO / "modelwarden.toml"), "--as-of", clock, "--runs", str(OUT / "scans")]
    return subprocess.run([MODELWARDEN, "scan", *config], env=environment, timeout=300, check=False).returncode


def report(runs: Path, page: Path, *options: str) -> None:
    subprocess.run([MODELWARDEN, "report", str(runs), *options, "-o", f"html={page}"], check=True)


if __name__ == "__main__":
    sys.exit(main())
