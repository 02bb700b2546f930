"""Markdown for people: what was read, how it came out, and what to do first. Lists are short and say what they leave out.

Text from outside stands in code or in plain words only, as in the comment of a gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import BinaryIO, Final

from modelwarden.audit.report import ByFramework, Report, Row
from modelwarden.audit.source import VERDICTS, Source
from modelwarden.render.markdown import MAX_CELL, cell, inline
from modelwarden.render.text import cut, short

MOST: Final = 20
"""Rows of one list."""
_WORDS: Final = {"block": "blocked", "undecided": "undecided", "flag": "allowed with flags", "allow": "allowed"}


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Some sixty kilobytes at most, however large the scan is."""
    parts = [_head(report), _coverage(report), _accounts(report), _controls(report), _packages(source, report)]
    parts += [_undecided(source), _causes(report), _exceptions(report), _history(report), _frameworks(report)]
    parts += [_record(report)]
    out.write(("\n\n".join(part for part in parts if part) + "\n").encode())
    return ()


def _head(report: Report) -> str:
    people = report.population
    verdicts = ", ".join(f"{people.verdicts.get(verdict, 0)} {_WORDS[verdict]}" for verdict in VERDICTS)
    lines = [f"# {inline(report.title)}", "", f"**{report.coverage.headline()}.**", ""]
    if not report.coverage.whole:
        lines += ["What follows is less than the whole.", ""]
    lines += [
        f"{people.total} packages: {people.judged} judged ({verdicts}), {people.unmapped} whose stage nobody can tell,"
    ]
    lines += [f"{people.inventory} inventory, {people.gone} gone meanwhile.", ""]
    lines += [f"As of {inline(report.as_of)}{' (asserted)' if report.as_of_asserted else ''}."]
    lines += [f"Only {inline(report.scope)}."] if report.scope else []
    lines += ["Advisory: no pinned organization layer stands behind the settings."] if report.advisory else []
    return "\n".join(lines)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], total: int | None = None) -> str:
    """`rows` beyond the longest list are counted; `total`: of all rows, where not all are given."""
    if not rows:
        return ""
    shown = rows[:MOST]
    lines = [f"## {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in shown]
    rest = (len(rows) if total is None else total) - len(shown)
    return "\n".join([*lines, *(["", f"And {rest} more."] if rest else [])])


def _cell(value: object) -> str:
    return str(value) if isinstance(value, int) else cell(cut(str(value), MAX_CELL))


def _coverage(report: Report) -> str:
    rows = [
        (hole.kind, hole.account, hole.region, f"{hole.api}: {hole.why}" if hole.api else hole.why)
        for hole in report.coverage.missing()
    ]
    return _table("Not read", ("state", "account", "region", "why"), rows)


def _accounts(report: Report) -> str:
    head = ("account", "name", "unit", *(_WORDS[one] for one in VERDICTS), "not read")
    return _table("Accounts, the worst first", head, [_account(row) for row in report.accounts])


def _account(row: Row) -> tuple[object, ...]:
    return (row.name, row.title, row.unit, *(row.verdicts.get(one, 0) for one in VERDICTS), row.unread)


def _controls(report: Report) -> str:
    rows = [
        (row.control, row.severity, row.outcomes.get("fail", 0), row.outcomes.get("unknown", 0), row.title)
        for row in report.controls
        if row.outcomes.get("fail") or row.outcomes.get("unknown")
    ]
    return _table("Controls with open findings", ("control", "severity", "fail", "unknown", "problem"), rows)


def _packages(source: Source, report: Report) -> str:
    rows = source.ask(
        "SELECT package, stage, verdict FROM judged WHERE verdict IN ('block', 'undecided') "
        "ORDER BY verdict, package LIMIT ?",
        MOST,
    )
    told = [(short(package), stage or "", _WORDS[verdict]) for package, stage, verdict in rows]
    total = sum(report.population.verdicts.get(verdict, 0) for verdict in ("block", "undecided"))
    return _table("Packages to look at first", ("package", "stage", "verdict"), told, total)


def _undecided(source: Source) -> str:
    found = source.unsaid()
    rows = [(short(one.package), why) for one, why in islice(found, MOST)]
    return _table("Without a decision", ("package", "why"), rows, len(rows) + sum(1 for _ in found))


def _causes(report: Report) -> str:
    rows = [(one.findings, one.api, one.reason, one.help) for one in report.causes]
    return _table("Why findings are unknown", ("findings", "call", "reason", "next step"), rows)


def _exceptions(report: Report) -> str:
    rows = [
        (
            f"{'break-glass ' if one.waiver.break_glass else ''}{one.waiver.id}",
            one.waiver.expires,
            one.waiver.owner,
            one.findings,
            one.waiver.reason,
        )
        for one in report.exceptions
    ]
    return _table("Exceptions", ("waiver", "until", "owner", "findings", "reason"), rows)


def _history(report: Report) -> str:
    points = report.history.points[-MOST:]
    rows = [
        (
            point.as_of,
            *(point.verdicts.get(one, 0) for one in VERDICTS),
            f"{point.read} of {point.cells}{'' if point.complete else ', NOT COMPLETE'}",
        )
        for point in reversed(points)
    ]
    if len(rows) < 2:
        return ""
    head = ("as of", *(_WORDS[one] for one in VERDICTS), "account-regions read")
    return _table("Scans, the newest first", head, rows, len(report.history.points))


def _frameworks(report: Report) -> str:
    return "\n\n".join(part for one in report.frameworks if (part := _framework(one)))


def _framework(one: ByFramework) -> str:
    rows = [
        (
            f"{obligation.ref}{'' if obligation.verified else ' (unverified)'}",
            ", ".join(obligation.controls),
            *(obligation.packages.get(outcome, 0) for outcome in ("fail", "unknown", "pass")),
        )
        for obligation in one.obligations
    ]
    head = ("obligation", "controls that give evidence", "fail", "unknown", "pass")
    state = f" ({one.state})" if one.state else ""
    return _table(f"Packages by obligation: {inline(one.title)}{state}", head, rows)


def _record(report: Report) -> str:
    lines = [f"- run {inline(report.run)}", *(f"- {name} {inline(digest)}" for name, digest in report.digests.items())]
    return "\n".join(["## Record", "", *lines])
