"""The nightly scan as a state machine: what it comes to is what `modelwarden scan` comes to, whatever fails on the way."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwarden.aws import scan
from modelwarden.aws.environment import NotSetUp
from modelwarden.errors import UserError
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.scan.slices import Slice

from .conftest import REGION, SPOKE, Hub
from .night import LONG, SHORT, TABLES, WORK, WORKER, Night


def on_one_machine(hub: Hub, folder: Path) -> dict[str, Any]:
    """The manifest of `modelwarden scan` by the same rules."""
    named = [os.environ[f"MODELWARDEN_ORGANIZATION{name}"] for name in ("", "_DIGEST")]
    pack = ("--organization", named[0], "--organization-digest", named[1])
    done = hub.registry.run("scan", *pack, "--runs", folder / "runs", "--format", "json", "--quiet")
    assert done.code in (0, 1, 3), done.err
    manifest: dict[str, Any] = json.loads(done.out)
    return manifest


def failing(work: Callable[..., Any], where: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any], Any], Any]:
    """The function, which ends without an answer for some tasks."""

    def answer(payload: dict[str, Any], context: Any) -> Any:
        if where(payload):
            raise TimeoutError("Task timed out after 900.00 seconds")
        return work(payload, context)

    return answer


def unread(manifest: dict[str, Any]) -> dict[str, str]:
    """Cell -> why packages may be missing."""
    return {f"{one['account']}.{one['region']}": one["why"] for one in manifest["coverage"]["unread"]}


def packages(folder: Folder) -> set[str]:
    return {record.package for cell in folder.cells() for record in folder.records(*cell, with_evidence=False)}


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
    (run,) = [one for one in scan._hub().state().runs(10) if one.id == told["run"]]
    assert (run.location, run.expected_cells) == (
        f"s3://hub-records/scans/{told['run']}/scan.tar",
        alone["coverage"]["expected"],
    )
    tables = {name.split("/")[1] for name in night.names(TABLES)}
    assert {"runs", "packages", "findings", "coverage"} <= tables


def test_a_cell_with_too_many_packages_is_read_in_slices_and_comes_to_the_same(night: Night, tmp_path: Path) -> None:
    """Also where a slice turns out to take too long."""
    night.set_up(most=3)

    def slow(payload: dict[str, Any], context: Any) -> Any:
        first = payload.get("slice", {}).get("of") == 2
        return scan.work(payload, SHORT if first else context)

    night.functions[WORKER] = slow
    told = night.run()
    sliced = [one for one in night.asked("collect") if "slice" in one]
    assert {one["slice"]["of"] for one in sliced} == {2, 4}
    assert (
        night.folder(told["run"], tmp_path / "kept").manifest()["digest"]
        == on_one_machine(night.hub, tmp_path)["digest"]
    )


CELL = f"{SPOKE}.{REGION}"


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("look", ""),
        ("collect", "lambda:InvokeFunction: TimeoutError: Task timed out after 900.00 seconds"),
    ],
)
def test_a_task_that_fails_again_and_again_leaves_a_hole_and_no_more(
    night: Night, tmp_path: Path, task: str, why: str
) -> None:
    """What nobody could look at is looked at once more when the cell is read."""
    night.set_up()
    whole = night.folder(night.run()["run"], tmp_path / "whole")

    def here(payload: dict[str, Any]) -> bool:
        return payload["task"] == task and f"{payload.get('account')}.{payload.get('region')}" == CELL

    night.functions[WORKER] = failing(scan.work, here)
    told = night.run("second")
    holed = night.folder(told["run"], tmp_path / "holed")
    assert len([one for one in night.asked(task) if here(one)]) == 3
    assert told["complete"] is False
    before, after = unread(whole.manifest()), unread(holed.manifest())
    assert after == before | ({CELL: why} if why else {})
    lost = {one for one in packages(whole) if f":{REGION}:{SPOKE}:" in one} if why else set()
    assert packages(holed) == packages(whole) - lost
    if why:
        (row,) = [one for one in holed.manifest()["coverage"]["failed"] if one["api"] == "lambda:InvokeFunction"]
        assert (row["account"], row["state"]) == (SPOKE, "incomplete")


def test_a_slice_that_is_lost_leaves_its_packages_out_and_says_so(night: Night, tmp_path: Path) -> None:
    night.set_up(most=3)
    whole = night.folder(night.run()["run"], tmp_path / "whole")
    (some, *_) = [one for one in night.asked("collect") if "slice" in one]

    def here(payload: dict[str, Any]) -> bool:
        return {**payload} == {**some, "run": payload["run"]}

    night.functions[WORKER] = failing(scan.work, here)
    holed = night.folder(night.run("second")["run"], tmp_path / "holed")
    cell = f"{some['account']}.{some['region']}"
    told = unread(holed.manifest())[cell]
    # The simulator now and then hands on the result of a caught error as it was before; then nobody says why.
    why = "lambda:InvokeFunction: TimeoutError: Task timed out after 900.00 seconds"
    assert told in (why, "slices of it were not read")
    part = Slice(**some["slice"])
    lost = {one for one in packages(whole) if one.split(":")[4:2:-1] == cell.split(".") and part.holds(one)}
    assert packages(holed) == packages(whole) - lost
    assert lost


def by_hand(night: Night, *, without: str = "") -> str:
    """Every task but the last, and but that which reads one cell; the id of the scan."""
    run: str = scan.plan({}, LONG)["run"]
    key = f"scans/{run}/cells.json"
    cells = json.loads(night.hub.client("s3").get_object(Bucket=WORK, Key=key)["Body"].read())
    for task in ("look", "collect"):
        for cell in cells:
            if task == "look" or f"{cell['account']}.{cell['region']}" != without:
                assert scan.work({"task": task, "run": run, **cell}, LONG) == {"slices": []}
        if task == "look":
            scan.work({"task": "tell", "run": run}, LONG)
    return run


def test_a_cell_of_which_not_even_the_reason_was_kept_is_a_hole(night: Night, tmp_path: Path) -> None:
    night.set_up()
    run = by_hand(night, without=CELL)
    told = scan.reduce({"run": run}, LONG)
    assert told["complete"] is False
    assert unread(night.folder(run, tmp_path).manifest())[CELL] == "lambda:InvokeFunction: no task came to its end"


@pytest.mark.parametrize(
    "said",
    [
        b"\xff",
        b'{"Error": "\xff"}',
        b"[" * 5000,
        b'"' + b"[" * 5000 + b'"',
        b"5",
        b"",
        b'{"Error": "E", "Cause": "[[["}',
    ],
    ids=["not UTF-8", "a text that is not", "deep", "a deep text", "a number", "nothing", "a broken cause"],
)
def test_whatever_stands_where_a_reason_should_the_cell_is_a_hole(tmp_path: Path, said: bytes) -> None:
    (tmp_path / "why").write_bytes(said)
    row = scan._why(tmp_path / "why", SPOKE, REGION)
    assert row.state == "incomplete"
    assert row.error == ("E: [[[" if b"Cause" in said else "no task came to its end")


def test_what_runs_twice_leaves_what_it_left_once(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first try was lost after the scan was kept: what is recorded of a night never changes."""
    night.set_up()
    run = by_hand(night)
    with monkeypatch.context() as patch:
        patch.setattr(scan, "door", lambda settings, aws, signer: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            scan.reduce({"run": run}, LONG)
    first = night.folder(run, tmp_path / "first").manifest()
    account, region = CELL.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(scan.partition, "collect_slice", lambda *asked: 1 / 0)  # nobody reads again
        assert scan.work({"task": "collect", "run": run, "account": account, "region": region}, LONG) == {"slices": []}
    scan.reduce({"run": run}, LONG)
    assert night.folder(run, tmp_path / "again").manifest() == first


def test_what_a_task_left_that_lambda_ended_is_removed(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And neither what another task works on, nor one that is gone by now, is in the way."""
    night.set_up()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, working, gone = (tmp_path / f"modelwarden-scan-{name}" for name in ("left", "working", "gone"))
    left.mkdir()
    os.utime(left, (time.time() - 901, time.time() - 901))
    working.mkdir()
    gone.symlink_to("nowhere")
    with scan.Hub(os.environ).share("20261129T020000000000Z-0a0a0a0a") as share:
        assert share.folder.path.is_dir()
    assert sorted(tmp_path.glob("modelwarden-scan-*")) == [gone, working]


def test_a_task_that_would_not_come_to_its_end_leaves_the_cell_to_finer_ones(night: Night) -> None:
    night.set_up()
    run = by_hand(night, without=CELL)
    account, region = CELL.split(".")
    asked = {"task": "collect", "run": run, "account": account, "region": region}
    assert scan.work(asked, SHORT) == {"slices": [{"index": 0, "of": 2}, {"index": 1, "of": 2}]}
    finest = asked | {"slice": {"index": 5, "of": 1024}}
    with pytest.raises(UserError, match="a group of packages outgrows one task") as error:
        scan.work(finest, SHORT)
    assert error.value.help == "raise MostPackages, or scan on one machine"
    assert not [one for one in night.names(WORK) if CELL in one and "/judged/" in one]


def test_what_cannot_be_fetched_is_no_empty_cell(night: Night) -> None:
    night.set_up()
    run = by_hand(night)
    night.hub.client("s3").delete_object(Bucket=WORK, Key=f"scans/{run}/told.tar")
    with pytest.raises(ScanError, match=r"told\.tar: cannot be read: NotFound"):
        scan.reduce({"run": run}, LONG)
    assert not [one for one in night.names("hub-records") if one.startswith("scans/")]


@pytest.mark.parametrize(
    "wrong", [{"run": "../x"}, {"task": "erase"}, {"account": "../.."}, {"region": "a/b"}, {"x": 1}]
)
def test_a_task_that_nobody_asks_is_refused(night: Night, wrong: dict[str, Any]) -> None:
    asked = {"task": "look", "run": "20261120T060000000000Z-1f0c9a2e", "account": SPOKE, "region": REGION}
    with pytest.raises(msgspec.ValidationError):
        scan.work(asked | wrong, LONG)


@pytest.mark.parametrize("event", [{}, {"run": "../x"}, {"run": 1}, {"run": "20261120T060000000000Z-1f0c9a2e", "x": 1}])
def test_the_end_of_a_scan_that_nobody_began_is_refused(night: Night, event: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        scan.reduce(event, LONG)


@pytest.mark.parametrize("name", ["WORK", "ARCHIVE", "MOST_PACKAGES"])
def test_a_function_without_its_environment_says_what_is_missing(night: Night, name: str) -> None:
    night.set_up()
    with pytest.raises(NotSetUp, match=f"{name} is not set"):
        scan.Hub({**os.environ, name: ""})
    with pytest.raises(NotSetUp, match="no pinned organization layer with a `store` is named"):
        scan.Hub({one: value for one, value in os.environ.items() if not one.startswith("MODELWARDEN_")})
