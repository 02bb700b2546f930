#!/usr/bin/env python3
"""Size of the findings of a large run, time of the questions that reports ask of it, and memory, against the targets.

The findings are made up, by a seed: packages of hundreds of accounts, some 8 in 100 findings no pass, with reasons and
observed facts that name the package. They are written row group by row group, as a scan writes them.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from modelwarden.tables import TablesWriter, query
from modelwarden.tables.schema import ROWS

CONTROLS = (
    ("APR-01", "high"), ("APR-03", "medium"), ("CARD-01", "high"), ("ENC-02", "high"), ("EVAL-01", "medium"), ("IMG-01", "critical"),
    ("IMG-02", "high"), ("LIN-01", "medium"), ("NET-01", "high"), ("OWN-01", "low"), ("TAG-01", "low"), ("VAL-01", "critical"),
)  # fmt: skip
REGIONS = ("eu-west-1", "us-east-1")
ACCOUNTS = 400
VERSIONS = 5
"""Of one group."""
CHUNK = ROWS["findings"] // len(CONTROLS)
"""Packages that are made at once: the findings of one row group."""
TARGETS = {"MB": 100.0, "seconds": 1.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="exit 1 above a target")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        count = write(folder, asked.packages, random.Random(asked.seed))
        print(f"{count:,} findings written in {time.perf_counter() - began:.0f} s, peak memory {peak():.0f} MiB")
        size = (folder / "findings.parquet").stat().st_size / 1e6
        within = told("findings.parquet", size, "MB")
        for what, ask in questions(folder, query.worst(folder, 1)[0][0]).items():
            within &= told(what, fastest(ask), "seconds")
    print(f"peak memory {peak():.0f} MiB")
    return 0 if within or not asked.check else 1


def questions(folder: Path, package: str) -> dict[str, Callable[[], query.Rows]]:
    return {
        "outcomes per control": lambda: query.outcomes(folder),
        "matrix of 50 accounts": lambda: query.matrix(folder, 50),
        "severity per account": lambda: query.severities(folder),
        "families by account": lambda: query.families(folder),
        "worst 50 packages": lambda: query.worst(folder, 50),
        "open findings of a package": lambda: query.open_findings(folder, package),
    }


def write(folder: Path, packages: int, chance: random.Random) -> int:
    """Write findings, and the two other tables without rows; returns the number of findings."""
    with TablesWriter(folder, {}) as writer:
        for first in range(0, packages, CHUNK):
            numbers = range(first, min(first + CHUNK, packages))
            writer.add_columns("findings", columns([arn(number, packages) for number in numbers], chance))
    return packages * len(CONTROLS)


def columns(packages: list[str], chance: random.Random) -> dict[str, list[Any]]:
    """The findings of these packages, by column."""
    count = len(packages)
    each = [package for package in packages for _ in CONTROLS]
    parts = [package.split(":") for package in packages]
    rows = list(details(each, chance))
    outcome, effect, reason, expected, observed = (list(column) for column in zip(*rows, strict=True))
    total = count * len(CONTROLS)
    return {
        "package": each,
        "account": [part[4] for part in parts for _ in CONTROLS],
        "region": [part[3] for part in parts for _ in CONTROLS],
        "group": [part[5].split("/")[1] for part in parts for _ in CONTROLS],
        "stage": ["Production"] * total,
        "moment": ["serve"] * total,
        "control": [control for control, _ in CONTROLS] * count,
        "severity": [severity for _, severity in CONTROLS] * count,
        "outcome": outcome,
        "level": ["block"] * total,
        "effect": effect,
        "why_level": ["profile recommended"] * total,
        "reason": reason,
        "expected": expected,
        "observed": observed,
    }


def details(packages: list[str], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    """(outcome, effect, reason, expected, observed) of each finding."""
    for package in packages:
        drawn = chance.random()
        if drawn >= 0.08:
            yield "pass", "none", None, None, None
            continue
        outcome = "fail" if drawn < 0.06 else "unknown"
        yield outcome, "blocks" if outcome == "fail" else "undecides", *told_of(package, outcome, chance)


def told_of(package: str, outcome: str, chance: random.Random) -> tuple[str | None, str, str]:
    """Reason, expected and observed, as the engine words them: the observed fact and its request are of this package."""
    account = package.split(":")[4]
    source = {"api": "sagemaker:DescribeModelPackage", "at": f"2026-11-22T02:{chance.randrange(60):02}:00Z"}
    source["request_id"] = f"{chance.getrandbits(32):08x}"
    fact: dict[str, Any] = {"state": "unknown", "reason": "AccessDenied", "source": 0}
    if outcome == "fail":
        uri = f"{account}.dkr.ecr.eu-west-1.amazonaws.com/team-{chance.randrange(40)}/scoring"
        fact = {"state": "present", "value": uri, "source": 0}
    document = {"facts": {"/container/0/image/source": fact}, "sources": [source]}
    reason = "parameter approved_image_sources is not set" if outcome == "unknown" else None
    return reason, "an approved source for every container", msgspec.json.encode(document).decode()


def arn(number: int, packages: int) -> str:
    """In the order of accounts and regions, as a scan writes them."""
    cell = number * ACCOUNTS * len(REGIONS) // packages
    account, region = 100_000_000_000 + 7 * (cell // len(REGIONS)), REGIONS[cell % len(REGIONS)]
    group, version = divmod(number, VERSIONS)
    return f"arn:aws:sagemaker:{region}:{account}:model-package/scoring-{group}/{version + 1}"


def fastest(ask: Callable[[], query.Rows]) -> float:
    """Seconds, the best of three: what others do on the machine is not the question's."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        if not ask():
            raise SystemExit("a question without an answer measures nothing")
        taken.append(time.perf_counter() - began)
    return min(taken)


def told(what: str, value: float, unit: str) -> bool:
    target = TARGETS[unit]
    within = value <= target
    print(f"{what:28} {value:8.2f} {unit}, {value / target:.2f} of {target:g}{'' if within else '  ABOVE'}")
    return within


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
