"""The functions of a scan at scale, each a task of the state machine in deploy/scan.yaml.

`plan` finds out what is expected; `work` reads and judges cells, many at once; `reduce` makes one scan of what they left.
They are the very steps of `modelwarden scan`, and hand each other the files of its folder through `WORK`, a place
`s3://bucket/prefix`. `ARCHIVE` is where the whole folder is kept, `PUBLISH` where Athena reads its tables; empty: nowhere.
`MODELWARDEN_ORGANIZATION` and `MODELWARDEN_ORGANIZATION_DIGEST` name the organization layer, `MOST_PACKAGES` how many one
task reads.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.session import Session, get_session
from msgspec import Meta, Struct

from modelwarden import gate
from modelwarden.attest.entering import door
from modelwarden.aws.environment import NotSetUp, given, signer_of
from modelwarden.clock import run_id
from modelwarden.collect import Collector
from modelwarden.errors import UserError
from modelwarden.gate import House
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.render import metrics
from modelwarden.render.calls import of_scan
from modelwarden.scan import chronicle, partition
from modelwarden.scan import run as scanning
from modelwarden.scan.collecting import Outgrown
from modelwarden.scan.folder import Folder
from modelwarden.scan.joining import join
from modelwarden.scan.share import MOST_BYTES, Share
from modelwarden.scan.slices import WHOLE, Slice, apart, is_whole
from modelwarden.scan.station import Spec, Station, close_station, open_station
from modelwarden.scan.word import word_of
from modelwarden.snapshot import LedgerRow
from modelwarden.store.location import state_at
from modelwarden.store.place import AlreadyThere, Place, place_at
from modelwarden.store.state import State
from modelwarden.typed import converted, decoder

logger: Final = Logger(service="modelwarden-scan")

_MARGIN_SECONDS: Final = 150
"""Before Lambda ends a task: for the packages that are being read, and for what was read to be judged and put."""
_LONGEST_SECONDS: Final = 900
"""That Lambda lets a task run."""
_PREFIX: Final = "modelwarden-scan-"
_API: Final = "lambda:InvokeFunction"
_TOLD: Final = "told.tar"
_KEPT: Final = "scan.tar"
_LEFT_OUT: Final = ("cells", "judged", "slices", "failed")
"""Folders that are needed only until the scan has ended."""


Run = Annotated[str, Meta(pattern=r"^[0-9]{8}T[0-9]{6,12}Z-[0-9a-f]{8}$")]
"""Id of a scan, which names folders."""


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """What the state machine asks of `work`."""

    task: Literal["look", "tell", "collect", "join"]
    run: Run
    account: Annotated[str, Meta(pattern=r"^([0-9]{12})?$")] = ""
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]*$")] = ""
    slice: Slice = WHOLE
    results: tuple[dict[str, Any], ...] = ()
    """What the tasks of the slices answered, or why they were given up."""


class Ended(Struct, frozen=True, forbid_unknown_fields=True):
    """What it asks of `reduce`."""

    run: Run


class Hub:
    """What the environment of the functions says."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises UserError where something is missing, or the settings cannot be used."""
        self.work, self.archive, most = (given(environment, name) for name in ("WORK", "ARCHIVE", "MOST_PACKAGES"))
        self.publish = environment.get("PUBLISH", "")
        self.most = int(most)
        self.house: House = gate.load_house(gate.Sources(), environment)
        if self.house.settings.advisory or not self.house.settings.store:
            raise NotSetUp("no pinned organization layer with a `store` is named")

    @cached_property
    def collector(self) -> Collector:
        """For calls with the functions' own credentials."""
        return self.another()

    def another(self) -> Collector:
        """For one task, since what is assumed in an account ends. Models of services are shared: they take long to read."""
        return gate.collector_of(self.house, session=self._session)

    @cached_property
    def _session(self) -> Session:
        return get_session()

    def place(self, location: str) -> Place:
        return place_at(location, self.collector.aws, MOST_BYTES)

    @contextmanager
    def share(self, run: str) -> Iterator[Share]:
        """The scan's folder on the disk of the function, which outlives the task and belongs to the next one."""
        for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            with suppress(FileNotFoundError):  # of another task that ends just now
                if path.stat().st_mtime < time.time() - _LONGEST_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)  # its task was ended by Lambda
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as aside:
            folder = Folder(Path(aside) / run)
            folder.path.mkdir()
            yield Share(folder, self.place(self.work))

    def state(self) -> State:
        return state_at(self.house.settings.store or "", lambda: self.collector.aws)

    def location(self, run: str) -> str:
        """Where the scan will be kept."""
        return f"{self.archive}/{run}/{_KEPT}"


