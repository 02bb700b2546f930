"""SARIF 2.1.0: one rule a control, one result a finding, for views that track alerts over time."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from msgspec.structs import asdict

from modelwarden.finding import EXIT_CODES, ControlInfo, Ruling
from modelwarden.render.cause import fingerprint
from modelwarden.render.json import dump
from modelwarden.render.markdown import inline
from modelwarden.render.text import (
    count,
    coverage,
    headline,
    notes,
    printable,
    short,
    single,
    title_of,
    unread,
    waived,
)
from modelwarden.run import Run

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

KINDS: Final = {"fail": "fail", "unknown": "open", "pass": "pass", "not-applicable": "notApplicable"}
_SCORES: Final = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""Severity -> the middle of the range that GitHub shows under that name."""


def render(run: Run) -> str:
    """One log with one run."""
    rules = {id_: number for number, id_ in enumerate(sorted(run.controls))}
    driver = {
        "name": "modelwarden",
        "version": run.versions.get("modelwarden", ""),
        "rules": [rule(run.controls[id_]) for id_ in rules],
    }
    log = {
        "tool": {"driver": driver},
        "automationDetails": {"id": _category(run)},
        "invocations": [_invocation(run, rules)],
        "results": [_result(run, ruling, rules) for ruling in run.decision.rulings],
        "properties": _about(run),
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [log]})


def escaped(text: str) -> str:
    """A message in which nothing is a placeholder or a link: SARIF gives meaning to `{0}` and to `[text](target)`."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")


def _category(run: Run) -> str:
    """Up to the last slash the series that this log belongs to: each version of a group continues the last one's."""
    series = re.sub(r"/\d+$", "", short(run.decision.package))
    return f"modelwarden/{run.decision.request.stage}/{series}/{run.id}"


def rule(info: ControlInfo) -> dict[str, Any]:
    """The rule of a control."""
    title, why, remedy = printable(info.title), printable(info.rationale), printable(info.remediation)
    reads = ", ".join(map(printable, info.reads))
    return {
        "id": info.id,
        "name": printable(info.path.rsplit("/", 1)[-1].partition(".")[0]),
        "shortDescription": {"text": title},
        "fullDescription": {"text": why or title},
        "help": {
            "text": f"{why}\nRemedy: {remedy}.\nReads: {reads}.\nSource: {printable(info.source)}.",
            "markdown": f"{inline(why)}\n\n**Remedy:** {inline(remedy)}.\n\n**Reads:** {inline(reads)}\n",
        },
        "properties": {
            "security-severity": _SCORES[info.severity],
            "severity": info.severity,
            "tags": ["security", "model-governance", *([] if info.origin == "built-in" else ["house-rule"])],
        },
    }


def _result(run: Run, ruling: Ruling, rules: dict[str, int]) -> dict[str, Any]:
    request, info = run.decision.request, run.controls[ruling.finding.control]
    return result(ruling, info, run.decision.package, request.stage, request.moment, rules[info.id])


def result(ruling: Ruling, info: ControlInfo, package: str, stage: str, moment: str, index: int) -> dict[str, Any]:
    """One finding, of a gate or of a scan; `index`: of its rule."""
    return outcome(
        ruling,
        info,
        index,
        message=_message(ruling, info, package, stage, moment),
        place={"name": short(package), "fullyQualifiedName": printable(package), "kind": "resource"},
        identity=fingerprint(package, stage, ruling),
    )


def outcome(
    ruling: Ruling, info: ControlInfo, index: int, *, message: str, place: dict[str, str], identity: str
) -> dict[str, Any]:
    """A result whose words, place and identity somebody else says; `identity`: 64 hex digits."""
    told: dict[str, Any] = {
        "ruleId": info.id,
        "ruleIndex": index,
        "kind": KINDS[ruling.finding.outcome],
        "level": _level(ruling),
        "message": {"text": escaped(message)},
        "locations": [_location(info, place)],
        # GitHub tells results of one line apart by the second name only.
        "partialFingerprints": {"modelwarden/v1": identity, "primaryLocationLineHash": f"{identity}:1"},
        "properties": {
            "outcome": ruling.finding.outcome,
            "effect": ruling.effect,
            "enforcement": printable(ruling.why_level),
        },
    }
    if ruling.waiver is not None:
        told["suppressions"] = [{"kind": "external", "status": "accepted", "justification": waived(ruling)}]
    return told


def _level(ruling: Ruling) -> str:
    """SARIF wants `none` for everything that is no violation; an unknown is none, and its kind says what it is."""
    if ruling.finding.outcome != "fail":
        return "none"
    return "error" if ruling.effect == "blocks" else "warning"


def _message(ruling: Ruling, info: ControlInfo, package: str, stage: str, moment: str) -> str:
    where = f"{short(package)} for {stage} ({moment})"
    lines = single(ruling, info, package, stage, moment)[2:]
    return "\n".join([f"{said(ruling, info)}. {where}", *(line.strip() for line in lines)])


def said(ruling: Ruling, info: ControlInfo) -> str:
    """What a result says of its control; a pass does not assert the problem."""
    title = title_of(ruling, info)
    if ruling.finding.outcome == "pass":
        return f"passed; looked for: {title}"
    return f"not applicable: {title}" if ruling.finding.outcome == "not-applicable" else title


def _location(info: ControlInfo, place: dict[str, str]) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(info.path)},
            "region": {"startLine": max(info.line, 1)},
        },
        "logicalLocations": [place],
    }


def _invocation(run: Run, rules: dict[str, int]) -> dict[str, Any]:
    decision = run.decision
    told = {"allow": "note", "flag": "warning", "block": "error", "undecided": "error"}[decision.verdict]
    summary = [notification(told, f"{headline(decision)}; {count(run)}")]
    return {
        "executionSuccessful": True,
        "exitCode": EXIT_CODES[decision.verdict],
        "exitCodeDescription": decision.verdict,
        "startTimeUtc": run.started_at,
        "endTimeUtc": run.finished_at,
        "ruleConfigurationOverrides": [
            {"descriptor": {"id": id_, "index": rules[id_]}, "configuration": {"enabled": False}}
            for id_ in decision.off
            if id_ in rules
        ],
        "toolConfigurationNotifications": [notification("note", note) for note in notes(decision)],
        "toolExecutionNotifications": summary + [notification("warning", f"not read: {line}") for line in unread(run)],
    }


def notification(level: str, text: str) -> dict[str, Any]:
    """What is said of the run as a whole; `level`: note, warning or error."""
    return {"level": level, "message": {"text": escaped(text)}}


def _about(run: Run) -> dict[str, Any]:
    decision = run.decision
    return {
        "verdict": decision.verdict,
        "package": printable(decision.package),
        "stage": decision.request.stage,
        "moment": decision.request.moment,
        "run": run.id,
        "counts": dict(decision.count()),
        "coverage": coverage(run),
        "advisory": decision.advisory,
        "asserted": list(decision.asserted),
        "off": list(decision.off),
        "digests": asdict(decision.digests),
    }
