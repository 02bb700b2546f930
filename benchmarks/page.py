#!/usr/bin/env python3
"""Size, time and memory of the HTML report of a large scan, whole process, against the targets.

The scan is made up as that of findings.py: packages of 400 accounts, twelve findings each, some 8 in 100 no pass.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from findings import ACCOUNTS, CHUNK, CONTROLS, REGIONS, arn, columns
from msgspec.structs import asdict

from modelwarden.estate import Account, Estate
from modelwarden.finding import ControlInfo
from modelwarden.scan.folder import Folder
from modelwarden.scan.run import estate_to_json
from modelwarden.scan.summary import Summary
from modelwarden.tables import TablesWriter

CLOCK = "2026-11-22T02:10:00Z"
TARGETS = {"page, MB": 15.0, "peak memory, MiB": 500.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", default="html")
    parser.add_argument("--check", action="store_true", help="exit 1 above a target")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name) / "20261122T021000Z-0123abcd")
        folder.path.mkdir()
        scan(folder, asked.packages, random.Random(asked.seed))
        page = Path(name) / f"report.{asked.format}"
        began = time.perf_counter()
        command = [Path(sys.executable).with_name("modelwarden"), "report", folder.path, "-o", f"{asked.format}={page}"]
        subprocess.run(command, check=True)
        print(f"{asked.packages:,} packages reported in {time.perf_counter() - began:.0f} s")
        beside = list((Path(name) / f"{page.name}-packages").glob("*.html"))
        if beside:
            sizes = [one.stat().st_size / 1e6 for one in beside]
            print(f"{len(beside)} files beside it, {sum(sizes):.0f} MB in all, the largest {max(sizes):.1f} MB")
        within = told("page, MB", page.stat().st_size / 1e6)
        within &= told("peak memory, MiB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    return 0 if within or not asked.check else 1


def scan(folder: Folder, packages: int, chance: random.Random) -> None:
    """Write the folder of a scan."""
    infos = {id_: info(id_, severity) for id_, severity in CONTROLS}
    accounts = [f"{100_000_000_000 + 7 * number}" for number in range(ACCOUNTS)]
    known = tuple(
        Account(id_, f"team-{number}", "ACTIVE", f"Unit/{number % 40}") for number, id_ in enumerate(accounts)
    )
    estate = Estate(
        known, tuple((account, region) for account in accounts for region in REGIONS), (), (), "organization"
    )
    digest = f"sha256:{'a' * 64}"
    folder.write_plan(
        {
            "versions": {"modelwarden": "0.1.0"},
            "bundle": {"digest": digest},
            "settings": {"digest": digest, "waivers_digest": digest},
            "controls": {id_: asdict(one) for id_, one in infos.items()},
            "estate": estate_to_json(estate),
        }
    )
    verdicts: Counter[str] = Counter()
    with TablesWriter(folder.path, infos) as writer:
        for first in range(0, packages, CHUNK):
            names = [arn(number, packages) for number in range(first, min(first + CHUNK, packages))]
            found = columns(names, chance)
            writer.add_columns("findings", found)
            rows = judged(names, found["outcome"])
            verdicts.update(rows["verdict"])
            writer.add_columns("packages", rows)
    summary = Summary(expected=len(estate.cells), read=len(estate.cells), verdicts=verdicts, digest=digest)
    summary.roles["judged"] = packages
    clock = {"started_at": CLOCK, "finished_at": CLOCK, "as_of": CLOCK, "as_of_asserted": False}
    said = {"id": folder.id, "kind": "scan", **clock, "advisory": False, "source": "organization", "tables": {}}
    folder.write_manifest(said | summary.to_json())


def judged(names: list[str], outcomes: list[str]) -> dict[str, list[Any]]:
    """The packages, by column, each with the verdict of its findings."""
    wide = len(CONTROLS)
    worst = [set(outcomes[at * wide : (at + 1) * wide]) for at in range(len(names))]
    parts = [name.split(":") for name in names]
    count = len(names)
    return {
        "package": names,
        "account": [part[4] for part in parts],
        "region": [part[3] for part in parts],
        "group": [part[5].split("/")[1] for part in parts],
        "role": ["judged"] * count,
        "why": ["approved"] * count,
        "approval": ["Approved"] * count,
        "created": [CLOCK] * count,
        "owner": [f"team-{len(name) % 7}@example.com" for name in names],
        "stage": ["Production"] * count,
        "moment": ["serve"] * count,
        "verdict": ["block" if "fail" in one else "undecided" if "unknown" in one else "allow" for one in worst],
        "as_of": [CLOCK] * count,
        "evidence_digest": [f"sha256:{hash(name) & 0xFFFF_FFFF:064x}" for name in names],
    }


def info(id_: str, severity: Any) -> ControlInfo:
    return ControlInfo(
        id=id_,
        title=f"the problem of {id_} is there",
        severity=severity,
        rationale="Somebody would be harmed.",
        remediation="mend it and register the package again",
        reads=("/container/*/image/source",),
        parameters=(),
        source="NIST 800-53 SR-3",
        since="0.1.0",
        engine="cedar",
        path=f"policies/{id_.lower()}.cedar",
        line=11,
    )


def told(what: str, value: float) -> bool:
    within = value <= TARGETS[what]
    print(f"{what:20} {value:8.2f} of {TARGETS[what]:g}{'' if within else '  ABOVE'}")
    return within


if __name__ == "__main__":
    sys.exit(main())
