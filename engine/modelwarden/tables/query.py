"""What reports ask of a whole scan: SQL over its Parquet files, by DuckDB, which reads the columns that a question names.

Nothing from the data or from a caller is put into the text of a question: paths and values are its parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from modelwarden.tables.schema import TablesError, opened

Rows = list[tuple[Any, ...]]

MEMORY: Final = "200MB"
"""For one connection; what does not fit goes to disk."""


def outcomes(folder: Path) -> Rows:
    """(control, outcome, findings), by control and outcome. Raises TablesError, as all of these do."""
    return _ask(
        folder,
        "findings",
        "SELECT control, outcome, count(*) FROM read_parquet(?) GROUP BY ALL ORDER BY ALL",
    )


def matrix(folder: Path, accounts: int) -> Rows:
    """(account, control, fails, unknowns) of the `accounts` accounts with the most of both; zeros are left out."""
    return _ask(
        folder,
        "findings",
        """
        WITH cells AS (
            SELECT account, control,
                   count(*) FILTER (outcome = 'fail') AS fails, count(*) FILTER (outcome = 'unknown') AS unknowns
            FROM read_parquet(?) WHERE outcome IN ('fail', 'unknown') GROUP BY ALL
        ), worst AS (
            SELECT account FROM cells GROUP BY account ORDER BY sum(fails + unknowns) DESC, account LIMIT ?
        )
        SELECT * FROM cells WHERE account IN (FROM worst) ORDER BY account, control
        """,
        accounts,
    )


def severities(folder: Path) -> Rows:
    """(account, severity, outcome, findings) of fails and unknowns; severity is None where nobody knows it."""
    return _ask(
        folder,
        "findings",
        "SELECT account, severity, outcome, count(*) FROM read_parquet(?) WHERE outcome IN ('fail', 'unknown') GROUP BY ALL ORDER BY ALL",
    )


def families(folder: Path) -> Rows:
    """(family, account, fails, unknowns, findings), a row for each pair that has findings: `ENC` of `ENC-02`."""
    return _ask(
        folder,
        "findings",
        """
        WITH cells AS (SELECT control, account, outcome, count(*) AS n FROM read_parquet(?) GROUP BY ALL)
        SELECT split_part(control, '-', 1) AS family, account,
               coalesce(sum(n) FILTER (outcome = 'fail'), 0)::BIGINT,
               coalesce(sum(n) FILTER (outcome = 'unknown'), 0)::BIGINT, sum(n)::BIGINT
        FROM cells GROUP BY family, account ORDER BY family, account
        """,
    )


def worst(folder: Path, packages: int) -> Rows:
    """(package, blocking, fails, unknowns) of the packages with the most, in this order of weight."""
    return _ask(
        folder,
        "findings",
        """
        SELECT package, count(*) FILTER (effect = 'blocks') AS blocking,
               count(*) FILTER (outcome = 'fail') AS fails, count(*) FILTER (outcome = 'unknown') AS unknowns
        FROM read_parquet(?) WHERE outcome IN ('fail', 'unknown') GROUP BY package
        ORDER BY blocking DESC, fails DESC, unknowns DESC, package LIMIT ?
        """,
        packages,
    )


def open_findings(folder: Path, package: str) -> Rows:
    """(control, severity, outcome, level, effect, waiver_id, reason, expected, observed) of a package, by control."""
    return _ask(
        folder,
        "findings",
        """
        SELECT control, severity, outcome, level, effect, waiver_id, reason, expected, observed
        FROM read_parquet(?) WHERE package = ? AND outcome IN ('fail', 'unknown') ORDER BY control
        """,
        package,
    )


def verdicts(folder: Path) -> Rows:
    """(role, verdict, packages); the verdict is None where a package was not judged."""
    return _ask(
        folder,
        "packages",
        "SELECT role, verdict, count(*) FROM read_parquet(?) GROUP BY ALL ORDER BY role, verdict",
    )


def _ask(folder: Path, table: str, question: str, *values: object) -> Rows:
    """Put a question whose first parameter is the path of the table, and the next ones `values`.

    Raises:
        TablesError: the table cannot be read, or duckdb is not installed.
    """
    path = folder / f"{table}.parquet"
    opened(path).close()
    with connected(str(path)) as connection:
        rows: Rows = connection.execute(question, [literal(path), *values]).fetchall()
    return rows


@contextmanager
def connected(where: str) -> Iterator[Any]:
    """A connection without a database; `where` names what is asked, for messages.

    Raises:
        TablesError: duckdb is not installed, or, within the block, a table cannot be read.
    """
    try:
        import duckdb
    except ImportError as error:
        raise TablesError(
            "questions about a scan need duckdb, which is not installed", "pip install 'modelwarden[scan]'"
        ) from error
    # What does not fit in memory goes into a folder of its own, and never into the one where somebody stands.
    with TemporaryDirectory(prefix="modelwarden-", ignore_cleanup_errors=True) as spill:
        try:
            config: dict[str, Any] = {"memory_limit": MEMORY, "threads": 1, "temp_directory": spill}
            with duckdb.connect(config=config) as connection:
                yield connection
        except duckdb.Error as error:
            raise unreadable(where, error) from error


def unreadable(where: object, error: Exception) -> TablesError:
    """What is told of a table that duckdb cannot read."""
    return TablesError(f"{where}: cannot be read: {' '.join(str(error).split())[:200]}")


def literal(path: Path) -> str:
    """DuckDB takes a path for a pattern: a folder named `a[1]` must stay one."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))
