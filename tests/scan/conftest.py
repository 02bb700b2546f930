"""A scan of the demo organization over HTTP, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.sandbox.server import Sandbox
from modelwarden.scan import executor
from modelwarden.scan import run as scanning
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record
from modelwarden.scan.station import Spec, Station
from tests.organization import CLOCK, DEMO

REGIONS = ("eu-west-1", "us-east-1")
WITHOUT_ROLE, SUSPENDED = "121212121212", "999900001111"


def settings(folder: Path, scan: str = f"regions = {list(REGIONS)}", more: str = "") -> Path:
    """The demo's settings with a table of what to scan."""
    file = folder / "modelwarden.toml"
    head, _, rest = (DEMO / "modelwarden.toml").read_text(encoding="utf-8").partition("[scan]\n")
    _, _, rest = rest.partition("\n\n")
    file.write_text(f"{head}[scan]\n{scan}\n\n{rest}\n{more}\n", encoding="utf-8")
    return file


def house(folder: Path, scan: str = f"regions = {list(REGIONS)}", more: str = "") -> gate.House:
    flags: dict[str, Any] = {"retries": 0}
    return gate.load_house(gate.Sources(config=settings(folder, scan, more), flags=flags), {})


def scan(house: gate.House, path: Path, since: Folder | None = None) -> scanning.Outcome:
    collector = gate.collector_of(house)
    plan = scanning.plan_of(house, collector, CLOCK, since)
    folder = Folder(path)
    scanning.begin(folder, plan, house)
    return work(folder, plan, house, collector)


def work(
    folder: Folder, plan: scanning.Plan, house: gate.House, collector: Collector | None = None
) -> scanning.Outcome:
    station = Station(Spec(folder.path, house.recipe), house, collector=collector)
    with executor.local(0) as pools:
        return scanning.work(folder, plan, station, pools)


def records(outcome: scanning.Outcome) -> dict[str, Record]:
    """ARN -> record; a package that is there twice fails the test."""
    found: dict[str, Record] = {}
    for cell in outcome.folder.cells():
        for record in outcome.folder.records(*cell):
            assert record.package not in found
            found[record.package] = record
    return found


@pytest.fixture(scope="session")
def organization(demo_sandbox: Sandbox) -> Sandbox:
    return demo_sandbox


@pytest.fixture(scope="session")
def whole(organization: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> scanning.Outcome:
    """Nobody disturbs it."""
    folder = tmp_path_factory.mktemp("scan")
    return scan(house(folder), folder / "run")
