"""A scan from its plan to its manifest, and going on with one that was stopped or killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.collect.answer import now
from modelwarden.collect.organization import discover
from modelwarden.errors import UserError
from modelwarden.estate import Account, Estate
from modelwarden.gate import House
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import CellEnd, ScanError
from modelwarden.scan.summary import Summary, summarize
from modelwarden.scan.work import Order, Worker
from modelwarden.settings.effective import instant
from modelwarden.snapshot import LedgerRow


class Plan(Struct, frozen=True):
    """What is asked of a scan, fixed when it starts: going on with it asks the same."""

    started_at: str
    as_of: str
    as_of_asserted: bool
    estate: Estate

    def to_json(self, house: House) -> dict[str, Any]:
        """With the rules that hold, so that nobody goes on by others."""
        return {
            "started_at": self.started_at,
            "as_of": self.as_of,
            "as_of_asserted": self.as_of_asserted,
            "versions": gate.versions(),
            "bundle": gate.bundle_of(house),
            "settings": house.settings.to_json(),
            "controls": {id_: asdict(info) for id_, info in gate.controls_of(house).items()},
            "estate": estate_to_json(self.estate),
        }


class Outcome(Struct, frozen=True):
    """How a scan ended."""

    folder: Folder
    plan: Plan
    summary: Summary
    stopped: bool
    """Whether somebody stopped it; then cells are missing."""
    broken: tuple[BaseException, ...]


def plan_of(house: House, collector: Collector, as_of: str | None) -> Plan:
    """Find out which cells are expected.

    Raises:
        NoCredentials: there is nobody to call AWS as.
    """
    started = now()
    estate = discover(collector.aws, house.settings.scan)
    collector.aws.take_ledger()  # what of it leaves a hole is in the estate
    return Plan(started, as_of or started, as_of is not None, estate)


def begin(folder: Folder, plan: Plan, house: House) -> None:
    """Raises ScanError where the folder cannot be written, or holds a scan."""
    folder.write_plan(plan.to_json(house))


def resumed(path: Path, house: House) -> tuple[Folder, Plan]:
    """The plan of a scan that did not come to its end.

    Raises:
        ScanError: it is none, it came to its end, or other controls or settings hold now.
    """
    folder = Folder(path)
    document = folder.plan()
    then = (document["bundle"]["digest"], document["settings"]["digest"], document["settings"]["waivers_digest"])
    if then != (house.bundle.digest, house.settings.digest, house.settings.waivers_digest):
        raise ScanError(
            f"{path}: was begun with other controls or settings", "name those with which it was begun, or scan anew"
        )
    estate = estate_from_json(document["estate"])
    return folder, Plan(document["started_at"], document["as_of"], document["as_of_asserted"], estate)


def left(folder: Folder, plan: Plan) -> list[tuple[str, str]]:
    """Cells that were not read to their end, or of which packages may be missing."""
    ends = ((cell, folder.end(*cell)) for cell in plan.estate.cells)
    return [cell for cell, end in ends if end is None or end.unread]


def work(
    folder: Folder,
    plan: Plan,
    house: House,
    collector: Collector,
    told: Callable[[CellEnd], None],
    started: Callable[[Worker], None] = lambda worker: None,
) -> Outcome:
    """Read and judge what is left, and write the manifest; `started` is handed the worker, which can be stopped.

    Raises:
        NoCredentials: there is nobody to call AWS as.
        ScanError: the disk refuses.
    """
    order = Order(house, folder, plan.as_of, plan.as_of_asserted, house.settings.account_stages)
    worker = Worker(order, collector, told)
    started(worker)
    worker.work(plan.estate.cells, left(folder, plan))
    for error in worker.broken:
        if isinstance(error, UserError):
            raise error
    summary = summarize(folder, plan.estate, house.settings.gaps, instant(plan.as_of))
    stopped = worker.stopped.is_set() and not worker.broken
    folder.write_manifest(
        {
            "id": folder.id,
            "kind": "scan",
            "started_at": plan.started_at,
            "finished_at": now(),
            "as_of": plan.as_of,
            "as_of_asserted": plan.as_of_asserted,
            "advisory": house.settings.advisory,
            "source": plan.estate.source,
            **summary.to_json(),
        }
    )
    return Outcome(folder, plan, summary, stopped, tuple(worker.broken))


def estate_to_json(estate: Estate) -> dict[str, Any]:
    """The law: `estate_from_json(estate_to_json(estate)) == estate`."""
    return {
        "source": estate.source,
        "accounts": [{**asdict(account), "tags": dict(account.tags)} for account in estate.accounts],
        "cells": [list(cell) for cell in estate.cells],
        "skipped": [asdict(row) for row in estate.skipped],
        "unread": [asdict(row) for row in estate.unread],
    }


def estate_from_json(raw: dict[str, Any]) -> Estate:
    """Raises KeyError or TypeError for another shape."""
    return Estate(
        accounts=tuple(Account(**one) for one in raw["accounts"]),
        cells=tuple((account, region) for account, region in raw["cells"]),
        skipped=tuple(LedgerRow(**row) for row in raw["skipped"]),
        unread=tuple(LedgerRow(**row) for row in raw["unread"]),
        source=raw["source"],
    )
