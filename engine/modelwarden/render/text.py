"""Text for a terminal: one block a finding, findings of one cause once, and the count as the last line.

The words of a finding, a decision and its coverage are made here once; the other formats wrap them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from modelwarden.evidence import Unknown
from modelwarden.finding import ControlInfo, Decision, Observation, Ruling
from modelwarden.render.cause import Cause, cause_of, help_for
from modelwarden.run import Run

MAX_FACTS: Final = 6
MAX_VALUE: Final = 160
MAX_EXPECTED: Final = 400

_COLORS: Final = {"error": "31", "warning": "33", "unknown": "35", "waived": "36", "block": "31", "flag": "33"}
_COLORS_OF_VERDICT: Final = {**_COLORS, "undecided": "35", "allow": "32"}
_HEADLINES: Final = {
    "allow": "may be promoted to {stage}",
    "flag": "may be promoted to {stage}, with findings to look at",
    "block": "must not be promoted to {stage}",
    "undecided": "cannot be decided for {stage}: evidence is missing, and what was not read is never a yes",
}
_WITHOUT: Final = {"blocks": "would block", "undecides": "would leave it undecided", "flags": "would flag all the same"}
_ORDER: Final = {"blocks": 0, "undecides": 1, "flags": 2}
_ACTIVE: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LOG_COMMAND: Final = re.compile(r"##(?=\[|vso\[|teamcity\[)", re.IGNORECASE)
"""What GitHub, Azure and TeamCity take for a command wherever it stands in a line of a log."""


def printable(text: str) -> str:
    """Text from outside on one line: what a terminal or a build log would act on as `\\u{...}`.

    The law: no character of the result is of a Unicode category that begins with C, or a line or paragraph separator.
    """
    if "##" in text:
        text = LOG_COMMAND.sub(r"\\u{23}#", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{{{ord(c):x}}}" if is_active(c) else c for c in text)


def is_active(char: str) -> bool:
    """Whether a terminal would act on it: control, bidirectional, invisible, unassigned, a line separator."""
    return unicodedata.category(char) in _ACTIVE


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis where some were dropped."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def render(run: Run, *, color: bool = False) -> str:
    """The whole answer."""
    decision = run.decision
    paint = _Paint(color)
    blocks = []
    for cause, rulings in grouped(decision):
        head, *lines = block(run, cause, rulings)
        blocks.append("\n".join([paint(head, _COLORS[kind_of(rulings[0])]), *lines, ""]))
    spared = [ruling.finding.control for ruling in decision.rulings if ruling.finding.outcome == "not-applicable"]
    tail = [f"note: {note}" for note in notes(decision)]
    if spared:
        tail.append(f"note: not applicable: {', '.join(spared)}")
    verdict, _, rest = headline(decision).partition(":")
    return "\n".join([*blocks, *tail, f"{paint(verdict, _COLORS_OF_VERDICT[verdict])}:{rest}", count(run)]) + "\n"


class _Paint:
    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[1;{code}m{text}\x1b[0m" if self._on else text


def grouped(decision: Decision) -> Iterator[tuple[Cause | None, list[Ruling]]]:
    """Rulings to show, worst first; unknowns of one cause together, all others alone.

    Controls that are unknown only because nobody set a parameter are in the notices.
    """
    groups: dict[object, list[Ruling]] = {}
    for ruling in decision.rulings:
        if ruling.effect in _ORDER and not ruling.finding.unset_parameters:
            cause = None if ruling.waiver else cause_of(ruling)
            groups.setdefault(cause or ruling.finding.control, []).append(ruling)
    ordered = [sorted(group, key=lambda ruling: _ORDER[ruling.effect]) for group in groups.values()]
    for rulings in sorted(ordered, key=lambda group: _ORDER[group[0].effect]):
        yield (cause_of(rulings[0]) if len(rulings) > 1 else None), rulings


def kind_of(ruling: Ruling) -> str:
    """`waived`, `unknown`, `error` or `warning`."""
    if ruling.waiver is not None:
        return "waived"
    if ruling.finding.outcome == "unknown":
        return "unknown"
    return "error" if ruling.effect == "blocks" else "warning"


def short(package: str) -> str:
    """`111122223333/eu-west-1/churn/7` for an ARN; anything else unchanged."""
    parts = package.split(":", 5)
    if len(parts) != 6:
        return printable(package)
    return printable(f"{parts[4]}/{parts[3]}/{parts[5].removeprefix('model-package/')}")


def title_of(ruling: Ruling, info: ControlInfo) -> str:
    """What is wrong; an unknown does not assert it."""
    return printable(f"cannot tell: {info.title}" if ruling.finding.outcome == "unknown" else info.title)


def block(run: Run, cause: Cause | None, rulings: Sequence[Ruling]) -> list[str]:
    """The lines of one finding, or of several of one cause; the first is the head, the second says which package."""
    first, request = rulings[0], run.decision.request
    info = run.controls[first.finding.control]
    if cause is None:
        return single(first, info, run.decision.package, request.stage, request.moment)
    ids = ", ".join(ruling.finding.control for ruling in rulings)
    said = f"cannot tell, {len(rulings)} controls for one reason: {printable(cause.text)}"
    unread = [seen for ruling in rulings for seen in ruling.finding.observed if isinstance(seen.fact, Unknown)]
    seen = list({seen.pointer: seen for seen in unread}.values())
    help_ = printable(help_for(first, info))
    where = _where(run.decision.package, request.stage, request.moment)
    return [f"{kind_of(first)}[{ids}] {said}", where, *_observed(seen), f"  help      {help_}"]


def single(ruling: Ruling, info: ControlInfo, package: str, stage: str, moment: str) -> list[str]:
    """The lines of one finding, of a gate or of a scan, as `block` has them."""
    head = f"{kind_of(ruling)}[{info.id}] {title_of(ruling, info)}"
    return [head, _where(package, stage, moment), *_observed(ruling.finding.observed), *_why(ruling, info)]


def _where(package: str, stage: str, moment: str) -> str:
    return f"  --> {short(package)}  ->  {stage} ({moment})"


def _why(ruling: Ruling, info: ControlInfo) -> Iterator[str]:
    if ruling.finding.reason:
        yield f"  because   {printable(ruling.finding.reason)}"
    if ruling.effect == "none":
        yield f"  policy    {printable(info.path)}:{info.line}"
        return
    if expected := expected_of(ruling, info):
        yield f"  expected  {expected}"
    if ruling.waiver is not None:
        yield f"  waived    {waived(ruling)}"
    elif ruling.effect == "flags":
        yield f"  level     flag ({printable(ruling.why_level)})"
    yield f"  policy    {printable(info.path)}:{info.line}"
    yield f"  help      {printable(help_for(ruling, info))}"


def expected_of(ruling: Ruling, info: ControlInfo) -> str:
    """What would have passed, on one line; empty where nobody says."""
    return cut(printable(" ".join((ruling.finding.expected or info.expected).split())), MAX_EXPECTED)


def waived(ruling: Ruling) -> str:
    """Who excepted it, until when and why; empty without a waiver."""
    waiver = ruling.waiver
    if waiver is None:
        return ""
    name = f"break-glass {waiver.id}" if waiver.break_glass else waiver.id
    ticket = f" ({waiver.ticket})" if waiver.ticket else ""
    people = f"owner {waiver.owner}, approved by {waiver.approver}"
    shadow = _WITHOUT[ruling.without_waiver]
    return printable(f"{name} until {waiver.expires} ({shadow} without it), {people}: {waiver.reason}{ticket}")


def shadow(decision: Decision) -> str:
    """`would be block without waiver W-1`; empty where no waiver acts."""
    return shadow_of(decision.rulings, decision.verdict, decision.without_waivers)


def shadow_of(rulings: Sequence[Ruling], verdict: str, without: str | None) -> str:
    """The same for rulings, their verdict, and the verdict without their waivers, which an old record may not tell."""
    ids = sorted({one.waiver.id for one in rulings if one.waiver})
    if not ids or without is None:
        return ""
    still = "still " if without == verdict else ""
    return printable(f"would {still}be {without} without waiver{'s' if len(ids) > 1 else ''} {', '.join(ids)}")


def _observed(observed: Sequence[Observation]) -> list[str]:
    lines = [fact_of(seen) for seen in observed[:MAX_FACTS]]
    if len(observed) > MAX_FACTS:
        lines.append(f"and {len(observed) - MAX_FACTS} more facts (--format json)")
    return [f"  {'observed' if index == 0 else '        '}  {line}" for index, line in enumerate(lines)]


def fact_of(seen: Observation) -> str:
    """The fact, and the call that read it."""
    said = cut(printable(str(seen)), MAX_VALUE + 1)
    source = seen.fact.source
    if source is None:
        return said
    return f"{said}    {printable(f'{source.api} {source.at[:16]}Z' if source.at else source.api)}"


def notes(decision: Decision) -> list[str]:
    """What a reader must know of the decision as a whole: notices, break-glass, what was asserted, advisory."""
    lines = [printable(notice) for notice in decision.notices]
    loud = [f"{r.finding.control} ({r.waiver.id})" for r in decision.rulings if r.waiver and r.waiver.break_glass]
    if loud:
        lines.append(printable(f"break-glass is in force: {', '.join(loud)}"))
    if without := shadow(decision):
        lines.append(without)
    if decision.asserted:
        lines.append(f"asserted, not proven: {', '.join(decision.asserted)}")
    if decision.advisory:
        lines.append("advisory: no pinned organization layer stands behind these settings")
    return lines


def headline(decision: Decision) -> str:
    """The verdict in one sentence, which starts with `allow:`, `flag:`, `block:` or `undecided:`."""
    return f"{decision.verdict}: {short(decision.package)} {_HEADLINES[decision.verdict].format(stage=decision.request.stage)}"


def count(run: Run) -> str:
    """How many findings of which outcome, and the coverage."""
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in run.decision.count().items())
    return f"{counts}; {coverage(run)}"


def coverage(run: Run) -> str:
    """`12 APIs read, 0 denied`."""
    if not run.ledger:
        return "no API read"
    states = Counter(row.state for row in run.ledger)
    read = states.pop("read", 0)
    failed = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "0 denied"
    return f"{read} APIs read, {failed}"


def unread(run: Run) -> list[str]:
    """One line for each API that did not answer as it should."""
    rows = sorted(
        (row for row in run.ledger if row.state != "read"), key=lambda row: (row.account, row.region, row.api)
    )
    return [
        cut(
            printable(f"{row.api} in {row.account}/{row.region}: {row.state}{f': {row.error}' if row.error else ''}"),
            300,
        )
        + (f" (slowed down to {row.rate:g} calls a second)" if row.rate else "")
        + (f" (covered by {printable(row.covered_by)})" if row.covered_by else "")
        for row in rows
    ]
