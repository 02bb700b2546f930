"""Records without AWS: gate runs and scans of evidence that is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from modelwarden import gate
from modelwarden.arn import parse_arn
from modelwarden.estate import Account, Estate
from modelwarden.evidence import Evidence, Fact, digest, facts_to_json
from modelwarden.gate import House, Observed, Question
from modelwarden.run import Run
from modelwarden.scan import judging
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record, Reference
from modelwarden.scan.run import Plan
from modelwarden.scan.station import Spec, Station
from modelwarden.scan.summary import summarize
from modelwarden.settings.effective import instant

NOW = "2026-11-22T02:10:00Z"


def house(folder: Path, settings: str = "", **files: str) -> House:
    """A house of some settings, and of a bundle of some files (`age_cedar` is `age.cedar`)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modelwarden.toml").write_text(settings, encoding="utf-8")
    flags: dict[str, object] = {}
    if files:
        flags["bundle"] = (str(bundle(folder / "house", **files)),)
    return gate.load_house(gate.Sources(config=folder / "modelwarden.toml", flags=flags), {})


def bundle(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    return folder


def question(package: str, **changes: Any) -> Question:
    return replace(Question(package, "Production", "serve"), **changes)


def scan_of(
    rules: House,
    folder: Path,
    evidence: Iterable[Evidence],
    reference: Mapping[str, Fact] | None = None,
    as_of: str = NOW,
) -> Folder:
    """A scan that came to its end, of packages that were collected elsewhere; all are judged at serve."""
    ordered = sorted(evidence, key=lambda one: (_cell(one), one.package))
    cells = tuple(dict.fromkeys(map(_cell, ordered)))
    estate = Estate(tuple(Account(account) for account in dict(cells)), cells, (), (), "settings")
    plan = Plan(NOW, as_of, as_of != NOW, estate, "", NOW)
    made = Folder(folder)
    made.write_plan(plan.to_json(rules))
    name = Evidence("reference", reference or {}).digest()
    made.write_reference(name, Reference(facts_to_json(reference or {}), ()))
    for cell, found in groupby(ordered, _cell):
        writer = made.cell(*cell)
        for one in found:
            writer.add(
                Record(
                    one.package,
                    "judged",
                    "approved",
                    "Approved",
                    stage="Production",
                    moment="serve",
                    reference=name,
                    evidence=one,
                )
            )
        writer.close("", ())
    station = Station(Spec(folder, rules.recipe), rules)
    for cell in cells:
        judging.judge_cell(station, *cell)
    summary = summarize(made, estate, rules.settings.gaps, instant(as_of))
    tables = made.seal(cells)
    made.write_manifest({"id": made.id, "as_of": as_of, "tables": tables, **summary.to_json()})
    made.tidy()
    return made


def run_of(rules: House, evidence: Evidence, number: int = 0, observed: Observed | None = None, **asked: Any) -> Run:
    """A run of the gate over evidence that is at hand."""
    seen = observed or Observed(evidence, {}, None)
    return gate.judge(
        rules, question(evidence.package, **asked), seen, now=NOW, run_id=f"20261122T021000{number:06}Z-00000000"
    )


def written(run: Run, folder: Path) -> Path:
    from modelwarden.run import write

    return write(run, folder)


def forged(path: Path, change: Any) -> Path:
    """A document whose checksum fits although it was changed: whoever changes it can also count it anew."""
    document = json.loads(path.read_bytes())
    del document["checksum"]
    change(document)
    path.write_bytes(msgspec.json.encode({**document, "checksum": digest(document)}))
    return path


def _cell(evidence: Evidence) -> tuple[str, str]:
    arn = parse_arn(evidence.package)
    return arn.account, arn.region
