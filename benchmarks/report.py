#!/usr/bin/env python3
"""A report over a large scan in each format: seconds, size, and peak memory of the process, against the target.

The scan is made up as `findings.py` makes it, with a package for each dozen findings. Each format goes through a pipe
and is counted there, so that nothing is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from findings import ACCOUNTS, CHUNK, CONTROLS, REGIONS, arn, columns

from modelwarden.audit.formats import FORMATS
from modelwarden.scan.folder import Folder
from modelwarden.tables import TablesWriter

CLOCK = "2026-11-22T02:10:00Z"
TARGET = 500.0
"""MB."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", dest="formats", action="append", choices=FORMATS, help="all by default")
    parser.add_argument("--check", action="store_true", help="exit 1 above the target")
    asked = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        scan = made(Path(name) / "20261122T021000000000Z-0123abcd", asked.packages, random.Random(asked.seed))
        print(f"{asked.packages * len(CONTROLS):,} findings", flush=True)
        for format_ in asked.formats or FORMATS:
            seconds, size, memory = measured(scan, format_)
            worst = max(worst, memory)
            print(f"{format_:18} {seconds:8.0f} s {size / 1e6:10.1f} MB   peak memory {memory:6.0f} MB", flush=True)
    return 1 if asked.check and worst > TARGET else 0


def measured(scan: Path, format_: str) -> tuple[float, int, float]:
    """(seconds, bytes, peak memory in MB)."""
    began, size = time.perf_counter(), 0
    command = [str(Path(sys.executable).with_name("modelwarden")), "report", str(scan), "--format", format_]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    while data := process.stdout.read(1 << 20):
        size += len(data)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{format_}: exit status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, size, usage.ru_maxrss * 1024 / 1e6


def made(path: Path, packages: int, chance: random.Random) -> Path:
    """The folder of a scan that came to its end."""
    path.mkdir()
    with TablesWriter(path, {}) as writer:
        for first in range(0, packages, CHUNK):
            names = [arn(number, packages) for number in range(first, min(first + CHUNK, packages))]
            found = columns(names, chance)
            writer.add_columns("packages", of_packages(names, found["outcome"]))
            writer.add_columns("findings", found)
    (path / "cells.jsonl").write_bytes(b"")
    folder = Folder(path)
    folder.write_plan(plan())
    files = ("packages.parquet", "findings.parquet", "evidence.parquet", "cells.jsonl")
    folder.write_manifest(manifest(path.name, packages, {name: sha256(path / name) for name in files}))
    return path


def of_packages(names: list[str], outcomes: list[str]) -> dict[str, list[Any]]:
    """The packages of a row group, each with the verdict that its findings make."""
    parts = [name.split(":") for name in names]
    per = len(CONTROLS)
    each = [set(outcomes[number * per : (number + 1) * per]) for number in range(len(names))]
    verdicts = ["block" if "fail" in one else "undecided" if "unknown" in one else "allow" for one in each]
    count = len(names)
    same = {"role": "judged", "why": "approved", "approval": "Approved", "stage": "Production", "moment": "serve"}
    return {
        "package": names,
        "account": [part[4] for part in parts],
        "region": [part[3] for part in parts],
        "group": [part[5].split("/")[1] for part in parts],
        "version": [int(part[5].rsplit("/", 1)[1]) for part in parts],
        "verdict": verdicts,
        "as_of": [CLOCK] * count,
        **{name: [value] * count for name, value in same.items()},
    }


def plan() -> dict[str, Any]:
    controls = {}
    for id_, severity in CONTROLS:
        controls[id_] = {
            "id": id_, "title": f"the problem of {id_} is there", "severity": severity, "rationale": "Somebody would be harmed.",
            "remediation": "mend it and register the package again", "reads": ["/artifact_count"], "parameters": [],
            "source": "NIST 800-53 SC-28(1)", "since": "0.1.0", "engine": "cedar", "path": f"policies/{id_.lower()}.cedar", "line": 11,
        }  # fmt: skip
    accounts = [f"{100_000_000_000 + 7 * number}" for number in range(ACCOUNTS)]
    estate = {
        "accounts": [{"id": one, "name": f"team-{one}", "status": "ACTIVE", "unit": "Workloads"} for one in accounts],
        "cells": [[one, region] for one in accounts for region in REGIONS],
        "skipped": [],
        "source": "organization",
    }
    digests = {"settings": {"digest": "sha256:b", "waivers_digest": "sha256:c"}, "bundle": {"digest": "sha256:a"}}
    return {"versions": {"modelwarden": "0.1.0"}, **digests, "controls": controls, "estate": estate}


def manifest(id_: str, packages: int, tables: dict[str, str]) -> dict[str, Any]:
    cells = ACCOUNTS * len(REGIONS)
    coverage = {"expected": cells, "read": cells, "unread": [], "failed": [], "skipped": [], "accepted": []}
    clock = {"started_at": CLOCK, "finished_at": CLOCK, "as_of": CLOCK, "as_of_asserted": False}
    said = {"id": id_, "kind": "scan", **clock, "advisory": False, "source": "organization", "complete": True}
    empty: dict[str, Any] = {name: {} for name in ("verdicts", "blocked", "approvals", "accounts", "controls", "endpoints")}
    lists: dict[str, Any] = {name: [] for name in ("named", "unrecorded", "strays")}
    counts = {"packages": {"judged": packages}, "digest": "sha256:d", "tables": tables}
    return {**said, "coverage": coverage, **empty, **lists, **counts}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
