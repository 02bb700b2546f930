"""Scans, and what the store tells of them."""

from __future__ import annotations

from typing import get_args

from scripts.schemas.parts import DIGEST, DRAFT, ROLES, TEXT, TEXTS, TIME, Schema, counts, ledger, record

from modelwarden.finding import Outcome, Verdict
from modelwarden.precedent import State as Recorded
from modelwarden.render.imported import IMPORT
from modelwarden.request import MOMENTS, STAGES
from modelwarden.scan.folder import MANIFEST
from modelwarden.scan.relations import Link
from modelwarden.store.state import HISTORY, RUNS, Event, RunKind, SeenRole


def scan_schema() -> Schema:
    """What `modelwarden scan --format json` writes, and its folder holds as `manifest.json`."""
    verdicts = list(get_args(Verdict))
    number = {"type": "integer", "minimum": 0}
    hole = record(dict.fromkeys(("account", "region", "why"), TEXT))
    coverage = {
        "expected": number,
        "read": number,
        "unread": {"type": "array", "items": hole},
        "failed": ledger(),
        "skipped": ledger(),
        "accepted": ledger(owner=TEXT, reason=TEXT, expires=TEXT),
    }
    named = {
        **dict.fromkeys(("package", "stage", "moment", "why"), TEXT),
        "verdict": {"enum": [*verdicts, "unmapped"]},
        "controls": TEXTS,
    }
    unrecorded = {**dict.fromkeys(("package", "why"), TEXT), "state": {"enum": ["out of band", "not told"]}}
    kinds = ["unregistered", "not told", "not judged"]
    stray = {**dict.fromkeys(("endpoint", "variant", "what"), TEXT), "kind": {"enum": kinds}}
    card = {
        **dict.fromkeys(("card", "status", "created", "changed", "what"), TEXT),
        "kind": {"enum": ["standalone", "not told"]},
    }
    outcomes = counts(get_args(Outcome))
    head = {"$schema": DRAFT, "title": "modelwarden scan"}
    return head | record(
        {
            "schema": {"const": MANIFEST},
            "id": TEXT,
            "kind": {"const": "scan"},
            **dict.fromkeys(("started_at", "finished_at", "as_of"), TIME),
            **{name: {"type": "boolean"} for name in ("as_of_asserted", "advisory")},
            "complete": {
                "type": "boolean",
                "description": "whether all that was expected was read, but for what `coverage.accepted` lists",
            },
            "source": {"enum": ["organization", "settings"]},
            "coverage": record(coverage),
            "since": {
                **TEXT,
                "description": "the scan whose evidence counts where nothing changed; empty: all was read",
            },
            "full_at": {**TIME, "description": "when everything was read last"},
            "tables": {
                "type": "object",
                "additionalProperties": TEXT,
                "description": "SHA-256 of each file of the tables and references",
            },
            "packages": counts(ROLES),
            "carried": {"type": "integer", "minimum": 0, "description": "packages whose evidence an earlier scan read"},
            "verdicts": counts(verdicts),
            "without_waivers": counts(verdicts),
            "blocked": {
                **counts(("approve", "serve")),
                "description": "by moment: at serve, what is approved or deployed and should not be",
            },
            "approvals": {
                **counts(get_args(Recorded)),
                "description": "what the organization's records say of approved packages; empty where none are kept",
            },
            "unrecorded": {"type": "array", "items": record(unrecorded)},
            "accounts": {"type": "object", "additionalProperties": counts([*verdicts, *ROLES])},
            "controls": {"type": "object", "additionalProperties": outcomes},
            "named": {"type": "array", "items": record(named)},
            "endpoints": counts(["judged", *kinds]),
            "strays": {"type": "array", "items": record(stray)},
            "copies": _copies(),
            "hub": {**_hub(), "description": "only where the settings name one"},
            "cards": {
                **counts(("of a package", "standalone", "not told")),
                "description": "standalone model cards that were listed; empty where nobody asked",
            },
            "loose_cards": {"type": "array", "items": record(card)},
            "cards_unread": {
                "type": "array",
                "items": hole,
                "description": "where nobody knows which cards there are: they are not among the counts",
            },
            "digest": DIGEST,
            "previous": {**TEXT, "description": "the scan that ended before this one, by the store"},
            "new": {**TEXTS, "description": "packages that are blocked, and were not in that scan"},
            "checksum": {**DIGEST, "description": "over all else; only in the file"},
        },
        ("hub", "previous", "new", "checksum"),
    )


def _copies() -> Schema:
    link = {"enum": list(get_args(Link))}
    verdict = {"enum": [*get_args(Verdict), ""], "description": "empty where it was not judged"}
    texts = dict.fromkeys(("package", "origin", "stage", "original_stage"), TEXT)
    copy = {**texts, "link": link, "verdict": verdict, "original_verdict": verdict}
    about = "by whether the original is a package of the scan, is not there, was not read, or none is named"
    number = {"type": "integer", "minimum": 0}
    return record(
        {
            "counts": {**counts(get_args(Link)), "description": about},
            "outliving": {**number, "description": "copies that may go live while their original is blocked"},
            "unread": {**number, "description": "packages of which nobody read whether they are copies"},
            "named": {"type": "array", "items": record(copy)},
        }
    )


