"""A scan on a cluster: a scheduler and two workers, each a process of its own, over the demo organization."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs

from modelwarden import gate
from modelwarden.cli import run as command_line
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import cluster, partition
from modelwarden.scan import run as scanning
from modelwarden.scan.drive import Drive
from modelwarden.scan.events import Nobody
from modelwarden.scan.executor import Lost, Pools
from modelwarden.scan.folder import Folder
from modelwarden.scan.station import Spec
from tests.organization import CLOCK, ask

from .conftest import house, records, scan
from .test_resume import SCANNED, begun, manifest, start, wait

pytest.importorskip("distributed")

SLOW = [{"kind": "latency", "ms": 80}]


class Dask(Struct):
    """Processes of a cluster."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]

    @property
    def options(self) -> tuple[str, ...]:
        return "--executor", "dask", "--scheduler", self.address


@contextmanager
def dask(folder: Path, sandbox: Sandbox, workers: int = 2, **configured: str) -> Iterator[Dask]:
    """The workers work in another folder than whoever scans, and have credentials of their own."""
    file, cwd = folder / "scheduler.json", folder / "elsewhere"
    cwd.mkdir()
    environment = {**os.environ, **sandbox.environment(), "AWS_CONFIG_FILE": "/nonexistent", **configured}

    def begin(kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(file), *arguments]
        out = (folder / f"{kind}.log").open("ab")
        return subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=out)

    processes = [begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")]
    try:
        processes += [begin("worker", "--no-nanny", "--nthreads", "2", "--no-dashboard") for _ in range(workers)]
        yield Dask(_address(file, workers), processes[0], processes[1:])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _address(file: Path, workers: int) -> str:
    import json

    from distributed import Client

    for _ in range(500):
        if file.exists() and file.read_text().endswith("}"):
            address = str(json.loads(file.read_text())["address"])
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=30)
            return address
        time.sleep(0.05)
    raise AssertionError("no scheduler began")


@pytest.fixture
def slow(organization: Sandbox) -> Iterator[Sandbox]:
    ask(organization, "POST", "faults", SLOW)
    yield organization
    ask(organization, "DELETE", "faults")


