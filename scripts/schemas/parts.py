"""What several published schemas share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from modelwarden import evidence
from modelwarden.facts import kinds
from modelwarden.finding import Effect, Level, Outcome
from modelwarden.request import MOMENTS, STAGES
from modelwarden.scan.record import Role
from modelwarden.snapshot import RowState

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
MAYBE: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"}
ROLES = get_args(Role)
VALUES: dict[str, Schema] = {
    "string": TEXT,
    "time": TEXT,
    "bool": {"type": "boolean"},
    "long": {"type": "integer"},
    "number": {"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}]},
    "set": {**TEXTS, "uniqueItems": True},
    "list": TEXTS,
}


def record(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def pattern(pointer: str) -> str:
    """A fact pattern as a regular expression over concrete pointers."""
    segments = [
        "(0|[1-9][0-9]{0,5})" if segment == "*" else "[^/]*" if segment.startswith("{") else segment
        for segment in pointer.split("/")
    ]
    return "^" + "/".join(segments) + "$"


def fact(type_: str) -> Schema:
    common = {
        "source": {"type": "integer", "minimum": 0},
        "api": TEXT,
        "at": {"type": ["string", "null"]},
        "request_id": {"type": ["string", "null"]},
    }
    present = {"state": {"const": "present"}, "value": VALUES[type_]}
    unknown = {"state": {"const": "unknown"}, "reason": TEXT, "detail": TEXT}
    return {
        "description": "present, absent (AWS answered: it is not there) or unknown (it could not be read); a bare value is present",
        "anyOf": [
            VALUES[type_],
            record(present | common, tuple(common)),
            record({"state": {"const": "absent"}} | common, tuple(common)),
            record(unknown | common, (*common, "detail")),
        ],
    }


def facts(prefixes: tuple[str, ...], *, without: tuple[str, ...] = ()) -> Schema:
    """`sources` and `facts` with every pointer of the dictionary below the prefixes."""
    shown = {p: k for p, k in kinds().items() if p.startswith(prefixes) and not (without and p.startswith(without))}
    return {
        "sources": {
            "type": "array",
            "items": record(
                {"api": TEXT, "at": {"type": ["string", "null"]}, "request_id": {"type": ["string", "null"]}},
                ("at", "request_id"),
            ),
        },
        "facts": {
            "type": "object",
            "patternProperties": {
                pattern(p): {"$ref": f"#/$defs/{k.type}", "description": f"{k.source}. {k.about}".strip()}
                for p, k in shown.items()
            },
            "additionalProperties": False,
        },
    }


def definitions() -> Schema:
    return {type_: fact(type_) for type_ in VALUES}


def evidence_properties() -> Schema:
    own = facts(("/",), without=("/request/", "/reference/"))
    return {
        "schema": {"const": evidence.SCHEMA_VERSION},
        "package": {**TEXT, "description": "ARN of the model package"},
        "digest": DIGEST,
        **own,
        "reference": record(facts(("/reference/",)), ("sources",)),
    }


def request() -> Schema:
    principal = {
        "anyOf": [
            {"type": "null"},
            record(
                {
                    "state": {"const": "unknown"},
                    "reason": TEXT,
                    "detail": TEXT,
                    "source": record({"api": TEXT, "at": MAYBE, "request_id": MAYBE}),
                },
                ("detail", "source"),
            ),
            record(
                {
                    "principal": TEXT,
                    "identity": TEXT,
                    "kind": {"enum": ["person", "role"]},
                    "state": {"enum": ["proven", "asserted"]},
                    "source": {**TEXT, "description": "what proves it, where it is not sts:GetCallerIdentity"},
                },
                ("source",),
            ),
        ]
    }
    return record(
        {
            "stage": {"enum": list(STAGES)},
            "moment": {"enum": list(MOMENTS)},
            "as_of": TIME,
            "as_of_asserted": {"type": "boolean"},
            "principal": principal,
        }
    )


def waiver() -> Schema:
    text = dict.fromkeys(("id", "owner", "approver", "reason", "expires", "ticket"), TEXT)
    return {"anyOf": [{"type": "null"}, record({**text, "break_glass": {"type": "boolean"}})]}


def ruling() -> Schema:
    return {
        "control": TEXT,
        "outcome": {"enum": list(get_args(Outcome))},
        "level": {"enum": list(get_args(Level))},
        "effect": {"enum": list(get_args(Effect))},
        "why_level": TEXT,
        "expected": TEXT,
        "reason": TEXT,
        "unset_parameters": TEXTS,
        "observed": record(facts(("/",))),
        "waiver": waiver(),
    }


def digests() -> Schema:
    named = dict.fromkeys(("evidence", "reference", "bundle", "settings", "waivers"), DIGEST)
    return record(
        {
            **named,
            "material": {"anyOf": [DIGEST, {"const": ""}], "description": "empty where a part of it was not read"},
        }
    )


def ledger(**more: Schema) -> Schema:
    texts = dict.fromkeys(("account", "region", "api", "error", "request_id", "covered_by"), TEXT)
    return {
        "type": "array",
        "items": record(
            {
                **texts,
                "state": {"enum": list(get_args(RowState))},
                "calls": {"type": "integer"},
                "seconds": {"type": "number"},
                "rate": {"type": "number", "description": "calls a second after it was throttled most; 0: it was not"},
                **more,
            },
            ("rate",),
        ),
    }


def counts(names: Iterable[str]) -> Schema:
    """Numbers by name; a name that counts nothing may be left out."""
    count = {"type": "integer", "minimum": 0}
    return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(names, count)}
