"""Scenario files: mistakes are named, built-in ones load, several run side by side; and the command line around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modelwarden.sandbox.scenario import ScenarioError, load
from modelwarden.sandbox.server import Sandbox, SandboxError

from .conftest import RETAIL, TINY, Organization

MINIMAL = {"schema": "modelwarden.scenario/1", "organization": {"id": "o-x123456789", "management": "111111111111"}}
PACKAGE = {"ModelPackageArn": f"arn:aws:sagemaker:eu-west-1:{RETAIL}:model-package/a"}
MODELWARDEN = [sys.executable, "-c", "from modelwarden.cli import entry; entry()", "sandbox"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other/1"}, "`schema` is not `modelwarden.scenario/1`"),
        ({"pakages": []}, "unknown key `pakages`"),
        ({"organization": {"management": "12"}}, "organization: `management` is not an account id of 12 digits"),
        ({"clock": "yesterday"}, "clock: `yesterday` is not a time"),
        ({"buckets": {}}, "buckets is not a list"),
        ({"buckets": [{"name": "b", "account": RETAIL}]}, "buckets[0]: `region` is missing"),
        ({"objects": [{"bucket": "b", "key": "k"}]}, "objects[0]: bucket `b` is not listed in `buckets`"),
        ({"packages": [{"describe": {}}]}, "packages[0]: `None` is not the ARN of a model package"),
        (
            {"packages": [{"describe": {**PACKAGE, "ModelPackageGroupName": "g"}}]},
            "group `g` is not listed in `groups`",
        ),
        (
            {"packages": [{"describe": {**PACKAGE, "CreationTime": "soon"}}]},
            "packages[0].describe.CreationTime: `soon` is not a time",
        ),
        (
            {"packages": [{"describe": {**PACKAGE, "ModelCard": []}}]},
            "packages[0].describe.ModelCard: expected an object, found []",
        ),
        (
            {"packages": [{"describe": {**PACKAGE, "SourceUri": "@digest:111122223333/eu-west-1/ml:1"}}]},
            "names no image of the scenario",
        ),
        ({"training_jobs": [{"arn": "arn:aws:iam::1:role/x"}]}, "is not the ARN of a training-job"),
        (
            {
                "buckets": [{"name": "b", "account": RETAIL, "region": "eu-west-1"}],
                "objects": [{"bucket": "b", "key": "k", "file": "../../etc/passwd"}],
            },
            "lies outside the scenario's folder",
        ),
    ],
)
def test_mistakes_name_file_and_entry(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps({**MINIMAL, **change}))
    with pytest.raises(ScenarioError) as error:
        Sandbox(file)
    assert message in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.help


def test_unreadable_scenarios(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="`nowhere`: no such scenario"):
        load("nowhere")
    (tmp_path / "scenario.json").write_text("{")
    with pytest.raises(ScenarioError, match="not JSON"):
        load(tmp_path)


def test_the_demo_loads(organization: Organization) -> None:
    with Sandbox("demo") as sandbox:
        demo = Organization(sandbox)
        packages = sandbox.scenario.lists["packages"]
        counted = sum(len(cell.packages) for cell in sandbox.world.cells.values())
        assert counted == len(packages)
        arn = packages[0]["describe"]["ModelPackageArn"]
        client = demo.client("sagemaker", arn.split(":")[4], arn.split(":")[3])
        assert client.describe_model_package(ModelPackageName=arn)["ModelPackageArn"] == arn


def test_sandboxes_of_one_process_do_not_see_each_other(organization: Organization) -> None:
    bucket = f"example-models-{RETAIL}"
    with Sandbox(TINY) as other:
        second = Organization(other)
        organization.client("s3").put_object(Bucket=bucket, Key="only-first", Body=b"1")
        organization.client("ecr").create_repository(repositoryName="only-first")
        assert "Contents" not in second.client("s3").list_objects_v2(Bucket=bucket, Prefix="only-first")
        assert second.client("ecr").describe_repositories()["repositories"] == []
        assert organization.client("s3").list_objects_v2(Bucket=bucket, Prefix="only-first")["KeyCount"] == 1
    assert len(organization.client("ecr").describe_repositories()["repositories"]) == 1


def test_an_unknown_account_has_no_environment(organization: Organization) -> None:
    with pytest.raises(SandboxError, match="no account `123`"):
        organization.sandbox.environment("123")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, **environment}
    return subprocess.run([*MODELWARDEN, *arguments], capture_output=True, text=True, timeout=60, env=own, check=False)


IDENTITY = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


def test_run_gives_the_environment_and_returns_the_exit_code() -> None:
    done = run(
        "run", "--scenario", str(TINY), "--", sys.executable, "-c", IDENTITY, AWS_PROFILE="prod", AWS_SESSION_TOKEN="x"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "arn:aws:iam::111111111111:user/sandbox\n", "")
    done = run("run", "--scenario", "empty", "--", sys.executable, "-c", "raise SystemExit(7)")
    assert done.returncode == 7


def test_run_names_mistakes_in_one_line() -> None:
    done = run("run", "--scenario", "nowhere", "--", "true")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: `nowhere`: no such scenario")
    done = run("run", "--scenario", "empty", "--", "no-such-program-anywhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot run `no-such-program-anywhere`: No such file or directory\n  help: ")


def test_run_starts_fast() -> None:
    started = time.monotonic()
    assert run("run", "--", "true").returncode == 0
    assert time.monotonic() - started < 10


def test_up_serves_until_interrupted_and_prints_the_environment() -> None:
    process = subprocess.Popen(
        [*MODELWARDEN, "up", "--scenario", str(TINY), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(6)]
        exported = dict(
            line.removeprefix("export ").rstrip().split("=", 1) for line in lines if line.startswith("export ")
        )
        assert exported["AWS_EC2_METADATA_DISABLED"] == "true"
        done = subprocess.run(
            [sys.executable, "-c", IDENTITY], env={**os.environ, **exported}, capture_output=True, text=True, timeout=30
        )
        assert done.stdout == "arn:aws:iam::111111111111:user/sandbox\n"
        taken = run("up", "--port", exported["AWS_ENDPOINT_URL"].rpartition(":")[2])
        assert (taken.returncode, "cannot listen on" in taken.stderr) == (2, True)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0


def test_importing_the_commands_does_not_import_moto() -> None:
    code = "import sys, modelwarden.cli.sandbox; print(sorted({'moto', 'boto3', 'botocore', 'cheroot'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30).stdout == "[]\n"
