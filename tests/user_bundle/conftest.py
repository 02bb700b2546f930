"""What the tests of user controls share: a folder of controls, an evidence file, and the gate as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("modelwarden")
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/1"

# The console script with a shorter limit for a user's rules.
IMPATIENT = "import modelwarden.worker as w\nw.SECONDS = 2\nfrom modelwarden.cli import entry\nentry()"

FACTS: dict[str, Any] = {
    "/package/arn": PACKAGE,
    "/package/status": "Completed",
    "/tag_keys": ["Cost Center", "owner"],
    "/tag/owner": "retail",
    "/tag/Cost Center": "4711",
    "/customer_metadata_keys": ["git/sha", "owner"],
    "/customer_metadata/git~1sha": "abc",
    "/customer_metadata/owner": "nobody",
    "/container_count": 2,
    "/container/0/framework": "XGBOOST",
    "/container/1/framework": "SKLEARN",
    "/card/text/anything~1at_all": "some text",
}

CEDAR = """@id("{id}")
@title("a rule of the house is broken")
@severity("high")
@rationale("House rule.")
@remediation("mend it")
@reads("{reads}")
@source("house rule 1")
@since("1.0.0")
forbid (
  principal,
  action in Modelwarden::Action::"promote",
  resource
)
unless
{{ {unless} }};
"""

PYTHON = """import os, sys, threading, time
from modelwarden.evidence import *
from modelwarden.control import *

{above}

@control(id="{id}", title="a rule of the house is broken", severity="high", rationale="House rule.",
         remediation="mend it", reads=({reads},), source="house rule 1", since="1.0.0")
def check(evidence, parameters):
{body}
"""


def cedar(id_: str, unless: str, reads: str) -> str:
    return CEDAR.format(id=id_, unless=unless, reads=reads)


def python(id_: str, body: str, reads: str = '"/package/status"', above: str = "") -> str:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return PYTHON.format(id=id_, body=indented, reads=reads, above=above)


HONEST = """
match evidence.get("/package/status"):
    case Present("Completed"):
        return Pass()
return Fail("a completed package", ["/package/status"])
"""


class Done:
    """A finished command."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()

    def findings(self) -> dict[str, dict[str, Any]]:
        """Control -> its finding, of the format json."""
        assert self.out, self.err
        return {finding["control"]: finding for finding in json.loads(self.out)["findings"]}


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Write files into a folder beside the evidence."""

    def write(files: dict[str, str], folder: str = "house") -> Path:
        for name, text in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / folder

    return write


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Done]:
    """Run `modelwarden ARGUMENTS` beside the evidence `e.json`."""

    def call(
        *arguments: str | Path,
        facts: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        impatient: bool = False,
    ) -> Done:
        document = {"schema": "modelwarden.evidence/1", "package": PACKAGE, "facts": {**FACTS, **(facts or {})}}
        (tmp_path / "e.json").write_text(json.dumps(document))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
        command = [sys.executable, "-c", IMPATIENT] if impatient else [SCRIPT]
        done = subprocess.run(
            [*command, *map(str, arguments)], cwd=tmp_path, env=clean | (env or {}), capture_output=True, timeout=120
        )
        return Done(done)

    return call


@pytest.fixture
def gate(run: Callable[..., Done], tmp_path: Path) -> Callable[..., Done]:
    """Gate `e.json` for Production with nothing but the controls of `house`; all of them block."""

    def call(*options: str, ids: tuple[str, ...] = (), **rest: Any) -> Done:
        listed = json.loads(run("controls", "list", "--format", "json").out)["controls"]
        off = "".join(f'{info["id"]} = "off"\n' for info in listed)
        (tmp_path / "settings.toml").write_text(f'profile = "observe"\n[enforcement]\n{off}')
        levels = [part for id_ in ids for part in ("--level", f"{id_}=block")]
        common = ("gate", "e.json", "--to", "Production", "--config", "settings.toml", "--bundle", "house")
        return run(*common, *levels, "--format", "json", *options, **rest)

    return call
