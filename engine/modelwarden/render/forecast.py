"""What of a record turns worse by itself, for people and for programs. Schema: reports/schemas/forecast.schema.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import asdict

from modelwarden.render.text import printable, short
from modelwarden.replay.forecast import Forecast, Turning
from modelwarden.replay.outlook import Turn

SCHEMA: Final = "modelwarden.forecast/1"
BANNER: Final = "HYPOTHETICAL: a forecast by recorded evidence and rules. It is no decision and no record."
_SHOWN: Final = 20
"""Turns of one cause that the text names."""


def to_json(kind: str, id_: str, days: int, versions: Mapping[str, str], found: Forecast) -> dict[str, Any]:
    """The document of the schema."""
    return {
        "schema": SCHEMA,
        "hypothetical": True,
        "kind": kind,
        "run": id_,
        "versions": dict(versions),
        "from": found.start,
        "to": found.end,
        "days": days,
        "decisions": {"recorded": found.decisions, "turning": found.turning, "not_judged": found.not_judged},
        "clock_readers": sorted(found.readers),
        "verdicts": [
            {"first": first, "last": last, "decisions": count}
            for (first, last), count in sorted(found.verdicts.items())
        ],
        "causes": [_cause(key, one) for key, one in found.soonest()],
        "not_judged": [
            {name: value for name, value in asdict(one).items() if name != "differences"} for one in found.lost
        ],
    }


def text(kind: str, id_: str, days: int, found: Forecast) -> str:
    """For people; the last line but the banner is the count."""
    lines = [BANNER, f"{kind} {id_}, {days} days from {found.start or 'no time that could be read'}"]
    for (what, _), one in found.soonest():
        lines += _of_cause(what, one)
    lines += [f"not judged  {short(one.package)}, run {one.run}: {one.why}" for one in found.lost]
    if not found.readers and found.decisions > found.not_judged:
        lines.append("note: no control of these rules reads the clock, so nothing fails by age alone")
    lines.append(_count(days, found))
    return "".join(printable(line) + "\n" for line in lines)


def _of_cause(kind: str, one: Turning) -> Iterator[str]:
    decisions = f" ({one.decisions} decision{'' if one.decisions == 1 else 's'})" if kind != "gap" else ""
    yield f"{one.first}  {one.why}{decisions}"
    for turn in one.turns[:_SHOWN]:
        yield f"    {_turn(turn)}"
    if one.count > _SHOWN:
        yield f"    and {one.count - _SHOWN} more"


def _turn(turn: Turn) -> str:
    verdict = " -> ".join(dict.fromkeys((turn.verdict_before, turn.verdict_after)))
    place = f"{short(turn.package)} -> {turn.stage} ({turn.moment})"
    because = f": {turn.because}" if turn.because else ""
    effect = " -> ".join(dict.fromkeys((turn.before, turn.after)))
    return f"{turn.when}  {place}  {turn.control} {effect}, verdict {verdict}{because}"


def _count(days: int, found: Forecast) -> str:
    if not found.decisions:
        return "no decision is recorded there, so nothing can be told"
    rest = found.decisions - found.turning - found.not_judged
    return (
        f"{found.decisions} decisions: {found.turning} turn worse within {days} days, {rest} do not,"
        f" {found.not_judged} could not be judged"
    )


def _cause(key: tuple[str, str], one: Turning) -> dict[str, Any]:
    turns = [{name: value for name, value in asdict(turn).items() if name != "cause"} for turn in one.turns]
    return {
        "kind": key[0],
        "id": key[1],
        "why": one.why,
        "first": one.first,
        "decisions": one.decisions,
        "turns": turns,
        "not_named": one.count - len(turns),
    }
