"""The function of deploy/pipeline.yaml in the demo's management account, and pipelines that ask it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelwarden.aws import pipeline
from modelwarden.pipelines.steps import PARAMETER, Gate, definition, reference, steps
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from tests.demo.registry import Registry, restored
from tests.pipelines.drawn import DEPLOY, FUNCTION
from tests.pipelines.execution import Execution

HUB, REGION = "111111111111", "eu-west-1"
HOME = f"arn:aws:sagemaker:{REGION}:{HUB}:x"
BUCKET = "pipeline-records"


@dataclass
class Line:
    """Pipelines of a spoke, and what becomes of them."""

    registry: Registry
    monkeypatch: pytest.MonkeyPatch
    deployed: list[str] = field(default_factory=list)
    """Packages that the step behind the gate was run for."""

    def client(self, service: str) -> Any:
        return self.registry.client(HOME, service)

    def set_up(self, more: str = "", top: str = "", stages: str = "", **environment: str) -> None:
        """The function, with the organization layer of the demo and, in its table of stages, those besides."""
        options = self.registry.pack(more, top=f'records = "s3://{BUCKET}/records"\n{top}')
        if stages:
            file = Path(options[1]) / "modelwarden.toml"
            file.write_text(file.read_text().replace("[stages]\n", f"[stages]\n{stages}\n"))
            options[3] = digest_pack(read_pack(options[1], None))
        given = {
            **self.registry.environment,
            "MODELWARDEN_ORGANIZATION": options[1],
            "MODELWARDEN_ORGANIZATION_DIGEST": options[3],
            "ARCHIVE": f"s3://{BUCKET}/archive",
            **environment,
        }
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_"))]:
            self.monkeypatch.delenv(name)
        for name, value in given.items():
            self.monkeypatch.setenv(name, value)
        pipeline.office.cache_clear()

    def promote(self, package: str, gate: Gate) -> Execution:
        """A pipeline of the gate and of a step that deploys, from its definition as the API takes it."""
        deploy = {
            "Name": "Deploy",
            "Type": "Lambda",
            "Arguments": {"package": {"Get": f"Parameters.{PARAMETER}"}},
            "FunctionArn": DEPLOY,
            "OutputParameters": [],
        }
        made = definition(steps(gate, reference(f"Parameters.{PARAMETER}"), then=[deploy]), [PARAMETER])
        functions = {
            FUNCTION: lambda event: pipeline.handler(event, None),
            DEPLOY: lambda event: self.deployed.append(event["package"]),
        }
        return Execution(json.loads(json.dumps(made)), functions, {PARAMETER: package}).run()

    def approve(self, ending: str, stage: str = "Production") -> str:
        """Somebody of the spoke approves a package; its ARN."""
        arn = self.registry.arn(ending)
        self.registry.client(arn).update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus="Approved",
            ModelLifeCycle={"Stage": stage, "StageStatus": "Approved"},
        )
        return arn

    def status(self, arn: str) -> str:
        return str(self.registry.describe(arn)["ModelApprovalStatus"])

    def runs(self, prefix: str = "archive/") -> list[Run]:
        s3 = self.client("s3")
        names = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
        bodies = (s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names)
        return sorted((Run.from_json(json.loads(body)) for body in bodies), key=lambda run: run.id)


@pytest.fixture
def line(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The function with an empty bucket, and the registry as the scenario has it."""
    with restored(running, tmp_path) as registry:
        found = Line(registry, monkeypatch)
        s3 = found.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        found.set_up()
        yield found
        for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
        s3.delete_bucket(Bucket=BUCKET)
        pipeline.office.cache_clear()
