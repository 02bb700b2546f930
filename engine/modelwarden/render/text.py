"""Text for a terminal: one block a finding, findings of one cause once, and the count as the last line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from modelwarden.finding import Decision, Observation, Ruling
from modelwarden.render.cause import Cause, cause_of, help_for
from modelwarden.run import Run

MAX_FACTS: Final = 6
MAX_VALUE: Final = 160

_COLORS: Final = {"error": "31", "warning": "33", "unknown": "35", "waived": "36", "block": "31", "flag": "33"}
_COLORS_OF_VERDICT: Final = {**_COLORS, "undecided": "35", "allow": "32"}
_HEADLINES: Final = {
    "allow": "may be promoted to {stage}",
    "flag": "may be promoted to {stage}, with findings to look at",
    "block": "must not be promoted to {stage}",
    "undecided": "cannot be decided for {stage}: evidence is missing, and what was not read is never a yes",
}


def printable(text: str) -> str:
    """Text from outside on one line: what a terminal would act on (control, bidirectional, invisible) as `\\u{...}`.

    The law: no character of the result is of a Unicode category that begins with C, or a line or paragraph separator.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _ACTIVE else c for c in text)


_ACTIVE: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def render(run: Run, *, color: bool = False) -> str:
    """The whole answer."""
    decision = run.decision
    paint = _Paint(color)
    blocks = [_block(run, cause, rulings, paint) for cause, rulings in grouped(decision)]
    tail = [*_notes(decision), _headline(decision, paint), _count(run)]
    return "\n".join([*(f"{block}\n" for block in blocks), *tail]) + "\n"


def grouped(decision: Decision) -> Iterator[tuple[Cause | None, list[Ruling]]]:
    """Rulings to show, worst first; unknowns of one cause together, all others alone.

    Controls that are unknown only because nobody set a parameter are in the notices.
    """
    order = {"blocks": 0, "undecides": 1, "flags": 2}
    shown = [ruling for ruling in decision.rulings if ruling.effect in order and not ruling.finding.unset_parameters]
    groups: dict[object, list[Ruling]] = {}
    for ruling in shown:
        cause = cause_of(ruling)
        groups.setdefault((ruling.effect, cause) if cause else ruling.finding.control, []).append(ruling)
    for rulings in sorted(groups.values(), key=lambda group: order[group[0].effect]):
        yield (cause_of(rulings[0]) if len(rulings) > 1 else None), rulings


class _Paint:
    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[1;{code}m{text}\x1b[0m" if self._on else text


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


def _block(run: Run, cause: Cause | None, rulings: Sequence[Ruling], paint: _Paint) -> str:
    decision, first = run.decision, rulings[0]
    kind = kind_of(first)
    info = run.controls[first.finding.control]
    if cause is None:
        said = f"cannot tell: {info.title}" if kind == "unknown" else info.title
        head = f"{kind}[{info.id}] {printable(said)}"
    else:
        ids = ", ".join(ruling.finding.control for ruling in rulings)
        head = f"{kind}[{ids}] cannot tell, {len(rulings)} controls for one reason: {printable(cause.text)}"
    request = decision.request
    lines = [
        paint(head, _COLORS[kind]),
        f"  --> {short(decision.package)}  ->  {request.stage} ({request.moment})",
        *_observed(first.finding.observed),
    ]
    if first.finding.reason:
        lines.append(f"  because   {printable(first.finding.reason)}")
    expected = printable(" ".join((first.finding.expected or info.expected).split()))
    if cause is None and expected:
        lines.append(f"  expected  {expected}"[:400])
    if first.waiver is not None:
        waiver = first.waiver
        lines.append(
            printable(
                f"  waived    {waiver.id} until {waiver.expires}, owner {waiver.owner}, approved by {waiver.approver}: {waiver.reason}"
            )
        )
    elif first.effect == "flags":
        lines.append(f"  level     flag ({printable(first.why_level)})")
    if cause is None:
        lines.append(f"  policy    {printable(info.path)}:{info.line}")
    lines.append(f"  help      {printable(help_for(first, info))}")
    return "\n".join(lines)


def _observed(observed: Sequence[Observation]) -> list[str]:
    lines = [_fact(seen) for seen in observed[:MAX_FACTS]]
    if len(observed) > MAX_FACTS:
        lines.append(f"            and {len(observed) - MAX_FACTS} more facts (--format json)")
    return [f"  {'observed' if index == 0 else '        '}  {line.strip()}" for index, line in enumerate(lines)]


def _fact(seen: Observation) -> str:
    said = printable(str(seen))
    said = said if len(said) <= MAX_VALUE else said[:MAX_VALUE] + "…"
    source = seen.fact.source
    if source is None:
        return said
    at = f" {source.at[:16]}Z" if source.at else ""
    return f"{said}    {printable(source.api)}{printable(at)}"


def _notes(decision: Decision) -> list[str]:
    lines = [f"note: {printable(notice)}" for notice in decision.notices]
    if decision.asserted:
        lines.append(f"note: asserted, not proven: {', '.join(decision.asserted)}")
    if decision.advisory:
        lines.append("note: advisory: no pinned organization layer stands behind these settings")
    return lines


def _headline(decision: Decision, paint: _Paint) -> str:
    said = _HEADLINES[decision.verdict].format(stage=decision.request.stage)
    return f"{paint(decision.verdict, _COLORS_OF_VERDICT[decision.verdict])}: {short(decision.package)} {said}"


def _count(run: Run) -> str:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in run.decision.count().items())
    if not run.ledger:
        return f"{counts}; no API read"
    failed: dict[str, int] = {}
    for row in run.ledger:
        if row.state != "read":
            failed[row.state] = failed.get(row.state, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in sorted(failed.items())) or "0 denied"
    return f"{counts}; {len(run.ledger)} APIs read, {states}"
