"""Waivers, and what is told of them."""

from __future__ import annotations

from typing import get_args

from scripts.schemas.parts import DRAFT, TEXT, TEXTS, Schema, record

from modelwarden.act import Proof
from modelwarden.waiver import REQUIRED, TARGETS, State
from modelwarden.waivers.standing import SCHEMA_VERSION as WAIVERS
from modelwarden.waivers.use import Need


def waiver_schema() -> Schema:
    """A file of waivers in the organization layer, as JSON holds its TOML. Who may approve and how long it may last is checked when it is read."""
    named = {"type": "string", "minLength": 1}
    some = {"anyOf": [named, {"type": "array", "items": named, "minItems": 1}]}
    moment = {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d", "description": "a date, or a time with its zone"}
    act = {"by": named, "at": moment, "proof": {"enum": list(get_args(Proof))}, "principal": named}
    requested = record(act, ("principal",))
    fields = {
        **dict.fromkeys(("id", "owner", "reason", "ticket"), named),
        "controls": some,
        "expires": moment,
        "approver": some,
        "granted": moment,
        **{name: {**named, "pattern": "^arn:"} for name in ("package", "pattern")},
        **dict.fromkeys(("group", "region"), named),
        "account": {"type": "string", "pattern": "^\\d{12}$"},
        "expected_packages": {"type": "integer", "minimum": 1, "description": "how many it is to cover at most"},
        **{name: {"type": "boolean"} for name in ("unknown", "break_glass", "loud")},
        "renews": {**named, "description": "id of the waiver that it goes on with"},
        "requested": requested,
        "approval": {"type": "array", "items": requested},
        "revoked": record({**act, "reason": named}, ("principal",)),
    }
    missing = tuple(name for name in fields if name not in REQUIRED or name == "approver")
    waiver = record(fields, missing) | {
        "oneOf": [{"required": [name]} for name in TARGETS],
        "anyOf": [{"required": ["approver"]}, {"required": ["requested"]}],
    }
    head = {"$schema": DRAFT, "title": "modelwarden waivers"}
    return head | record({"waiver": {"type": "array", "items": waiver, "minItems": 1}})


def waivers_schema() -> Schema:
    """What `modelwarden waiver list`, `show` and `prune` write with `--format json`."""
    flag, number = {"type": "boolean"}, {"type": "integer", "minimum": 0}
    maybe = {"type": ["string", "null"]}
    act = {**dict.fromkeys(("by", "at", "principal", "reason"), TEXT), "proof": {"enum": list(get_args(Proof))}}
    done = record(act, ("principal", "reason"))
    expected = {"type": ["integer", "null"], "minimum": 1}
    use = record(
        {
            **dict.fromkeys(("id", "why"), TEXT),
            "need": {"enum": list(get_args(Need))},
            "packages": {**number, "description": "the most that one scan found"},
            "expected_packages": expected,
            "too_wide": flag,
        }
    )
    row = {
        **dict.fromkeys(("id", "owner", "reason", "ticket", "expires", "path", "why"), TEXT),
        **dict.fromkeys(TARGETS, TEXT),
        **dict.fromkeys(("account", "region", "granted"), maybe),
        **dict.fromkeys(("controls", "approver"), TEXTS),
        **dict.fromkeys(("unknown", "break_glass", "loud"), flag),
        **dict.fromkeys(("requested", "revoked"), done),
        "approval": {"type": "array", "items": done},
        "renews": TEXT,
        "expected_packages": expected,
        "state": {"enum": [*get_args(State), "expiring", "refused"]},
        "days_left": {"type": ["integer", "null"], "description": "null where it counts no more"},
        "use": {**use, "description": "only with --unused"},
    }
    optional = (*TARGETS, "requested", "revoked", "approval", "renews", "expected_packages", "use")
    rows = {"type": "array", "items": record(row, optional)}
    head = {"$schema": DRAFT, "title": "modelwarden waiver list"}
    document = {"schema": {"const": WAIVERS}, "waivers": rows, "uses": {"type": "array", "items": use}}
    return head | record(document, ("waivers", "uses"))
