"""Where two decisions about one package differ: as they were recorded, or in what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from modelwarden.finding import Decision
from modelwarden.run import decision_to_json

NONE: Final = "none"
"""What a control says that one of the two does not know, or has switched off."""
_SILENT: Final = ("pass", "not-applicable")
"""Outcomes of which the tables of a scan keep no facts."""
_NOTHING: Final[dict[str, Any]] = {"sources": [], "facts": {}}
_SHOWN: Final = 300
"""Characters of a value."""


class Difference(Struct, frozen=True):
    """One thing that is otherwise."""

    control: str
    """Empty where it is about the decision as a whole."""
    what: str
    """`outcome`, `effect` or another field of a ruling; `verdict`, `digests.evidence` or another one of a decision."""
    recorded: str
    again: str


def differences(recorded: Decision, again: Decision, *, whole: bool) -> list[Difference]:
    """Everything in which two decisions differ as they are recorded; of a scan (not `whole`) as its tables keep them."""
    old, new = decision_to_json(recorded), decision_to_json(again)
    if not whole:
        for ruling in new["rulings"]:
            if ruling["outcome"] in _SILENT:
                ruling["observed"] = _NOTHING
    if _encoded(old) == _encoded(new):
        return []
    return [*_of_rulings(old, new), *_of_fields("", _flat(old), _flat(new))]


def changes(recorded: Decision, again: Decision) -> list[Difference]:
    """What a decision says otherwise: its verdict, and outcome and effect of its controls."""
    old, new = decision_to_json(recorded), decision_to_json(again)
    verdict = _of_fields("", {"verdict": old["verdict"]}, {"verdict": new["verdict"]})
    return [*verdict, *(one for one in _of_rulings(old, new) if one.what in ("outcome", "effect"))]


def _of_rulings(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    before = {ruling["control"]: ruling for ruling in old["rulings"]}
    after = {ruling["control"]: ruling for ruling in new["rulings"]}
    absent = {"outcome": NONE, "effect": NONE}
    for control in sorted(before.keys() | after.keys()):
        one, other = before.get(control, absent), after.get(control, absent)
        names = ("outcome", "effect")
        # Where the outcome is another one, so are the facts and words behind it.
        if one["outcome"] == other["outcome"]:
            names = tuple(one)
        yield from _of_fields(control, {name: one[name] for name in names}, {name: other[name] for name in names})


def _flat(decision: dict[str, Any]) -> dict[str, Any]:
    """The fields of a decision, each digest for itself."""
    fields = {name: value for name, value in decision.items() if name not in ("rulings", "digests")}
    return fields | {f"digests.{name}": value for name, value in decision["digests"].items()}


def _of_fields(control: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for name, value in old.items():
        if _encoded(value) != _encoded(new[name]):
            yield Difference(control, name, _shown(value), _shown(new[name]))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _encoded(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)
