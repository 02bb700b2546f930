"""Evidence, decisions and runs of the gate."""

from __future__ import annotations

from typing import get_args

from scripts.schemas.parts import (
    DIGEST,
    DRAFT,
    TEXT,
    TEXTS,
    TIME,
    Schema,
    definitions,
    digests,
    evidence_properties,
    facts,
    ledger,
    record,
    request,
    ruling,
)

from modelwarden import run
from modelwarden.finding import Verdict
from modelwarden.render import json as decision_json
from modelwarden.request import MOMENTS


def evidence_schema() -> Schema:
    """What `modelwarden evidence` writes and `modelwarden gate` reads."""
    head = {"$schema": DRAFT, "title": "modelwarden evidence", "$defs": definitions()}
    return head | record(evidence_properties(), ("digest", "sources", "reference"))


def decision_schema() -> Schema:
    """What `--format json` writes."""
    counts = {
        name: {"type": "integer", "minimum": 0}
        for name in ("blocked", "flagged", "unknown", "passed", "not_applicable")
    }
    about = dict.fromkeys(("help", "title", "policy", "source"), TEXT)
    finding = {
        **ruling(),
        **about,
        "severity": {"enum": ["low", "medium", "high", "critical"]},
        "engine": {"enum": ["cedar", "python"]},
    }
    head = {"$schema": DRAFT, "title": "modelwarden decision", "$defs": definitions()}
    return head | record(
        {
            "schema": {"const": decision_json.SCHEMA_VERSION},
            "run": TEXT,
            "verdict": {"enum": list(get_args(Verdict))},
            "package": TEXT,
            "request": request(),
            "counts": record(counts),
            "findings": {"type": "array", "items": record(finding)},
            "notices": TEXTS,
            "advisory": {"type": "boolean"},
            "asserted": {"type": "array", "items": {"enum": ["evidence", "principal", "as_of"]}},
            "off": TEXTS,
            "without_waivers": {
                "enum": list(get_args(Verdict)),
                "description": "what it would be if no waiver counted",
            },
            "rollback": _rollback(),
            "digests": digests(),
            "coverage": ledger(),
            "versions": {"type": "object", "additionalProperties": TEXT},
        }
    )


def _rollback() -> Schema:
    earlier = {
        **dict.fromkeys(("run", "decided_by"), TEXT),
        "verdict": {"enum": ["allow", "flag"]},
        "moment": {"enum": list(MOMENTS)},
        "decided_at": TIME,
        "bundle": DIGEST,
    }
    return {"anyOf": [{"type": "null"}, record(earlier)]}


def _precedent() -> Schema:
    unread = record({"state": {"const": "unknown"}, "reason": TEXT, "detail": TEXT})
    return {"anyOf": [*_rollback()["anyOf"], unread]}


def run_schema() -> Schema:
    """What a gate records."""
    decision = {
        "package": TEXT,
        "request": request(),
        "verdict": {"enum": list(get_args(Verdict))},
        "rulings": {"type": "array", "items": record(ruling())},
        "digests": digests(),
        "advisory": {"type": "boolean"},
        "asserted": TEXTS,
        "notices": TEXTS,
        "off": TEXTS,
        "rollback": _rollback(),
        "without_waivers": {"enum": list(get_args(Verdict))},
    }
    texts = dict.fromkeys(("id", "title", "rationale", "remediation", "source", "since", "path", "expected"), TEXT)
    lists = dict.fromkeys(("reads", "parameters", "moments", "undecidable_without"), TEXTS)
    control = {
        **texts,
        **lists,
        "severity": {"enum": ["low", "medium", "high", "critical"]},
        "engine": {"enum": ["cedar", "python"]},
        "line": {"type": "integer"},
        "origin": {"enum": ["built-in", "user"]},
    }
    file = record({"path": TEXT, "sha256": DIGEST, "text": TEXT})
    head = {"$schema": DRAFT, "title": "modelwarden run", "$defs": definitions()}
    return head | record(
        {
            "schema": {"const": run.SCHEMA_VERSION},
            "id": TEXT,
            "kind": {"const": "gate"},
            "started_at": TIME,
            "finished_at": TIME,
            "versions": {"type": "object", "additionalProperties": TEXT},
            "decision": record(decision, ("without_waivers",)),
            "evidence": record({**evidence_properties(), "asserted": {"type": "boolean"}}, ("reference",)),
            "reference": record(facts(("/reference/",))),
            "ledger": ledger(),
            "controls": {"type": "object", "additionalProperties": record(control)},
            "bundle": record({"digest": DIGEST, "files": {"type": "array", "items": file}}),
            "settings": {
                "type": "object",
                "description": "layers, parameters, enforcement, scopes and waivers as they held",
            },
            "rollback": {
                **record({"precedent": _precedent()}),
                "description": "only where a rollback was asked for: what the organization's records said of it",
            },
            "checksum": DIGEST,
        },
        ("rollback",),
    )
