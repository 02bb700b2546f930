"""The tables of two scans side by side, some accounts at a time, so that they are never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from modelwarden.evidence import Evidence, EvidenceError
from modelwarden.finding import Effect, Level, Outcome, Verdict
from modelwarden.scan.record import Role
from modelwarden.tables.query import connected, literal
from modelwarden.tables.schema import TablesError, opened

Side = Literal["earlier", "later"]

CHUNK: Final = 200
"""Packages that are in memory as Python values at once."""
BATCH: Final = 20_000
"""Packages of both scans that are joined at once."""
_TABLES: Final = ("packages", "findings", "evidence")

_COUNT: Final = "SELECT count(*) FROM read_parquet($packages_then) WHERE role <> 'gone'"
_ACCOUNTS: Final = """
    SELECT account, count(*) FROM (
        SELECT account FROM read_parquet($packages_then) UNION ALL SELECT account FROM read_parquet($packages_now))
    GROUP BY account ORDER BY account
"""
_DIFFERING: Final = """
    WITH earlier AS (FROM read_parquet($packages_then) WHERE account BETWEEN $first AND $last),
         later AS (FROM read_parquet($packages_now) WHERE account BETWEEN $first AND $last),
         said AS (
            SELECT package, control, outcome, effect, waiver_id FROM read_parquet($findings_then)
            WHERE account BETWEEN $first AND $last AND control IN (SELECT unnest($controls))),
         says AS (
            SELECT package, control, outcome, effect, waiver_id FROM read_parquet($findings_now)
            WHERE account BETWEEN $first AND $last AND control IN (SELECT unnest($controls))),
         others AS (
            SELECT package FROM said FULL JOIN says USING (package, control)
            WHERE (said.outcome, said.effect, said.waiver_id) IS DISTINCT FROM (says.outcome, says.effect, says.waiver_id))
    SELECT account, region, package,
           earlier.role, earlier.why, earlier.stage, earlier.moment, earlier.verdict,
           earlier.as_of, earlier.reference, earlier.evidence_digest,
           later.role, later.why, later.stage, later.moment, later.verdict,
           later.as_of, later.reference, later.evidence_digest
    FROM earlier FULL JOIN later USING (account, region, package)
    WHERE (earlier.role, earlier.stage, earlier.moment, earlier.verdict)
            IS DISTINCT FROM (later.role, later.stage, later.moment, later.verdict)
        OR package IN (FROM others)
    ORDER BY account, region, package
"""
_SAID: Final = """
    SELECT package, control, outcome, level, effect, why_level, waiver_id FROM read_parquet($table)
    WHERE account BETWEEN $first AND $last AND package IN (SELECT unnest($packages))
"""
_EVIDENCE: Final = """
    SELECT package, document FROM read_parquet($table)
    WHERE account BETWEEN $first AND $last AND package IN (SELECT unnest($packages))
"""
"""The bounds spare DuckDB the row groups of other accounts."""


class Found(Struct, frozen=True):
    """What a scan recorded of a package, in short; what does not apply is empty."""

    package: str
    role: Role
    why: str
    stage: str
    moment: str
    verdict: Verdict | Literal[""]
    """Empty where it was not judged."""
    as_of: str
    reference: str
    """Digest of the reference facts by which it was judged."""
    evidence: str
    """Digest."""


class Said(Struct, frozen=True):
    """What a control said of a package, and what the decision made of it."""

    control: str
    outcome: Outcome
    level: Level
    effect: Effect
    why_level: str
    waiver: str
    """Id; empty where none was applied."""


_LATER: Final = 3 + len(Found.__struct_fields__) - 1
"""Where the later scan's columns begin: after the place, the package, and what the earlier one says of it."""


class Pair(Struct, frozen=True):
    """What two scans recorded of one package; None where a scan has none of that name."""

    account: str
    region: str
    package: str
    earlier: Found | None
    later: Found | None


