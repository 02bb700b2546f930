"""Reports, evidence packs, attestations and entries of the log."""

from __future__ import annotations

from typing import get_args

import msgspec
from scripts.schemas.parts import DIGEST, DRAFT, TEXT, TEXTS, TIME, Schema, record

from modelwarden.attest import entry, statement
from modelwarden.attest.packed import PackStatement
from modelwarden.audit.formats.json import Document
from modelwarden.audit.pack.archive import PackManifest
from modelwarden.finding import Verdict
from modelwarden.request import MOMENTS, STAGES


def report_schema() -> Schema:
    """What `modelwarden report --format json` writes."""
    return {"$schema": DRAFT, "title": "modelwarden report", **msgspec.json.schema(Document)}


def pack_schema() -> Schema:
    """`MANIFEST.json` of an evidence pack."""
    return {"$schema": DRAFT, "title": "modelwarden evidence pack", **msgspec.json.schema(PackManifest)}


def pack_statement_schema() -> Schema:
    """The statement about an evidence pack, in the envelope beside it."""
    return {"$schema": DRAFT, "title": "modelwarden statement about a pack", **msgspec.json.schema(PackStatement)}


def attestation_schema() -> Schema:
    """The statement about a decision, in the first envelope of an attestation."""
    hex_ = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    ids = {"type": "array", "items": TEXT}
    subject = record({"name": TEXT, "digest": record({"sha256": hex_})})
    waiver = record({"id": TEXT, "controls": ids, "expires": TEXT, "breakGlass": {"type": "boolean"}})
    totals = [field.encode_name for field in msgspec.structs.fields(statement.Totals)]
    predicate = record(
        {
            "run": TEXT,
            "runSha256": hex_,
            "versions": {"type": "object", "additionalProperties": TEXT},
            "package": TEXT,
            "request": record(
                {
                    "stage": {"enum": list(STAGES)},
                    "moment": {"enum": list(MOMENTS)},
                    "asOf": TIME,
                    "principal": {"type": ["string", "null"]},
                }
            ),
            "verdict": {"enum": list(get_args(Verdict))},
            "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            "controls": {"type": "object", "additionalProperties": ids},
            "waivers": {"type": "array", "items": waiver},
            "waivedUntil": {"anyOf": [TIME, {"type": "null"}]},
            "rollbackTo": {"type": ["string", "null"]},
            "coverage": record({"read": {"type": "integer", "minimum": 0}, "unread": TEXTS}),
            "digests": {
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            },
            "uncovered": {"type": "array", "items": record({"name": TEXT, "uri": TEXT, "version": TEXT})},
            "totals": record({name: {"type": "integer", "minimum": 0} for name in totals}),
            "abridged": {"type": "boolean"},
        }
    )
    head = {"$schema": DRAFT, "title": "modelwarden attestation of a decision"}
    return head | record(
        {
            "_type": {"const": statement.STATEMENT},
            "subject": {"type": "array", "items": subject, "minItems": 1},
            "predicateType": {"const": statement.DECISION},
            "predicate": predicate,
        }
    )


def log_entry_schema() -> Schema:
    """One entry of the log of decisions."""
    word = record(
        {
            "run": TEXT,
            "kind": {"enum": ["gate", "scan"]},
            "entered_at": TIME,
            "subject": {**TEXT, "description": "ARN of the package; empty for a scan"},
            "verdict": {"enum": ["", *get_args(Verdict)]},
            "sha256": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
            "signature": {**TEXT, "description": "base64, over the rest of the word; empty where nobody signed it"},
        }
    )
    head = {"$schema": DRAFT, "title": "modelwarden log entry"}
    return head | record(
        {
            "schema": {"const": entry.SCHEMA_VERSION},
            "number": {"type": "integer", "minimum": 1},
            "previous": {"type": "string", "pattern": "^([0-9a-f]{64})?$"},
            "previous_version": TEXT,
            "word": word,
            "checksum": DIGEST,
        }
    )
