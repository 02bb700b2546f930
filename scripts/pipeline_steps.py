#!/usr/bin/env python3
"""Record what the SageMaker SDK makes of the gate's steps: tests/golden/pipeline_steps.json, which the tests compare with ours.

The SDK takes a gigabyte, so that it gets an environment of its own, which is removed again; `--python` names the interpreter
of one that has it already, with msgspec beside it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
GOLDEN: Final = ROOT / "tests/golden/pipeline_steps.json"
NEEDED: Final = ("sagemaker", "msgspec")
# Nothing is called: the SDK wants a region to be imported, and credentials to be made.
PRETENDED: Final = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


def recorded(python: str) -> str:
    """What the SDK of an environment makes of them, as text of the file."""
    environment = {**os.environ, **PRETENDED, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'engine'}"}
    command = [python, "-W", "ignore", "-m", "tests.pipelines.drawn"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def installed(folder: Path) -> str:
    """An environment with the SDK at the version of constraints.txt; its interpreter."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *(f"{one}=={pins[one]}" for one in NEEDED)], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--python", help="interpreter of an environment with the SDK")
    python = parser.parse_args().python
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(recorded(python or installed(Path(folder))))
    print(f"wrote {GOLDEN.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