class Pairs:
    """The tables of two scans. All methods raise TablesError where a table cannot be read."""

    def __init__(self, folders: Mapping[Side, Path], connection: Any) -> None:
        self._folders = folders
        self._connection = connection

    def count(self) -> int:
        """Packages that the earlier scan has, but for those that were gone."""
        path = literal(self._folders["earlier"] / "packages.parquet")
        ((count,),) = self._connection.execute(_COUNT, {"packages_then": path}).fetchall()
        return int(count)

    def differing(self, controls: Sequence[str]) -> Iterator[list[Pair]]:
        """Packages that only one scan has, or of which one of these controls may have said something else, in chunks,
        sorted by account, region and ARN."""
        for first, last in self._batches():
            given = {"first": first, "last": last, "controls": list(controls)}
            cursor = self._of_both(_DIFFERING, "packages", "findings", **given)
            while rows := cursor.fetchmany(CHUNK):
                yield [
                    Pair(row[0], row[1], row[2], _found(row[2], row[3:_LATER]), _found(row[2], row[_LATER:]))
                    for row in rows
                ]

    def said(self, side: Side, pairs: Sequence[Pair]) -> dict[str, dict[str, Said]]:
        """Package -> control -> what it said, of these packages."""
        found: dict[str, dict[str, Said]] = {pair.package: {} for pair in pairs}
        for package, *values in self._of_one(_SAID, side, "findings", pairs):
            plain: list[Any] = [value or "" for value in values]
            found[package][plain[0]] = Said(*plain)
        return found

    def evidence(self, side: Side, pairs: Sequence[Pair]) -> dict[str, Evidence]:
        """Package -> its evidence, of these packages; none of one whose evidence was not kept."""
        found = {}
        for package, document in self._of_one(_EVIDENCE, side, "evidence", pairs):
            try:
                found[package] = Evidence.from_json(msgspec.json.decode(document))
            except (msgspec.DecodeError, EvidenceError) as error:
                said = " ".join(str(error).split())
                raise TablesError(f"{self._folders[side]}: evidence of `{package}`: {said}") from error
        return found

    def _batches(self) -> Iterator[tuple[str, str]]:
        """(first, last) account of some that together have not many more rows than `BATCH`, unless one alone does."""
        first, last, rows = "", "", 0
        for account, count in self._of_both(_ACCOUNTS, "packages").fetchall():
            if rows and rows + count > BATCH:
                yield first, last
                rows = 0
            first, last, rows = first if rows else account, account, rows + count
        if rows:
            yield first, last

    def _of_one(self, question: str, side: Side, table: str, pairs: Sequence[Pair]) -> Iterator[tuple[Any, ...]]:
        """Rows about these packages, by one scan."""
        if not pairs:
            return
        accounts = [pair.account for pair in pairs]
        given = {
            "table": literal(self._folders[side] / f"{table}.parquet"),
            "first": min(accounts),
            "last": max(accounts),
            "packages": [pair.package for pair in pairs],
        }
        cursor = self._connection.cursor().execute(question, given)
        while rows := cursor.fetchmany(CHUNK):
            yield from rows

    def _of_both(self, question: str, *tables: str, **given: object) -> Any:
        """A cursor over the answer to a question that names tables as `$packages_then` and `$packages_now`."""
        sides = {"then": self._folders["earlier"], "now": self._folders["later"]}
        paths = {
            f"{table}_{side}": literal(folder / f"{table}.parquet")
            for side, folder in sides.items()
            for table in tables
        }
        return self._connection.cursor().execute(question, {**paths, **given})


@contextmanager
def paired(earlier: Path, later: Path) -> Iterator[Pairs]:
    """The tables in two folders.

    Raises:
        TablesError: a table cannot be read, or duckdb is not installed.
    """
    folders: dict[Side, Path] = {"earlier": earlier, "later": later}
    for folder in folders.values():
        for table in _TABLES:
            opened(folder / f"{table}.parquet").close()
    with connected(f"{earlier} and {later}") as connection:
        yield Pairs(folders, connection)


def _found(package: str, values: Sequence[Any]) -> Found | None:
    """None where the scan has no such package: every package that it has, has a role."""
    plain: list[Any] = [value or "" for value in values]
    return Found(package, *plain) if plain[0] else None
