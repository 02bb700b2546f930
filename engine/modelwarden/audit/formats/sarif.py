"""SARIF 2.1.0 of a scan: a result for each finding, with the rules, levels and fingerprints that a gate's log has.

GitHub takes 25,000 results and shows 5,000. Beyond that findings are grouped, by control and account where that
suffices, else by control; the log and a notice say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from modelwarden.audit.coverage import ALARMS
from modelwarden.audit.grouped import Group, grouped
from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.evidence import digest
from modelwarden.render.json import line
from modelwarden.render.sarif import SCHEMA, notification, outcome, result, rule, said
from modelwarden.render.text import printable

SHOWN: Final = 5_000
"""Results of one run that GitHub shows."""


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """One log with one run; results are written as they are read."""
    controls = sorted({row.control for row in report.controls})
    rules = {id_: number for number, id_ in enumerate(controls)}
    count = sum(report.findings.values())
    groups: list[Group] | None = None
    notices: tuple[str, ...] = ()
    if count > SHOWN:
        columns, groups = grouped(source, SHOWN)
        notices = (
            f"sarif: {count} findings stand as {len(groups)} results, one by {' and '.join(columns)} and outcome: GitHub shows {SHOWN} results",
        )
    results = _grouped(groups, rules) if groups is not None else _each(source, rules)
    head = {
        "tool": {
            "driver": {
                "name": "modelwarden",
                "version": report.versions.get("modelwarden", ""),
                "rules": [rule(source.info(id_)) for id_ in controls],
            }
        },
        "automationDetails": {"id": f"modelwarden/scan/{quote(report.scope, safe='') or 'all'}/{report.run}"},
        "invocations": [_invocation(source, report, notices)],
        "properties": _about(report),
    }
    start = f'{{"$schema":{line(SCHEMA)},"version":"2.1.0","runs":[{line(head)[:-1]},"results":['
    out.write(start.encode())
    for number, one in enumerate(results):
        out.write((",\n" if number else "\n").encode() + line(one).encode())
    out.write(b"]}]}\n")
    return notices


def _each(source: Source, rules: dict[str, int]) -> Iterator[dict[str, Any]]:
    for one in source.findings():
        yield result(one.ruling, one.info, one.package, one.stage, one.moment, rules[one.info.id])


def _grouped(groups: list[Group], rules: dict[str, int]) -> Iterator[dict[str, Any]]:
    for one in groups:
        finding = one.ruling.finding
        name = one.account or "organization"
        told = outcome(
            one.ruling,
            one.info,
            rules[one.info.id],
            message=f"{said(one.ruling, one.info)}. {one.words()}",
            place={"name": name, "fullyQualifiedName": name, "kind": "namespace"},
            identity=digest([finding.control, name, finding.outcome, one.ruling.effect, one.waivers > 0])[7:],
        )
        told["occurrenceCount"] = one.packages
        yield told


def _invocation(source: Source, report: Report, notices: tuple[str, ...]) -> dict[str, Any]:
    coverage = report.coverage
    told = [notification("note" if coverage.whole else "error", coverage.headline())]
    told += [notification("warning", notice) for notice in notices]
    told += [
        notification("error" if hole.kind in ALARMS else "note", printable(hole.words())) for hole in coverage.missing()
    ]
    told += _undecided(source)
    about = [("advisory", report.advisory, "no pinned organization layer stands behind the settings")]
    about += [("asserted", report.as_of_asserted, f"the time {report.as_of} was stated by the caller")]
    return {
        "executionSuccessful": coverage.whole,
        "startTimeUtc": report.started_at,
        "endTimeUtc": report.finished_at,
        "toolConfigurationNotifications": [notification("note", f"{word}: {text}") for word, so, text in about if so],
        "toolExecutionNotifications": told,
    }


def _undecided(source: Source) -> Iterator[dict[str, Any]]:
    """A notification each, up to as many as results are shown, and one for the rest."""
    rest = 0
    for number, (one, why) in enumerate(source.unsaid()):
        if number < SHOWN:
            yield notification("warning", printable(f"{one.package}: {why}"))
        else:
            rest += 1
    if rest:
        yield notification("warning", f"{rest} more packages are not judged or undecided, and no finding says so")


def _about(report: Report) -> dict[str, Any]:
    coverage = report.coverage
    return {
        "run": report.run,
        "asOf": report.as_of,
        "scope": printable(report.scope),
        "complete": coverage.whole,
        "coverage": {"expected": coverage.cells, "read": coverage.read, "percent": coverage.percent},
        "packages": report.population.total,
        "judged": report.population.judged,
        "verdicts": report.population.verdicts,
        "findings": report.findings,
        "digests": report.digests,
    }
