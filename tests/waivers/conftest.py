"""A working copy of an organization layer, and a judge who works under it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from modelwarden import builtin
from tests.cli.conftest import clean_environment
from tests.command import Done, inside

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
CONTROL = "ENC-02"
SETTINGS = """\
profile = "strict"

[parameters]
waiver_approvers = ["ben", "cem", "dan"]
waiver_approvers_critical = ["cem", "dan"]
break_glass_approvers = ["dan", "eve"]
"""

LISTED = Draft202012Validator(json.loads(builtin.read("reports.schemas", "waivers.schema.json")))
Run = Callable[..., Done]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "modelwarden.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


@pytest.fixture
def waiver(pack: Path) -> Run:
    """`modelwarden waiver ARGUMENTS` in the working copy; `by` is asserted."""

    def call(*arguments: str | Path, by: str | None = None) -> Done:
        who = ("--as", by) if by else ()
        return inside("waiver", *arguments, *who, folder=pack, environment=clean_environment())

    return call


@pytest.fixture
def request_one(waiver: Run) -> Run:
    """Ask for W-1 for group churn; more arguments are added."""

    def call(*more: str, by: str = "ada", id_: str = "W-1", expires: str | None = None) -> Done:
        end = () if "--hours" in more else ("--expires", expires or "2027-03-01")
        target = () if {"--pattern", "--package", "--group"} & set(more) else ("--group", "churn")
        said = ("--owner", "retail", "--reason", "the key is being moved", "--ticket", "RISK-7")
        return waiver("request", "--id", id_, "--control", CONTROL, *target, *said, *end, *more, by=by)

    return call


def listed(waiver: Run, *more: str) -> dict[str, dict[str, Any]]:
    """Id -> what `list` says."""
    done = waiver("list", "--format", "json", *more)
    assert done.code == 0, done.err
    assert list(LISTED.iter_errors(json.loads(done.out))) == []
    return {one["id"]: one for one in json.loads(done.out)["waivers"]}
