"""A run: the record of one gate as one self-contained document. Reports are made from runs and never judge again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, fields

from modelwarden.decide import without_waivers
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, EvidenceError, Fact, Source, Unknown, digest, facts_from_json, facts_to_json
from modelwarden.finding import AppliedWaiver, ControlInfo, Decision, Digests, Finding, Observation, Rollback, Ruling
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.request import PROVEN_BY, Principal, Request
from modelwarden.snapshot import LedgerRow

SCHEMA_VERSION: Final = "modelwarden.run/1"
RUNS: Final = Path(".modelwarden/runs")
"""The folder for runs where nobody names one."""

MAX_BYTES: Final = 64_000_000

_ID: Final = re.compile(r"[0-9A-Za-z-]{1,80}")


class RunError(UserError):
    """A run that cannot be read or written."""

    help = "name a file that `modelwarden gate` wrote"


class AskedRollback(Struct, frozen=True):
    """That a rollback was asked for, and what the organization's records said of it."""

    precedent: Rollback | Unknown | None
    """What it returns to; None where there is nothing."""

    def to_json(self) -> dict[str, Any]:
        """The law: `AskedRollback.from_json(asked.to_json()) == asked`."""
        match self.precedent:
            case Unknown(reason, _, detail):
                return {"precedent": {"state": "unknown", "reason": reason, "detail": detail}}
            case found:
                return {"precedent": asdict(found) if found else None}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> AskedRollback:
        """Raises KeyError or TypeError for another shape."""
        told = raw["precedent"]
        if told is None:
            return AskedRollback(None)
        unread = told.get("state") == "unknown"
        return AskedRollback(Unknown(told["reason"], detail=told["detail"]) if unread else Rollback(**told))


class Run(Struct, frozen=True):
    """Everything behind one decision."""

    id: str
    """Sorts by time."""
    kind: str
    """`gate`."""
    started_at: str
    finished_at: str
    versions: dict[str, str]
    """Of modelwarden, cedarpy and Python."""
    decision: Decision
    evidence: Evidence
    reference: dict[str, Fact]
    ledger: tuple[LedgerRow, ...]
    controls: dict[str, ControlInfo]
    bundle: dict[str, Any]
    """`digest`, and `files` with path, sha256 and text."""
    settings: dict[str, Any]
    """As `settings.Settings.to_json` writes them."""
    rollback: AskedRollback | None = None
    """Set where a rollback was asked for, granted or not."""

    def to_json(self) -> dict[str, Any]:
        """The document of `reports/schemas/run.schema.json`; the law: `Run.from_json(run.to_json()) == run`."""
        document = {
            "schema": SCHEMA_VERSION,
            "id": self.id,
            "kind": self.kind,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "versions": self.versions,
            "decision": decision_to_json(self.decision),
            "evidence": {**self.evidence.to_json(), "asserted": self.evidence.asserted},
            "reference": facts_to_json(self.reference),
            "ledger": [asdict(row) for row in self.ledger],
            "controls": {id_: asdict(info) for id_, info in self.controls.items()},
            "bundle": self.bundle,
            "settings": self.settings,
        }
        if self.rollback:
            document["rollback"] = self.rollback.to_json()
        return {**document, "checksum": digest(document)}

    @staticmethod
    def from_json(document: Any) -> Run:
        """Read a run.

        Raises:
            RunError: another shape, or a checksum that does not fit.
        """
        if not isinstance(document, dict) or document.get("schema") != SCHEMA_VERSION:
            raise RunError(f"not a run: `schema` is not `{SCHEMA_VERSION}`")
        stated = document.get("checksum")
        if stated != digest({key: value for key, value in document.items() if key != "checksum"}):
            raise RunError("the checksum does not fit: the run was changed after it was written")
        try:
            raw = document["evidence"]
            evidence = Evidence.from_json({k: v for k, v in raw.items() if k != "asserted"}, asserted=raw["asserted"])
            return Run(
                id=document["id"],
                kind=document["kind"],
                started_at=document["started_at"],
                finished_at=document["finished_at"],
                versions=document["versions"],
                decision=decision_from_json(document["decision"]),
                evidence=evidence,
                reference=facts_from_json(
                    document["reference"]["facts"], document["reference"]["sources"], ("/reference/",)
                ),
                ledger=tuple(LedgerRow(**row) for row in document["ledger"]),
                controls={id_: _of(ControlInfo, info) for id_, info in document["controls"].items()},
                bundle=document["bundle"],
                settings=document["settings"],
                rollback=AskedRollback.from_json(document["rollback"]) if "rollback" in document else None,
            )
        except (EvidenceError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"not a run of this version: {' '.join(str(error).split())}") from error


def encoded(run: Run) -> bytes:
    """The bytes that are written of a run; the law: `parse(encoded(run), where) == run`."""
    return msgspec.json.encode(run.to_json())


def is_id(text: str) -> bool:
    """Whether a run may have this id, which names its file."""
    return _ID.fullmatch(text) is not None


def write(run: Run, folder: Path, data: bytes | None = None) -> Path:
    """Write `<folder>/<id>.json`, whole or not at all, and never over another run; `data`: its bytes, where they are at hand.

    Raises:
        RunError: the folder cannot be written to, or holds a run of this id.
    """
    if not is_id(run.id):
        raise RunError(f"`{run.id}` is no id of a run")
    path = folder / f"{run.id}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(path, encoded(run) if data is None else data)
    except OSError as error:
        raise RunError(
            f"{path}: the run cannot be recorded: {error.strerror}", "name a writable folder with --runs"
        ) from error
    return path