@pytest.fixture(scope="module")
def undisturbed(organization: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> scanning.Outcome:
    folder = tmp_path_factory.mktemp("undisturbed")
    return scan(house(folder, SCANNED), folder / "run")


@pytest.fixture(scope="module")
def standing(organization: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A cluster that the tests leave as they found it."""
    with dask(tmp_path_factory.mktemp("cluster"), organization) as found:
        yield found


def planned(folder: Path) -> tuple[gate.House, Folder, scanning.Plan]:
    rules = house(folder, SCANNED)
    plan = scanning.plan_of(rules, gate.collector_of(rules), CLOCK)
    scanning.begin(Folder(folder / "run"), plan, rules)
    return rules, Folder(folder / "run"), plan


def read_some(run: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(1500):
        if list(run.glob("cells/[0-9]*.jsonl")):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing was read")


def same(run: Path, undisturbed: scanning.Outcome) -> None:
    told = manifest(run)
    assert told["digest"] == undisturbed.summary.digest
    assert told["verdicts"] == undisturbed.summary.to_json()["verdicts"]
    folder = Folder(run)
    packages = [record.package for cell in folder.cells() for record in folder.records(*cell)]
    assert sorted(packages) == sorted(records(undisturbed)), "no record is lost or there twice"


def test_a_worker_that_is_killed_changes_nothing(slow: Sandbox, undisturbed: scanning.Outcome, tmp_path: Path) -> None:
    with dask(tmp_path, slow) as found:
        process = start(tmp_path, slow, "--as-of", CLOCK, "--runs", "runs", *found.options)
        run = wait(tmp_path, process)
        read_some(run, process)
        assert process.poll() is None
        found.workers[0].send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode in (1, 3), said
    assert begun(tmp_path) == [run]
    same(run, undisturbed)


@pytest.mark.parametrize("where", ["there", "here"])
def test_what_was_stopped_on_a_cluster_is_gone_on_with(
    standing: Dask, slow: Sandbox, undisturbed: scanning.Outcome, tmp_path: Path, where: str
) -> None:
    process = start(tmp_path, slow, "--as-of", CLOCK, "--runs", "runs", *standing.options)
    run = wait(tmp_path, process)
    read_some(run, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "stopped: go on with `modelwarden scan --resume" in said
    assert "Traceback" not in said
    assert "distributed" not in said
    kept = list(run.glob("cells/[0-9]*.jsonl"))
    assert 0 < len(kept) < manifest(run)["coverage"]["expected"]
    ask(slow, "DELETE", "faults")
    process = start(tmp_path, slow, "--resume", str(run), *(standing.options if where == "there" else ()))
    _, said = process.communicate(timeout=60)
    assert process.returncode in (1, 3), said
    assert not [path for path in kept if path.stem.replace(".", "/") in said], "what was read is not read again"
    same(run, undisturbed)


def driven(pools: Pools, spec: Spec, plan: scanning.Plan) -> None:
    Drive(spec, pools, lambda: False, Nobody()).run(plan.estate.cells, plan.estate.cells)


def test_a_task_that_kills_its_workers_ends_the_scan(
    organization: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, folder, plan = planned(tmp_path)
    spec = Spec(folder.path, rules.recipe)
    monkeypatch.setattr(partition, "what_runs", lambda _spec, _part: os._exit(1))
    monkeypatch.setattr(cluster, "_ALONE_SECONDS", 2.0)
    with dask(tmp_path, organization, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as found:
        with cluster.dask(found.address, spec) as pools, pytest.raises(Lost, match="1 workers were lost") as told:
            driven(pools, spec, plan)
        assert told.value.help == f"go on with `modelwarden scan --resume {folder.path}`: what was read is kept"
        assert told.value.exit_code == 4


def test_a_cluster_without_workers_is_not_waited_for(
    organization: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, folder, plan = planned(tmp_path)
    spec = Spec(folder.path, rules.recipe)
    monkeypatch.setattr(cluster, "_ALONE_SECONDS", 2.0)
    with dask(tmp_path, organization, 1) as found:
        with cluster.dask(found.address, spec) as pools:
            found.workers[0].kill()
            with pytest.raises(Lost, match="the cluster has had no worker for 2 seconds"):
                driven(pools, spec, plan)
        with pytest.raises(cluster.ClusterError, match="the cluster has no worker"), cluster.dask(found.address, spec):
            pass


def test_a_scheduler_that_is_lost_ends_the_scan(
    organization: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, folder, plan = planned(tmp_path)
    spec = Spec(folder.path, rules.recipe)
    monkeypatch.setattr(partition, "what_runs", lambda _spec, _part: time.sleep(60))
    with dask(tmp_path, organization, 1) as found:
        began = time.monotonic()
        with cluster.dask(found.address, spec) as pools:
            threading.Timer(1, found.scheduler.kill).start()
            with pytest.raises(Lost, match="the scheduler was lost"):
                driven(pools, spec, plan)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("change", "said", "help_"),
    [
        ({"folder": Path("/nowhere/run")}, r"/nowhere/run/plan\.json: cannot be read", "at the same path"),
        ({"versions": {"modelwarden": "9.9"}}, "runs here, and 9.9 where the scan was started", "the same versions"),
        ({"versions": {"python": "2.7"}}, "runs here, and 2.7 where the scan was started", "the same versions"),
        ({"recipe": "strict"}, "was begun with other controls or settings", "name those"),
    ],
)
def test_a_worker_that_cannot_work_on_the_scan_is_named(
    standing: Dask, tmp_path: Path, change: dict[str, Any], said: str, help_: str
) -> None:
    rules, folder, _ = planned(tmp_path)
    if "recipe" in change:
        flags = {**rules.recipe.sources.flags, "profile": change["recipe"]}
        change = {"recipe": structs.replace(rules.recipe, sources=structs.replace(rules.recipe.sources, flags=flags))}
    spec = structs.replace(Spec(folder.path, rules.recipe), **change)
    with (
        pytest.raises(cluster.ClusterError, match=f"worker tcp://127.0.0.1:[0-9]+: .*{said}") as told,
        cluster.dask(standing.address, spec),
    ):
        pass
    assert help_ in told.value.help


def test_an_error_of_a_task_comes_back_as_it_was_raised(standing: Dask, tmp_path: Path) -> None:
    rules, folder, _ = planned(tmp_path)
    spec = Spec(folder.path, rules.recipe)
    with cluster.dask(standing.address, spec) as pools:
        judging: Executor = pools.judging
        error = judging.submit(partition.judge, spec, "222222222222", "eu-west-1").exception(30)
    assert str(error) == f"{folder.path}: 222222222222/eu-west-1 was not collected to its end"
    assert getattr(error, "help", "") == "name a folder that `modelwarden scan` wrote"


def test_a_cell_that_is_whole_is_not_read_again_by_the_same_task(organization: Sandbox, tmp_path: Path) -> None:
    rules, folder, plan = planned(tmp_path)
    spec = Spec(folder.path, rules.recipe)
    account, region = plan.estate.cells[0]
    part = partition.Part(account, (region,))
    for cell in plan.estate.cells:
        partition.what_runs(spec, partition.Part(cell[0], (cell[1],)))
    first = partition.collect(spec, part)
    (file,) = folder.path.glob("cells/*.jsonl")
    written = file.stat().st_mtime_ns
    assert partition.collect(spec, part) == first
    assert file.stat().st_mtime_ns == written
    partition.leave(spec)


def test_no_scheduler(tmp_path: Path, organization: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, folder, _ = planned(tmp_path)
    spec = Spec(folder.path, rules.recipe)
    monkeypatch.setattr(cluster, "_ANSWER_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with (
            pytest.raises(cluster.ClusterError, match=f"--scheduler {address}: no scheduler answers"),
            cluster.dask(address, spec),
        ):
            pass


def test_without_the_extra(tmp_path: Path, organization: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, folder, _ = planned(tmp_path)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(cluster.ClusterError, match="distributed, which is not installed") as told,
        cluster.dask("tcp://127.0.0.1:8786", Spec(folder.path, rules.recipe)),
    ):
        pass
    assert told.value.help == "pip install 'modelwarden[dask]'"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--executor", "dask"], "error: --executor dask needs a cluster"),
        (["--scheduler", "tcp://h:1"], "error: --scheduler is of use only to a cluster"),
        (
            ["--executor", "dask", "--scheduler", "tcp://h:1", "--judges", "2"],
            "error: --executor dask refuses --judges",
        ),
    ],
)
def test_options_that_do_not_fit(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["scan", *options]) == 2
    assert said in capsys.readouterr().err


def test_rules_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modelwarden.toml").write_text("")
    sources = gate.Sources(organization="s3://b/pack.tar.gz", flags={"bundle": ("own",), "retries": 2})
    found = cluster.portable(gate.Recipe(sources, {"MODELWARDEN_BUNDLE": f"a{os.pathsep}/b"}))
    assert found.sources.config == tmp_path / "modelwarden.toml"
    assert found.sources.organization == "s3://b/pack.tar.gz"
    assert found.sources.flags == {"bundle": (str(tmp_path / "own"),), "retries": 2}
    assert found.environment == {"MODELWARDEN_BUNDLE": f"{tmp_path}/a{os.pathsep}/b"}
