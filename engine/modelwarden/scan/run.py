"""A scan from its plan to its manifest, and going on with one that was stopped or killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from msgspec.structs import asdict

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.collect.answer import now
from modelwarden.collect.organization import discover
from modelwarden.estate import Account, Estate
from modelwarden.gate import House
from modelwarden.scan.chronicle import keep
from modelwarden.scan.drive import Drive, left
from modelwarden.scan.executor import Pools
from modelwarden.scan.folder import Folder
from modelwarden.scan.relations import copies_of, hub_of
from modelwarden.scan.station import Station, check_rules, close_station, open_station
from modelwarden.scan.summary import Summary, summarize
from modelwarden.scan.visibility import visibility
from modelwarden.settings.effective import instant
from modelwarden.snapshot import LedgerRow
from modelwarden.store.state import State


class Plan(Struct, frozen=True):
    """What is asked of a scan, fixed when it starts: going on with it asks the same."""

    started_at: str
    as_of: str
    as_of_asserted: bool
    estate: Estate
    since: str = ""
    """Folder of the scan whose evidence counts where nothing changed; empty where everything is read."""
    full_at: str = ""
    """When everything was read last; the start of this scan where it reads everything."""

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
            "since": self.since,
            "full_at": self.full_at,
        }


class Outcome(Struct, frozen=True):
    """How a scan ended."""

    folder: Folder
    plan: Plan
    summary: Summary
    stopped: bool
    """Whether somebody stopped it; then cells are missing."""
    broken: tuple[str, ...]
    """Defects of ours; where there is one, the exit code is 4."""


def plan_of(house: House, collector: Collector, as_of: str | None, since: Folder | None = None) -> Plan:
    """Find out which cells are expected. `since` is the scan whose evidence counts where nothing changed.

    Raises:
        NoCredentials: there is nobody to call AWS as.
    """
    started = now()
    estate = discover(collector.aws, house.settings.scan)
    collector.aws.take_ledger()  # what of it leaves a hole is in the estate
    full_at = since.plan()["full_at"] if since else started
    return Plan(
        started, as_of or started, as_of is not None, estate, str(since.path.resolve()) if since else "", full_at
    )


def begin(folder: Folder, plan: Plan, house: House) -> None:
    """Raises ScanError where the folder cannot be written, or holds a scan."""
    folder.write_plan(plan.to_json(house))


def resumed(path: Path, house: House) -> tuple[Folder, Plan]:
    """The plan of a scan that did not come to its end.

    Raises:
        ScanError: it is none, its cells are gone, or other controls or settings hold now.
    """
    folder = Folder(path)
    document = folder.plan()
    check_rules(path, document, house)
    folder.refuse_ended()
    return folder, plan_from_json(document)


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """What was asked, from `Folder.plan`. Raises KeyError or TypeError for another shape."""
    plain = {name: document[name] for name in ("started_at", "as_of", "as_of_asserted", "since", "full_at")}
    return Plan(**plain, estate=estate_from_json(document["estate"]))


def asked_again(plan: Plan, house: House, collector: Collector) -> Plan:
    """The plan with what could not be found out of its accounts and regions asked for again; nothing is written.

    Raises:
        NoCredentials: there is nobody to call AWS as.
    """
    if not plan.estate.unread:
        return plan
    found = discover(collector.aws, house.settings.scan)
    collector.aws.take_ledger()  # what of it leaves a hole is in the estate
    return structs.replace(plan, estate=_grown(plan.estate, found))


def go_on(folder: Folder, plan: Plan) -> None:
    """Keep what is expected by now.

    Raises:
        ScanError: the folder cannot be written.
    """
    estate = estate_to_json(plan.estate)
    if folder.plan()["estate"] != estate:
        folder.grow_plan(estate)


def _grown(before: Estate, found: Estate) -> Estate:
    """INVARIANT: what was expected stays expected: it may have been read already."""
    cells = {*before.cells, *found.cells}
    expected = {account for account, _ in cells}
    accounts = {one.id: one for one in (*before.accounts, *found.accounts)}
    skipped = {row.account: row for row in (*before.skipped, *found.skipped) if row.account not in expected}
    return structs.replace(
        found,
        accounts=tuple(account for _, account in sorted(accounts.items())),
        cells=tuple(sorted(cells)),
        skipped=tuple(row for _, row in sorted(skipped.items())),
    )


def work(folder: Folder, plan: Plan, station: Station, pools: Pools, state: State | None = None) -> Outcome:
    """Read and judge what is left, write tables and manifest, and put what was found into the state of all scans.

    Raises:
        NoCredentials: there is nobody to call AWS as.
        ScanError: the disk refuses.
        StateError: the store refuses; the folder is written, and the store takes it when the next scan begins.
    """
    folder.unseal()
    cells = plan.estate.cells
    todo = left(folder, cells)
    station.watcher.begun(len(cells), len(cells) - len(todo))
    drive = Drive(station.spec, pools, station.stopped.is_set, station.watcher)
    open_station(station)
    try:
        drive.run(cells, todo)
    except BaseException:
        station.stopped.set()
        raise
    finally:
        close_station(station.spec)
    outcome = conclude(
        folder,
        plan,
        station.house,
        state,
        stopped=station.stopped.is_set(),
        broken=tuple(drive.broken),
    )
    station.watcher.finished(folder.manifest())
    return outcome


def conclude(
    folder: Folder,
    plan: Plan,
    house: House,
    state: State | None = None,
    *,
    stopped: bool = False,
    broken: tuple[str, ...] = (),
    location: str = "",
) -> Outcome:
    """Write the tables and the manifest of what was read and judged, and put it into the state of all scans.

    A cell that has no end is one that was not read. A scan that somebody stopped changes no state. `location`: where the
    state says that it will be found, if not in the folder.

    Raises:
        ScanError: the disk refuses.
        StateError: the store refuses; the folder is written, and the store takes it when the next scan begins.
    """
    settings = house.settings
    summary = summarize(folder, plan.estate, settings.gaps, instant(plan.as_of), with_cards=settings.scan.cards)
    sight = visibility(plan.estate, folder.running)
    files = folder.seal(plan.estate.cells, sight)
    manifest = {
        "id": folder.id,
        "kind": "scan",
        "started_at": plan.started_at,
        "finished_at": now(),
        "as_of": plan.as_of,
        "as_of_asserted": plan.as_of_asserted,
        "advisory": settings.advisory,
        "source": plan.estate.source,
        "since": Path(plan.since).name,
        "full_at": plan.full_at,
        "tables": files,
        **summary.to_json(),
        "copies": copies_of(folder, plan.estate, summary.origins_unread).to_json(),
    }
    if sight is not None:
        manifest["hub"] = hub_of(folder.path, sight).to_json()
    folder.write_manifest(manifest)
    if state is not None and not stopped:
        blocked = [one.package for one in summary.named if one.verdict == "block"]
        manifest |= keep(state, folder, folder.plan(), manifest, blocked, location).to_json()
        folder.write_manifest(manifest)
    return Outcome(folder, plan, summary, stopped, broken)


def tidy(outcome: Outcome, runs: Path) -> None:
    """Remove what was kept to go on with scans: of this one if nothing is left of it, and of those that ended before it.

    Raises:
        ScanError: a file was changed.
    """
    if outcome.stopped or outcome.broken:
        return
    for path in runs.glob("*/manifest.json"):
        other = Folder(path.parent)
        if other.id < outcome.folder.id:
            other.tidy()
    if not outcome.plan.estate.unread and not left(outcome.folder, outcome.plan.estate.cells):
        outcome.folder.tidy()


def estate_to_json(estate: Estate) -> dict[str, Any]:
    """The law: `estate_from_json(estate_to_json(estate)) == estate`."""
    return {
        "source": estate.source,
        "hub": estate.hub,
        "accounts": [{**asdict(account), "tags": dict(account.tags)} for account in estate.accounts],
        "cells": [list(cell) for cell in estate.cells],
        "skipped": [asdict(row) for row in estate.skipped],
        "unread": [asdict(row) for row in estate.unread],
        "narrowed_by": list(estate.narrowed_by),
    }


def estate_from_json(raw: dict[str, Any]) -> Estate:
    """Raises KeyError or TypeError for another shape."""
    return Estate(
        accounts=tuple(Account(**one) for one in raw["accounts"]),
        cells=tuple((account, region) for account, region in raw["cells"]),
        skipped=tuple(LedgerRow(**row) for row in raw["skipped"]),
        unread=tuple(LedgerRow(**row) for row in raw["unread"]),
        source=raw["source"],
        hub=raw.get("hub", ""),
        narrowed_by=tuple(raw.get("narrowed_by", ())),
    )
