#!/usr/bin/env python3
"""Judging recorded evidence with all controls, from files of cells to stored tables: records a second, what a second
process brings, and peak memory of all processes together.

The cells are those that a scan leaves when it has collected; nothing asks AWS, and making them is not measured. What a
second process brings is told by a sample, judged by one and by two processes in turn; memory is compared with that of a
tenth of the records.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from measuring import measured
from records import parameters, records, reference

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
REGION = "eu-west-1"
AS_OF = "2026-11-22T02:10:00Z"
ROUNDS = 3
"""Of one process against two."""
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
    """A scan that has collected, and has not judged. Cells that are there already stay."""
    accounts = [f"3{number:011d}" for number in range(cells)]
    estate = Estate(
        tuple(Account(one) for one in accounts), tuple((one, REGION) for one in accounts), (), (), "settings"
    )
    (folder.path / "plan.json").unlink(missing_ok=True)
    folder.write_plan(Plan(AS_OF, AS_OF, as_of_asserted=False, estate=estate, full_at=AS_OF).to_json(house))
    facts = reference(house.bundle)
    name = Evidence("reference", facts).digest()
    folder.write_reference(name, Reference(facts_to_json(facts), ()))
    missing = [account for account in accounts if folder.end(account, REGION) is None]
    with ProcessPoolExecutor(executor.judges_here()) as pool:
        for _ in pool.map(_write_cell, *zip(*((folder.path, account, name) for account in missing), strict=True)):
            pass


def _write_cell(path: Path, account: str, name: str) -> None:
    writer = Folder(path).cell(account, REGION)
    for evidence in records(gate.load_bundle(), CELL, account):
        record = Record(evidence.package, "judged", "approved", "Approved", stage="Production", moment="serve")
        writer.add(msgspec.structs.replace(record, reference=name, evidence=evidence))
    writer.close("", ())


def judge(path: Path, config: Path, processes: int, cells: int) -> None:
    """Judge the first cells, and write the tables of all of them."""
    house = gate.load_house(gate.Sources(config=config), {})
    folder, spec = Folder(path), Spec(path, house.recipe)
    folder.unseal()
    some = folder.cells()[:cells]
    counted = 0
    with executor.local(processes) as pools:
        # As a scan does: what a cell came to is dropped when it was counted.
        pending = {pools.judging.submit(partition.judge, spec, *cell) for cell in some}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            counted += sum(task.result().roles["judged"] for task in done)
            del done
    folder.seal(some)
    print(msgspec.json.encode({"judged": counted}).decode())


def run(cells: int, processes: int, folder: Path, config: Path) -> dict[str, Any]:
    """Judge cells of a folder anew; what it took."""
    shutil.rmtree(folder / "judged", ignore_errors=True)
    asked = {"judge": folder, "config": config, "processes": processes, "cells": cells}
    options = [str(word) for name, value in asked.items() for word in (f"--{name}", value)]
    told = measured([sys.executable, __file__, *options], folder.parent, {})
    if told["code"] != 0:
        raise SystemExit(told["err"])
    count = cells * CELL
    assert json.loads(told["out"])["judged"] == count
    rate = count / told["wall"]
    print(
        f"{count:,} records, {processes} process{'es' if processes > 1 else ''}: {rate:,.0f} records/s,"
        f" wall {told['wall']:.0f} s, CPU {told['cpu']:.0f} s, {told['cpu'] / count * 1e3:.2f} ms a record,"
        f" peak {told['mib']:.0f} MiB",
        flush=True,
    )
    return told | {"rate": rate}


@contextmanager
def place(folder: Path | None) -> Iterator[Path]:
    """The folder, or one that is removed again."""
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    folder.mkdir(parents=True, exist_ok=True)
    yield folder.resolve()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=10_000, help="records that one and two processes judge in turn")
    parser.add_argument("--folder", type=Path, help="where the cells are made and kept; 14 GB for a million records")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    for hidden in ("--judge", "--config"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    for hidden in ("--processes", "--cells"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.judge:
        judge(asked.judge, asked.config, asked.processes, asked.cells)
        return 0
    with place(asked.folder) as name:
        config, folder = settings(name), name / "run"
        cells, sample = max(20, asked.records // CELL), max(2, min(asked.sample, asked.records) // CELL)
        write(Folder(folder), gate.load_house(gate.Sources(config=config), {}), cells)
        print(f"{cells * CELL:,} records in {cells:,} cells", flush=True)
        few = run(cells // 10, 2, folder, config)
        pairs = [[run(sample, processes, folder, config) for processes in (1, 2)] for _ in range(ROUNDS)]
        all_ = run(cells, 2, folder, config)
        size = sum(file.stat().st_size for file in folder.glob("*.parquet")) / 1e6
    gains = [two["rate"] / one["rate"] for one, two in pairs]
    ratios = {"two processes": statistics.median(gains), "memory": all_["mib"] / few["mib"]}
    print(f"tables {size:.1f} MB")
    told = ", ".join(f"{gain:.2f}" for gain in gains)
    print(f"two processes against one: {ratios['two processes']:.2f} of {told} (target >= {TARGETS['two processes']})")
    print(f"memory against a tenth of the records: {ratios['memory']:.2f} (target <= {TARGETS['memory']})")
    met = ratios["two processes"] >= TARGETS["two processes"] and ratios["memory"] <= TARGETS["memory"]
    return 0 if met or not asked.check else 1


if __name__ == "__main__":
    sys.exit(main())
