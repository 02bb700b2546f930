"""Packages that are judged without AWS, and tables of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modelwarden import gate
from modelwarden.evidence import Evidence, Present, Source
from modelwarden.finding import Decision
from modelwarden.scan.record import Record
from modelwarden.tables import TablesWriter

HOUSE = gate.load_house(gate.Sources(), {})
CONTROLS = gate.controls_of(HOUSE)
NOW = "2026-11-22T02:10:00Z"
HOSTILE = "<script>alert(1)</script>\n\x1b[31m\x00' OR 1=1 -- \u202e"


def arn(number: int, account: str = "111122223333", region: str = "eu-west-1") -> str:
    return f"arn:aws:sagemaker:{region}:{account}:model-package/churn/{number}"


def judged(package: str, **facts: Any) -> Record:
    source = Source("sagemaker:DescribeModelPackage")
    given = {"/package/arn": Present(package, source), "/approval/status": Present("Rejected", source)}
    given |= {"/life_cycle/state": Present("none", source)}
    given |= {f"/package/{name}": Present(value, source) for name, value in facts.items()}
    evidence = Evidence(package, given, asserted=False)
    question = gate.Question("-", "Production", "serve")
    decision = gate.decision_on(HOUSE, question, gate.Observed(evidence, {}, None), now=NOW)
    return Record(
        package,
        "judged",
        "approved",
        "Approved",
        "Production",
        NOW,
        "Production",
        "serve",
        decision=decision,
        evidence=evidence,
    )


def decision_of(record: Record) -> Decision:
    assert record.decision is not None
    return record.decision


def written(folder: Path, records: Iterable[Record]) -> Path:
    folder.mkdir(exist_ok=True)
    with TablesWriter(folder, CONTROLS) as writer:
        for record in records:
            writer.add(record)
    return folder
