"""Markdown for a pull request comment or a job summary.

Text from outside stands in code only, where markup, links, mentions and HTML mean nothing: in a code span, or in a
fenced block that is fenced longer than anything inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import asdict

from modelwarden.finding import Ruling
from modelwarden.render.text import (
    block,
    count,
    cut,
    grouped,
    headline,
    kind_of,
    notes,
    printable,
    short,
    title_of,
    unread,
    waived,
)
from modelwarden.run import Run

MAX_LENGTH: Final = 60_000
"""GitHub refuses a comment of more than 65,536 characters."""
MAX_CELL: Final = 200

_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9 ,()'-]|[:;.](?= |$)|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])|\[[a-z]+\](?![(:]))*")
"""Prose in which nothing is markup, a link or a mention: it never begins a line, and nobody defines what `[word]` is."""
_WORDS: Final = {"error": "blocks", "unknown": "unknown", "warning": "flags", "waived": "waived"}


def render(run: Run) -> str:
    """The verdict, a table of findings, each in detail, what to know, and the record behind it."""
    whole = _document(run, details=True)
    return whole if len(whole) <= MAX_LENGTH else _document(run, details=False)


def inline(text: str) -> str:
    """Text from outside inside a line: as it is where that is harmless, else as a code span."""
    text = printable(text)
    if _PLAIN.fullmatch(text):
        return text
    fence = _fence(text, 1)
    # A reader strips one blank from both ends of a span that has one at both.
    padded = f" {text} " if text[0] in " `" or text[-1] in " `" else text
    return f"{fence}{padded}{fence}"


def cell(text: str) -> str:
    """`inline` inside a table: a bar would end the cell, even one in a code span."""
    # A backslash before a bar would escape the backslash that escapes the bar; nobody can read both, so they are told apart.
    return inline(re.sub(r"\\(?=\|)", r"\\u{5c}", printable(text))).replace("|", "\\|")


def fenced(lines: Sequence[str]) -> str:
    """Printable lines as a block of code."""
    fence = _fence("\n".join(lines), 3)
    return "\n".join([f"{fence}text", *lines, fence])


def _fence(text: str, least: int) -> str:
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _document(run: Run, *, details: bool) -> str:
    parts = [_head(run), _notes(run), _table(run)]
    parts += _details(run) if details else ["The details are in the other formats: they are too long for a comment."]
    parts += [_others(run), _record(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(run: Run) -> str:
    decision = run.decision
    rest = headline(decision).partition(": ")[2].removeprefix(short(decision.package)).strip()
    return f"## modelwarden: {decision.verdict}\n\n**{inline(short(decision.package))} {rest}.**\n\n{count(run)}."


def _notes(run: Run) -> str:
    told = [*notes(run.decision), *(f"not read: {line}" for line in unread(run))]
    return "\n".join(f"- note: {inline(note)}" for note in told)


def _table(run: Run) -> str:
    shown = [ruling for ruling in run.decision.rulings if ruling.effect != "none"]
    if not shown:
        return ""
    rows = [_row(run, ruling) for ruling in sorted(shown, key=lambda one: (_rank(one), one.finding.control))]
    return "\n".join(["| effect | control | severity | finding |", "|---|---|---|---|", *rows])


def _rank(ruling: Ruling) -> int:
    return {"blocks": 0, "undecides": 1, "flags": 2}[ruling.effect] + (ruling.waiver is not None)


def _row(run: Run, ruling: Ruling) -> str:
    info = run.controls[ruling.finding.control]
    effect = _WORDS[kind_of(ruling)]
    if effect == "unknown":
        effect = "unknown, undecided" if ruling.effect == "undecides" else "unknown, flags"
    return f"| {effect} | {info.id} | {info.severity} | {cell(cut(title_of(ruling, info), MAX_CELL))} |"


def _details(run: Run) -> Iterator[str]:
    for cause, rulings in grouped(run.decision):
        head, *lines = block(run, cause, rulings)
        ids = ", ".join(ruling.finding.control for ruling in rulings)
        summary = f"{_WORDS[kind_of(rulings[0])]}: {ids}"
        yield f"<details><summary>{summary}</summary>\n\n{fenced([head, *lines])}\n\n</details>"


def _others(run: Run) -> str:
    """What needs nobody's attention, and every waiver in full."""
    lines = []
    for outcome, name in (("pass", "passed"), ("not-applicable", "not applicable")):
        ids = [ruling.finding.control for ruling in run.decision.rulings if ruling.finding.outcome == outcome]
        if ids:
            lines.append(f"- {name}: {', '.join(ids)}")
    lines += [f"- waived: {r.finding.control} by {inline(waived(r))}" for r in run.decision.rulings if r.waiver]
    return "\n".join(lines)


def _record(run: Run) -> str:
    decision, request = run.decision, run.decision.request
    lines = [
        f"package   {printable(decision.package)}",
        f"request   {request.stage} ({request.moment}) as of {printable(request.as_of)}",
        f"run       {printable(run.id)}",
        *(f"{name:<9} {digest}".rstrip() for name, digest in asdict(decision.digests).items()),
        *(f"{name:<9} {printable(version)}" for name, version in run.versions.items()),
    ]
    return f"<details><summary>record</summary>\n\n{fenced(lines)}\n\n</details>"
