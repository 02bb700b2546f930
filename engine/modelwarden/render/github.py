"""Workflow commands of GitHub Actions: an annotation for each finding that acts, and the verdict in the last lines.

GitHub shows ten annotations of each type for a step and drops the others unsaid. So the last place goes to one that
names the rest, and the rest stands in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from modelwarden.finding import Ruling
from modelwarden.render.cause import Cause
from modelwarden.render.text import block, count, cut, grouped, headline, kind_of, notes, printable, unread
from modelwarden.run import Run

LIMIT: Final = 10
MAX_TITLE: Final = 200
_TYPES: Final = ("error", "warning", "notice")
_OF_VERDICT: Final = {"allow": "notice", "flag": "warning", "block": "error", "undecided": "error"}

Group = tuple[Cause | None, list[Ruling]]


def render(run: Run) -> str:
    """Findings worst first, then what to know of the decision, then the verdict, then the count."""
    decision = run.decision
    verdict = _OF_VERDICT[decision.verdict]
    told = [*notes(decision), *(f"not read: {line}" for line in unread(run))]
    room = dict.fromkeys(_TYPES, LIMIT)
    room[verdict] -= 1
    room["notice"] -= bool(told)
    lines = []
    for type_ in _TYPES:
        groups = [group for group in grouped(decision) if _type(group[1][0]) == type_]
        lines += _annotations(run, type_, groups, room[type_])
    if told:
        lines.append(command("notice", "\n".join(told), title="modelwarden: about this decision"))
    summary = f"{headline(decision)}\n{count(run)}"
    lines.append(command(verdict, summary, title=f"modelwarden: {decision.verdict}"))
    return "\n".join([*lines, f"{headline(decision)}; {count(run)}"]) + "\n"


def command(name: str, message: str, **properties: str) -> str:
    """`::error title=a,line=1::message` with everything escaped that could end a property, the command or the line."""
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _type(ruling: Ruling) -> str:
    """An exception is a notice, unless glass was broken for it: that must not be overlooked."""
    if ruling.waiver is not None:
        return "warning" if ruling.waiver.break_glass else "notice"
    return "warning" if ruling.effect == "flags" else "error"


def _annotations(run: Run, type_: str, groups: Sequence[Group], room: int) -> list[str]:
    if len(groups) <= room:
        return [_annotation(run, type_, group) for group in groups]
    rest = groups[room - 1 :]
    named = ", ".join(ruling.finding.control for _, rulings in rest for ruling in rulings)
    log = [line for cause, rulings in rest for line in block(run, cause, rulings)]
    return [
        *(_annotation(run, type_, group) for group in groups[: room - 1]),
        command(type_, f"{named}: see the log of this step", title=f"modelwarden: {len(rest)} more findings"),
        f"::group::{len(rest)} more findings",
        *log,
        "::endgroup::",
    ]


def _annotation(run: Run, type_: str, group: Group) -> str:
    cause, rulings = group
    head, *lines = block(run, cause, rulings)
    info = run.controls[rulings[0].finding.control]
    # Only a rule of the house can be a file of the repository that the workflow runs in.
    place = (
        {"file": printable(info.path), "line": str(max(info.line, 1))} if info.origin == "user" and not cause else {}
    )
    said = head.removeprefix(f"{kind_of(rulings[0])}[").replace("] ", " ", 1)
    return command(type_, "\n".join(line.strip() for line in lines), **place, title=cut(said, MAX_TITLE))
