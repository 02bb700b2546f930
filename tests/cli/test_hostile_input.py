"""Hostile input: whatever stands in files, objects and names, the answer is a verdict or one clear line, and never a yes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from modelwarden.render import FORMATS
from tests.cli.conftest import CLOCK, DEMO, Done

Run = Callable[..., Done]
SETTINGS = DEMO / "modelwarden.toml"
ARN = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/1"

BODIES: dict[str, bytes] = {
    "empty": b"",
    "nothing but blanks": b" \n\t ",
    "not JSON": b"<html>503</html>",
    "cut": b'{"version": "1.0", "post_training_bias_metrics": {"facets": {"sex": [{"va',
    "a list": b"[]",
    "null": b"null",
    "nested too deeply": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "keys that stand twice": b'{"post_training_bias_metrics": {}, "post_training_bias_metrics": {}}',
    "huge number": b'{"post_training_bias_metrics": {"facets": {"sex": [{"value_or_threshold": "1", "metrics": '
    b'[{"name": "DI", "value": ' + b"9" * 5_000 + b"}]}]}}}",
    "NaN": b'{"post_training_bias_metrics": {"facets": {"sex": [{"value_or_threshold": "1", "metrics": '
    b'[{"name": "DI", "value": NaN}]}]}}}',
    "wrong types everywhere": b'{"pre_training_bias_metrics": 7, "post_training_bias_metrics": {"facets": [1, {"x": null}]}}',
    "UTF-16": '{"version": "1.0"}'.encode("utf-16"),
    "Latin-1": '{"label": "größe"}'.encode("latin-1"),
    "lone surrogate": b'{"post_training_bias_metrics": {"label": "\\ud800", "facets": {"\\udfff": [{"metrics": []}]}}}',
    "bytes": bytes(range(256)) * 100,
    "a YAML bomb": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    "a pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "larger than any report": b'{"version": "1.0", "padding": "' + b"x" * 20_500_000 + b'"}',
    "a million members": b'{"post_training_bias_metrics": {"facets": {"sex": [' + b"{}," * 300_000 + b"{}]}}}",
}
"""What may lie where a report should be."""


@pytest.fixture(scope="module")
def leaf(sandbox: Any, good: dict[str, Any]) -> Iterator[Callable[[bytes], None]]:
    """Puts bytes in the place of the good package's bias report, and the report back in the end."""
    metrics = good["describe"]["ModelMetrics"]["Bias"]
    uri = next(one["S3Uri"] for one in metrics.values())
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    account = good["describe"]["ModelPackageArn"].split(":")[4]
    access = sandbox.environment(account)
    client = boto3.client(
        "s3",
        endpoint_url=sandbox.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=access["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=access["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=access.get("AWS_SESSION_TOKEN"),
    )
    before = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    yield lambda body: client.put_object(Bucket=bucket, Key=key, Body=body)
    client.put_object(Bucket=bucket, Key=key, Body=before)


@pytest.mark.parametrize("what", BODIES)
def test_no_bytes_in_the_place_of_a_report_are_a_yes(
    run: Run, sandbox: Any, good: dict[str, Any], leaf: Callable[[bytes], None], what: str
) -> None:
    leaf(BODIES[what])
    done = run(
        "gate",
        good["describe"]["ModelPackageArn"],
        "--to",
        "Production",
        "--as-of",
        CLOCK,
        "--principal",
        good["planned"]["principal"],
        "--config",
        SETTINGS,
        env=sandbox.environment(),
    )
    assert done.code in (1, 3), done.out + done.err
    assert "[BIAS-0" in done.out
    assert "Traceback" not in done.out + done.err


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "<script>alert(1)</script>",
    "]]>&<!--",
    "| a | b |\n# heading",
    "::error::forged%0A::set-output name=x::y",
    "`$(id)`; rm -rf ~",
    '"; DROP TABLE runs; --',
    "@everyone [x](javascript:alert(1))",
    "\u0000\u0001\u007f\u0085\u2028\u200b\ufeff",
    "=HYPERLINK(1)",
    "x" * 50_000,
]


