"""What the API tells beside decisions, history and runs."""

from __future__ import annotations

from scripts.schemas.parts import DIGEST, DRAFT, TEXT, TEXTS, Schema, record

from modelwarden.api.refusal import KINDS, TYPE
from modelwarden.catalog import CONTROLS
from modelwarden.request import MOMENTS


def controls_schema() -> Schema:
    """What `modelwarden controls list --format json` writes."""
    control = {
        **dict.fromkeys(("id", "title", "rationale", "remediation", "source", "since", "path", "expected"), TEXT),
        **dict.fromkeys(("reads", "parameters", "undecidable_without"), TEXTS),
        "severity": {"enum": ["low", "medium", "high", "critical"]},
        "engine": {"enum": ["cedar", "python"]},
        "line": {"type": "integer", "minimum": 0},
        "moments": {"type": "array", "items": {"enum": list(MOMENTS)}},
        "origin": {"enum": ["built-in", "user"]},
    }
    properties = {
        "schema": {"const": CONTROLS},
        "digest": {**DIGEST, "description": "of the bundle: of every file"},
        "controls": {"type": "array", "items": record(control)},
    }
    return {"$schema": DRAFT, "title": "modelwarden controls"} | record(properties)


def problem_schema() -> Schema:
    """What the API says instead of an answer (RFC 9457)."""
    properties = {
        "type": {"enum": [TYPE + kind for kind in KINDS]},
        "title": TEXT,
        "status": {"enum": sorted({status for status, _ in KINDS.values()})},
        "detail": TEXT,
        "help": {**TEXT, "description": "the next step"},
        "instance": {**TEXT, "description": "names this one case, which is in the log of the API"},
    }
    return {"$schema": DRAFT, "title": "modelwarden problem"} | record(properties, ("instance",))
