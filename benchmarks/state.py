"""The state in a file: what it takes to put a million packages, to put them again unchanged, and to look one up.

Beside it stands a floor: a bare table with the same ARNs and one text of the same length, written in the same batches.
Exits 1 where the slowest hundredth of the lookups takes longer than 5 ms.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from modelwarden.store.sqlite import BATCH, SqliteState
from modelwarden.store.state import RunRow, Seen

ACCOUNTS = 200
LOOKUPS = 2_000
LIMIT_MS = 5.0


def run_of(number: int) -> RunRow:
    id_ = f"2026112{number}T060000000000Z-1f0c9a2e"
    return RunRow(id_, f"2026-11-2{number}T06:00:00.000000Z", f"2026-11-2{number}T06:00:00Z", "benchmark")


def digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def name_of(number: int, packages: int) -> str:
    account = f"{number * ACCOUNTS // packages:012}"
    return f"arn:aws:sagemaker:eu-west-1:{account}:model-package/model-{number // 10}/{number % 10 + 1}"


def sightings(packages: int, run: RunRow) -> Iterator[Seen]:
    """As a scan puts them, account by account. One in ten is judged, and of those one in five blocked."""
    for number in range(packages):
        arn = name_of(number, packages)
        judged, blocked = number % 10 == 0, number % 50 == 0
        yield Seen(
            arn,
            arn.split(":")[4],
            "eu-west-1",
            "judged" if judged else "inventory",
            run.id,
            run.started_at,
            "Production" if judged else "",
            "serve" if judged else "",
            ("block" if blocked else "allow") if judged else "",
            ("ENC-02", "IMG-01") if blocked else (),
            digest(arn) if judged else "",
            digest(f"{arn} material") if judged else "",
            digest("bundle"),
            digest("settings"),
            digest("waivers"),
        )


def floor(path: Path, packages: int) -> float:
    """Seconds for a bare table."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE bare (package TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
    started = time.perf_counter()
    for start in range(0, packages, BATCH):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(name_of(number, packages), "x" * 300) for number in range(start, min(start + BATCH, packages))]
        connection.executemany("INSERT INTO bare VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def puts(state: SqliteState, packages: int, run: RunRow) -> float:
    state.begin(run)
    started = time.perf_counter()
    state.put(run.id, sightings(packages, run))
    return time.perf_counter() - started


def lookups(path: Path, packages: int) -> list[float]:
    """Milliseconds of each lookup with its history, sorted; the file was just opened."""
    state = SqliteState(path, create=False)
    chance = random.Random(7)
    found = []
    for _ in range(LOOKUPS):
        arn = name_of(chance.randrange(packages), packages)
        started = time.perf_counter()
        standing, changes = state.standing(arn), list(state.history(arn))
        found.append(1_000 * (time.perf_counter() - started))
        assert standing is not None
        assert len(changes) == 1
    state.close()
    return sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=1_000_000)
    packages = parser.parse_args().packages
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.sqlite"
        bare = floor(Path(folder) / "bare.sqlite", packages)
        state = SqliteState(path)
        first, again = puts(state, packages, run_of(1)), puts(state, packages, run_of(2))
        started = time.perf_counter()
        state.close_missing(run_of(2).id, f"{0:012}", "eu-west-1", run_of(2).started_at)
        missing = time.perf_counter() - started
        state.close()
        size = path.stat().st_size
        told = lookups(path, packages)
    slow = told[int(len(told) * 0.99)]
    print(f"{packages} packages, {size / 1e6:.0f} MB, {size / packages:.0f} bytes each")
    print(f"first put {packages / first:,.0f}/s, unchanged {packages / again:,.0f}/s")
    print(f"floor {packages / bare:,.0f}/s: {first / bare:.1f} times as long")
    print(f"nothing missing of {packages // ACCOUNTS} packages of a cell: {1_000 * missing:.0f} ms")
    print(f"one package with its history: median {told[len(told) // 2]:.3f} ms, 99 % below {slow:.3f} ms")
    return int(slow > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
