"""JSON: the decision with everything a program needs. Schema: reports/schemas/decision.schema.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import orjson

from modelwarden.finding import ControlInfo
from modelwarden.render.cause import help_for
from modelwarden.run import Run

SCHEMA_VERSION: Final = "modelwarden.decision/1"


def render(run: Run) -> str:
    """Indented, keys in the order of the schema."""
    return orjson.dumps(document(run), option=orjson.OPT_INDENT_2).decode() + "\n"


def document(run: Run) -> dict[str, Any]:
    """The decision, one entry for each control that is not off."""
    recorded = run.to_json()
    decision = recorded["decision"]
    coverage = [asdict(row) for row in run.ledger]
    return {
        "schema": SCHEMA_VERSION,
        "run": run.id,
        "verdict": decision["verdict"],
        "package": decision["package"],
        "request": decision["request"],
        "counts": dict(run.decision.count()),
        "findings": [
            {**recorded_ruling, "help": help_for(ruling, run.controls[ruling.finding.control])}
            | _about(run.controls[ruling.finding.control])
            for ruling, recorded_ruling in zip(run.decision.rulings, decision["rulings"], strict=True)
        ],
        "notices": decision["notices"],
        "advisory": decision["advisory"],
        "asserted": decision["asserted"],
        "off": decision["off"],
        "digests": decision["digests"],
        "coverage": coverage,
        "versions": run.versions,
    }


def _about(info: ControlInfo) -> dict[str, Any]:
    return {
        "title": info.title,
        "severity": info.severity,
        "policy": f"{info.path}:{info.line}",
        "engine": info.engine,
        "source": info.source,
    }
