"""What a command and the processes that it starts use: time, processor and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

WRAPPER = """
import json, pathlib, resource, subprocess, sys, threading, time
def tree(pid):
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(one for child in children for one in tree(int(child)))]
def mib(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
began, peak = time.perf_counter(), 0
with open(sys.argv[1] + ".out", "wb") as out, open(sys.argv[1] + ".err", "wb") as err:
    process = subprocess.Popen(sys.argv[2:], stdout=out, stderr=err)
    while process.poll() is None:
        peak = max(peak, sum(map(mib, tree(process.pid))))
        time.sleep(0.25)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
told = {"code": process.returncode, "wall": time.perf_counter() - began, "cpu": used.ru_utime + used.ru_stime, "mib": peak}
told |= {"out": open(sys.argv[1] + ".out").read(), "err": open(sys.argv[1] + ".err").read()[-2000:]}
open(sys.argv[1], "w").write(json.dumps(told))
"""
"""Measures a command and the processes that it starts: peak memory is the sum of what they have for themselves and of
their share of what they have together."""


def measured(command: list[str], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Exit code, wall and CPU seconds, peak memory and output of a command."""
    answer = folder / "measured.json"
    subprocess.run([sys.executable, "-c", WRAPPER, str(answer), *command], env=environment, cwd=folder, check=True)
    told: dict[str, Any] = json.loads(answer.read_text())
    return told