@pytest.mark.parametrize("fmt", FORMATS)
def test_hostile_text_does_nothing_in_any_format(run: Run, tmp_path: Path, fmt: str) -> None:
    """Facts that findings print: names, tags, URIs, reasons of errors."""
    facts: dict[str, Any] = {"/package/arn": ARN, "/container_count": len(HOSTILE), "/tag_keys": HOSTILE[:3]}
    for index, text in enumerate(HOSTILE):
        facts[f"/container/{index}/image/source"] = text
        facts[f"/container/{index}/image/uri"] = text
        unread = {"state": "unknown", "reason": text[:100], "detail": text, "api": f"ecr:{text[:40]}"}
        facts[f"/container/{index}/image/resolved_digest"] = unread
    document = {"schema": "modelwarden.evidence/1", "package": ARN, "facts": facts}
    (tmp_path / "evidence.json").write_text(json.dumps(document))
    (tmp_path / "modelwarden.toml").write_text('[parameters]\napproved_image_sources = ["good"]\n')
    done = run("gate", "evidence.json", "--to", "Production", "--format", fmt)
    assert done.code == 1, done.out[-500:] + done.err
    active = {c for c in done.out + done.err if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c != "\n"}
    if fmt in ("json", "sarif", "gitlab"):
        json.loads(done.out)
    assert not active, sorted(map(hex, map(ord, active)))


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "settings in another encoding": ('profile = "strict" # größe'.encode("latin-1"), "not UTF-8"),
    "settings in YAML": (b"a: &a [x]\nb: [*a, *a]\n", "settings.toml"),
    "settings with a huge number": (b"[parameters]\nminimum_text_characters = " + b"9" * 5_000, "settings.toml"),
    "settings nested too deeply": (b"x = " + b"[" * 100_000, "settings.toml"),
    "settings with a key that stands twice": (b'profile = "strict"\nprofile = "observe"\n', "settings.toml"),
    "settings with NaN": (b"[parameters]\nminimum_text_characters = nan\n", "minimum_text_characters"),
    "settings with NUL": (b'profile = "str\x00ict"\n', "settings.toml"),
    "larger than any settings": (b"#" * 4_100_000, "larger than"),
}


@pytest.mark.parametrize("what", DOCUMENTS)
def test_hostile_settings_are_told_in_one_line(run: Run, tmp_path: Path, what: str) -> None:
    data, says = DOCUMENTS[what]
    (tmp_path / "settings.toml").write_bytes(data)
    (tmp_path / "e.json").write_text(json.dumps({"schema": "modelwarden.evidence/1", "package": ARN, "facts": {}}))
    done = run("gate", "e.json", "--to", "Production", "--config", "settings.toml")
    assert done.code == 2, done.out + done.err
    assert says in done.err.splitlines()[0]
    assert len(done.err.splitlines()) <= 2


VALUES: dict[str, Any] = {
    "a number of a thousand digits": 10**1000,
    "a number below 64 bits": -(2**70),
    "a lone surrogate": "\ud800",
    "a text of a megabyte": "x" * 1_000_000,
}


@pytest.mark.parametrize("what", VALUES)
def test_facts_that_no_encoder_likes(run: Run, tmp_path: Path, what: str) -> None:
    """They are refused, or judged like any other value; never a traceback and never a yes."""
    value = VALUES[what]
    pointer = "/artifact/0/size" if isinstance(value, int) else "/container/0/image/source"
    document = {
        "schema": "modelwarden.evidence/1",
        "package": ARN,
        "facts": {"/artifact_count": 1, "/container_count": 1, pointer: value},
    }
    (tmp_path / "e.json").write_text(json.dumps(document))
    (tmp_path / "modelwarden.toml").write_text('[parameters]\napproved_image_sources = ["good"]\n')
    done = run("gate", "e.json", "--to", "Production")
    assert done.code in (1, 2, 3), done.out[-500:] + done.err
    assert "Traceback" not in done.out + done.err
