"""State: what the organization's scans found of each package, now and before. What changes when is `transition`'s to say.

Times are UTC with microseconds and a `Z`, and ids of runs begin with such a time, so that the order of texts is the order
of events. A run that began later is right about a package, whenever its word arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, Protocol

from msgspec import Struct, field

from modelwarden.errors import UserError

SeenRole = Literal["judged", "unmapped", "inventory", "gone", "imported"]
Event = Literal["first", "changed", "closed", "reopened", "imported"]
RunKind = Literal["scan", "import"]

_RUN: Final = re.compile(r"(?P<time>\d{8}T\d{12})Z-[0-9a-f]{8}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class StateError(UserError):
    """The state cannot be read or written. Nothing that was put before is lost, and a put may be repeated."""

    help = "see docs/store.md"


class NoState(StateError):
    """There is no state at that place."""

    help = "run `modelwarden scan` first, or name the folder of its runs with --runs"


RUNS: Final = "modelwarden.runs/1"
HISTORY: Final = "modelwarden.history/1"
"""Schemas of what the commands of these names print as JSON."""


class Seen(Struct, frozen=True):
    """What one run found of one package."""

    package: str
    """ARN."""
    account: str
    region: str
    role: SeenRole
    """`gone`: deleted after it was listed. `imported`: known by hearsay alone, and nobody looked."""
    run: str
    at: str
    """When it was seen."""
    stage: str = ""
    moment: str = ""
    verdict: str = ""
    """Empty unless it was judged."""
    controls: tuple[str, ...] = ()
    """Those that block or leave it undecided, sorted."""
    evidence: str = ""
    """This and the next four are digests; empty where there is none."""
    material: str = ""
    bundle: str = ""
    settings: str = ""
    waivers: str = ""


class Standing(Struct, frozen=True):
    """The current state of one package."""

    seen: Seen
    """As it was found last."""
    run: str
    """The run that spoke last about it: that of `seen`, or the one that did not find the package any more."""
    first_seen: str
    last_seen: str
    changed_at: str
    changed_by: str
    """The run by which its outcome changed last."""
    previous_verdict: str = ""
    """Before that change; empty where there was none, or it was not there."""
    closed_at: str = ""
    """Since when it is not there any more; empty while it is."""
    closed_why: str = ""
    imported: str = ""
    """Digest of what was imported about it last; empty where nothing was."""

    def newly_blocked_by(self, run: str) -> bool:
        """Whether that run found it blocked for the first time; a package that was first met as blocked counts."""
        new = self.changed_by == run and self.previous_verdict != "block"
        return new and not self.closed_at and self.seen.verdict == "block"


class Change(Struct, frozen=True):
    """One line of a package's history."""

    package: str
    run: str
    at: str
    event: Event
    role: SeenRole
    verdict: str
    """From now on; empty where it is not judged, or not there."""
    previous: str
    """The verdict before; empty where there was none."""
    why: tuple[str, ...]
    """Digests that differ (`evidence`, `bundle`, `settings`, `waivers`), or what else is known to have changed."""
    bundle: str
    declared: Mapping[str, str] = field(default_factory=dict)
    """What an import heard about it. Nobody proved it, and no decision reads it."""


class Hearsay(Struct, frozen=True):
    """What an import heard about one package from somewhere that keeps neither evidence nor whole history."""

    package: str
    """ARN."""
    account: str
    region: str
    first: str
    """The earliest time at which it is said to have been there; `last` is the latest."""
    last: str
    declared: Mapping[str, str]
    why: tuple[str, ...]
    """Why it is but a part of what was."""
    digest: str
    """Over what was heard: the same again is no news."""


class RunRow(Struct, frozen=True):
    """One run. Its counts are those of its end."""

    id: str
    started_at: str
    as_of: str
    """The time as of which it judges."""
    location: str
    """Path or URI of its folder."""
    kind: RunKind = "scan"
    """An import expects and reads no cells, judges nothing, and is never complete."""
    finished_at: str = ""
    """Empty while it runs."""
    complete: bool = False
    """Whether nothing that was expected is missing. What the organization accepts is missing all the same."""
    expected_cells: int = 0
    read_cells: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """Verdict -> packages."""
    bundle: str = ""
    settings: str = ""
    waivers: str = ""
    digest: str = ""
    """Over what it found."""
    asserted: bool = False
    """Whether `as_of` was asserted instead of read from the clock."""


