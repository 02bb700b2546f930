"""The nightly scan as a state machine: what it comes to is what `modelwarden scan` comes to, whatever fails on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelwarden.aws import scan
from modelwarden.scan.folder import Folder
from modelwarden.scan.share import unpack
from tests.deploy.templates import load, resources

from .conftest import REGION, Hub
from .machine import Lambda, execute

WORK, TABLES = "hub-work", "hub-tables"
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
        return {key: _filled(inner) for key, inner in value.items()}
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
        self.seconds = 900

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

    def run(self) -> dict[str, Any]:
        """The answer of a machine that came to its end."""
        self.lambda_ = Lambda(self.functions, self.seconds)
        told = execute(self.patch, self.hub.client, definition(), self.lambda_)
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


@pytest.fixture
def night(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    s3 = hub.client("s3")
    for bucket in (WORK, TABLES):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    found = Night(hub, monkeypatch)
    yield found
    for bucket in (WORK, TABLES):
        for key in found.names(bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)


def on_one_machine(hub: Hub, folder: Path) -> dict[str, Any]:
    """The manifest of `modelwarden scan` by the same rules."""
    named = [os.environ[f"MODELWARDEN_ORGANIZATION{name}"] for name in ("", "_DIGEST")]
    pack = ("--organization", named[0], "--organization-digest", named[1])
    done = hub.registry.run("scan", *pack, "--runs", folder / "runs", "--format", "json", "--quiet")
    assert done.code in (0, 1, 3), done.err
    manifest: dict[str, Any] = json.loads(done.out)
    return manifest


def test_it_is_the_scan_of_one_machine(night: Night, tmp_path: Path) -> None:
    night.set_up()
    told = night.run()
    manifest = night.folder(told["run"], tmp_path / "kept").manifest()
    alone = on_one_machine(night.hub, tmp_path)
    assert manifest["digest"] == alone["digest"]
    assert manifest["verdicts"] == alone["verdicts"] == told["verdicts"]
    assert manifest["coverage"]["unread"] == alone["coverage"]["unread"]
    assert (told["complete"], told["expected"], told["read"]) == (
        alone["complete"],
        alone["coverage"]["expected"],
        alone["coverage"]["read"],
    )
