"""What came of judging a record again, for people and for programs. Schema: reports/schemas/replay.schema.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from modelwarden.render.text import printable, short
from modelwarden.replay.difference import Difference
from modelwarden.replay.tally import Named, Tally

SCHEMA: Final = "modelwarden.replay/1"
BANNER: Final = "HYPOTHETICAL: what would be said, not what was said. It is no decision and no record."
_VERDICTS: Final = ("block", "undecided", "flag", "allow")
"""As now, the worst first."""
_ROWS: Final = 50
"""Of each table of the text; the rest is counted."""


class Heading(Struct, frozen=True):
    """What was judged again, and by what."""

    kind: str
    """`gate` or `scan`."""
    id: str
    versions: Mapping[str, str]
    """That judge here."""
    supposed: Mapping[str, Any] | None = None
    """`as_of`, `bundle`, `config`, `organization`, as they were named; None where nothing is supposed."""


def to_json(heading: Heading, tally: Tally) -> dict[str, Any]:
    """The document of the schema."""
    return {
        "schema": SCHEMA,
        "hypothetical": heading.supposed is not None,
        "supposed": heading.supposed,
        "kind": heading.kind,
        "run": heading.id,
        "versions": dict(heading.versions),
        "decisions": {
            "recorded": tally.decisions,
            "agree": tally.agree,
            "differ": tally.differ,
            "not_judged": tally.not_judged,
        },
        "recorded_by": [
            {"modelwarden": one[0], "cedarpy": one[1], "python": one[2], "decisions": count}
            for one, count in sorted(tally.versions.items())
        ],
        "recorded_rules": [
            {"bundle": one[0], "settings": one[1], "waivers": one[2], "decisions": count}
            for one, count in sorted(tally.rules.items())
        ],
        "verdicts": _counted(tally.verdicts, ("recorded", "again")),
        "controls": _counted(tally.controls, ("control", "recorded", "again")),
        "uncollected": _counted(tally.uncollected, ("control", "fact")),
        "differing": [_named(one) for one in tally.differing],
        "not_judged": [_named(one) for one in tally.lost],
        "not_named": tally.differ + tally.not_judged - len(tally.differing) - len(tally.lost),
    }


def text(heading: Heading, tally: Tally) -> str:
    """For people; the last line is the count."""
    lines = [*_head(heading, tally)]
    if heading.supposed is not None:
        lines += _summary(tally)
    lines += [line for one in tally.differing for line in _differing(one, supposed=heading.supposed is not None)]
    lines += [f"not judged again  {_place(one)}: {one.why}" for one in tally.lost]
    left = tally.differ + tally.not_judged - len(tally.differing) - len(tally.lost)
    lines += [f"note: {left} more decisions are not named"] if left else []
    lines.append(_count(tally))
    lines += [BANNER] if heading.supposed is not None else []
    return "".join(printable(line) + "\n" for line in lines)


def _head(heading: Heading, tally: Tally) -> Iterator[str]:
    if heading.supposed is not None:
        yield BANNER
        named = "; ".join(
            f"{name.replace('_', ' ')} {_spelled(value)}" for name, value in heading.supposed.items() if value
        )
        yield f"supposed: {named}"
    whose = "scan" if heading.kind == "scan" else "gate"
    yield f"{whose} {heading.id}, judged again by {_versions(heading.versions)}"
    here = tuple(heading.versions[name] for name in ("modelwarden", "cedarpy", "python"))
    for versions, count in sorted(tally.versions.items()):
        if versions != here:
            told = _versions(dict(zip(("modelwarden", "cedarpy", "python"), versions, strict=True)))
            yield f"note: {count} of {tally.decisions} decisions were recorded by {told}"


def _summary(tally: Tally) -> Iterator[str]:
    """What would be otherwise: verdicts first, then findings by control, then what nobody collected."""
    for verdict in _VERDICTS:
        moved = {old: count for (old, new), count in tally.verdicts.items() if new == verdict and old != verdict}
        if moved:
            told = ", ".join(f"{count} that were {old}" for old, count in sorted(moved.items()))
            yield f"now {verdict}: {sum(moved.values())} ({told})"
    yield from _rows([f"{control}  {old} -> {new}: {count}" for (control, old, new), count in _most(tally.controls)])
    yield from _rows(
        [
            f"{control}  unknown in {count} decisions: {fact} was not collected"
            for (control, fact), count in _most(tally.uncollected)
        ]
    )


def _rows(rows: Sequence[str]) -> list[str]:
    more = [f"and {len(rows) - _ROWS} more"] if len(rows) > _ROWS else []
    return [*rows[:_ROWS], *more]


def _differing(one: Named, *, supposed: bool) -> Iterator[str]:
    if supposed:
        said = "; ".join(_change(found) for found in one.differences)
        yield f"would differ  {_place(one)}: {said}"
        return
    for found in one.differences:
        yield f"differs  {_place(one)}: {_change(found)}"


def _change(found: Difference) -> str:
    return f"{found.control} {found.what}: {found.recorded or '(empty)'} -> {found.again or '(empty)'}".lstrip()


def _place(one: Named) -> str:
    return f"{short(one.package)} -> {one.stage} ({one.moment}), run {one.run}"


def _count(tally: Tally) -> str:
    if not tally.decisions:
        return "no decision is recorded there, so nothing was compared"
    decisions = f"{tally.decisions} decision{'' if tally.decisions == 1 else 's'}"
    differ = f"{tally.differ} differ{'s' if tally.differ == 1 else ''}"
    agree = f"{tally.agree} agree{'s' if tally.agree == 1 else ''}"
    return f"{decisions}: {agree}, {differ}, {tally.not_judged} could not be judged again"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


def _most(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _counted(counts: Mapping[Any, int], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), "decisions": count} for key, count in _most(counts)]


def _named(one: Named) -> dict[str, Any]:
    return {**asdict(one), "differences": [asdict(found) for found in one.differences]}
