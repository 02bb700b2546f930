"""OSCAL 1.2.1 assessment-results: an observation for each finding, and for each control whether it is satisfied.

A control is satisfied where everything was read, every package was decided, and it failed and was unknown nowhere.
Beyond some thousand findings observations are of groups of them, and a notice says so. Identifiers are the same each
time a report is made of one scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from modelwarden.audit.coverage import ALARMS
from modelwarden.audit.formats.oscal_parts import identifier, metadata, prop, prose, title
from modelwarden.audit.grouped import Group, grouped
from modelwarden.audit.report import ControlRow, Report
from modelwarden.audit.source import Source
from modelwarden.finding import Found
from modelwarden.render.json import line
from modelwarden.render.sarif import said
from modelwarden.render.text import fact_of, short

MOST: Final = 10_000
"""Observations of one document."""


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """One document with one result."""
    writer = _Writer(source, report)
    count = sum(report.findings.values())
    notices: tuple[str, ...] = ()
    if count <= MOST:
        observations = map(writer.finding, source.findings())
    else:
        columns, groups = grouped(source, MOST)
        observations = map(writer.group, groups)
        notices = (
            f"oscal: {count} findings stand as {len(groups)} observations, one by {' and '.join(columns)} and outcome",
        )
    head, tail = writer.frame(notices)
    out.write(b'{"assessment-results":' + line(head)[:-1].encode() + b',"results":[' + line(tail)[:-1].encode())
    out.write(b',"observations":[')
    for number, one in enumerate((*writer.coverage(), *writer.undecided())):
        out.write((b",\n" if number else b"\n") + line(one).encode())
    for one in observations:
        out.write(b",\n" + line(one).encode())
    out.write(b"]")
    findings = list(writer.findings())
    if findings:
        out.write(b',\n"findings":[' + b",\n".join(line(one).encode() for one in findings) + b"]")
    out.write(b"}]}}\n")
    return notices


class _Writer:
    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._coverage = identifier(report.run, "coverage")
        self._related: dict[str, list[str]] = {}
        """Control -> observations, as they are written."""
        self._decided = next(source.unsaid(), None) is None

    def frame(self, notices: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(the document without results, the result without observations and findings)."""
        report = self._report
        controls = [{"control-id": row.control} for row in sorted(report.controls, key=lambda row: row.control)]
        head = {
            "uuid": identifier(report.run, "assessment-results", report.scope),
            "metadata": metadata(report, report.title),
            "import-ap": {
                "href": f"#{identifier(report.run, 'plan')}",
                "remarks": "no assessment plan: a scheduled scan",
            },
        }
        tail = {
            "uuid": identifier(report.run, "result", report.scope),
            "title": title(report.title),
            "description": prose(". ".join([report.coverage.headline(), *notices])),
            "start": report.started_at,
            "end": report.finished_at,
            "props": list(self._props()),
            "reviewed-controls": {
                "control-selections": [
                    {"include-controls": controls} if controls else {"description": "no control applied to anything"}
                ]
            },
        }
        return head, tail

    def _props(self) -> Iterator[dict[str, str]]:
        report = self._report
        yield prop("run", report.run)
        yield prop("complete", str(report.coverage.whole).lower())
        yield prop("coverage", report.coverage.words())
        yield prop("as-of", report.as_of)
        yield prop("scope", report.scope or "everything")
        for name, digest in report.digests.items():
            yield prop(f"digest-{name}", digest)

    def coverage(self) -> Iterator[dict[str, Any]]:
        """How far the scan looked, then each hole."""
        yield self._observation(self._coverage, "coverage", self._report.coverage.headline(), [])
        for hole in self._report.coverage.missing():
            id_ = identifier(self._report.run, "hole", hole.account, hole.region, hole.api)
            props = [prop("outcome", "unknown" if hole.kind in ALARMS else hole.kind)]
            yield self._observation(id_, "coverage hole", hole.words(), props)

    def undecided(self) -> Iterator[dict[str, Any]]:
        """Packages, as many as fit."""
        for number, (one, why) in enumerate(self._source.unsaid()):
            if number == MOST:
                yield self._observation(
                    identifier(self._report.run, "undecided"), "undecided", f"more than {MOST} packages", []
                )
                return
            id_ = identifier(self._report.run, "undecided", one.package)
            yield self._observation(id_, "no decision", why, [prop("outcome", "unknown")], one.package)

    def finding(self, found: Found) -> dict[str, Any]:
        finding = found.ruling.finding
        id_ = self._relate(finding.control, found.package)
        facts = [fact_of(one) for one in finding.observed]
        words = f"{said(found.ruling, found.info)}. {short(found.package)} for {found.stage} ({found.moment})"
        text = "; ".join([words, *([finding.reason] if finding.reason else []), *facts])
        props = [
            prop("control", finding.control),
            prop("outcome", finding.outcome),
            prop("effect", found.ruling.effect),
        ]
        if found.ruling.waiver:
            props.append(prop("waiver", found.ruling.waiver.id))
        return self._observation(id_, said(found.ruling, found.info), text, props, found.package)

    def group(self, group: Group) -> dict[str, Any]:
        ruling = group.ruling
        outcome, waived = ruling.finding.outcome, str(group.waivers > 0).lower()
        id_ = self._relate(group.info.id, group.account, outcome, ruling.effect, waived)
        words = said(ruling, group.info)
        props = [prop("control", group.info.id), prop("outcome", outcome), prop("effect", ruling.effect)]
        props += [prop("waived", waived), prop("packages", str(group.packages))]
        return self._observation(id_, words, f"{words}. {group.words()}", props, group.example)

    def findings(self) -> Iterator[dict[str, Any]]:
        """One for each control that applied to anything; after the observations, to which they refer."""
        for row in sorted(self._report.controls, key=lambda row: row.control):
            if set(row.outcomes) == {"not-applicable"}:
                continue
            related = [self._coverage, *self._related.get(row.control, [])]
            yield {
                "uuid": identifier(self._report.run, "finding", row.control),
                "title": title(row.title),
                "description": prose(", ".join(f"{count} {outcome}" for outcome, count in row.outcomes.items())),
                "target": {"type": "objective-id", "target-id": row.control, "status": self._status(row)},
                "related-observations": [{"observation-uuid": one} for one in related],
            }

    def _status(self, row: ControlRow) -> dict[str, str]:
        if row.outcomes.get("fail"):
            return {"state": "not-satisfied", "reason": "fail"}
        if row.outcomes.get("unknown"):
            return {"state": "not-satisfied", "reason": "other", "remarks": "unknown: evidence could not be read"}
        if not self._report.coverage.whole:
            return {"state": "not-satisfied", "reason": "other", "remarks": self._report.coverage.headline()}
        if not self._decided:
            return {"state": "not-satisfied", "reason": "other", "remarks": "packages without a decision"}
        return {"state": "satisfied", "reason": "pass"}

    def _relate(self, control: str, *what: str) -> str:
        id_ = identifier(self._report.run, "observation", control, *what)
        self._related.setdefault(control, []).append(id_)
        return id_

    def _observation(
        self, id_: str, name: str, text: str, props: list[dict[str, str]], package: str = ""
    ) -> dict[str, Any]:
        subject = {"subject-uuid": identifier(package), "type": "resource", "title": title(package)}
        return {
            "uuid": id_,
            "title": title(name),
            "description": prose(text),
            **({"props": props} if props else {}),
            "methods": ["TEST"],
            "types": ["finding"],
            **({"subjects": [subject]} if package else {}),
            "collected": self._report.finished_at,
        }
