"""What was recorded: decisions with the evidence they rest on, from runs of the gate or from the folder of a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from modelwarden.entries import entries
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Fact
from modelwarden.finding import Decision
from modelwarden.gate import Observed, Question
from modelwarden.replay.house import Rules
from modelwarden.run import AskedRollback, Run, RunError
from modelwarden.run import read as read_run
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError

FILES_AT_ONCE: Final = 100
"""Runs of the gate in one part."""
_REFUSED: Final = "no rollback: "
"""How the notice of a decision begins that did not roll back although it was asked to."""


class Case(Struct, frozen=True):
    """One recorded decision, and everything that it was made of."""

    run: str
    """Id of the run of a gate, or of the scan."""
    decision: Decision
    question: Question
    observed: Observed
    whole: bool
    """Whether the record keeps the facts of what passed or did not apply; a scan's tables do not."""
    why: str = ""
    """Why it cannot be judged again; empty where it can."""


class Files(Struct, frozen=True):
    """A part of some runs of the gate."""

    paths: tuple[Path, ...]


class Cell(Struct, frozen=True):
    """A part of a scan."""

    folder: Path
    account: str
    region: str


Part = Files | Cell


class Recorded(Struct, frozen=True):
    """What a path holds."""

    kind: Literal["gate", "scan"]
    id: str
    """Of a scan or of a single run of the gate; of a folder of runs its name."""
    parts: tuple[Part, ...]
    """In the order in which they are told."""
    place: Path
    """The folder of the record, where nothing may be written that is none."""
    decisions: int
    """About how many."""


def recorded_at(path: Path) -> Recorded:
    """What is recorded at a path: a run of the gate, a folder of such runs, or the folder of a scan.

    Raises:
        RunError, ScanError: nothing is, or it was changed.
        Unlisted: the folder cannot be read.
    """
    if not path.exists():
        raise RunError(f"{path}: does not exist", "name a run: the file of a gate, or the folder of a scan")
    if not path.is_dir():
        return Recorded("gate", read_run(path).id, (Files((path,)),), path.parent, 1)
    if (path / "plan.json").exists() or (path / "manifest.json").exists():
        return _scan(path)
    files = entries(path, ".json")
    if not files:
        raise RunError(f"{path}: holds no run", "name the file of a gate, or the folder of one scan")
    chunks = (tuple(files[first : first + FILES_AT_ONCE]) for first in range(0, len(files), FILES_AT_ONCE))
    return Recorded("gate", path.resolve().name, tuple(Files(chunk) for chunk in chunks), path, len(files))


def _scan(path: Path) -> Recorded:
    folder = Folder(path)
    if not (path / "manifest.json").exists():
        raise ScanError(
            f"{path}: the scan did not come to its end: it has no manifest.json",
            f"go on with it: modelwarden scan --resume {path}",
        )
    folder.plan()
    manifest = folder.manifest()
    folder.check(manifest["tables"])
    cells = tuple(Cell(path, account, region) for account, region in folder.cells())
    return Recorded("scan", str(manifest["id"]), cells, path, sum(manifest["verdicts"].values()))


def cases_of(part: Part) -> Iterator[tuple[Rules, Case]]:
    """The decisions of a part, one by one, each with the rules by which it was made.

    Raises:
        RunError, ScanError, TablesError: it was changed, or cannot be read.
    """
    match part:
        case Files(paths):
            for path in paths:
                run = read_run(path)
                yield Rules(run.bundle, run.settings, run.versions), case_of(run)
        case Cell(path, account, region):
            rules = rules_of(path)
            yield from ((rules, case) for case in _of_cell(Folder(path), account, region))


@lru_cache(maxsize=2)
def rules_of(path: Path) -> Rules:
    """By which a scan judged.

    Raises:
        ScanError: its plan was changed, or is of another version.
    """
    plan = Folder(path).plan()
    try:
        return Rules(plan["bundle"], plan["settings"], plan["versions"])
    except KeyError as error:
        raise ScanError(f"{path}: its plan does not say by which {error} it judged") from error


def case_of(run: Run) -> Case:
    """The decision of a run of the gate."""
    asked, why = _asked_rollback(run)
    request = run.decision.request
    question = Question(
        run.evidence.package, request.stage, request.moment, as_of=_asserted(run.decision), rollback=asked is not None
    )
    precedent = asked.precedent if asked else None
    observed = Observed(run.evidence, run.reference, request.principal, run.ledger, precedent)
    return Case(run.id, run.decision, question, observed, whole=True, why=why)


def _asked_rollback(run: Run) -> tuple[AskedRollback | None, str]:
    """What a run keeps of a rollback, and why that is not enough."""
    if run.rollback is not None:
        return run.rollback, ""
    if run.decision.rollback is not None:
        return AskedRollback(run.decision.rollback), ""
    refused = any(notice.startswith(_REFUSED) for notice in run.decision.notices)
    return None, "its version did not keep what a rollback that was refused would have returned to" if refused else ""


def _of_cell(folder: Folder, account: str, region: str) -> Iterator[Case]:
    for record in folder.records(account, region):
        decision, evidence = record.decision, record.evidence
        if decision is None:
            continue
        request = decision.request
        question = Question(record.package, request.stage, request.moment, as_of=_asserted(decision))
        if evidence is None:
            nothing = Observed(Evidence(record.package), {}, None)
            yield Case(folder.id, decision, question, nothing, whole=False, why="no evidence is kept")
        else:
            reference = reference_of(folder.path, record.reference)
            yield Case(folder.id, decision, question, Observed(evidence, reference, None), whole=False)


@lru_cache(maxsize=256)
def reference_of(path: Path, name: str) -> Mapping[str, Fact]:
    """Reference facts of a scan.

    Raises:
        ScanError: they are not there, or were changed.
    """
    facts = Folder(path).reference(name)
    if Evidence("reference", facts).digest() != name:
        raise ScanError(f"{path / 'references'}: `{name}` was changed after it was written", "restore it, or scan anew")
    return facts


def _asserted(decision: Decision) -> str | None:
    return decision.request.as_of if decision.request.as_of_asserted else None


def check_apart(output: Path, place: Path) -> None:
    """Raises UserError for a file below the folder of a record: what is supposed must not lie among records."""
    if output.resolve().is_relative_to(place.resolve()):
        raise UserError(f"{output}: lies where records are", "write what is no record elsewhere")


def manifest_of(path: Path) -> dict[str, Any]:
    """The manifest of a scan.

    Raises:
        ScanError: there is none, or it was changed.
    """
    return Folder(path).manifest()