def _hub() -> Schema:
    number = {"type": "integer", "minimum": 0}
    outsider = {
        **dict.fromkeys(("package", "origin"), TEXT),
        "role": {"enum": [role for role in ROLES if role != "gone"]},
        "verdict": {"enum": [*get_args(Verdict), ""]},
    }
    blind = record(dict.fromkeys(("account", "region", "why"), TEXT))
    unjudged = record({**dict.fromkeys(("group", "why"), TEXT), "seen_from": TEXTS})
    return record(
        {
            "account": TEXT,
            "shared": {**number, "description": "packages that another account of the scan sees"},
            "unsure": {**number, "description": "packages of which some account could not tell whether it sees them"},
            "outside": {**number, "description": "packages that are registered outside the hub"},
            "outsiders": {"type": "array", "items": record(outsider)},
            "blind": {"type": "array", "items": blind},
            "unjudged": {"type": "array", "items": unjudged},
        }
    )


def runs_schema() -> Schema:
    """What `modelwarden runs --format json` writes."""
    texts = ("id", "location", "bundle", "settings", "waivers", "started_at", "as_of")
    number = {"type": "integer", "minimum": 0}
    run = {
        **dict.fromkeys(texts, TEXT),
        "kind": {"enum": list(get_args(RunKind)), "description": "an import judges nothing and is never complete"},
        "finished_at": {**TEXT, "description": "empty while it runs, or where it was not gone on with"},
        "complete": {"type": "boolean", "description": "whether nothing is missing; what is accepted is missing, too"},
        **dict.fromkeys(("expected_cells", "read_cells"), number),
        "verdicts": counts(get_args(Verdict)),
        "digest": {**TEXT, "description": "over what it found; empty where it did not end"},
        "asserted": {"type": "boolean", "description": "whether `as_of` was asserted instead of read from the clock"},
    }
    head = {"$schema": DRAFT, "title": "modelwarden runs"}
    return head | record({"schema": {"const": RUNS}, "runs": {"type": "array", "items": record(run)}})


def import_schema() -> Schema:
    """What `modelwarden import-guidance --format json` writes."""
    number = {"type": "integer", "minimum": 0}
    losses: Schema = {"type": "array", "items": record(dict.fromkeys(("row", "column", "why"), TEXT))}
    texts: Schema = {"type": "object", "additionalProperties": TEXT}
    package = {
        **dict.fromkeys(("package", "account", "region", "first", "last", "digest"), TEXT),
        "declared": {**texts, "description": "what the rows say; nobody proved it, and no decision reads it"},
        "why": {**TEXTS, "description": "why it is but a part of what was"},
    }
    endpoint = {**dict.fromkeys(("name", "account", "at"), TEXT), "metrics": texts}
    head = {"$schema": DRAFT, "title": "modelwarden import-guidance"}
    return head | record(
        {
            "schema": {"const": IMPORT},
            "run": {**TEXT, "description": "id of the import in the store; empty for a dry run"},
            "table": TEXT,
            "endpoint_tables": TEXTS,
            "rows": number,
            "new": {**number, "description": "packages of which the store learnt anything; 0 for a dry run"},
            "packages": {"type": "array", "items": record(package)},
            "endpoints": {
                "type": "array",
                "items": record(endpoint),
                "description": "the store keeps none: it knows packages",
            },
            "left_out": {**losses, "description": "rows of which nothing is imported; any of them is exit code 3"},
            "not_kept": {**losses, "description": "columns that were not kept, of rows that are imported or listed"},
        }
    )


def history_schema() -> Schema:
    """What `modelwarden history --format json` writes."""
    verdict: Schema = {"enum": ["", *get_args(Verdict)], "description": "empty where it was not judged"}
    role: Schema = {"enum": list(get_args(SeenRole))}
    digests = ("evidence", "material", "bundle", "settings", "waivers")
    seen = {
        **dict.fromkeys(("package", "account", "region", "run", "at", *digests), TEXT),
        "stage": {"enum": ["", *STAGES]},
        "moment": {"enum": ["", *MOMENTS]},
        "role": role,
        "verdict": verdict,
        "controls": {**TEXTS, "description": "those that block or leave it undecided"},
    }
    standing = {
        "seen": record(seen),
        **dict.fromkeys(("run", "first_seen", "last_seen", "changed_at", "changed_by", "closed_why"), TEXT),
        "imported": {**TEXT, "description": "digest of what was imported about it last; empty where nothing was"},
        "previous_verdict": verdict,
        "closed_at": {**TEXT, "description": "since when it is not there any more; empty while it is"},
    }
    change = {
        **dict.fromkeys(("package", "run", "at", "bundle"), TEXT),
        "event": {"enum": list(get_args(Event))},
        "role": role,
        **dict.fromkeys(("verdict", "previous"), verdict),
        "why": TEXTS,
        "declared": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "what an import heard; nobody proved it, and no decision reads it",
        },
    }
    head = {"$schema": DRAFT, "title": "modelwarden history"}
    changes: Schema = {"type": "array", "items": record(change)}
    return head | record({"schema": {"const": HISTORY}, "standing": record(standing), "changes": changes})
