"""The chronicle: what a scan found goes into the store of all scans, and what is new since the last one comes back.

The folder of a scan is written first. What the store did not take then, it takes when the next scan begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from modelwarden.scan.find import sealed
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.store.state import RunRow, Seen, State, check_run
from modelwarden.tables import Sighting, sightings
from modelwarden.tables.schema import TablesError

_RUNS: Final = 100
"""Among the newest of which the one before is looked for."""
_DIGESTS: Final = ("evidence", "material", "bundle", "settings", "waivers")


class News(Struct, frozen=True):
    """What the store tells of a scan."""

    previous: str
    """The scan that ended before it; empty where none did."""
    new: tuple[str, ...]
    """ARNs of packages that are blocked, and were not."""

    def to_json(self) -> dict[str, Any]:
        """Its part of the manifest; nothing where there is nothing to compare with."""
        return {"previous": self.previous, "new": list(self.new)} if self.previous else {}


def catch_up(state: State, runs: Path, own: str) -> list[str]:
    """Put what scans below `runs` found that ended and are not in the store to their end, the oldest first.

    What cannot be read any more is told and keeps nobody from scanning.

    Raises:
        StateError: the store refuses.
    """
    try:
        folders, unread = sealed(runs)
    except ScanError as error:
        return [f"the store takes no earlier scan: {error}"]
    told = [f"the store does not take scan {id_}: {why}" for id_, why in unread]
    for folder in folders:
        if folder.id == own:
            continue
        try:
            _catch_up(state, folder)
        except (ScanError, TablesError) as error:
            told.append(f"the store does not take scan {folder.id}: {error}")
    return told


def _catch_up(state: State, folder: Folder) -> None:
    known = state.run(folder.id)
    if known is None or not known.finished_at:
        plan, manifest = folder.plan(), folder.manifest()
        state.begin(run_of(folder, plan))
        keep(state, folder, plan, manifest, ())


def run_of(folder: Folder, plan: Mapping[str, Any], location: str = "") -> RunRow:
    """The run as it begins. `location`: where it will be found, if not in the folder.

    Raises:
        ScanError: the folder was renamed, so that nobody could tell the order of scans.
    """
    run = RunRow(
        id=folder.id,
        started_at=_precise(plan["started_at"]),
        as_of=plan["as_of"],
        location=location or str(folder.path.resolve()),
        expected_cells=len(plan["estate"]["cells"]),
        bundle=plan["bundle"]["digest"],
        settings=plan["settings"]["digest"],
        waivers=plan["settings"]["waivers_digest"],
        asserted=plan["as_of_asserted"],
    )
    try:
        check_run(run)
    except ValueError as error:
        raise ScanError(
            f"{folder.path}: its name is not that of a scan, as 20261120T060000000000Z-1f0c9a2e",
            "give it back its name",
        ) from error
    return run


def keep(
    state: State,
    folder: Folder,
    plan: Mapping[str, Any],
    summary: Mapping[str, Any],
    blocked: Iterable[str],
    location: str = "",
) -> News:
    """Put what a sealed scan found, close what is not there any more, and note its end.

    A scan as of an asserted time is noted, and changes the state of no package. `summary` has the keys of the manifest;
    `blocked` are ARNs of packages that may be new.

    Raises:
        StateError: the store refuses; all of it may be repeated.
        ScanError, TablesError: the folder cannot be read.
    """
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    run = run_of(folder, plan, location)
    new: list[str] = []
    if not run.asserted:
        _put(state, folder, at)
        new = [package for package in blocked if _is_new(state, package, folder.id)]
    coverage = summary["coverage"]
    ended = {
        "finished_at": at,
        # A list of scans has no room for what was accepted, and calls nothing complete that is not the whole.
        "complete": summary["complete"] and not coverage["accepted"],
        "read_cells": coverage["read"],
        "verdicts": {verdict: count for verdict, count in summary["verdicts"].items() if count},
        "digest": summary["digest"],
    }
    state.finish(RunRow(**{name: getattr(run, name) for name in run.__struct_fields__} | ended))
    return News("" if run.asserted else _previous(state, folder.id), tuple(new))


def _put(state: State, folder: Folder, at: str) -> None:
    for cell in folder.cells():
        state.put(folder.id, _seen(folder.id, at, sightings(folder.path, *cell)))
        end = folder.end(*cell)
        if end is not None and not end.unread:
            state.close_missing(folder.id, *cell, at)


def _previous(state: State, own: str) -> str:
    scans = (run for run in state.runs(_RUNS) if run.kind == "scan" and run.finished_at and not run.asserted)
    return next((run.id for run in scans if run.id < own), "")


def _seen(run: str, at: str, found: Iterable[Sighting]) -> Iterator[Seen]:
    for one in found:
        yield Seen(
            one.package,
            one.account,
            one.region,
            one.role,
            run,
            at,
            one.stage,
            one.moment,
            one.verdict,
            one.stopping,
            **{name: one.digests[name] for name in _DIGESTS},
        )


def _is_new(state: State, package: str, run: str) -> bool:
    standing = state.standing(package)
    return standing is not None and standing.newly_blocked_by(run)


def _precise(time: str) -> str:
    """Of a time in seconds, the same with microseconds."""
    return time.removesuffix("Z") + ".000000Z"
