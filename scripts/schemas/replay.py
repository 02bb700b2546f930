"""What was judged again, and what time alone changes."""

from __future__ import annotations

from typing import get_args

from scripts.schemas.parts import DRAFT, MAYBE, TEXT, TEXTS, TIME, Schema, record

from modelwarden.finding import Effect, Verdict
from modelwarden.render import forecast as render_forecast
from modelwarden.render import replay as render_replay
from modelwarden.replay import outlook


def _again(supposed: Schema, more: Schema) -> Schema:
    """What every document has that comes of judging a record again."""
    versions = dict.fromkeys(("modelwarden", "cedarpy", "python"), TEXT)
    return {
        "hypothetical": supposed,
        "kind": {"enum": ["gate", "scan"]},
        "run": {**TEXT, "description": "id of the run; of a folder of runs its name"},
        "versions": {**record(versions), "description": "that judged here"},
        **more,
    }


def _named(**more: Schema) -> Schema:
    texts = dict.fromkeys(("package", "run", "stage", "moment", "why"), TEXT)
    return {"type": "array", "items": record({**texts, **more})}


def replay_schema() -> Schema:
    """What `modelwarden replay --format json` writes."""
    number = {"type": "integer", "minimum": 0}

    def counted(*names: str) -> Schema:
        return {"type": "array", "items": record({**dict.fromkeys(names, TEXT), "decisions": number})}

    supposed = {
        "as_of": {"anyOf": [{"type": "null"}, TIME]},
        "bundle": TEXTS,
        **dict.fromkeys(("config", "organization"), MAYBE),
    }
    difference = record(dict.fromkeys(("control", "what", "recorded", "again"), TEXT))
    named = _named(differences={"type": "array", "items": difference})
    head = {"$schema": DRAFT, "title": "modelwarden replay"}
    more = {
        "supposed": {
            "anyOf": [{"type": "null"}, record(supposed)],
            "description": "what is supposed instead of what was recorded; null where nothing is",
        },
        "decisions": record(dict.fromkeys(("recorded", "agree", "differ", "not_judged"), number)),
        "recorded_by": counted("modelwarden", "cedarpy", "python"),
        "recorded_rules": counted("bundle", "settings", "waivers"),
        "verdicts": counted("recorded", "again"),
        "controls": {**counted("control", "recorded", "again"), "description": "outcomes that differ"},
        "uncollected": {**counted("control", "fact"), "description": "facts that a control reads and nobody collected"},
        "differing": {**named, "description": "at most 1,000"},
        "not_judged": {**named, "description": "at most 1,000, with the reason"},
        "not_named": {**number, "description": "decisions that are counted and not named"},
    }
    return head | record({"schema": {"const": render_replay.SCHEMA}, **_again({"type": "boolean"}, more)})


def forecast_schema() -> Schema:
    """What `modelwarden forecast --format json` writes."""
    number = {"type": "integer", "minimum": 0}
    effect, verdict = {"enum": list(get_args(Effect))}, {"enum": list(get_args(Verdict))}
    turn = {
        "when": TIME,
        **dict.fromkeys(("package", "stage", "moment", "control"), TEXT),
        "before": effect,
        "after": effect,
        "verdict_before": verdict,
        "verdict_after": verdict,
        "because": {**TEXT, "description": "what a control that reads the clock says by then"},
    }
    cause = {
        "kind": {"enum": list(get_args(outlook.Kind))},
        **dict.fromkeys(("id", "why"), TEXT),
        "first": TIME,
        "decisions": number,
        "turns": {"type": "array", "items": record(turn), "description": "the soonest, at most 1,000"},
        "not_named": {**number, "description": "turns that are counted and not named"},
    }
    head = {"$schema": DRAFT, "title": "modelwarden forecast"}
    moment = {"anyOf": [TIME, {"const": ""}]}
    more = {
        "from": moment,
        "to": moment,
        "days": {"type": "integer", "minimum": 1},
        "decisions": record(dict.fromkeys(("recorded", "turning", "not_judged"), number)),
        "clock_readers": {**TEXTS, "description": "controls that read the clock; no other fails by age"},
        "verdicts": {
            "type": "array",
            "items": record({"first": verdict, "last": verdict, "decisions": number}),
            "description": "at the beginning and at the end",
        },
        "causes": {"type": "array", "items": record(cause), "description": "the soonest first"},
        "not_judged": _named(),
    }
    return head | record({"schema": {"const": render_forecast.SCHEMA}, **_again({"const": True}, more)})