class State(Protocol):
    """The state. Threads may share one; processes open their own.

    Whatever it does may be repeated with the same result. Each operation raises StateError where the store refuses.
    """

    def begin(self, run: RunRow) -> None:
        """Note that a run begins, or goes on: what stood there as its end is forgotten, its start is not.

        Raises:
            ValueError: its id does not begin with a time, so that no order of runs could be told.
        """
        ...

    def put(self, run_id: str, seen: Iterable[Seen]) -> None:
        """Keep what a run that has begun found, in batches as it comes.

        What a later run said about a package stands. Where it fails, what came before is kept, and it may be repeated.

        Raises:
            ValueError: one of another run, or with a time of another form.
        """
        ...

    def put_heard(self, run_id: str, heard: Iterable[Hearsay], at: str) -> int:
        """Keep what an import that has begun heard: a line of history each, unless the same was imported before.
        How many were news.

        A package that no scan saw is kept as `imported`; what a scan said about one stands, whichever came first.
        """
        ...

    def close_missing(self, run_id: str, account: str, region: str, at: str) -> None:
        """Close the packages of a cell that the run did not see.

        Only for a cell whose list was read to its end: else what was not read would count as deleted.
        """
        ...

    def finish(self, run: RunRow) -> None:
        """Note how a run that has begun ended."""
        ...

    def run(self, run_id: str) -> RunRow | None: ...

    def runs(self, limit: int, before: str = "") -> list[RunRow]:
        """The newest runs, the last that began first; with an id in `before`, of those that began before that run."""
        ...

    def standing(self, package: str) -> Standing | None:
        """The current state of a package; None where no run ever saw it."""
        ...

    def standings(self, account: str, region: str) -> Iterator[Standing]:
        """The packages of a cell by ARN, closed ones among them."""
        ...

    def history(self, package: str) -> Iterator[Change]:
        """What changed of a package, in the order of runs."""
        ...

    def close(self) -> None:
        """Let go of what is open; nothing else may be called then."""
        ...


def check_run(run: RunRow) -> None:
    """Raises ValueError for an id that says no time, and for a time of another form."""
    found = _RUN.fullmatch(run.id)
    if not found or not _is_time(found["time"], "%Y%m%dT%H%M%S%f"):
        raise ValueError(f"the run `{run.id}` does not begin with a time")
    for time in filter(None, (run.started_at, run.finished_at)):
        check_time(time)


def check_seen(seen: Seen, run_id: str) -> None:
    """Raises ValueError for one of another run, and for a time of another form."""
    if seen.run != run_id:
        raise ValueError(f"{seen.package} was seen by `{seen.run}` and not by `{run_id}`")
    check_time(seen.at)


def check_heard(heard: Hearsay, at: str) -> None:
    """Raises ValueError for a time of another form, and for one in the future of the import."""
    for time in (heard.first, heard.last, at):
        check_time(time)
    if not heard.first <= heard.last <= at:
        raise ValueError(f"{heard.package}: {heard.first}, {heard.last} and {at} are in no order")


def check_time(text: str) -> None:
    """Raises ValueError unless text order is time order."""
    if not _TIME.fullmatch(text) or not _is_moment(text):
        raise ValueError(f"`{text}` is no UTC time with microseconds")


def unknown_run(run_id: str) -> StateError:
    """A run that never began here."""
    return StateError(f"the store knows no run `{run_id}`", "scan anew, or name the store in which the scan began")


@lru_cache(maxsize=64)
def _is_moment(text: str) -> bool:
    """Whether there is such a day; a scan asks for each of its packages, and mostly for the same ones."""
    return _is_time(text, "%Y-%m-%dT%H:%M:%S.%fZ")


def _is_time(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only whether there is such a day is asked
    except ValueError:
        return False
    return True
