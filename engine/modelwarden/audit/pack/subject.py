"""What recorded runs hold of some packages: of a gate's run, of a scan, or of whatever a folder of runs has of one package."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from modelwarden import run as gates
from modelwarden.audit.coverage import Coverage, coverage_of
from modelwarden.audit.history import earlier
from modelwarden.audit.pack.archive import PackError
from modelwarden.audit.scope import Scope
from modelwarden.audit.source import Source
from modelwarden.entries import entries
from modelwarden.evidence import Evidence
from modelwarden.finding import ControlInfo, Decision
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.run import Run, RunError
from modelwarden.scan.find import all_ended
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record, ScanError
from modelwarden.snapshot import LedgerRow
from modelwarden.tables.read import sightings
from modelwarden.tables.schema import TablesError
from modelwarden.typed import decoder

Kind = Literal["gate", "scan"]
MOST: Final = 500
"""Packages of one pack."""


class Judgement(Struct, frozen=True):
    """One decision about the package, and what it rests on."""

    run: str
    kind: Kind
    decision: Decision
    controls: Mapping[str, ControlInfo]
    evidence: Evidence | None
    """None where the run keeps none."""


class Past(Struct, frozen=True):
    """What one run said of the package; a line of its history."""

    as_of: str
    run: str
    kind: Kind
    what: str
    """`block for Production (serve)`, or the role of a package that was not judged."""
    stopping: tuple[str, ...]
    evidence: str
    material: str


class Subject(Struct, frozen=True):
    """One package of the pack."""

    package: str
    judgements: tuple[Judgement, ...]
    """The newest first."""
    past: tuple[Past, ...]
    """The newest first; those of `judgements` are among them."""
    record: Record | None = None
    """As the scan has it; None where no scan is part of the pack."""

    @property
    def evidence(self) -> Evidence:
        """The newest that any run of the pack keeps; one without facts where none does, so that each is unknown."""
        kept = [one.evidence for one in self.judgements if one.evidence is not None]
        if not kept and self.record is not None and self.record.evidence is not None:
            kept = [self.record.evidence]
        return kept[0] if kept else Evidence(self.package)


class Scanned(Struct, frozen=True):
    """The scan behind a pack."""

    folder: Folder
    coverage: Coverage
    """Of the whole scan, whatever the pack is narrowed to."""
    population: dict[str, int]
    """Role -> packages of the whole scan."""
    as_of: str
    as_of_asserted: bool
    advisory: bool
    scope: str
    """In words; empty for everything."""
    controls: dict[str, ControlInfo]


class Gated(Struct, frozen=True):
    """One run of a gate."""

    run: Run
    data: bytes
    """The file."""

    @property
    def failed(self) -> tuple[LedgerRow, ...]:
        """Calls that failed, and that nothing else covers."""
        return tuple(row for row in self.run.ledger if row.state not in _FINE and not row.covered_by)


_FINE: Final = ("read", "disabled", "skipped")


class Dossier(Struct, frozen=True):
    """Everything that a pack is made of."""

    subjects: tuple[Subject, ...]
    """Sorted by ARN."""
    gates: tuple[Gated, ...] = ()
    scan: Scanned | None = None
    skipped: tuple[str, ...] = ()
    """Runs that could not be read, and why."""


def of_gate(path: Path) -> Dossier:
    """Of the file of a gate's run.

    Raises:
        RunError: it cannot be read, or is none.
    """
    gated = _gated(_bytes(path), str(path))
    return Dossier((_subject(gated.run.decision.package, None, [gated], ()),), (gated,))


def of_scan(folder: Folder, scope: Scope, packages: Collection[str] = ()) -> Dossier:
    """Of a scan; `packages` narrows it to these.

    Raises:
        ScanError, TablesError: it did not come to its end, was changed, or cannot be read.
        PackError: it holds none of them, or too many.
    """
    scanned, wanted = _scanned(folder, scope, packages)
    for record in wanted.values():
        _check_controls(folder, scanned, record)
    past, skipped = _past_of(folder, wanted)
    found = [_subject(record.package, record, [], past.get(record.package, ()), scanned) for record in wanted.values()]
    return Dossier(tuple(sorted(found, key=lambda one: one.package)), (), scanned, skipped)


def of_package(package: str, runs: Path) -> Dossier:
    """What a folder of runs holds of one package: the newest scan, and the newest gate for each stage and moment.

    Raises:
        ScanError, TablesError: the scan was changed, or cannot be read.
        PackError: no run holds the package.
    """
    skipped: list[str] = []
    gated = list(_gates(package, runs, skipped))
    folder = next((one for one in _newest_first(runs, skipped) if _holds(one, package, skipped)), None)
    if folder is None and not gated:
        raise PackError(f"{runs}: no run holds `{package}`", "name another folder with --runs, or gate or scan it")
    if folder is None:
        kept = _latest(gated)
        return Dossier((_subject(package, None, gated, ()),), kept, None, tuple(skipped))
    told = of_scan(folder, Scope(), [package])
    only = told.subjects[0]
    subject = _subject(package, only.record, gated, only.past, told.scan)
    return Dossier((subject,), _latest(gated), told.scan, (*skipped, *told.skipped))


def _gated(data: bytes, where: str) -> Gated:
    """The run in the bytes of a file, and these very bytes.

    Raises:
        RunError: it is none, was changed, or does not know a control of which it speaks.
    """
    run = gates.parse(data, where)
    unknown = sorted({one.finding.control for one in run.decision.rulings} - run.controls.keys())
    if unknown:
        raise RunError(f"{where}: control `{unknown[0]}` is not among its controls")
    return Gated(run, data)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error


def _gates(package: str, runs: Path, skipped: list[str]) -> Iterator[Gated]:
    """Runs of gates about the package, in no order.

    Raises:
        Unlisted: the folder cannot be read.
    """
    for path in entries(runs, ".json"):
        try:
            data = _bytes(path)
            if _package(data, path) == package:
                yield _gated(data, str(path))
        except RunError as error:
            skipped.append(str(error))


class _About(Struct):
    package: str


class _Named(Struct):
    """Of a run no more than its package, which is fast, and sees it however it is spelled."""

    decision: _About


_NAMED: Final = decoder(_Named)


def _package(data: bytes, path: Path) -> str:
    """Raises RunError where the bytes are no run."""
    try:
        return str(decoded(data, _NAMED).decision.package)
    except NotJson as error:
        raise RunError(f"{path}: no run: {error}") from error


def _latest(gated: Iterable[Gated]) -> tuple[Gated, ...]:
    """The newest of each stage and moment; what is asserted gives way to what is not."""
    found: dict[tuple[str, str], Gated] = {}
    for one in sorted(gated, key=_time):
        request = one.run.decision.request
        found[request.stage, request.moment] = one
    return tuple(sorted(found.values(), key=lambda one: one.run.id))


def _time(one: Gated) -> tuple[bool, str, str]:
    request = one.run.decision.request
    return (not request.as_of_asserted, request.as_of, one.run.id)


def _newest_first(runs: Path, skipped: list[str]) -> list[Folder]:
    """Scans that came to their end; those as of an asserted time come last."""
    scans, broken = all_ended(runs)
    skipped += [why for _, why in broken]
    found = [
        (not one.manifest["as_of_asserted"], str(one.manifest["as_of"]), one.folder.id, one.folder) for one in scans
    ]
    return [one[-1] for one in sorted(found, key=lambda one: one[:3], reverse=True)]


def _holds(folder: Folder, package: str, skipped: list[str]) -> bool:
    try:
        found = folder.records(*_cell(package), with_evidence=False, with_decision=False)
        return any(record.package == package for record in found)
    except (ScanError, TablesError) as error:
        skipped.append(str(error))
        return False


def _cell(package: str) -> tuple[str, str]:
    """(account, region); a text that is no ARN belongs to no account."""
    parts = package.split(":", 5)
    return (parts[4], parts[3]) if len(parts) == 6 else ("", "")


def _scanned(folder: Folder, scope: Scope, packages: Collection[str]) -> tuple[Scanned, dict[str, Record]]:
    if not folder.sealed or not (folder.path / "manifest.json").exists():
        raise ScanError(
            f"{folder.path}: the scan did not come to its end",
            f"go on with it: modelwarden scan --resume {folder.path}",
        )
    with Source(folder) as whole:
        coverage = coverage_of(whole)
        population = dict(sorted(whole.ask("SELECT role, count(*) FROM packages GROUP BY ALL")))
        manifest, controls = whole.manifest, whole.plan.controls
    with Source(folder, scope) as source:
        within = [one.package for one in source.packages() if not packages or one.package in packages]
    missing = sorted(set(packages) - set(within))
    if missing or not within:
        what = f"`{missing[0]}`" if missing else "any package"
        raise PackError(f"{folder.path}: the scan does not hold {what} in that scope", "correct --package or --scope")
    if len(within) > MOST:
        raise PackError(
            f"{len(within)} packages are more than the {MOST} of one pack", "narrow it by --package or --scope"
        )
    scanned = Scanned(
        folder,
        coverage,
        population,
        manifest.as_of,
        manifest.as_of_asserted,
        manifest.advisory,
        scope.words(),
        controls,
    )
    return scanned, _records(folder, within)


def _records(folder: Folder, packages: Sequence[str]) -> dict[str, Record]:
    wanted = set(packages)
    cells = sorted({_cell(one) for one in packages})
    return {record.package: record for cell in cells for record in folder.records(*cell) if record.package in wanted}


def _check_controls(folder: Folder, scanned: Scanned, record: Record) -> None:
    """Raises ScanError where the plan does not know a control of which the record speaks."""
    rulings = record.decision.rulings if record.decision else ()
    unknown = sorted({one.finding.control for one in rulings} - scanned.controls.keys())
    if unknown:
        raise ScanError(f"{folder.path}: control `{unknown[0]}` is not in plan.json")


def _past_of(folder: Folder, wanted: Mapping[str, Record]) -> tuple[dict[str, list[Past]], tuple[str, ...]]:
    """Package -> what this scan and earlier ones said of it."""
    before = earlier(folder)
    found: dict[str, list[Past]] = {}
    skipped = list(before.broken)
    for one in [folder, *(scan.folder for scan in before.scans)]:
        try:
            told = one.manifest()
            one.check(told["tables"])
            for past, package in _said(one, str(told["as_of"]), wanted):
                found.setdefault(package, []).append(past)
        except (ScanError, TablesError) as error:
            skipped.append(f"{one.id}: {error}")
    return found, tuple(skipped)


def _said(folder: Folder, as_of: str, wanted: Mapping[str, Record]) -> Iterator[tuple[Past, str]]:
    for cell in sorted({_cell(package) for package in wanted}):
        for one in sightings(folder.path, *cell):
            if one.package in wanted:
                what = f"{one.verdict} for {one.stage} ({one.moment})" if one.verdict else one.role
                digests = one.digests
                past = Past(as_of, folder.id, "scan", what, one.stopping, digests["evidence"], digests["material"])
                yield past, one.package


def _subject(
    package: str, record: Record | None, gated: Sequence[Gated], past: Iterable[Past], scan: Scanned | None = None
) -> Subject:
    judgements = [_judged(one) for one in _latest(gated)]
    if scan is not None and record is not None and record.decision is not None:
        judgements.append(Judgement(scan.folder.id, "scan", record.decision, scan.controls, record.evidence))
    return Subject(
        package,
        tuple(sorted(judgements, key=lambda one: (one.decision.request.as_of, one.run), reverse=True)),
        tuple(sorted([*map(_line, gated), *past], key=lambda one: (one.as_of, one.run), reverse=True)),
        record,
    )


def _judged(gated: Gated) -> Judgement:
    run = gated.run
    return Judgement(run.id, "gate", run.decision, run.controls, run.evidence)


def _line(gated: Gated) -> Past:
    decision = gated.run.decision
    stopping = {one.finding.control for one in decision.rulings if one.effect in ("blocks", "undecides")}
    what = f"{decision.verdict} for {decision.request.stage} ({decision.request.moment})"
    digests = decision.digests
    return Past(
        decision.request.as_of,
        gated.run.id,
        "gate",
        what,
        tuple(sorted(stopping)),
        digests.evidence,
        digests.material,
    )
