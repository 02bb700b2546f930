"""Why a finding is another one: what differs between two scans, among the things that it rests on.

Nothing is judged again, so this is what the records show to differ, and no more: a fact, a file, a parameter that the
control reads, a setting, a waiver. `clock` is said where the rules of the earlier scan give what the later one recorded
as soon as the later time is put into them, or where the control reads the time and nothing else that it reads differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from msgspec import Struct

from modelwarden.compare.change import Cause, Difference
from modelwarden.compare.recorded import Recorded
from modelwarden.evidence import Absent, Evidence, Fact, Present, Unknown
from modelwarden.facts import KEYED
from modelwarden.finding import Level
from modelwarden.request import Moment, Request, Stage
from modelwarden.settings import Effective
from modelwarden.settings.effective import instant
from modelwarden.tables.pairs import Found, Said

SHOWN: Final = 10
"""Facts that one finding names."""
_LONGEST: Final = 500
"""Characters of one value."""
_OPEN: Final = ("fail", "unknown")
_TIME: Final = "/request/as_of"


class Judged(Struct, frozen=True):
    """One package as one scan judged it."""

    scan: Recorded
    found: Found
    evidence: Evidence | None
    """None where it was not kept."""

    def rules(self, as_of: str | None = None) -> Effective | None:
        """The settings that held for it, or would have held at another time; None where they cannot be told."""
        settings = self.scan.settings
        if settings is None or self.evidence is None:
            return None
        stage, moment = cast("Stage", self.found.stage), cast("Moment", self.found.moment)
        return settings.effective(self.evidence, Request(stage, moment, as_of or self.found.as_of))


def why(one: Judged, two: Judged, control: str, before: Said | None, after: Said | None) -> Difference:
    """What a finding rests on that differs; `before` and `after` as the scans recorded it, at least one of them."""
    facts: list[Cause] = []
    causes = [*_request(one.found, two.found)]
    if before is None or after is None:
        causes += _presence(one, two, control, before, after)
    else:
        if before.outcome != after.outcome:
            facts = [*_evidence(one, two, control)]
            causes += [*facts[:SHOWN], *_rules(one, two, control)]
            causes = causes or [*_elapsed(one, two, control)]
        if before.waiver != after.waiver and before.outcome in _OPEN and after.outcome in _OPEN:
            for waiver in filter(None, (before.waiver, after.waiver)):
                causes += _waiver(one, two, waiver, before, after)
        if before.level != after.level and before.effect != after.effect:
            causes += _level(one, two, control, before, after)
    found = tuple(dict.fromkeys(causes)) or (Cause("not told"),)
    return Difference(control, before, after, found, len(facts[SHOWN:]))


def _request(one: Found, two: Found) -> Iterator[Cause]:
    for name in ("stage", "moment"):
        then, now = getattr(one, name), getattr(two, name)
        if then != now:
            yield Cause("request", name, then, now)


def _presence(one: Judged, two: Judged, control: str, before: Said | None, after: Said | None) -> Iterator[Cause]:
    """A control that only one of the scans judged: the other had none of that id, or its settings switched it off."""
    for judged, absent in ((one, before is None), (two, after is None)):
        if absent and control not in judged.scan.plan.controls:
            path = (two if judged is one else one).scan.plan.controls[control].path
            yield Cause("policy", path, *(("not there", "there") if judged is one else ("there", "not there")))
            return
    yield from _level(one, two, control, before, after)


def _evidence(one: Judged, two: Judged, control: str) -> Iterator[Cause]:
    """Facts of the package and of the reference that the control reads; one without a name where nobody kept them."""
    reads = _reads(one, two, control)
    if one.evidence is not None and two.evidence is not None:
        yield from _facts("evidence", one.evidence, two.evidence, reads)
    elif one.found.evidence != two.found.evidence:
        yield Cause("evidence")
    if one.found.reference != two.found.reference:
        then, now = (Evidence("reference", judged.scan.reference(judged.found.reference)) for judged in (one, two))
        yield from _facts("reference", then, now, reads)


def _facts(kind: Any, then: Evidence, now: Evidence, reads: frozenset[str]) -> Iterator[Cause]:
    read = _pattern(reads)
    for pointer in dict.fromkeys((*then.facts, *now.facts)):
        if read.fullmatch(pointer):
            before, after = _text(then.get(pointer)), _text(now.get(pointer))
            if before != after:
                yield Cause(kind, pointer, *apart(before, after))


def _rules(one: Judged, two: Judged, control: str) -> Iterator[Cause]:
    """Files, parameters and versions."""
    files, later = one.scan.files_of(control), two.scan.files_of(control)
    yield from (Cause("policy", *difference) for difference in _different(files, later, "not there"))
    yield from (Cause("parameters", *difference) for difference in _parameters(one, two, control))
    versions = one.scan.plan.versions, two.scan.plan.versions
    yield from (Cause("engine", *difference) for difference in _different(*versions, "not there"))


def _parameters(one: Judged, two: Judged, control: str) -> Iterable[tuple[str, str, str]]:
    """(name, value before, value after); one without a name where the settings differ and cannot be told."""
    names = {*one.scan.plan.controls[control].parameters, *two.scan.plan.controls[control].parameters}
    rules, later = one.rules(), two.rules()
    if rules is None or later is None:
        differ = one.scan.settings_digest("digest") != two.scan.settings_digest("digest")
        return [("", "", "")] if names and differ else []
    return _different(_values(rules, names), _values(later, names), "not set")


def _elapsed(one: Judged, two: Judged, control: str) -> Iterator[Cause]:
    """The time, where the control reads it and everything else that it reads is known to be the same."""
    known = one.rules() is not None and two.rules() is not None
    if known and _TIME in _reads(one, two, control) and one.found.as_of != two.found.as_of:
        yield _clock(one, two)


def _waiver(one: Judged, two: Judged, waiver: str, before: Said, after: Said) -> Iterator[Cause]:
    then, now = _state(one, waiver, before), _state(two, waiver, after)
    if then == now:
        return
    yield Cause("waiver", waiver, then, now)
    terms = [
        {name: value for name, value in found.to_json().items() if name != "path"}
        for judged in (one, two)
        for found in (judged.scan.settings.waivers if judged.scan.settings else ())
        if found.id == waiver
    ]
    if len(terms) == 2 and terms[0] == terms[1] and _live(one, waiver) != _live(two, waiver):
        yield _clock(one, two)


def _state(judged: Judged, waiver: str, said: Said) -> str:
    if said.waiver == waiver:
        return "counts"
    return _live(judged, waiver)


def _live(judged: Judged, waiver: str) -> str:
    """What the settings say of a waiver at the time of the scan."""
    settings = judged.scan.settings
    if settings is None:
        return "does not count"
    found = next((one for one in settings.waivers if one.id == waiver), None)
    if found is None:
        return "not there"
    state = found.state(instant(judged.found.as_of))
    return "live, and does not cover it" if state == "live" else state


def _level(one: Judged, two: Judged, control: str, before: Said | None, after: Said | None) -> Iterator[Cause]:
    """The level at which the control acts; the time, too, if it alone explains it."""
    then, now = _acts(one, control, before), _acts(two, control, after)
    if then[0] == now[0]:
        return
    yield Cause("enforcement", control, *(f"{level} ({said})" if said else level for level, said in (then, now)))
    rules = one.rules(two.found.as_of)
    asked = (one.found.stage, one.found.moment) == (two.found.stage, two.found.moment)
    if asked and rules is not None and rules.level(control)[0] == now[0]:
        yield _clock(one, two)


def _acts(judged: Judged, control: str, said: Said | None) -> tuple[Level, str]:
    """(level, the setting that gave it); a control that was not judged was off."""
    if said is not None:
        return said.level, said.why_level
    rules = judged.rules()
    return rules.level(control) if rules is not None else ("off", "")


def _clock(one: Judged, two: Judged) -> Cause:
    return Cause("clock", "as_of", one.found.as_of, two.found.as_of)


def _reads(one: Judged, two: Judged, control: str) -> frozenset[str]:
    return frozenset({*one.scan.plan.controls[control].reads, *two.scan.plan.controls[control].reads})


@lru_cache(maxsize=512)
def _pattern(reads: frozenset[str]) -> re.Pattern[str]:
    """Of the pointers that these patterns read, with those that list the members of what they name."""
    listing = {found for one in reads for found in _listings(one)}
    parts = (re.escape(one).replace(r"\*", r"\d+") for one in sorted(reads | listing))
    return re.compile("|".join(re.sub(r"\\\{\w+\\\}", ".+", part) for part in parts))


def _listings(pattern: str) -> Iterator[str]:
    """`/artifact_count` of `/artifact/*/uri`, `/tag_keys` of `/tag/owner`."""
    yield from (f"{pattern[: found.start()]}_count" for found in re.finditer(r"/\*", pattern))
    yield from (keys for prefix, keys in KEYED.items() if pattern.startswith(prefix))


def _text(fact: Fact) -> str:
    match fact:
        case Present(value):
            return json.dumps(value, ensure_ascii=False)
        case Absent():
            return "absent"
        case Unknown(reason):
            return f"unknown: {reason}"


def _values(rules: Effective, names: Iterable[str]) -> dict[str, str]:
    """Parameter -> its value as text; a table key by key."""
    found: dict[str, str] = {}
    for name in sorted(names):
        if name in rules.parameters_unknown:
            found[name] = f"cannot be told: {rules.parameters_unknown[name]}"
        elif name in rules.parameters:
            found |= _flat(name, rules.parameters[name])
    return found


def _flat(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        return {key: text for inner, member in value.items() for key, text in _flat(f"{name}.{inner}", member).items()}
    return {name: json.dumps(value, ensure_ascii=False)}


def _different(then: Mapping[str, str], now: Mapping[str, str], without: str) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys((*then, *now)):
        before, after = then.get(name, without), now.get(name, without)
        if before != after:
            yield name, *apart(before, after)


def apart(before: str, after: str, longest: int = _LONGEST) -> tuple[str, str]:
    """Two texts that differ, each shortened to some `longest` characters so that one still sees that they do."""
    if max(len(before), len(after)) <= longest:
        return before, after
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (one, two) in pairs if one != two), min(len(before), len(after)))
    start = max(0, same - 20)
    return _window(before, start, longest), _window(after, start, longest)


def _window(text: str, start: int, longest: int) -> str:
    tail = "…" if len(text) > start + longest else ""
    return f"{'…' if start and text[start:] else ''}{text[start : start + longest]}{tail}"
