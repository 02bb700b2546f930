"""A night of the scan at scale in the simulated organization: the machine of the template, its functions and its buckets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelwarden.aws import scan
from modelwarden.scan.folder import Folder
from modelwarden.scan.share import unpack
from tests.deploy.templates import load, resources

from .conftest import Hub
from .machine import Lambda, execute

WORK, TABLES = "hub-work", "hub-tables"
LONG = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
SHORT = SimpleNamespace(get_remaining_time_in_millis=lambda: 100_000)
PLAN, WORKER, REDUCE = "plan", "work", "reduce"


def definition() -> str:
    """The machine of the template, with names in the place of what the stack makes."""
    (machine,) = resources(load("scan.yaml"), "AWS::StepFunctions::StateMachine").values()
    return json.dumps(_filled(machine["Definition"]))


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"Fn::GetAtt"}:
            return {"Plan": PLAN, "Work": WORKER, "Reduce": REDUCE}[value["Fn::GetAtt"][0]]
        if value.keys() == {"Ref"}:
            return {"WorkBucket": WORK, "CellsAtOnce": 4}[value["Ref"]]
        if value.keys() == {"Fn::Sub"}:
            return value["Fn::Sub"].replace("${AWS::Partition}", "aws")
        waits = {"IntervalSeconds": 1, "BackoffRate": 1.0}  # as long as a test may
        return {key: waits.get(key, _filled(inner)) for key, inner in value.items()}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


class Night:
    """A hub with the buckets of the scan."""

    def __init__(self, hub: Hub, patch: pytest.MonkeyPatch) -> None:
        self.hub, self.patch = hub, patch
        self.functions: dict[str, Callable[[dict[str, Any], Any], Any]] = {
            PLAN: scan.plan,
            WORKER: scan.work,
            REDUCE: scan.reduce,
        }

    def set_up(self, most: int = 1000, top: str = "", more: str = "") -> None:
        self.hub.set_up(top=top, more=more)
        for name, value in {
            "WORK": f"s3://{WORK}/scans",
            "ARCHIVE": "s3://hub-records/scans",
            "PUBLISH": f"s3://{TABLES}/tables",
            "MOST_PACKAGES": str(most),
        }.items():
            self.patch.setenv(name, value)
        made = scan.Hub(os.environ)
        self.patch.setattr(scan, "_hub", lambda: made)

    def run(self, name: str = "first") -> dict[str, Any]:
        """The answer of a machine that came to its end."""
        self.lambda_ = Lambda(self.functions)
        told = execute(self.patch, self.hub.client, definition(), self.lambda_, name)
        assert told["status"] == "SUCCEEDED", told
        answer: dict[str, Any] = json.loads(told["output"])
        return answer

    def asked(self, task: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.lambda_.asked if name == WORKER and payload["task"] == task]

    def folder(self, run: str, into: Path) -> Folder:
        """What was kept of a scan."""
        data = self.hub.client("s3").get_object(Bucket="hub-records", Key=f"scans/{run}/scan.tar")["Body"].read()
        unpack(data, into / run, run)
        return Folder(into / run)

    def names(self, bucket: str) -> list[str]:
        return [one["Key"] for one in self.hub.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]
