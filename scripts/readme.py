"""The outputs in README.md and the how-tos, made by running the commands that stand above them.

A block looks like this; what stands between the fences is replaced:

    <!-- output of: modelwarden gate ARN --to Production -->
    ```
    ...
    ```

`$CONFIG` stands for the demo's settings. Commands run against the demo organization; times, run ids and paths are
replaced, so that two runs write the same text.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from modelwarden.sandbox.server import Sandbox

ROOT = Path(__file__).parents[1]
PAGES = ("README.md",)
CONFIG = ROOT / "engine/modelwarden/sandbox/demo/modelwarden.toml"

_BLOCK = re.compile(r"(<!-- output of: (?P<command>.+?) -->\n```\w*\n)(?P<text>.*?)(```\n)", re.DOTALL)
_SCRUB = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z"), "2026-11-20T06:00Z"),
    (re.compile(r"\d{8}T\d{6,12}Z-[0-9a-f]{8}"), "20261120T060000Z-1f0c9a2e"),
    (re.compile(re.escape(str(CONFIG))), "modelwarden.toml"),
)


def outputs() -> dict[str, str]:
    """Page -> its text with every block run again."""
    with Sandbox("demo") as sandbox, tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
        environment = kept | sandbox.environment() | {"COLUMNS": "110"}
        return {page: _rewritten((ROOT / page).read_text(encoding="utf-8"), environment, folder) for page in PAGES}


def _rewritten(text: str, environment: dict[str, str], folder: str) -> str:
    def one(found: re.Match[str]) -> str:
        return found[1] + _output(found["command"], environment, folder) + found[4]

    return _BLOCK.sub(one, text)


def _output(command: str, environment: dict[str, str], folder: str) -> str:
    words = [word.replace("$CONFIG", str(CONFIG)) for word in shlex.split(command)]
    script = str(Path(sys.executable).with_name(words[0]))
    done = subprocess.run(
        [script, *words[1:]],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode in (2, 4):
        raise SystemExit(f"error: `{command}` in the pages failed: {done.stdout}")
    said = done.stdout.rstrip() + "\n"
    for pattern, replacement in _SCRUB:
        said = pattern.sub(replacement, said)
    return said
