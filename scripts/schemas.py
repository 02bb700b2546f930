"""The published JSON Schemas of our own documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from modelwarden import evidence, run
from modelwarden.attest import attestation, entry
from modelwarden.audit.formats.json import Document
from modelwarden.audit.pack.archive import PackManifest
from modelwarden.compare import document
from modelwarden.compare.change import CauseKind, Kind, Reach
from modelwarden.facts import kinds
from modelwarden.finding import Effect, Level, Outcome, Verdict
from modelwarden.precedent import State
from modelwarden.render import forecast as render_forecast
from modelwarden.render import json as decision_json
from modelwarden.render import replay as render_replay
from modelwarden.replay import outlook
from modelwarden.request import MOMENTS, STAGES
from modelwarden.scan.folder import MANIFEST
from modelwarden.scan.record import Role
from modelwarden.scan.relations import Link
from modelwarden.snapshot import RowState
from modelwarden.store.state import HISTORY, RUNS, Event, SeenRole

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_MAYBE: Schema = {"type": ["string", "null"]}
_TIME: Schema = {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"}
ROLES = get_args(Role)
_VALUES: dict[str, Schema] = {
    "string": _TEXT,
    "time": _TEXT,
    "bool": {"type": "boolean"},
    "long": {"type": "integer"},
    "number": {"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}]},
    "set": {**_TEXTS, "uniqueItems": True},
    "list": _TEXTS,
}


def _record(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _pattern(pointer: str) -> str:
    """A fact pattern as a regular expression over concrete pointers."""
    segments = [
        "(0|[1-9][0-9]{0,5})" if segment == "*" else "[^/]*" if segment.startswith("{") else segment
        for segment in pointer.split("/")
    ]
    return "^" + "/".join(segments) + "$"


def _fact(type_: str) -> Schema:
    common = {
        "source": {"type": "integer", "minimum": 0},
        "api": _TEXT,
        "at": {"type": ["string", "null"]},
        "request_id": {"type": ["string", "null"]},
    }
    present = {"state": {"const": "present"}, "value": _VALUES[type_]}
    unknown = {"state": {"const": "unknown"}, "reason": _TEXT, "detail": _TEXT}
    return {
        "description": "present, absent (AWS answered: it is not there) or unknown (it could not be read); a bare value is present",
        "anyOf": [
            _VALUES[type_],
            _record(present | common, tuple(common)),
            _record({"state": {"const": "absent"}} | common, tuple(common)),
            _record(unknown | common, (*common, "detail")),
        ],
    }


def _facts(prefixes: tuple[str, ...], *, without: tuple[str, ...] = ()) -> Schema:
    """`sources` and `facts` with every pointer of the dictionary below the prefixes."""
    shown = {p: k for p, k in kinds().items() if p.startswith(prefixes) and not (without and p.startswith(without))}
    return {
        "sources": {
            "type": "array",
            "items": _record(
                {"api": _TEXT, "at": {"type": ["string", "null"]}, "request_id": {"type": ["string", "null"]}},
                ("at", "request_id"),
            ),
        },
        "facts": {
            "type": "object",
            "patternProperties": {
                _pattern(p): {"$ref": f"#/$defs/{k.type}", "description": f"{k.source}. {k.about}".strip()}
                for p, k in shown.items()
            },
            "additionalProperties": False,
        },
    }


def _definitions() -> Schema:
    return {type_: _fact(type_) for type_ in _VALUES}


def _evidence_properties() -> Schema:
    own = _facts(("/",), without=("/request/", "/reference/"))
    return {
        "schema": {"const": evidence.SCHEMA_VERSION},
        "package": {**_TEXT, "description": "ARN of the model package"},
        "digest": _DIGEST,
        **own,
        "reference": _record(_facts(("/reference/",)), ("sources",)),
    }


def evidence_schema() -> Schema:
    """What `modelwarden evidence` writes and `modelwarden gate` reads."""
    head = {"$schema": _DRAFT, "title": "modelwarden evidence", "$defs": _definitions()}
    return head | _record(_evidence_properties(), ("digest", "sources", "reference"))


def _request() -> Schema:
    principal = {
        "anyOf": [
            {"type": "null"},
            _record(
                {
                    "state": {"const": "unknown"},
                    "reason": _TEXT,
                    "detail": _TEXT,
                    "source": _record({"api": _TEXT, "at": _MAYBE, "request_id": _MAYBE}),
                },
                ("detail", "source"),
            ),
            _record(
                {
                    "principal": _TEXT,
                    "identity": _TEXT,
                    "kind": {"enum": ["person", "role"]},
                    "state": {"enum": ["proven", "asserted"]},
                }
            ),
        ]
    }
    return _record(
        {
            "stage": {"enum": list(STAGES)},
            "moment": {"enum": list(MOMENTS)},
            "as_of": _TIME,
            "as_of_asserted": {"type": "boolean"},
            "principal": principal,
        }
    )


def _waiver() -> Schema:
    text = dict.fromkeys(("id", "owner", "approver", "reason", "expires", "ticket"), _TEXT)
    return {"anyOf": [{"type": "null"}, _record({**text, "break_glass": {"type": "boolean"}})]}


def _ruling() -> Schema:
    return {
        "control": _TEXT,
        "outcome": {"enum": list(get_args(Outcome))},
        "level": {"enum": list(get_args(Level))},
        "effect": {"enum": list(get_args(Effect))},
        "why_level": _TEXT,
        "expected": _TEXT,
        "reason": _TEXT,
        "unset_parameters": _TEXTS,
        "observed": _record(_facts(("/",))),
        "waiver": _waiver(),
    }


def _digests() -> Schema:
    named = dict.fromkeys(("evidence", "reference", "bundle", "settings", "waivers"), _DIGEST)
    return _record(
        {
            **named,
            "material": {"anyOf": [_DIGEST, {"const": ""}], "description": "empty where a part of it was not read"},
        }
    )


def _ledger(**more: Schema) -> Schema:
    texts = dict.fromkeys(("account", "region", "api", "error", "request_id", "covered_by"), _TEXT)
    return {
        "type": "array",
        "items": _record(
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


def decision_schema() -> Schema:
    """What `--format json` writes."""
    counts = {
        name: {"type": "integer", "minimum": 0}
        for name in ("blocked", "flagged", "unknown", "passed", "not_applicable")
    }
    about = dict.fromkeys(("help", "title", "policy", "source"), _TEXT)
    finding = {
        **_ruling(),
        **about,
        "severity": {"enum": ["low", "medium", "high", "critical"]},
        "engine": {"enum": ["cedar", "python"]},
    }
    head = {"$schema": _DRAFT, "title": "modelwarden decision", "$defs": _definitions()}
    return head | _record(
        {
            "schema": {"const": decision_json.SCHEMA_VERSION},
            "run": _TEXT,
            "verdict": {"enum": list(get_args(Verdict))},
            "package": _TEXT,
            "request": _request(),
            "counts": _record(counts),
            "findings": {"type": "array", "items": _record(finding)},
            "notices": _TEXTS,
            "advisory": {"type": "boolean"},
            "asserted": {"type": "array", "items": {"enum": ["evidence", "principal", "as_of"]}},
            "off": _TEXTS,
            "rollback": _rollback(),
            "digests": _digests(),
            "coverage": _ledger(),
            "versions": {"type": "object", "additionalProperties": _TEXT},
        }
    )


def _counts(names: Iterable[str]) -> Schema:
    """Numbers by name; a name that counts nothing may be left out."""
    count = {"type": "integer", "minimum": 0}
    return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(names, count)}


def scan_schema() -> Schema:
    """What `modelwarden scan --format json` writes, and its folder holds as `manifest.json`."""
    verdicts = list(get_args(Verdict))
    number = {"type": "integer", "minimum": 0}
    hole = _record(dict.fromkeys(("account", "region", "why"), _TEXT))
    coverage = {
        "expected": number,
        "read": number,
        "unread": {"type": "array", "items": hole},
        "failed": _ledger(),
        "skipped": _ledger(),
        "accepted": _ledger(owner=_TEXT, reason=_TEXT, expires=_TEXT),
    }
    named = {
        **dict.fromkeys(("package", "stage", "moment", "why"), _TEXT),
        "verdict": {"enum": [*verdicts, "unmapped"]},
        "controls": _TEXTS,
    }
    unrecorded = {**dict.fromkeys(("package", "why"), _TEXT), "state": {"enum": ["out of band", "not told"]}}
    kinds = ["unregistered", "not told", "not judged"]
    stray = {**dict.fromkeys(("endpoint", "variant", "what"), _TEXT), "kind": {"enum": kinds}}
    card = {
        **dict.fromkeys(("card", "status", "created", "changed", "what"), _TEXT),
        "kind": {"enum": ["standalone", "not told"]},
    }
    outcomes = _counts(get_args(Outcome))
    head = {"$schema": _DRAFT, "title": "modelwarden scan"}
    return head | _record(
        {
            "schema": {"const": MANIFEST},
            "id": _TEXT,
            "kind": {"const": "scan"},
            **dict.fromkeys(("started_at", "finished_at", "as_of"), _TIME),
            **{name: {"type": "boolean"} for name in ("as_of_asserted", "advisory", "complete")},
            "source": {"enum": ["organization", "settings"]},
            "coverage": _record(coverage),
            "since": {
                **_TEXT,
                "description": "the scan whose evidence counts where nothing changed; empty: all was read",
            },
            "full_at": {**_TIME, "description": "when everything was read last"},
            "tables": {
                "type": "object",
                "additionalProperties": _TEXT,
                "description": "SHA-256 of each file of the tables and references",
            },
            "packages": _counts(ROLES),
            "carried": {"type": "integer", "minimum": 0, "description": "packages whose evidence an earlier scan read"},
            "verdicts": _counts(verdicts),
            "blocked": {
                **_counts(("approve", "serve")),
                "description": "by moment: at serve, what is approved or deployed and should not be",
            },
            "approvals": {
                **_counts(get_args(State)),
                "description": "what the organization's records say of approved packages; empty where none are kept",
            },
            "unrecorded": {"type": "array", "items": _record(unrecorded)},
            "accounts": {"type": "object", "additionalProperties": _counts([*verdicts, *ROLES])},
            "controls": {"type": "object", "additionalProperties": outcomes},
            "named": {"type": "array", "items": _record(named)},
            "endpoints": _counts(["judged", *kinds]),
            "strays": {"type": "array", "items": _record(stray)},
            "copies": _copies(),
            "hub": {**_hub(), "description": "only where the settings name one"},
            "cards": {
                **_counts(("of a package", "standalone", "not told")),
                "description": "standalone model cards that were listed; empty where nobody asked",
            },
            "loose_cards": {"type": "array", "items": _record(card)},
            "cards_unread": {
                "type": "array",
                "items": hole,
                "description": "where nobody knows which cards there are: they are not among the counts",
            },
            "digest": _DIGEST,
            "previous": {**_TEXT, "description": "the scan that ended before this one, by the store"},
            "new": {**_TEXTS, "description": "packages that are blocked, and were not in that scan"},
            "checksum": {**_DIGEST, "description": "over all else; only in the file"},
        },
        ("hub", "previous", "new", "checksum"),
    )


def _copies() -> Schema:
    link = {"enum": list(get_args(Link))}
    verdict = {"enum": [*get_args(Verdict), ""], "description": "empty where it was not judged"}
    texts = dict.fromkeys(("package", "origin", "stage", "original_stage"), _TEXT)
    copy = {**texts, "link": link, "verdict": verdict, "original_verdict": verdict}
    about = "by whether the original is a package of the scan, is not there, was not read, or none is named"
    number = {"type": "integer", "minimum": 0}
    return _record(
        {
            "counts": {**_counts(get_args(Link)), "description": about},
            "outliving": {**number, "description": "copies that may go live while their original is blocked"},
            "unread": {**number, "description": "packages of which nobody read whether they are copies"},
            "named": {"type": "array", "items": _record(copy)},
        }
    )


def _hub() -> Schema:
    number = {"type": "integer", "minimum": 0}
    outsider = {
        **dict.fromkeys(("package", "origin"), _TEXT),
        "role": {"enum": [role for role in ROLES if role != "gone"]},
        "verdict": {"enum": [*get_args(Verdict), ""]},
    }
    blind = _record(dict.fromkeys(("account", "region", "why"), _TEXT))
    unjudged = _record({**dict.fromkeys(("group", "why"), _TEXT), "seen_from": _TEXTS})
    return _record(
        {
            "account": _TEXT,
            "shared": {**number, "description": "packages that another account of the scan sees"},
            "unsure": {**number, "description": "packages of which some account could not tell whether it sees them"},
            "outside": {**number, "description": "packages that are registered outside the hub"},
            "outsiders": {"type": "array", "items": _record(outsider)},
            "blind": {"type": "array", "items": blind},
            "unjudged": {"type": "array", "items": unjudged},
        }
    )


def report_schema() -> Schema:
    """What `modelwarden report --format json` writes."""
    return {"$schema": _DRAFT, "title": "modelwarden report", **msgspec.json.schema(Document)}


def pack_schema() -> Schema:
    """`MANIFEST.json` of an evidence pack."""
    return {"$schema": _DRAFT, "title": "modelwarden evidence pack", **msgspec.json.schema(PackManifest)}


def _standing() -> Schema:
    """What one scan recorded of a package."""
    texts = dict.fromkeys(("why", "stage", "moment"), _TEXT)
    judged = {"verdict": {"enum": ["", *get_args(Verdict)]}, "controls": _TEXTS}
    return {"anyOf": [{"type": "null"}, _record({"role": {"enum": list(ROLES)}, **texts, **judged})]}


def _difference() -> Schema:
    """A finding that is another one, and why."""
    ruling = {
        "outcome": {"enum": list(get_args(Outcome))},
        "level": {"enum": list(get_args(Level))},
        "effect": {"enum": list(get_args(Effect))},
        **dict.fromkeys(("why_level", "waiver"), _TEXT),
    }
    said = {"anyOf": [{"type": "null"}, _record(ruling)]}
    cause = {"kind": {"enum": list(get_args(CauseKind))}, **dict.fromkeys(("name", "before", "after"), _TEXT)}
    return _record(
        {
            "control": _TEXT,
            "before": said,
            "after": said,
            "causes": {"type": "array", "items": _record(cause), "minItems": 1},
            "hidden": {"type": "integer", "minimum": 0, "description": "further facts that differ"},
        }
    )


def comparison_schema() -> Schema:
    """What `modelwarden compare --format json` writes."""
    number = {"type": "integer", "minimum": 0}
    scan = {
        **dict.fromkeys(("id", "started_at", "finished_at", "as_of"), _TEXT),
        **{name: {"type": "boolean"} for name in ("as_of_asserted", "complete")},
        **dict.fromkeys(("expected", "read"), number),
        **dict.fromkeys(("bundle", "settings", "waivers"), _DIGEST),
        "versions": {"type": "object", "additionalProperties": _TEXT},
    }
    reached = _record({"reach": {"enum": list(get_args(Reach))}, "why": _TEXT})
    cell = _record({"account": _TEXT, "region": _TEXT, "earlier": reached, "later": reached})
    failed = _record(dict.fromkeys(("account", "region", "api", "state", "error"), _TEXT))
    severity = {"enum": ["low", "medium", "high", "critical"]}
    control = _record({"id": _TEXT, "title": _TEXT, "severity": severity, "outcomes": _counts(get_args(Outcome))})
    kinds = list(get_args(Kind))
    causes = list(get_args(CauseKind))
    group = {
        **dict.fromkeys(("control", "before", "after"), _TEXT),
        "causes": {"type": "array", "items": {"enum": causes}},
        "findings": number,
    }
    change = {
        "package": _TEXT,
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
        "edited": {**_TEXTS, "description": "controls of both scans whose files differ"},
    }
    head = {"$schema": _DRAFT, "title": "modelwarden comparison"}
    return head | _record(
        {
            "schema": {"const": document.SCHEMA_VERSION},
            "complete": {"type": "boolean", "description": "whether both scans are"},
            "earlier": _record(scan),
            "later": _record(scan),
            "notes": _TEXTS,
            "coverage": _record(coverage),
            "controls": _record(controls),
            "packages": {**_counts(kinds), "description": "all that changed, by what became of them"},
            "unchanged": number,
            "newly_blocked": number,
            "lost": {
                **number,
                "description": "packages that the earlier scan could decide, and the later one could not",
            },
            "causes": {**_counts(causes), "description": "findings that changed, by each kind of cause"},
            "groups": {"type": "array", "items": _record(group)},
            "changes": {"type": "array", "items": _record(change), "description": "the worst of each kind"},
        }
    )


def runs_schema() -> Schema:
    """What `modelwarden runs --format json` writes."""
    texts = ("id", "location", "bundle", "settings", "waivers", "started_at", "as_of")
    number = {"type": "integer", "minimum": 0}
    run = {
        **dict.fromkeys(texts, _TEXT),
        "kind": {"const": "scan"},
        "finished_at": {**_TEXT, "description": "empty while it runs, or where it was not gone on with"},
        "complete": {"type": "boolean"},
        **dict.fromkeys(("expected_cells", "read_cells"), number),
        "verdicts": _counts(get_args(Verdict)),
        "digest": {**_TEXT, "description": "over what it found; empty where it did not end"},
        "asserted": {"type": "boolean", "description": "whether `as_of` was asserted instead of read from the clock"},
    }
    head = {"$schema": _DRAFT, "title": "modelwarden runs"}
    return head | _record({"schema": {"const": RUNS}, "runs": {"type": "array", "items": _record(run)}})


def history_schema() -> Schema:
    """What `modelwarden history --format json` writes."""
    verdict: Schema = {"enum": ["", *get_args(Verdict)], "description": "empty where it was not judged"}
    role: Schema = {"enum": list(get_args(SeenRole))}
    digests = ("evidence", "material", "bundle", "settings", "waivers")
    seen = {
        **dict.fromkeys(("package", "account", "region", "run", "at", *digests), _TEXT),
        "stage": {"enum": ["", *STAGES]},
        "moment": {"enum": ["", *MOMENTS]},
        "role": role,
        "verdict": verdict,
        "controls": {**_TEXTS, "description": "those that block or leave it undecided"},
    }
    standing = {
        "seen": _record(seen),
        **dict.fromkeys(("run", "first_seen", "last_seen", "changed_at", "changed_by", "closed_why"), _TEXT),
        "previous_verdict": verdict,
        "closed_at": {**_TEXT, "description": "since when it is not there any more; empty while it is"},
    }
    change = {
        **dict.fromkeys(("package", "run", "at", "bundle"), _TEXT),
        "event": {"enum": list(get_args(Event))},
        "role": role,
        **dict.fromkeys(("verdict", "previous"), verdict),
        "why": _TEXTS,
    }
    head = {"$schema": _DRAFT, "title": "modelwarden history"}
    changes: Schema = {"type": "array", "items": _record(change)}
    return head | _record({"schema": {"const": HISTORY}, "standing": _record(standing), "changes": changes})


def _rollback() -> Schema:
    earlier = {
        **dict.fromkeys(("run", "decided_by"), _TEXT),
        "verdict": {"enum": ["allow", "flag"]},
        "moment": {"enum": list(MOMENTS)},
        "decided_at": _TIME,
        "bundle": _DIGEST,
    }
    return {"anyOf": [{"type": "null"}, _record(earlier)]}


def _precedent() -> Schema:
    unread = _record({"state": {"const": "unknown"}, "reason": _TEXT, "detail": _TEXT})
    return {"anyOf": [*_rollback()["anyOf"], unread]}


def _again(supposed: Schema, more: Schema) -> Schema:
    """What every document has that comes of judging a record again."""
    versions = dict.fromkeys(("modelwarden", "cedarpy", "python"), _TEXT)
    return {
        "hypothetical": supposed,
        "kind": {"enum": ["gate", "scan"]},
        "run": {**_TEXT, "description": "id of the run; of a folder of runs its name"},
        "versions": {**_record(versions), "description": "that judged here"},
        **more,
    }


def _named(**more: Schema) -> Schema:
    texts = dict.fromkeys(("package", "run", "stage", "moment", "why"), _TEXT)
    return {"type": "array", "items": _record({**texts, **more})}


def replay_schema() -> Schema:
    """What `modelwarden replay --format json` writes."""
    number = {"type": "integer", "minimum": 0}

    def counted(*names: str) -> Schema:
        return {"type": "array", "items": _record({**dict.fromkeys(names, _TEXT), "decisions": number})}

    supposed = {
        "as_of": {"anyOf": [{"type": "null"}, _TIME]},
        "bundle": _TEXTS,
        **dict.fromkeys(("config", "organization"), _MAYBE),
    }
    difference = _record(dict.fromkeys(("control", "what", "recorded", "again"), _TEXT))
    named = _named(differences={"type": "array", "items": difference})
    head = {"$schema": _DRAFT, "title": "modelwarden replay"}
    more = {
        "supposed": {
            "anyOf": [{"type": "null"}, _record(supposed)],
            "description": "what is supposed instead of what was recorded; null where nothing is",
        },
        "decisions": _record(dict.fromkeys(("recorded", "agree", "differ", "not_judged"), number)),
        "recorded_by": counted("modelwarden", "cedarpy", "python"),
        "recorded_rules": counted("bundle", "settings", "waivers"),
        "verdicts": counted("recorded", "again"),
        "controls": {**counted("control", "recorded", "again"), "description": "outcomes that differ"},
        "uncollected": {**counted("control", "fact"), "description": "facts that a control reads and nobody collected"},
        "differing": {**named, "description": "at most 1,000"},
        "not_judged": {**named, "description": "at most 1,000, with the reason"},
        "not_named": {**number, "description": "decisions that are counted and not named"},
    }
    return head | _record({"schema": {"const": render_replay.SCHEMA}, **_again({"type": "boolean"}, more)})


def forecast_schema() -> Schema:
    """What `modelwarden forecast --format json` writes."""
    number = {"type": "integer", "minimum": 0}
    effect, verdict = {"enum": list(get_args(Effect))}, {"enum": list(get_args(Verdict))}
    turn = {
        "when": _TIME,
        **dict.fromkeys(("package", "stage", "moment", "control"), _TEXT),
        "before": effect,
        "after": effect,
        "verdict_before": verdict,
        "verdict_after": verdict,
        "because": {**_TEXT, "description": "what a control that reads the clock says by then"},
    }
    cause = {
        "kind": {"enum": list(get_args(outlook.Kind))},
        **dict.fromkeys(("id", "why"), _TEXT),
        "first": _TIME,
        "decisions": number,
        "turns": {"type": "array", "items": _record(turn), "description": "the soonest, at most 1,000"},
        "not_named": {**number, "description": "turns that are counted and not named"},
    }
    head = {"$schema": _DRAFT, "title": "modelwarden forecast"}
    moment = {"anyOf": [_TIME, {"const": ""}]}
    more = {
        "from": moment,
        "to": moment,
        "days": {"type": "integer", "minimum": 1},
        "decisions": _record(dict.fromkeys(("recorded", "turning", "not_judged"), number)),
        "clock_readers": {**_TEXTS, "description": "controls that read the clock; no other fails by age"},
        "verdicts": {
            "type": "array",
            "items": _record({"first": verdict, "last": verdict, "decisions": number}),
            "description": "at the beginning and at the end",
        },
        "causes": {"type": "array", "items": _record(cause), "description": "the soonest first"},
        "not_judged": _named(),
    }
    return head | _record({"schema": {"const": render_forecast.SCHEMA}, **_again({"const": True}, more)})


def run_schema() -> Schema:
    """What a gate records."""
    decision = {
        "package": _TEXT,
        "request": _request(),
        "verdict": {"enum": list(get_args(Verdict))},
        "rulings": {"type": "array", "items": _record(_ruling())},
        "digests": _digests(),
        "advisory": {"type": "boolean"},
        "asserted": _TEXTS,
        "notices": _TEXTS,
        "off": _TEXTS,
        "rollback": _rollback(),
    }
    texts = dict.fromkeys(("id", "title", "rationale", "remediation", "source", "since", "path", "expected"), _TEXT)
    lists = dict.fromkeys(("reads", "parameters", "moments", "undecidable_without"), _TEXTS)
    control = {
        **texts,
        **lists,
        "severity": {"enum": ["low", "medium", "high", "critical"]},
        "engine": {"enum": ["cedar", "python"]},
        "line": {"type": "integer"},
        "origin": {"enum": ["built-in", "user"]},
    }
    file = _record({"path": _TEXT, "sha256": _DIGEST, "text": _TEXT})
    head = {"$schema": _DRAFT, "title": "modelwarden run", "$defs": _definitions()}
    return head | _record(
        {
            "schema": {"const": run.SCHEMA_VERSION},
            "id": _TEXT,
            "kind": {"const": "gate"},
            "started_at": _TIME,
            "finished_at": _TIME,
            "versions": {"type": "object", "additionalProperties": _TEXT},
            "decision": _record(decision),
            "evidence": _record({**_evidence_properties(), "asserted": {"type": "boolean"}}, ("reference",)),
            "reference": _record(_facts(("/reference/",))),
            "ledger": _ledger(),
            "controls": {"type": "object", "additionalProperties": _record(control)},
            "bundle": _record({"digest": _DIGEST, "files": {"type": "array", "items": file}}),
            "settings": {
                "type": "object",
                "description": "layers, parameters, enforcement, scopes and waivers as they held",
            },
            "rollback": {
                **_record({"precedent": _precedent()}),
                "description": "only where a rollback was asked for: what the organization's records said of it",
            },
            "checksum": _DIGEST,
        },
        ("rollback",),
    )


def attestation_schema() -> Schema:
    """The statement about a decision, in the first envelope of an attestation."""
    hex_ = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    ids = {"type": "array", "items": _TEXT}
    subject = _record({"name": _TEXT, "digest": _record({"sha256": hex_})})
    waiver = _record({"id": _TEXT, "controls": ids, "expires": _TEXT, "breakGlass": {"type": "boolean"}})
    predicate = _record(
        {
            "run": _TEXT,
            "runSha256": hex_,
            "versions": {"type": "object", "additionalProperties": _TEXT},
            "package": _TEXT,
            "request": _record(
                {
                    "stage": {"enum": list(STAGES)},
                    "moment": {"enum": list(MOMENTS)},
                    "asOf": _TIME,
                    "principal": {"type": ["string", "null"]},
                }
            ),
            "verdict": {"enum": list(get_args(Verdict))},
            "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            "controls": {"type": "object", "additionalProperties": ids},
            "waivers": {"type": "array", "items": waiver},
            "rollbackTo": {"type": ["string", "null"]},
            "coverage": _record({"read": {"type": "integer", "minimum": 0}, "unread": _TEXTS}),
            "digests": {
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            },
            "uncovered": {"type": "array", "items": _record({"name": _TEXT, "uri": _TEXT, "version": _TEXT})},
            "abridged": {"type": "boolean"},
        }
    )
    head = {"$schema": _DRAFT, "title": "modelwarden attestation of a decision"}
    return head | _record(
        {
            "_type": {"const": attestation.STATEMENT},
            "subject": {"type": "array", "items": subject, "minItems": 1},
            "predicateType": {"const": attestation.DECISION},
            "predicate": predicate,
        }
    )


def log_entry_schema() -> Schema:
    """One entry of the log of decisions."""
    word = _record(
        {
            "run": _TEXT,
            "kind": {"enum": ["gate", "scan"]},
            "entered_at": _TIME,
            "subject": {**_TEXT, "description": "ARN of the package; empty for a scan"},
            "verdict": {"enum": ["", *get_args(Verdict)]},
            "sha256": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        }
    )
    head = {"$schema": _DRAFT, "title": "modelwarden log entry"}
    return head | _record(
        {
            "schema": {"const": entry.SCHEMA_VERSION},
            "number": {"type": "integer", "minimum": 1},
            "previous": {"type": "string", "pattern": "^([0-9a-f]{64})?$"},
            "previous_version": _TEXT,
            "word": word,
            "checksum": _DIGEST,
        }
    )
