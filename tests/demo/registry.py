"""A demo organization of its own for tests that write to it, gated as a user would."""

from __future__ import annotations

import copy
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from modelwarden import gate
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from tests.command import Done, inside
from tests.organization import DEMO, PACKAGES, arn_of

ME = "arn:aws:iam::111111111111:user/sandbox"


@dataclass
class Registry:
    """A demo organization of its own, whose packages are restored after each test."""

    sandbox: Sandbox
    folder: Path
    packages: list[dict[str, Any]] = field(default_factory=lambda: PACKAGES)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
        return kept | self.sandbox.environment() | {"AWS_CONFIG_FILE": "/nonexistent"}

    def arn(self, ending: str) -> str:
        return next(arn_of(package) for package in self.packages if arn_of(package).endswith(ending))

    def client(self, arn: str, service: str = "sagemaker") -> Any:
        own = self.sandbox.environment(arn.split(":")[4])
        return boto3.client(
            service,
            endpoint_url=self.sandbox.endpoint,
            region_name=arn.split(":")[3],
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        )

    def describe(self, arn: str) -> dict[str, Any]:
        return dict(self.client(arn).describe_model_package(ModelPackageName=arn))

    def fail(self, **rule: Any) -> None:
        body = json.dumps([rule]).encode()
        urllib.request.urlopen(f"{self.sandbox.endpoint}/_sandbox/faults", body, timeout=10).close()

    def pack(self, more: str = "", *, approvers: str = ME, top: str = "", **files: str) -> list[str]:
        """Options that name a pinned organization layer with the demo's settings and whatever is given."""
        folder = self.folder / "pack"
        folder.mkdir(exist_ok=True)
        demo = (DEMO / "modelwarden.toml").read_text(encoding="utf-8")
        head, rest = demo.split("[parameters]\n", 1)
        head = f"{top}\n" + ('bundle = ["house"]\n' if files else "") + head
        text = f'{head}[parameters]\napprovers_high = ["{approvers}"]\napprovers_low = ["{ME}"]\n{rest}\n{more}'
        (folder / "modelwarden.toml").write_text(text)
        for name, content in files.items():
            (folder / "house/authz").mkdir(parents=True, exist_ok=True)
            (folder / "house/authz" / f"{name}.cedar").write_text(content)
        return ["--organization", str(folder), "--organization-digest", digest_pack(read_pack(str(folder), None))]

    def gate(self, arn: str, *options: str, to: str = "Production", enforce: bool = True) -> Done:
        runs = self.folder / "runs"
        more = (*options, *(["--enforce"] if enforce else []))
        done = self.run("gate", arn, "--to", to, "--runs", runs, "--retries", "1", *more)
        assert "Traceback" not in done.err
        return done

    def run(self, *arguments: str | Path) -> Done:
        """`modelwarden ARGUMENTS` against this organization, in its folder."""
        return inside(*arguments, folder=self.folder, environment=self.environment)

    def runs(self) -> list[Run]:
        files = sorted((self.folder / "runs").rglob("*.json")) if (self.folder / "runs").exists() else []
        return [Run.from_json(json.loads(file.read_text())) for file in files]

    def house(self, options: list[str], monkeypatch: pytest.MonkeyPatch) -> gate.House:
        """For tests that must act between judging and writing."""
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_"))]:
            monkeypatch.delenv(name)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        return gate.load_house(gate.Sources(organization=options[1], organization_digest=options[3]), {})


@contextmanager
def restored(sandbox: Sandbox, folder: Path) -> Iterator[Registry]:
    """The registry, whose packages and trail are afterwards what they were."""
    cells = sandbox.world.cells
    before = copy.deepcopy({place: cell.packages for place, cell in cells.items()})
    trails = {place: [*cell.trail] for place, cell in cells.items()}
    yield Registry(sandbox, folder)
    sandbox.gateway.faults.clear()
    for place, packages in before.items():
        cells[place].packages, cells[place].trail = packages, trails[place]
