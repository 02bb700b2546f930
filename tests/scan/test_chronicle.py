"""What scans found, over all scans: what is new, what is gone, and what nobody looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from modelwarden import builtin
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan.folder import Folder
from modelwarden.store.sqlite import SqliteState
from modelwarden.store.state import RunRow
from tests.demo.registry import Registry, restored

from .conftest import settings

ONE, OTHER = "222222222222", "777788889999"
TABLE = 'regions = ["eu-west-1", "us-east-1"]\naccounts = {}'


@pytest.fixture
def registry(running: Sandbox, tmp_path: Path) -> Iterator[Registry]:
    with restored(running, tmp_path) as registry:
        yield registry


def run(registry: Registry, *command: str, code: tuple[int, ...] = (0, 1, 3)) -> str:
    done = registry.run(*command)
    assert done.code in code, done.err
    assert "Traceback" not in done.err
    return done.out if done.code != 2 else done.err


def scan(registry: Registry, *accounts: str, code: tuple[int, ...] = (0, 1, 3)) -> Any:
    settings(registry.folder, TABLE.format(list(accounts or (ONE, OTHER))))
    said = run(registry, "scan", "--runs", "runs", "--judges", "0", "--format", "json", code=code)
    return json.loads(said) if code != (2,) else said


def check(schema: str, document: Any) -> None:
    """Against the schema that is published."""
    published = json.loads(builtin.read("reports.schemas", f"{schema}.schema.json"))
    assert list(Draft202012Validator(published).iter_errors(document)) == []


def history(registry: Registry, arn: str) -> list[tuple[str, str]]:
    told = json.loads(run(registry, "history", arn, "--runs", "runs", "--format", "json"))
    check("history", told)
    return [(one["event"], one["verdict"]) for one in told["changes"]]


def verdicts(registry: Registry, manifest: Any) -> dict[str, str]:
    folder = Folder(registry.folder / "runs" / manifest["id"])
    found = (record for cell in folder.cells() for record in folder.records(*cell))
    return {record.package: record.decision.verdict for record in found if record.decision}


def test_what_is_new_what_is_gone_and_what_was_not_looked_at(registry: Registry) -> None:
    first = scan(registry)
    assert "new" not in first, "there is nothing to compare with"
    blocked = {one["package"] for one in first["named"] if one["verdict"] == "block"}
    mine = next(arn for arn in sorted(blocked) if f":{ONE}:" in arn)
    other = next(arn for arn in verdicts(registry, first) if f":{OTHER}:" in arn)
    registry.client(mine).delete_model_package(ModelPackageName=mine)
    narrow = scan(registry, ONE)
    assert (narrow["previous"], narrow["new"]) == (first["id"], [])
    assert [event for event, _ in history(registry, mine)] == ["first", "closed"]
    assert [event for event, _ in history(registry, other)] == ["first"], "nobody looked there, so nothing is closed"
    listed = run(registry, "runs", "--runs", "runs")
    assert first["id"] in listed
    assert narrow["id"] in listed
    told = json.loads(run(registry, "runs", "--runs", "runs", "--format", "json"))
    check("runs", told)
    assert [(one["id"], one["complete"]) for one in told["runs"]] == [(narrow["id"], True), (first["id"], True)]


def test_a_package_that_is_blocked_from_now_on_is_new(registry: Registry) -> None:
    first = scan(registry, OTHER)
    arn = next(arn for arn in sorted(verdicts(registry, first)) if verdicts(registry, first)[arn] in ("allow", "flag"))
    registry.client(arn).update_model_package(
        ModelPackageArn=arn, ModelCard={"ModelCardContent": "{}", "ModelCardStatus": "Draft"}
    )
    second = scan(registry, OTHER)
    assert verdicts(registry, second)[arn] == "block"
    assert second["new"] == [arn]
    third = scan(registry, OTHER)
    assert third["new"] == []
    assert history(registry, arn)[-1] == ("changed", "block")


def test_an_account_that_cannot_be_read_closes_nothing(registry: Registry) -> None:
    first = scan(registry)
    registry.fail(kind="deny", op="sagemaker:*", account=OTHER)
    second = scan(registry)
    assert second["complete"] is False
    other = next(arn for arn in verdicts(registry, first) if f":{OTHER}:" in arn)
    assert [event for event, _ in history(registry, other)] == ["first"]


def test_neither_a_scan_as_of_another_time_nor_an_import_is_the_one_before(registry: Registry) -> None:
    first = scan(registry, OTHER)
    run(registry, "scan", "--runs", "runs", "--judges", "0", "--as-of", "2028-01-01T00:00:00Z")
    assert {tuple(history(registry, arn)) for arn in verdicts(registry, first)} <= {
        (("first", verdict),) for verdict in ("allow", "flag", "block", "undecided")
    }
    imported(registry)
    third = scan(registry, OTHER)
    assert third["previous"] == first["id"]


def imported(registry: Registry) -> None:
    """What is noted beside the scans, and is none to compare with."""
    state = SqliteState(registry.folder / "runs/state.sqlite", create=False)
    at = datetime.now(UTC)
    time = f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
    run = RunRow(f"{at:%Y%m%dT%H%M%S%f}Z-1f0c9a2e", time, time, "dynamodb://t?region=eu-west-1", "import", time)
    state.begin(run)
    state.finish(run)
    state.close()


def test_what_the_store_did_not_take_it_takes_with_the_next_scan(registry: Registry) -> None:
    first = scan(registry, OTHER)
    (registry.folder / "runs/state.sqlite").unlink()
    for rest in (registry.folder / "runs").glob("state.sqlite-*"):
        rest.unlink()
    second = scan(registry, OTHER)
    assert (second["previous"], second["new"]) == (first["id"], [])
    state = SqliteState(registry.folder / "runs/state.sqlite", create=False)
    assert [row.id for row in state.runs(10)] == [second["id"], first["id"]]
    state.close()


def test_a_store_that_cannot_be_used_is_said_before_anything_is_read(registry: Registry) -> None:
    (registry.folder / "runs").mkdir()
    (registry.folder / "runs/state.sqlite").write_text("this is no database, but long enough to be taken for one" * 20)
    said = scan(registry, OTHER, code=(2,))
    assert said.startswith("error: ")
    assert "state.sqlite" in said
    assert not list((registry.folder / "runs").glob("*/plan.json"))
