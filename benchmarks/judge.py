#!/usr/bin/env python3
"""Judging recorded evidence with all controls, from files of cells to stored tables: records a second, what a second
process brings, and peak memory of all processes together.

The cells are those that a scan leaves when it has collected; nothing asks AWS. Both runs judge the same cells, one after
the other, and memory is compared with that of a tenth of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import msgspec
from records import parameters, records, reference
from scan import measured

from modelwarden import gate
from modelwarden.estate import Account, Estate
from modelwarden.evidence import Evidence, facts_to_json
from modelwarden.scan import executor, partition
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record, Reference
from modelwarden.scan.run import Plan
from modelwarden.scan.station import Spec

CELL = 500
"""Packages of one cell."""
AS_OF = "2026-11-22T02:10:00Z"
TARGETS = {"two processes": 1.6, "memory": 1.3}


def settings(folder: Path) -> Path:
    bundle = gate.load_bundle()
    rows = [f"{name} = {toml(value)}" for name, value in parameters(bundle).items()]
    file = folder / "modelwarden.toml"
    file.write_text("[parameters]\n" + "\n".join(rows) + "\n")
    return file


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def write(folder: Folder, house: gate.House, cells: int) -> None:
    """A scan that has collected, and has not judged."""
    accounts = [f"3{number:011d}" for number in range(cells)]
    estate = Estate(
        tuple(Account(one) for one in accounts), tuple((one, "eu-west-1") for one in accounts), (), (), "settings"
    )
    folder.write_plan(Plan(AS_OF, AS_OF, as_of_asserted=False, estate=estate, full_at=AS_OF).to_json(house))
    facts = reference(house.bundle)
    name = Evidence("reference", facts).digest()
    folder.write_reference(name, Reference(facts_to_json(facts), ()))
    for account in accounts:
        writer = folder.cell(account, "eu-west-1")
        for evidence in records(house.bundle, CELL, account):
            writer.add(
                Record(
                    evidence.package,
                    "judged",
                    "approved",
                    "Approved",
                    stage="Production",
                    moment="serve",
                    reference=name,
                    evidence=evidence,
                )
            )
        writer.close("", ())


def judge(path: Path, config: Path, processes: int) -> None:
    """Judge every cell, and write the tables of the whole."""
    house = gate.load_house(gate.Sources(config=config), {})
    folder, spec = Folder(path), Spec(path, house.recipe)
    folder.unseal()
    cells = folder.cells()
    counted = 0
    with executor.local(processes) as pools:
        tasks = [pools.judging.submit(partition.judge, spec, *cell) for cell in cells]
        for task in as_completed(tasks):
            counted += task.result().roles["judged"]
    folder.seal(cells)
    print(msgspec.json.encode({"judged": counted}).decode())


def run(count: int, processes: int, folder: Path, config: Path) -> dict[str, Any]:
    """Judge the cells of a folder anew; what it took."""
    shutil.rmtree(folder / "judged", ignore_errors=True)
    command = [sys.executable, __file__, "--judge", str(folder), "--config", str(config), "--processes", str(processes)]
    told = measured(command, folder.parent, {})
    if told["code"] != 0:
        raise SystemExit(told["err"])
    assert json.loads(told["out"])["judged"] == count
    rate = count / told["wall"]
    print(
        f"{count:,} records, {processes} process{'es' if processes > 1 else ''}: {rate:,.0f} records/s,"
        f" wall {told['wall']:.0f} s, CPU {told['cpu']:.0f} s, peak {told['mib']:.0f} MiB"
    )
    return told | {"rate": rate}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    for hidden in ("--judge", "--config"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--processes", type=int, default=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.judge:
        judge(asked.judge, asked.config, asked.processes)
        return 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        config = settings(place)
        house = gate.load_house(gate.Sources(config=config), {})
        cells = max(20, asked.records // CELL)
        for part in (cells // 10, cells):
            write(Folder(place / str(part)), house, part)
        few = run(cells // 10 * CELL, 2, place / str(cells // 10), config)
        two = run(cells * CELL, 2, place / str(cells), config)
        one = run(cells * CELL, 1, place / str(cells), config)
        size = sum(file.stat().st_size for file in (place / str(cells)).glob("*.parquet")) / 1e6
    ratios = {"two processes": two["rate"] / one["rate"], "memory": two["mib"] / few["mib"]}
    print(f"tables {size:.1f} MB")
    print(f"two processes against one: {ratios['two processes']:.2f} (target >= {TARGETS['two processes']})")
    print(f"memory against a tenth of the records: {ratios['memory']:.2f} (target <= {TARGETS['memory']})")
    met = ratios["two processes"] >= TARGETS["two processes"] and ratios["memory"] <= TARGETS["memory"]
    return 0 if met or not asked.check else 1


if __name__ == "__main__":
    sys.exit(main())