def write_new(path: Path, data: bytes) -> None:
    """Write a file for its owner's eyes, whole or not at all, and never over another one.

    Raises:
        OSError: the name is taken, or the folder refuses.
    """
    part = path.with_name(f".{path.stem}.{uuid4().hex}.part")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _appear(part, path)
    finally:
        part.unlink(missing_ok=True)


def _appear(part: Path, path: Path) -> None:
    """Give the finished file its name, unless a file has it.

    Raises:
        OSError: it is taken, or the folder refuses.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems (network shares, FAT) have no links: the name is claimed by an empty file, and then filled.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.replace(path)


def read(path: Path) -> Run:
    """The run in a file.

    Raises:
        RunError: it cannot be read, is no run, or was changed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(data, str(path))


def parse(data: bytes, where: str) -> Run:
    """The run in some bytes; `where` they come from, for messages.

    Raises:
        RunError: too large, no run, or changed.
    """
    if len(data) > MAX_BYTES:
        raise RunError(f"{where}: larger than {MAX_BYTES} bytes")
    try:
        document = decoded(data)
        run = Run.from_json(document)
    except NotJson as error:
        raise RunError(f"{where}: not JSON: {error}") from error
    except RunError as error:
        raise RunError(f"{where}: {error}") from error
    # The checksum is over what the document says. A key that stands twice, or a text that is spelled otherwise, says it in
    # other bytes, and another reader may understand them otherwise.
    if msgspec.json.encode(document) != data.rstrip(b"\n"):
        raise RunError(f"{where}: its bytes are not those that were written")
    return run


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """The law: `decision_from_json(decision_to_json(decision)) == decision`."""
    return {
        "package": decision.package,
        "request": _request_to_json(decision.request),
        "verdict": decision.verdict,
        "without_waivers": decision.without_waivers,
        "rulings": [_ruling_to_json(ruling) for ruling in decision.rulings],
        "digests": asdict(decision.digests),
        "advisory": decision.advisory,
        "asserted": list(decision.asserted),
        "notices": list(decision.notices),
        "off": list(decision.off),
        "rollback": asdict(decision.rollback) if decision.rollback else None,
    }


def decision_from_json(raw: Mapping[str, Any]) -> Decision:
    """Raises KeyError or TypeError for another shape. A shadow verdict that was not written follows from the rulings."""
    rulings = tuple(ruling_from_json(ruling) for ruling in raw["rulings"])
    rollback = Rollback(**raw["rollback"]) if raw["rollback"] else None
    told = raw["without_waivers"] if "without_waivers" in raw else without_waivers(rulings, rollback)
    return Decision(
        package=raw["package"],
        request=_request_from_json(raw["request"]),
        verdict=raw["verdict"],
        rulings=rulings,
        digests=Digests(**raw["digests"]),
        advisory=raw["advisory"],
        asserted=tuple(raw["asserted"]),
        notices=tuple(raw["notices"]),
        off=tuple(raw["off"]),
        rollback=rollback,
        without_waivers=told,
    )


def _request_to_json(request: Request) -> dict[str, Any]:
    principal: dict[str, Any] | None = None
    match request.principal:
        case Principal():
            principal = asdict(request.principal)
            if principal["source"] == PROVEN_BY:
                del principal["source"]  # as runs have always said it
        case Unknown(reason, source, detail):
            principal = {"state": "unknown", "reason": reason}
            principal |= ({"detail": detail} if detail else {}) | ({"source": asdict(source)} if source else {})
    return {
        "stage": request.stage,
        "moment": request.moment,
        "as_of": request.as_of,
        "as_of_asserted": request.as_of_asserted,
        "principal": principal,
    }


def _request_from_json(raw: Mapping[str, Any]) -> Request:
    told = raw["principal"]
    principal: Principal | Unknown | None = None
    if told is not None:
        principal = _nobody(told) if told["state"] == "unknown" else Principal(**told)
    return Request(raw["stage"], raw["moment"], raw["as_of"], principal, raw["as_of_asserted"])


def _nobody(told: Mapping[str, Any]) -> Unknown:
    source = Source(**told["source"]) if "source" in told else None
    return Unknown(told["reason"], source, told.get("detail", ""))


def _ruling_to_json(ruling: Ruling) -> dict[str, Any]:
    finding = ruling.finding
    return {
        "control": finding.control,
        "outcome": finding.outcome,
        "level": ruling.level,
        "effect": ruling.effect,
        "why_level": ruling.why_level,
        "expected": finding.expected,
        "reason": finding.reason,
        "unset_parameters": list(finding.unset_parameters),
        "observed": facts_to_json({seen.pointer: seen.fact for seen in finding.observed}),
        "waiver": asdict(ruling.waiver) if ruling.waiver else None,
    }


def ruling_from_json(raw: Mapping[str, Any]) -> Ruling:
    """Raises KeyError or TypeError for another shape."""
    facts = facts_from_json(raw["observed"]["facts"], raw["observed"]["sources"], ("/",))
    finding = Finding(
        control=raw["control"],
        outcome=raw["outcome"],
        expected=raw["expected"],
        observed=tuple(Observation(pointer, fact) for pointer, fact in facts.items()),
        reason=raw["reason"],
        unset_parameters=tuple(raw["unset_parameters"]),
    )
    waiver = AppliedWaiver(**raw["waiver"]) if raw["waiver"] else None
    return Ruling(finding, raw["level"], raw["effect"], raw["why_level"], waiver)


def _of(kind: type[ControlInfo], raw: Mapping[str, Any]) -> ControlInfo:
    """A dataclass from its JSON form: lists become tuples."""
    known = {field.name for field in fields(kind)}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in raw.items() if name in known}
    return kind(**values)
