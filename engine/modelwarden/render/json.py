"""JSON: the decision with everything a program needs. Schema: reports/schemas/decision.schema.json."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from modelwarden.finding import ControlInfo
from modelwarden.render.cause import help_for
from modelwarden.render.text import LOG_COMMAND, is_active
from modelwarden.run import Run

SCHEMA_VERSION: Final = "modelwarden.decision/1"


def render(run: Run) -> str:
    """Indented, keys in the order of the schema."""
    return dump(document(run))


def dump(document: Any) -> str:
    """JSON that a terminal and a build log show without acting on it; a parser reads the very same values.

    The law: no character of the result is one that `printable` would change, newlines apart.
    """
    return _inert(msgspec.json.format(msgspec.json.encode(document), indent=2).decode()) + "\n"


def line(document: Any) -> str:
    """The same on one line, without its end."""
    return _inert(msgspec.json.encode(document).decode())


def _inert(text: str) -> str:
    if "##" in text:
        text = LOG_COMMAND.sub(r"\\u0023#", text)
    if not text.isascii() or "\x7f" in text:
        text = "".join(_escape(c) if c != "\n" and is_active(c) else c for c in text)
    return text


def _escape(char: str) -> str:
    """`\\uXXXX`, two of them above the basic plane."""
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def document(run: Run) -> dict[str, Any]:
    """The decision, one entry for each control that is not off."""
    recorded = run.to_json()
    decision = recorded["decision"]
    coverage = [asdict(row) for row in run.ledger]
    return {
        "schema": SCHEMA_VERSION,
        "run": run.id,
        "verdict": decision["verdict"],
        "without_waivers": decision["without_waivers"],
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
        "rollback": decision["rollback"],
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
