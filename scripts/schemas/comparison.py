"""Two scans compared."""

from __future__ import annotations

from typing import get_args

from scripts.schemas.parts import DIGEST, DRAFT, ROLES, TEXT, TEXTS, Schema, counts, record

from modelwarden.compare import document
from modelwarden.compare.change import CauseKind, Kind, Reach
from modelwarden.finding import Effect, Level, Outcome, Verdict


def _standing() -> Schema:
    """What one scan recorded of a package."""
    texts = dict.fromkeys(("why", "stage", "moment"), TEXT)
    judged = {"verdict": {"enum": ["", *get_args(Verdict)]}, "controls": TEXTS}
    return {"anyOf": [{"type": "null"}, record({"role": {"enum": list(ROLES)}, **texts, **judged})]}


def _difference() -> Schema:
    """A finding that is another one, and why."""
    ruling = {
        "outcome": {"enum": list(get_args(Outcome))},
        "level": {"enum": list(get_args(Level))},
        "effect": {"enum": list(get_args(Effect))},
        **dict.fromkeys(("why_level", "waiver"), TEXT),
    }
    said = {"anyOf": [{"type": "null"}, record(ruling)]}
    cause = {"kind": {"enum": list(get_args(CauseKind))}, **dict.fromkeys(("name", "before", "after"), TEXT)}
    return record(
        {
            "control": TEXT,
            "before": said,
            "after": said,
            "causes": {"type": "array", "items": record(cause), "minItems": 1},
            "hidden": {"type": "integer", "minimum": 0, "description": "further facts that differ"},
        }
    )


def comparison_schema() -> Schema:
    """What `modelwarden compare --format json` writes."""
    number = {"type": "integer", "minimum": 0}
    scan = {
        **dict.fromkeys(("id", "started_at", "finished_at", "as_of"), TEXT),
        **{name: {"type": "boolean"} for name in ("as_of_asserted", "complete")},
        **dict.fromkeys(("expected", "read"), number),
        **dict.fromkeys(("bundle", "settings", "waivers"), DIGEST),
        "versions": {"type": "object", "additionalProperties": TEXT},
    }
    reached = record({"reach": {"enum": list(get_args(Reach))}, "why": TEXT})
    cell = record({"account": TEXT, "region": TEXT, "earlier": reached, "later": reached})
    failed = record(dict.fromkeys(("account", "region", "api", "state", "error"), TEXT))
    severity = {"enum": ["low", "medium", "high", "critical"]}
    control = record({"id": TEXT, "title": TEXT, "severity": severity, "outcomes": counts(get_args(Outcome))})
    kinds = list(get_args(Kind))
    causes = list(get_args(CauseKind))
    group = {
        **dict.fromkeys(("control", "before", "after"), TEXT),
        "causes": {"type": "array", "items": {"enum": causes}},
        "findings": number,
    }
    change = {
        "package": TEXT,
        "kind": {"enum": kinds},
        "before": _standing(),
        "after": _standing(),
        "findings": {"type": "array", "items": _difference()},
    }
    coverage = {
        "read_by_both": {**number, "description": "account-regions"},
        "unread": {"type": "array", "items": cell, "description": "read by the earlier scan and not by the later one"},
        "read_now": {
            "type": "array",
            "items": cell,
            "description": "read by the later scan and not by the earlier one",
        },
        "failed": {"type": "array", "items": failed, "description": "APIs that failed only in the later scan"},
    }
    controls = {
        "added": {"type": "array", "items": control},
        "removed": {"type": "array", "items": control},
        "edited": {**TEXTS, "description": "controls of both scans whose files differ"},
    }
    head = {"$schema": DRAFT, "title": "modelwarden comparison"}
    return head | record(
        {
            "schema": {"const": document.SCHEMA_VERSION},
            "complete": {"type": "boolean", "description": "whether both scans are"},
            "earlier": record(scan),
            "later": record(scan),
            "notes": TEXTS,
            "coverage": record(coverage),
            "controls": record(controls),
            "packages": {**counts(kinds), "description": "all that changed, by what became of them"},
            "unchanged": number,
            "newly_blocked": number,
            "lost": {
                **number,
                "description": "packages that the earlier scan could decide, and the later one could not",
            },
            "causes": {**counts(causes), "description": "findings that changed, by each kind of cause"},
            "groups": {"type": "array", "items": record(group)},
            "changes": {"type": "array", "items": record(change), "description": "the worst of each kind"},
        }
    )
