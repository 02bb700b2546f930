"""Questions about the packages of a whole scan that are asked while it ends, with one row group in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from modelwarden.tables.schema import library, opened

Row = dict[str, Any]

_WHAT: Final = ("package", "role", "verdict", "stage", "moment")


def copies(folder: Path) -> Iterator[Row]:
    """Each package that says what it is a copy of, with that as `origin`. Raises TablesError, as all of these do."""
    compute = library().compute
    return _rows(folder, (*_WHAT, "origin"), lambda table: compute.is_valid(table["origin"]))


def named(folder: Path, arns: Collection[str]) -> Iterator[Row]:
    """The packages of some ARNs, which are given in small letters."""
    lib = library()
    wanted = lib.arrow.array(sorted(arns), lib.arrow.string())
    return _rows(
        folder, _WHAT, lambda table: lib.compute.is_in(lib.compute.ascii_lower(table["package"]), value_set=wanted)
    )


def outside(folder: Path, account: str) -> Iterator[Row]:
    """The packages that another account owns, in the order of the table, and those that were deleted meanwhile, too."""
    compute = library().compute
    return _rows(folder, (*_WHAT, "account", "origin"), lambda table: compute.not_equal(table["account"], account))


def seen(folder: Path) -> tuple[int, int]:
    """(packages that some other account sees, packages of which some could not tell)."""
    compute = library().compute
    shared = unsure = 0
    for table in _groups(folder, ("seen_from", "seen_from_unknown")):
        shared += compute.sum(compute.greater(compute.list_value_length(table["seen_from"]), 0)).as_py() or 0
        unsure += compute.sum(compute.greater(table["seen_from_unknown"], 0)).as_py() or 0
    return shared, unsure


def _rows(folder: Path, columns: Sequence[str], mask: Callable[[Any], Any]) -> Iterator[Row]:
    for table in _groups(folder, columns):
        yield from table.filter(mask(table)).to_pylist()


def _groups(folder: Path, columns: Sequence[str]) -> Iterator[Any]:
    file = opened(folder / "packages.parquet")
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=list(columns))
