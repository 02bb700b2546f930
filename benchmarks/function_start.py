#!/usr/bin/env python3
"""CPU of importing the module of the event function against that of importing what no such function can do without.

The floor imports botocore's session and the parts of Powertools that the function uses: batches, logs, metrics. Whole processes
with their bytecode, in turn; the median of the pairwise ratios counts. Exits 1 above the target.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

TARGET = 1.5
FLOOR = """
import botocore.session
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.batch import BatchProcessor
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
"""
OURS = "import modelwarden.aws.events"


def cpu(code: str, cache: str) -> float:
    """Seconds of user and system time of one process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env={**environment, "PYTHONPYCACHEPREFIX": cache})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        cpu(OURS, cache), cpu(FLOOR, cache), cpu("pass", cache)
        rounds = [(cpu(OURS, cache), cpu(FLOOR, cache), cpu("pass", cache)) for _ in range(arguments.rounds)]
    mine, floor, bare = (statistics.median(side) for side in zip(*rounds, strict=True))
    ratio = statistics.median((ours - none) / (least - none) for ours, least, none in rounds)
    print(
        f"function {mine * 1000:.0f} ms, floor {floor * 1000:.0f} ms, python alone {bare * 1000:.0f} ms of CPU (medians)"
    )
    print(f"median ratio without python itself {ratio:.2f} (target <= {TARGET})")
    sys.exit(ratio > TARGET)


if __name__ == "__main__":
    main()
