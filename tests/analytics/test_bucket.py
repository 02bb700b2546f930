"""A scan in S3: put over HTTP, read back and asked; and the grants of the template are the calls that this takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from scripts.analytics import athena

from modelwarden.analytics.tables import TABLES
from modelwarden.sandbox.server import Sandbox
from tests.command import Done, inside
from tests.organization import ask as sandbox_ask

from .conftest import Nights
from .scans import RECORDS, asking

BUCKET = "modelwarden-analytics"
ACTIONS = {
    "s3:PutObject": {"s3:PutObject", "kms:GenerateDataKey"},
    "s3:GetObject": {"s3:GetObject", "kms:Decrypt"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "sts:GetCallerIdentity": set(),  # nobody needs a grant for it
}
"""Operation -> the actions that IAM asks for, in a bucket that is encrypted by a key of its own."""

Publish = Callable[..., Done]


@pytest.fixture(scope="module")
def sandbox(demo_sandbox: Sandbox) -> Sandbox:
    return demo_sandbox


@pytest.fixture(scope="module")
def s3(sandbox: Sandbox) -> Any:
    given = sandbox.environment()
    client = boto3.client(
        "s3",
        endpoint_url=sandbox.endpoint,
        region_name=given["AWS_DEFAULT_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
    )
    where = {} if given["AWS_DEFAULT_REGION"] == "us-east-1" else {"LocationConstraint": given["AWS_DEFAULT_REGION"]}
    client.create_bucket(Bucket=BUCKET, **({"CreateBucketConfiguration": where} if where else {}))
    return client


@pytest.fixture
def publish(sandbox: Sandbox, s3: Any, nights: Nights, tmp_path: Path) -> Publish:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELWARDEN_"))}
    environment |= sandbox.environment()

    def call(prefix: str) -> Done:
        place = f"s3://{BUCKET}/{prefix}"
        return inside("publish", nights.later.path, place, "--retries", "0", folder=tmp_path, environment=environment)

    return call


def fetched(s3: Any, prefix: str, into: Path) -> Path:
    """Everything below a prefix, as files."""
    for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", []):
        file = into / entry["Key"].removeprefix(f"{prefix}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read())
    return into


def test_what_lies_in_s3_answers_as_what_was_recorded(
    publish: Publish, s3: Any, nights: Nights, tmp_path: Path
) -> None:
    assert publish("tables").code == 0
    ask = asking(fetched(s3, "tables", tmp_path / "fetched"))
    assert ask("posture") == nights.ask("posture")
    assert len(ask("models")) == sum(map(len, RECORDS.values()))


def test_the_publisher_may_what_is_called_and_no_more(publish: Publish, sandbox: Sandbox) -> None:
    sandbox_ask(sandbox, "DELETE", "stats")
    assert publish("granted").code == 0
    assert publish("granted").out.endswith("was published before, nothing is new\n")
    called = {name for name, count in sandbox_ask(sandbox, "GET", "stats")["operations"].items() if count}
    assert called == set(ACTIONS)
    granted = {
        action
        for one in athena.template()["Resources"]["Publisher"]["Properties"]["PolicyDocument"]["Statement"]
        for action in one["Action"]
    }
    assert granted == {action for operation in called for action in ACTIONS[operation]}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("s3:PutObject", rf"error: s3://{BUCKET}/denied/coverage/.*: cannot be written: s3:PutObject: AccessDenied: "),
        ("s3:ListObjectsV2", r"error: runs/run_date=.*: cannot be read: AccessDenied: "),
    ],
)
def test_a_refusal_is_told_with_the_next_step_and_shows_nothing(
    publish: Publish, sandbox: Sandbox, s3: Any, operation: str, said: str
) -> None:
    sandbox_ask(sandbox, "POST", "faults", [{"kind": "deny", "op": operation, "times": 1}])
    done = publish("denied")
    sandbox_ask(sandbox, "DELETE", "faults")
    assert done.code == 2
    assert re.match(said, done.err), done.err
    assert done.err.endswith(
        "\n  help: let whoever publishes read, list and write below that place, and publish again\n"
    )
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="denied/")


def test_a_publication_that_broke_off_in_s3_is_completed_by_the_next(
    publish: Publish, sandbox: Sandbox, s3: Any, tmp_path: Path
) -> None:
    sandbox_ask(
        sandbox, "POST", "faults", [{"kind": "deny", "op": "s3:PutObject", "times": 1, "after": len(TABLES) - 1}]
    )
    done = publish("broken")
    sandbox_ask(sandbox, "DELETE", "faults")
    left = fetched(s3, "broken", tmp_path / "left")
    assert (done.code, len(list(left.rglob("*.parquet")))) == (2, len(TABLES) - 1)
    assert asking(left)("models") == []
    assert publish("broken").code == 0
    assert len(asking(fetched(s3, "broken", tmp_path / "whole"))("models")) == sum(map(len, RECORDS.values()))