def plan(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Begin a scan: `{"run": its id, "cells": the key of the list of cells}`, which the state machine reads."""
    hub = _hub()
    made = scanning.plan_of(hub.house, hub.collector, None)
    if not made.estate.cells and not made.estate.unread:
        raise UserError("no account is expected", "correct [scan] in the policy pack")
    with hub.share(run_id()) as share:
        scanning.begin(share.folder, made, hub.house)
        run = share.folder.id
        cells = [{"account": account, "region": region} for account, region in made.estate.cells]
        (share.folder.path / "cells.json").write_bytes(msgspec.json.encode(cells))
        share.put("plan.json", "cells.json")
        state = hub.state()
        state.begin(chronicle.run_of(share.folder, share.folder.plan(), hub.location(run)))
        state.close()
    logger.info("begun", run=run, cells=len(cells), unread=len(made.estate.unread))
    prefix = hub.work.removeprefix("s3://").partition("/")[2]
    return {"run": run, "cells": "/".join(filter(None, (prefix, run, "cells.json")))}


def work(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One task: `{"slices": ...}`, what is to be read in slices, since one task would not come to the end of it.

    Raises:
        UserError: what it needs cannot be had; the state machine tries again, and then gives the cell up.
    """
    asked = converted(event, Task)
    hub = _hub()
    with hub.share(asked.run) as share:
        share.fetch("plan.json")
        slices = _TASKS[asked.task](hub, share, asked, context)
    return {"slices": msgspec.to_builtins(list(slices))}


def reduce(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make one scan of what the tasks left, keep it, enter it into the log and publish it: the counts of its summary."""
    run = converted(event, Ended).run
    hub = _hub()
    with hub.share(run) as share:
        archive = Share(share.folder, hub.place(hub.archive))
        if archive.names("") == []:
            _conclude(hub, share)
            with suppress(AlreadyThere):
                archive.keep_together(_KEPT, _files(share.folder.path))
        # Where another run of this very task was faster, what it wrote is the scan.
        shutil.rmtree(share.folder.path)
        archive.fetch_together(_KEPT)
        manifest = share.folder.manifest()
        enter = door(hub.house.settings, lambda: hub.collector.aws, signer_of(hub.house, hub.collector.aws))
        if enter:
            enter(word_of(share.folder))
        if hub.publish:
            from modelwarden.analytics.publish import publish

            publish(share.folder, hub.place(hub.publish))
        cells = [(one[0], one[1]) for one in share.folder.plan()["estate"]["cells"]]
        print(metrics.lines(manifest, of_scan(share.folder, cells)), end="")
    coverage = manifest["coverage"]
    return {
        "run": run,
        "complete": manifest["complete"],
        "expected": coverage["expected"],
        "read": coverage["read"],
        "verdicts": manifest["verdicts"],
        "new": len(manifest.get("new", ())),
    }


def _look(hub: Hub, share: Share, asked: Task, context: LambdaContext) -> tuple[Slice, ...]:
    """What runs in a cell, and its cards."""
    with _station(hub, share, context) as spec:
        read = partition.what_runs(spec, _part(asked))
    _broken(asked, read.broken)
    share.put(*_present(share.folder.path, _told(asked)))
    return ()


def _tell(hub: Hub, share: Share, asked: Task, context: LambdaContext) -> tuple[Slice, ...]:
    """What was told of every cell, together: each task that collects needs all of it."""
    names = [name for folder in ("running", "cards") for name in share.names(folder)]
    share.fetch(*names)
    share.put_together(_TOLD, names)
    return ()


def _collect(hub: Hub, share: Share, asked: Task, context: LambdaContext) -> tuple[Slice, ...]:
    """Read a cell and judge it, or read a slice of it. A task that runs again leaves what is there already."""
    done = _slice(asked) if asked.slice != WHOLE else _judged(asked)
    if done in share.names(done.rpartition("/")[0]):
        return ()
    share.fetch_together(_TOLD)
    with _station(hub, share, context) as spec:
        try:
            read = partition.collect_slice(spec, asked.account, asked.region, asked.slice, hub.most)
        except Outgrown as outgrown:
            return _finer(asked, -(-outgrown.packages // hub.most))
        _broken(asked, read.broken)
        if not read.ends:
            return _finer(asked, 2)  # the time was up
        if asked.slice == WHOLE:
            _judge(spec, share, asked)
            return ()
    share.put(*_references(share), done)
    return ()


def _join(hub: Hub, share: Share, asked: Task, context: LambdaContext) -> tuple[Slice, ...]:
    """Judge the cell that the slices make; or what is to be read in finer ones."""
    outgrown = tuple(converted(one, Slice) for told in asked.results for one in told.get("slices", ()))
    if outgrown:
        return outgrown
    if _judged(asked) in share.names("judged"):
        return ()
    names = share.names(f"slices/{_cell(asked)}")
    share.fetch(*names, *share.names("references"))
    share.fetch_together(_TOLD)
    given_up = [f"{_API}: {_error(told)}" for told in asked.results if "Error" in told]
    found = [_slice_of(name) for name in names]
    parts = apart(found)
    why = given_up[0] if given_up else "slices of it were not read"
    with _station(hub, share, context) as spec:
        partition.what_runs(spec, _part(asked))
        join(share.folder, asked.account, asked.region, parts, "" if is_whole(parts) else why)
        _judge(spec, share, asked)
    return ()


_TASKS: Final[dict[str, Callable[[Hub, Share, Task, LambdaContext], tuple[Slice, ...]]]] = {
    "look": _look,
    "tell": _tell,
    "collect": _collect,
    "join": _join,
}


def _conclude(hub: Hub, share: Share) -> None:
    """The scan from what the tasks left. A cell of which nothing is left was given up, or nobody knows why."""
    share.fetch("plan.json")
    share.fetch_together(_TOLD)
    share.fetch_together(*share.names("judged"))
    path = share.folder.path
    share.fetch(*share.names("references"), *share.names("failed"))
    asked = scanning.plan_from_json(share.folder.plan())
    with _station(hub, share, None) as spec:
        for account, region in asked.estate.cells:
            if share.folder.end(account, region) is None:
                partition.give_up(
                    spec, account, region, _why(path / f"failed/{account}.{region}.json", account, region)
                )
    state = hub.state()
    scanning.conclude(share.folder, asked, hub.house, state, location=hub.location(share.folder.id))
    state.close()


def _why(path: Path, account: str, region: str) -> LedgerRow:
    """The row of a cell that was given up."""
    said = "no task came to its end"
    with suppress(FileNotFoundError, NotJson, msgspec.ValidationError):
        told = decoded(path.read_bytes())
        # The state machine puts JSON; whether it writes a text as it stands or as JSON once more is its own affair.
        said = _error(converted(decoded(told) if isinstance(told, str) else told, dict))
    return LedgerRow(account, region, _API, "incomplete", 0, 0.0, said)


def _error(told: Mapping[str, Any]) -> str:
    """Of an error of the state machine, in one line; its cause may hold a whole traceback."""
    cause = str(told.get("Cause", ""))
    with suppress(NotJson):
        cause = str(decoded(cause, decoder(dict)).get("errorMessage", cause))
    return " ".join(f"{told.get('Error')}: {cause}".split())[:300]


def _judge(spec: Spec, share: Share, asked: Task) -> None:
    """Judge the cell and put all that is left of it."""
    tally = partition.judge(spec, asked.account, asked.region)
    _broken(asked, tuple(tally.broken))
    path = share.folder.path
    share.put(*_references(share))
    tables = (f"judged/{_cell(asked)}/{one.name}" for one in (path / f"judged/{_cell(asked)}").iterdir())
    share.put_together(_judged(asked), [*tables, *_present(path, _told(asked))])


@contextmanager
def _station(hub: Hub, share: Share, context: LambdaContext | None) -> Iterator[Spec]:
    """Where this process works on the scan, as long as the task may run."""
    spec = Spec(share.folder.path, hub.house.recipe, share.folder.id)
    station = Station(spec, hub.house, collector=hub.another())
    left = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS if context else None
    timer = threading.Timer(left, station.stopped.set) if left is not None else None
    open_station(station)
    try:
        if timer:
            timer.daemon = True
            timer.start()
        yield spec
    finally:
        if timer:
            timer.cancel()
        close_station(spec)


def _finer(asked: Task, parts: int) -> tuple[Slice, ...]:
    """Raises UserError where one group is too large for a task."""
    found = asked.slice.into(parts)
    if not found:
        raise UserError("a group of packages outgrows one task", "raise MostPackages, or scan on one machine")
    return found


def _part(asked: Task) -> partition.Part:
    return partition.Part(asked.account, (asked.region,))


def _cell(asked: Task) -> str:
    return f"{asked.account}.{asked.region}"


def _judged(asked: Task) -> str:
    return f"judged/{_cell(asked)}.tar"


def _slice(asked: Task) -> str:
    return f"slices/{_cell(asked)}/{asked.slice.name}.jsonl"


def _slice_of(name: str) -> Slice:
    index, _, of = name.rpartition("/")[2].removesuffix(".jsonl").partition("-")
    return Slice(int(index), int(of))


def _told(asked: Task) -> tuple[str, ...]:
    return tuple(f"{folder}/{_cell(asked)}.json" for folder in ("running", "cards"))


def _references(share: Share) -> list[str]:
    return [f"references/{path.name}" for path in sorted((share.folder.path / "references").glob("*.json"))]


def _present(path: Path, names: tuple[str, ...]) -> list[str]:
    """Those that the settings asked for."""
    return [name for name in names if (path / name).exists()]


def _files(path: Path) -> list[str]:
    """What of the folder is kept."""
    found = (one.relative_to(path) for one in path.rglob("*") if one.is_file())
    return [
        str(one) for one in found if one.parts[0] not in _LEFT_OUT and one.suffix != ".tar" and one.name != "cells.json"
    ]


def _broken(asked: Task, defects: tuple[str, ...]) -> None:
    for one in defects:
        logger.error("a defect", reason=one, run=asked.run, account=asked.account, region=asked.region)


@cache
def _hub() -> Hub:
    """Settings and bundle are loaded once for the life of a function."""
    return Hub(os.environ)
