"""JUnit XML of a scan: a suite for each account, a test case for each finding as a gate's has it, written as they are read.

What was not read, and what was not decided, is a test case with an error: no account is green that nobody looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import groupby
from typing import BinaryIO, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from modelwarden.audit.coverage import ALARMS, Missing
from modelwarden.audit.report import Report
from modelwarden.audit.source import Source
from modelwarden.finding import Found
from modelwarden.render.junit import case_of
from modelwarden.render.text import printable, short, single

Case = tuple[str, ET.Element]
"""(account, test case)."""
_KINDS: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}
_NOBODY: Final = "organization"
"""Suite of what belongs to no account."""


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """The first suite is of the scan itself: it fails with an error where the scan is not complete."""
    totals = _totals(source, report)
    whole = sum(totals.values(), Counter({"tests": 1, "errors": int(not report.coverage.whole)}))
    out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(f"<testsuites {_attributes({'name': 'modelwarden', **_numbers(whole, skipped=False)})}>\n".encode())
    _scan(report, out)
    for account, cases in groupby(_cases(source, report), key=lambda case: case[0]):
        about = {"name": printable(account), **_numbers(totals[account]), "timestamp": report.started_at}
        out.write(f"<testsuite {_attributes(about)}>\n".encode())
        for _, case in cases:
            out.write(ET.tostring(case, encoding="unicode").encode() + b"\n")
        out.write(b"</testsuite>\n")
    out.write(b"</testsuites>\n")
    return ()


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())


def _numbers(counts: Mapping[str, int], *, skipped: bool = True) -> dict[str, str]:
    names = ("tests", "failures", "errors", *(["skipped"] if skipped else []))
    return {name: str(counts.get(name, 0)) for name in names}


def _totals(source: Source, report: Report) -> dict[str, Counter[str]]:
    """Account -> numbers of its suite. Counted beforehand: they stand in its first line."""
    found: dict[str, Counter[str]] = {}
    for account, tests, failures, errors, skipped in source.ask(
        """
        SELECT account, count(*), count(*) FILTER (outcome = 'fail' AND waiver IS NULL),
               count(*) FILTER (outcome = 'unknown' AND waiver IS NULL),
               count(*) FILTER (outcome = 'not-applicable' OR waiver IS NOT NULL)
        FROM findings GROUP BY account
        """
    ):
        found[account] = Counter(tests=tests, failures=failures, errors=errors, skipped=skipped)
    for account, case in (*_holes(report), *_undecided(source)):
        told = found.setdefault(account, Counter())
        told["tests"] += 1
        told.update(plural for plural, kind in _KINDS.items() if case.find(kind) is not None)
    return found


def _cases(source: Source, report: Report) -> Iterator[Case]:
    """By account."""
    findings = ((found.account, _finding(found)) for found in source.findings())
    return merge(_holes(report), _undecided(source), findings, key=lambda case: case[0])


def _finding(found: Found) -> ET.Element:
    ruling, info = found.ruling, found.info
    name = f"{short(found.package)} {info.id} {printable(info.title)}"
    lines: list[str] = []
    if ruling.finding.outcome != "pass" or ruling.waiver is not None:
        lines = single(ruling, info, found.package, found.stage, found.moment)[1:]
    return case_of(name, ruling, info, lines)


def _holes(report: Report) -> Iterator[Case]:
    """What nobody accepted is an error, the rest is skipped with its reason."""
    yield from sorted((_case(hole) for hole in report.coverage.missing()), key=lambda case: case[0])


def _case(hole: Missing) -> Case:
    said = printable(hole.words())
    where = printable(f"{hole.region} {hole.api}".strip())
    case = ET.Element("testcase", {"name": f"coverage {where}".strip(), "classname": "modelwarden.coverage"})
    kind = "error" if hole.kind in ALARMS else "skipped"
    ET.SubElement(case, kind, {"type": hole.kind, "message": said}).text = said
    return hole.account or _NOBODY, case


def _undecided(source: Source) -> Iterator[Case]:
    for one, why in source.unsaid():
        said = printable(f"{one.package}: {why}")
        case = ET.Element("testcase", {"name": f"{short(one.package)} decision", "classname": "modelwarden.decision"})
        ET.SubElement(case, "error", {"type": "undecided", "message": said}).text = said
        yield one.account, case


def _scan(report: Report, out: BinaryIO) -> None:
    coverage = report.coverage
    numbers = _numbers({"tests": 1, "errors": int(not coverage.whole)})
    suite = ET.Element("testsuite", {"name": "scan", **numbers, "timestamp": report.started_at})
    about = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(about, "property", {"name": name, "value": printable(value)})
    case = ET.SubElement(suite, "testcase", {"name": "coverage", "classname": "modelwarden.coverage"})
    if not coverage.whole:
        said = coverage.headline()
        ET.SubElement(case, "error", {"type": "incomplete", "message": said}).text = said
    ET.SubElement(suite, "system-out").text = coverage.headline()
    out.write(ET.tostring(suite, encoding="unicode").encode() + b"\n")


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    yield "complete", str(report.coverage.whole).lower()
    yield "coverage", report.coverage.words()
    yield "run", report.run
    yield "as_of", report.as_of + (" (asserted)" if report.as_of_asserted else "")
    yield "scope", report.scope or "everything"
    yield "advisory", str(report.advisory).lower()
    for name, digest in report.digests.items():
        yield f"digest.{name}", digest
