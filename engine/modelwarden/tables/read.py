"""Reading tables: the packages of one account and region, a few rows of those row groups at a time that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from modelwarden.evidence import Evidence, EvidenceError
from modelwarden.finding import Ruling
from modelwarden.run import decision_from_json, ruling_from_json
from modelwarden.scan.record import Record
from modelwarden.tables.schema import DIGESTS, ROWS, TablesError, library, opened

Row = dict[str, Any]

_ROWS: Final = 64
"""That are in memory as Python values at once; of evidence, whose documents are long, not more are decoded, either."""


def read_tables(
    folder: Path, account: str, region: str, *, with_evidence: bool = True, with_decision: bool = True
) -> Iterator[Record]:
    """The packages of an account and region, in the order in which they were written.

    Of what passed, or did not apply, the decision holds the outcome and no facts. Leaving parts out is faster.

    Raises:
        TablesError: a table cannot be read, or they do not fit each other.
    """
    rows = _rows(folder, "findings", account, region) if with_decision else iter(())
    findings = groupby(rows, lambda row: row["package"])
    judged = next(findings, None)
    evidence = _rows(folder, "evidence", account, region) if with_evidence else iter(())
    proof = next(evidence, None)
    for row in _rows(folder, "packages", account, region):
        rulings: list[Row] = []
        if judged is not None and judged[0] == row["package"]:
            rulings = list(judged[1])
            judged = next(findings, None)
        document = None
        if proof is not None and proof["package"] == row["package"]:
            document = proof
            proof = next(evidence, None)
        yield _record(folder, row if with_decision else {**row, "verdict": None}, rulings, document)
    if judged is not None or proof is not None:
        raise TablesError(f"{folder}: its tables do not fit each other")


def there(folder: Path, account: str, region: str) -> Iterator[str]:
    """The ARNs of the packages of an account and region, without those that were gone, in the order of the table.

    Raises:
        TablesError: a table cannot be read.
    """
    rows = _rows(folder, "packages", account, region, ["package", "role"])
    return (row["package"] for row in rows if row["role"] != "gone")


class Sighting(Struct, frozen=True):
    """What a scan found of one package, in short."""

    package: str
    account: str
    region: str
    role: Literal["judged", "unmapped", "inventory", "gone"]
    stage: str
    moment: str
    verdict: str
    """Empty where it was not judged."""
    stopping: tuple[str, ...]
    """Controls that block or leave it undecided, sorted."""
    digests: dict[str, str]
    """`evidence`, `material` and so on; empty where it was not judged."""


def sightings(folder: Path, account: str, region: str) -> Iterator[Sighting]:
    """The packages of an account and region in short, in the order in which they were written.

    Raises:
        TablesError: a table cannot be read.
    """
    stopping: dict[str, list[str]] = {}
    for row in _rows(folder, "findings", account, region, ["package", "control", "effect"]):
        if row["effect"] in ("blocks", "undecides"):
            stopping.setdefault(row["package"], []).append(row["control"])
    columns = ["package", "role", "stage", "moment", "verdict", *(f"{name}_digest" for name in DIGESTS)]
    for row in _rows(folder, "packages", account, region, columns):
        judged = bool(row["verdict"])
        yield Sighting(
            row["package"],
            account,
            region,
            row["role"],
            (row["stage"] or "") if judged else "",
            (row["moment"] or "") if judged else "",
            row["verdict"] or "",
            tuple(sorted(stopping.get(row["package"], ()))),
            {name: row[f"{name}_digest"] or "" for name in DIGESTS},
        )


def _record(folder: Path, row: Row, rulings: list[Row], proof: Row | None) -> Record:
    try:
        names = (
            "package",
            "role",
            "why",
            "approval",
            "claimed",
            "created",
            "modified",
            "reads",
            "reference",
            "carried",
            "approval_record",
            "approval_record_why",
        )
        return Record(
            **{name: row[name] for name in names},
            stage=row["stage"],
            moment=row["moment"],
            endpoints=tuple(row["endpoints"]),
            decision=decision_from_json(_decision(row, rulings)) if row["verdict"] else None,
            evidence=Evidence.from_json(msgspec.json.decode(proof["document"]), asserted=proof["asserted"])
            if proof
            else None,
        )
    except (KeyError, TypeError, AttributeError, msgspec.DecodeError, EvidenceError) as error:
        raise TablesError(f"{folder}: `{row['package']}`: {' '.join(str(error).split())}") from error


def _decision(row: Row, rulings: list[Row]) -> Row:
    return {
        **row,
        "request": {**row, "principal": None},
        "digests": {name.removesuffix("_digest"): value for name, value in row.items() if name.endswith("_digest")},
        "rulings": [_ruling(one) for one in rulings],
        "rollback": None,
    }


def ruling_of(row: Row) -> Ruling:
    """What a row of the table of findings says.

    Raises:
        KeyError, TypeError, EvidenceError: it says something else than this version writes.
    """
    return ruling_from_json(_ruling(row))


def _ruling(row: Row) -> Row:
    return {
        **row,
        "expected": row["expected"] or "",
        "reason": row["reason"] or "",
        "unset_parameters": row["unset_parameters"] or (),
        "observed": msgspec.json.decode(row["observed"]) if row["observed"] else {"facts": {}, "sources": []},
        "waiver": msgspec.json.decode(row["waiver"]) if row["waiver"] else None,
    }


def _rows(folder: Path, table: str, account: str, region: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Rows of an account and region; `columns` None for all of them."""
    path = folder / f"{table}.parquet"
    compute, known = library().compute, _known(path)
    file = opened(path, known.footer)
    names = None if columns is None else [*columns, "account", "region"]
    at_once = _ROWS if table == "evidence" else ROWS[table]
    for batch in file.iter_batches(at_once, row_groups=known.groups(account, region), columns=names):
        here = compute.and_(compute.equal(batch["account"], account), compute.equal(batch["region"], region))
        found = batch.filter(here)
        for first in range(0, len(found), _ROWS):
            yield from found.slice(first, _ROWS).to_pylist()


class _Known(Struct, frozen=True):
    """What a table says of itself, which is the same for all who read it."""

    footer: Any
    bounds: list[tuple[tuple[str, str], tuple[str, str]]]
    """(least and greatest account, least and greatest region) of each row group."""

    def groups(self, account: str, region: str) -> list[int]:
        """Numbers of the row groups that may hold rows of an account and region."""
        return [
            number
            for number, (accounts, regions) in enumerate(self.bounds)
            if accounts[0] <= account <= accounts[1] and regions[0] <= region <= regions[1]
        ]


def _known(path: Path) -> _Known:
    try:
        told = path.stat()
    except OSError as error:
        raise TablesError(f"{path}: cannot be read: {error.strerror}") from error
    return _read_known(path, told.st_mtime_ns, told.st_size, told.st_ino)


@lru_cache(maxsize=6)
def _read_known(path: Path, _written: int, _size: int, _file: int) -> _Known:
    file = opened(path)
    footer = file.metadata
    names = [file.schema_arrow.names.index(name) for name in ("account", "region")]
    found = []
    for number in range(file.num_row_groups):
        group = footer.row_group(number)
        ends = [group.column(index).statistics for index in names]
        found.append(tuple((one.min, one.max) for one in ends))
    return _Known(footer, found)  # type: ignore[arg-type]
