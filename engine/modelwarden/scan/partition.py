"""The work of a scan as functions over partitions. Each can run in any process, and again: it leaves whole files or none."""

from __future__ import annotations

from msgspec import Struct

from modelwarden.scan import collecting, judging
from modelwarden.scan.record import CellEnd
from modelwarden.scan.slices import Slice
from modelwarden.scan.station import Spec, Station, close_station, station_of, stop_station
from modelwarden.scan.tally import Tally
from modelwarden.snapshot import LedgerRow


class Part(Struct, frozen=True):
    """Regions of one account: read one after the other with one session."""

    account: str
    regions: tuple[str, ...]


class Read(Struct, frozen=True):
    """How the cells of a part ended."""

    ends: tuple[CellEnd, ...]
    broken: tuple[str, ...] = ()
    """Defects of ours; each is in its cell, too."""


def enter(spec: Spec) -> None:
    """Make this process ready to work on the scan.

    Raises:
        UserError: it does not see the scan, or has other rules or versions.
    """
    station_of(spec)


def leave(spec: Spec) -> None:
    """Forget the scan; tasks that are still at it drop what is not yet at its end."""
    stop_station(spec)
    close_station(spec)


def what_runs(spec: Spec, part: Part) -> Read:
    """Read the endpoints and the model cards of the cells, as `running/*.json` and `cards/*.json`.

    Raises:
        UserError: there is nobody to call AWS as, or the disk refuses.
    """
    work = collecting.Account(station_of(spec), part.account)
    for region in part.regions:
        work.what_runs(region)
        work.cards(region)
    return Read((), work.close())


def collect(spec: Spec, part: Part) -> Read:
    """Read the packages of the cells, as `cells/*.jsonl`. Every cell of the scan has told before what runs there.

    Raises:
        UserError: there is nobody to call AWS as, or the disk refuses.
    """
    station = station_of(spec)
    work = collecting.Account(station, part.account)
    # A cell that is whole was read by a run of this very task whose process died: whoever judges may be at it.
    ends = [_whole(station, part.account, region) or work.cell(region) for region in part.regions]
    return Read(tuple(end for end in ends if end is not None), work.close())


def collect_slice(spec: Spec, account: str, region: str, part: Slice, most: int) -> Read:
    """Read at most so many packages of a cell, as `cells/*.jsonl`, or of a slice of it, as `slices/*/*.jsonl`.

    Raises:
        Outgrown: there are more.
        UserError: there is nobody to call AWS as, or the disk refuses.
    """
    work = collecting.Account(station_of(spec), account)
    # As long as nobody read what runs here, nobody may say what does not.
    work.what_runs(region)
    work.cards(region)
    end = work.cell(region, part, most)
    return Read((end,) if end else (), work.close())


def give_up(spec: Spec, account: str, region: str, row: LedgerRow) -> Tally:
    """Leave a cell that no task came to the end of, with the reason; it is judged as one without packages.

    Raises:
        UserError: the disk refuses.
    """
    station_of(spec).folder.cell(account, region).close(f"{row.api}: {row.error}", (row,))
    return judge(spec, account, region)


def judge(spec: Spec, account: str, region: str) -> Tally:
    """Judge what was collected of a cell, as the tables below `judged/`.

    Raises:
        UserError: the disk refuses, or a file was changed.
    """
    return judging.judge_cell(station_of(spec), account, region)


def _whole(station: Station, account: str, region: str) -> CellEnd | None:
    end = station.folder.end(account, region)
    return None if end is None or end.unread else end
