"""History: what earlier scans of the same folder of runs tell of the same scope: posture over time, and since when findings are open."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from msgspec import Struct

from modelwarden.audit.changes import Changes, changes_of
from modelwarden.audit.coverage import coverage_of
from modelwarden.audit.source import VERDICTS, Source, quoted
from modelwarden.scan.find import Ended, all_ended
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.settings.effective import instant
from modelwarden.tables.schema import TablesError, opened

MOST: Final = 100
"""Earlier scans that are looked at."""
BUCKETS: Final = ((7, "up to 7 days"), (30, "8 to 30 days"), (90, "31 to 90 days"), (None, "over 90 days"))


class Point(Struct, frozen=True):
    """One scan of the scope."""

    run: str
    as_of: str
    complete: bool
    cells: int
    read: int
    verdicts: dict[str, int]


class Age(Struct, frozen=True):
    """Open findings of one severity, by the days since they are open; waived ones are among them."""

    severity: str
    days: dict[str, int]
    """Words of `BUCKETS` -> findings."""


class Oldest(Struct, frozen=True):
    package: str
    control: str
    outcome: str
    since: str
    """As of the first of the scans in which it was open without a break, as far as they go back."""
    days: int


class History(Struct, frozen=True):
    """What is told by more than one scan. A scan that did not look at a package says nothing of it."""

    points: tuple[Point, ...]
    """Oldest first; the last is the scan of the report."""
    ages: tuple[Age, ...]
    oldest: tuple[Oldest, ...]
    from_: str
    """As of the oldest scan: nobody can tell that anything is older."""
    skipped: tuple[str, ...]
    """Scans that could not be read, and why."""
    changes: Changes | None
    """Since the last scan before the period, else since the one before; None where there is none."""


class Before(Struct, frozen=True):
    """Scans beside one that came to their end before it."""

    scans: tuple[Ended, ...] = ()
    """The newest first."""
    broken: tuple[str, ...] = ()
    """Why one that may be among them cannot be read."""


def earlier(folder: Folder) -> Before:
    """What lies beside a scan."""
    own = folder.manifest()
    scans, broken = all_ended(folder.path.parent)
    found = [
        one
        for one in scans
        # What was judged as of an asserted time is no part of what happened, and the other way round.
        if one.manifest.get("as_of_asserted") == own["as_of_asserted"] and _order(one) < (own["as_of"], own["id"])
    ]
    told = tuple(f"{id_}: {why}" for id_, why in broken if id_ != folder.id)
    return Before(tuple(sorted(found, key=_order, reverse=True)[:MOST]), told)


def newest(runs: Path, first: str, last: str) -> Folder:
    """The newest scan below a folder that came to its end, as of these days or between them.

    Raises:
        ScanError: there is none, or one that began after it and may be the newest cannot be read.
    """
    scans, broken = all_ended(runs)
    found = [one for one in scans if first <= str(one.manifest["as_of"])[:10] <= last]
    if not found:
        why = f": {broken[-1][1]}" if broken else ""
        said = f"{runs}: holds no scan of that period that came to its end{why}"
        raise ScanError(said, "widen it by --from and --to")
    chosen = max(found, key=_order).folder
    later = [why for id_, why in broken if id_ > chosen.id]
    if later:
        raise ScanError(f"{later[-1]}; it may be the newest", f"restore it, or name a scan: {chosen.path}")
    return chosen


def _order(one: Ended) -> tuple[str, str]:
    """As of when, then its id."""
    return str(one.manifest["as_of"]), one.folder.id


def history_of(source: Source, before: Before, since: str = "", oldest: int = 20) -> History:
    """`since`: the first day of the period, before which only changes look.

    Raises:
        TablesError: the tables of the source cannot be read.
    """
    points, skipped = [_point(source)], list(before.broken)
    open_since = _Open(source)
    for one in before.scans:
        if one.manifest["as_of"] < since:
            break
        try:
            with Source(one.folder, source.scope) as other:
                points.append(_point(other))
                open_since.look_at(other)
        except (ScanError, TablesError) as error:
            skipped.append(f"{one.folder.id}: {error}")
    points.reverse()
    then = next((one for one in before.scans if not since or one.manifest["as_of"] < since), None)
    changes = changes_of(source, then.folder) if then else None
    return History(
        tuple(points), open_since.ages(), open_since.oldest(oldest), points[0].as_of, tuple(skipped), changes
    )


def _point(source: Source) -> Point:
    counts = dict(source.ask("SELECT verdict, count(*) FROM judged GROUP BY ALL"))
    coverage = coverage_of(source)
    verdicts = {verdict: counts.get(verdict, 0) for verdict in VERDICTS}
    return Point(source.manifest.id, source.manifest.as_of, coverage.whole, coverage.cells, coverage.read, verdicts)


class _Open:
    """Since when the findings of a source are open. Kept in its database, so that memory does not grow with their number."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._as_of = source.manifest.as_of
        source.ask(
            "CREATE TABLE open AS SELECT package, control, outcome, ?::VARCHAR AS since, true AS active "
            "FROM findings WHERE outcome IN ('fail', 'unknown')",
            self._as_of,
        )

    def look_at(self, other: Source) -> None:
        """One scan further back. A finding stays open through a scan that did not judge its package."""
        path = other.folder.path / "findings.parquet"
        opened(path).close()
        self._source.ask(
            f"""
            CREATE OR REPLACE TABLE "then" AS
            SELECT open.package, open.control, bool_or(f.outcome IN ('fail', 'unknown')) AS was_open
            FROM open JOIN (SELECT package, control, outcome FROM read_parquet({quoted(path)})) f
              ON f.package = open.package AND f.control = open.control
            WHERE open.active GROUP BY ALL
            """  # noqa: S608 - the path is quoted
        )
        self._source.ask(
            """
            UPDATE open SET since = CASE WHEN t.was_open THEN ?::VARCHAR ELSE since END, active = t.was_open
            FROM "then" t WHERE t.package = open.package AND t.control = open.control
            """,
            other.manifest.as_of,
        )

    def ages(self) -> tuple[Age, ...]:
        found: dict[str, Counter[str]] = {}
        for control, since, count in self._source.ask("SELECT control, since, count(*) FROM open GROUP BY ALL"):
            days = _days(since, self._as_of)
            found.setdefault(self._source.info(control).severity, Counter())[_bucket(days)] += count
        words = [word for _, word in BUCKETS]
        order = ("critical", "high", "medium", "low")
        return tuple(Age(one, {word: found[one][word] for word in words}) for one in order if one in found)

    def oldest(self, most: int) -> tuple[Oldest, ...]:
        rows = self._source.ask(
            "SELECT package, control, outcome, since FROM open ORDER BY since, package, control LIMIT ?", most
        )
        return tuple(
            Oldest(package, control, outcome, since, _days(since, self._as_of))
            for package, control, outcome, since in rows
        )


def _bucket(days: int) -> str:
    return next(word for most, word in BUCKETS if most is None or days <= most)


def _days(since: str, as_of: str) -> int:
    first, last = instant(since), instant(as_of)
    return (last - first).days if first and last else 0
