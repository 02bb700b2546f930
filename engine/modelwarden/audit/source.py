"""A source: the tables of one scan that came to its end, checked, and narrowed to a scope. Rows are read as they are asked for.

Nothing from the data or from a caller is put into the text of a question but the paths of tables, which are quoted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.audit.scope import KINDS, Scope
from modelwarden.evidence import EvidenceError
from modelwarden.finding import ControlInfo, Found
from modelwarden.render.breakdown import units_of
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.scan.shape import Manifest, Plan
from modelwarden.tables.query import connected, literal, unreadable
from modelwarden.tables.read import ruling_of
from modelwarden.tables.schema import TablesError, opened
from modelwarden.typed import converted

VERDICTS: Final = ("block", "undecided", "flag", "allow")
"""The worst first."""
_AT_ONCE: Final = 1_000
_FINDING: Final = (
    *("package", "account", "region", "group", "stage", "moment", "control", "outcome", "level", "effect"),
    *("why_level", "expected", "reason", "unset_parameters", "observed", "waiver"),
)
_EVERYTHING: Final = Scope()
_UNSURE: Final = ("owner", "stage")
"""Kinds of which an unmapped package may have nothing to compare; all others its ARN tells."""


class Package(Struct, frozen=True):
    """One package of the scope. A text is empty where there is none."""

    package: str
    account: str
    region: str
    role: str
    group: str = ""
    version: int | None = None
    why: str = ""
    approval: str = ""
    claimed: str = ""
    stage: str = ""
    moment: str = ""
    verdict: str = ""
    created: str = ""
    modified: str = ""
    owner: str = ""
    origin: str = ""
    """The package of which it says to be a copy."""
    as_of: str = ""
    evidence_digest: str = ""
    material_digest: str = ""
    approval_record: str = ""
    approval_record_why: str = ""


class Source:
    """One scan, and the part of it that a report is about."""

    def __init__(self, folder: Folder, scope: Scope = _EVERYTHING, controls: frozenset[str] | None = None) -> None:
        """`controls`: only findings of these; None for all.

        Raises:
            ScanError: no whole scan of this version, or one that was changed.
            TablesError: a table cannot be read, or duckdb is not installed.
        """
        document, told = folder.plan(), folder.manifest()
        self.folder = folder
        self.scope = scope
        self.plan: Plan = _as(Plan, document, folder)
        self.manifest: Manifest = _as(Manifest, told, folder)
        folder.check(self.manifest.tables)
        self.units = units_of(document["estate"])
        self.accounts = scope.accounts(self.units)
        """None: not narrowed to accounts."""
        self.unplaced = self._unplaced()
        """Accounts of which nobody knows whether they are in a unit of the scope. Their packages are not in it, and
        they are a hole of it."""
        self.controls = controls
        """None: not narrowed to controls."""
        self._open = ExitStack()
        self._connection = self._open.enter_context(connected(str(folder.path)))
        with self._open.pop_all() as opening:
            self._narrow()
            self._open = opening.pop_all()

    @property
    def whole(self) -> bool:
        """Whether no package of the scan is left out."""
        return self.scope.whole

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    @property
    def narrowed(self) -> bool:
        """Whether it is less than the whole scan."""
        return self.scope != _EVERYTHING or self.controls is not None

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a question about `packages`, `findings` and `judged`, all of the scope.

        Raises:
            TablesError: a table cannot be read.
        """
        return list(self.rows(question, *values))

    def rows(self, question: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The same, one by one."""
        import duckdb

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(question, list(values))
                while some := cursor.fetchmany(_AT_ONCE):
                    yield from some
        except duckdb.Error as error:
            raise unreadable(self.folder.path, error) from error

    def packages(self) -> Iterator[Package]:
        """By account, region and package."""
        columns = ", ".join(f'"{name}"' for name in Package.__struct_fields__)
        for row in self.rows(f"SELECT {columns} FROM packages ORDER BY account, region, package"):  # noqa: S608
            yield _package(row)

    def findings(self, *outcomes: str) -> Iterator[Found]:
        """Of these outcomes, or all, by account, region, package and control."""
        yield from self.findings_where(
            f"outcome IN ({', '.join('?' * len(outcomes))})" if outcomes else "true", *outcomes
        )

    def findings_where(self, condition: str, *values: object) -> Iterator[Found]:
        """Those that meet a condition of ours, with its values, in the same order."""
        columns = ", ".join(f'"{name}"' for name in _FINDING)
        question = f"SELECT {columns} FROM findings WHERE {condition} ORDER BY account, region, package, control"  # noqa: S608
        for row in self.rows(question, *values):
            yield self._found(dict(zip(_FINDING, row, strict=True)))

    def unsaid(self) -> Iterator[tuple[Package, str]]:
        """Packages that were not decided while no finding says so, and why; a format of findings would lose them."""
        columns = ", ".join(f'"{name}"' for name in Package.__struct_fields__)
        question = f"""
            SELECT {columns} FROM packages WHERE role = 'unmapped' OR (verdict = 'undecided'
              AND package NOT IN (SELECT package FROM findings WHERE effect = 'undecides'))
            ORDER BY account, region, package
            """  # noqa: S608 - columns are ours
        for row in self.rows(question):
            one = _package(row)
            why = one.why or "nobody said why"
            if one.role == "unmapped":
                yield one, f"not judged, nobody can tell its stage: {why}"
            else:
                yield one, f"undecided, and no finding among these says why; judged as {why}"

    def info(self, control: str) -> ControlInfo:
        """Raises ScanError where the plan does not know it."""
        try:
            return self.plan.controls[control]
        except KeyError as error:
            raise ScanError(f"{self.folder.path}: control `{control}` is not in plan.json") from error

    def _found(self, row: dict[str, Any]) -> Found:
        try:
            ruling = ruling_of(row)
        except (KeyError, TypeError, EvidenceError, msgspec.DecodeError) as error:
            said = " ".join(str(error).split())
            raise TablesError(f"{self.folder.path}: `{row['package']}`: {said}") from error
        place = {name: row[name] or "" for name in ("package", "account", "region", "group", "stage", "moment")}
        return Found(**place, ruling=ruling, info=self.info(ruling.finding.control))

    def _unplaced(self) -> frozenset[str]:
        if not self.scope.unit:
            return frozenset()
        unknown = {one.id for one in self.plan.estate.accounts if not one.placed and one.id in self.units}
        asked = unknown & set(self.scope.account) if self.scope.account else unknown
        return frozenset(asked.difference(self.accounts or ()))

    def _narrow(self) -> None:
        """Views of the tables that hold nothing but the scope, and read them where they lie.

        Raises:
            TablesError: a table is of another version, or cannot be read.
        """
        connection = self._connection
        connection.execute("CREATE TABLE wanted(kind VARCHAR, value VARCHAR)")
        values = {kind: getattr(self.scope, kind) for kind in KINDS} | {
            "account": () if self.accounts is None else self.accounts or ("none",),
            "unit": (),
            "control": () if self.controls is None else sorted(self.controls) or ("none",),
        }
        rows = [(kind, value) for kind, some in values.items() for value in some]
        if rows:
            connection.executemany("INSERT INTO wanted VALUES (?, ?)", rows)
        for table in ("packages", "findings"):
            opened(self.folder.path / f"{table}.parquet").close()
        paths = {table: quoted(self.folder.path / f"{table}.parquet") for table in ("packages", "findings")}
        connection.execute(_view("packages", paths, values, ("account", "group", "owner", "stage")))
        # What has an owner is known of the package alone.
        by_package = " AND package IN (SELECT package FROM packages)" if self.scope.owner else ""
        connection.execute(_view("findings", paths, values, ("account", "group", "stage", "control")) + by_package)
        connection.execute("CREATE VIEW judged AS SELECT * FROM packages WHERE verdict IS NOT NULL")


def _package(row: tuple[Any, ...]) -> Package:
    """Of columns in the order of the members."""
    told = {name: value for name, value in zip(Package.__struct_fields__, row, strict=True) if value is not None}
    return converted(told, Package)


def quoted(path: Path) -> str:
    """A path in the text of a question."""
    return "'" + literal(path).replace("'", "''") + "'"


def _view(table: str, paths: Mapping[str, str], values: Mapping[str, Any], kinds: tuple[str, ...]) -> str:
    """Only the conditions of kinds that have values.

    INVARIANT: a package that was to be judged, and of which nobody knows the stage or the owner, is in the scope of each.
    """
    conditions = ["true"]
    for kind in kinds:
        if values[kind]:
            compares = "GLOB" if kind == "group" else "="
            wanted = f"SELECT 1 FROM wanted w WHERE w.kind = '{kind}' AND t.\"{kind}\" {compares} w.value"  # noqa: S608
            unsure = f" OR (t.role = 'unmapped' AND t.\"{kind}\" IS NULL)" if table == "packages" else ""
            conditions.append(f"(EXISTS ({wanted}){unsure if kind in _UNSURE else ''})")
    where = " AND ".join(conditions)
    return f"CREATE VIEW {table} AS SELECT * FROM read_parquet({paths[table]}) t WHERE {where}"  # noqa: S608


def _as(kind: type[Any], document: Mapping[str, Any], folder: Folder) -> Any:
    try:
        return converted(document, kind)
    except msgspec.ValidationError as error:
        raise ScanError(f"{folder.path}: not a scan of this version: {error}") from error
