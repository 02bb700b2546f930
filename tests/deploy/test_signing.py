"""The template of key and log grants what the code calls: nothing less and nothing more."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import loads

from modelwarden.collect.operations import NEEDED
from modelwarden.settings.log import LockedBucket, log_of, names_key

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "deploy/signing.yaml"
ATTEST = ROOT / "engine/modelwarden/attest"
ACTIONS = {
    "kms:GetPublicKey": {"kms:GetPublicKey"},
    "kms:Sign": {"kms:Sign"},
    "s3:PutObject": {"s3:PutObject", "s3:PutObjectRetention"},  # the retention that the put names
    "s3:GetObject": {"s3:GetObjectVersion"},  # always by VersionId
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
}
"""Operation -> the actions that IAM asks for, by the service authorization reference."""


def template() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(loads(TEMPLATE.read_text())))
    return document


def granted(policy: str) -> set[str]:
    statements = template()["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]
    actions = [one["Action"] for one in statements]
    return {action for each in actions for action in (each if isinstance(each, list) else [each])}


def called() -> set[str]:
    """Operations that the code names."""
    found = set()
    for service, module in (("kms", "kms.py"), ("s3", "bucket.py")):
        words = set(re.findall(r'"([A-Z][A-Za-z0-9]+)"', (ATTEST / module).read_text()))
        found |= {f"{service}:{word}" for word in words if f"{service}:{word}" in NEEDED}
    return found


def test_the_writer_may_what_the_code_calls_and_no_more() -> None:
    assert called() == set(ACTIONS)
    assert granted("Writer") == {action for api in called() for action in ACTIONS[api]}


def test_the_auditor_reads_and_writes_nothing() -> None:
    assert granted("Auditor") == {"s3:GetObjectVersion", "s3:ListBucketVersions", "kms:GetPublicKey"}


def test_the_outputs_are_what_the_settings_take() -> None:
    outputs = template()["Outputs"]
    key = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    assert names_key(outputs["Sign"]["Value"]["Fn::Sub"].replace("${SigningKey.Arn}", key))
    location = outputs["Log"]["Value"]["Fn::Sub"]
    for name, value in (("LogBucket", "logs"), ("LogPrefix", "gate"), ("Mode", "COMPLIANCE"), ("Years", "7")):
        location = location.replace(f"${{{name}}}", value)
    assert log_of(location) == LockedBucket("logs", "gate/", "COMPLIANCE", 7)
