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
    block,
    count,
    coverage,
    headline,
    notes,
    printable,
    short,
    title_of,
    unread,
    waived,
)
from modelwarden.run import Run

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_KINDS: Final = {"fail": "fail", "unknown": "open", "pass": "pass", "not-applicable": "notApplicable"}
_SCORES: Final = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
"""Severity -> the middle of the range that GitHub shows under that name."""


def render(run: Run) -> str:
    """One log with one run."""
    rules = {id_: number for number, id_ in enumerate(sorted(run.controls))}
    driver = {
        "name": "modelwarden",
        "version": run.versions.get("modelwarden", ""),
        "rules": [_rule(run.controls[id_]) for id_ in rules],
    }
    log = {
        "tool": {"driver": driver},
        "automationDetails": {"id": _category(run)},
        "invocations": [_invocation(run, rules)],
        "results": [_result(run, ruling, rules) for ruling in run.decision.rulings],
        "properties": _about(run),
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [log]})


def _text(text: str) -> str:
    """A message in which nothing is a placeholder or a link: SARIF gives meaning to `{0}` and to `[text](target)`."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")


def _category(run: Run) -> str:
    """Up to the last slash the series that this log belongs to: each version of a group continues the last one's."""
    series = re.sub(r"/\d+$", "", short(run.decision.package))
    return f"modelwarden/{run.decision.request.stage}/{series}/{run.id}"


def _rule(info: ControlInfo) -> dict[str, Any]:
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
    finding, info = ruling.finding, run.controls[ruling.finding.control]
    identity = fingerprint(run.decision.package, run.decision.request.stage, ruling)
    result: dict[str, Any] = {
        "ruleId": finding.control,
        "ruleIndex": rules[finding.control],
        "kind": _KINDS[finding.outcome],
        "level": _level(ruling),
        "message": {"text": _text(_message(run, ruling))},
        "locations": [_location(run, info)],
        # GitHub tells results of one line apart by the second name only.
        "partialFingerprints": {"modelwarden/v1": identity, "primaryLocationLineHash": f"{identity}:1"},
        "properties": {"outcome": finding.outcome, "effect": ruling.effect, "enforcement": printable(ruling.why_level)},
    }
    if ruling.waiver is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": waived(ruling)}]
    return result


def _level(ruling: Ruling) -> str:
    """SARIF wants `none` for everything that is no violation; an unknown is none, and its kind says what it is."""
    if ruling.finding.outcome != "fail":
        return "none"
    return "error" if ruling.effect == "blocks" else "warning"


def _message(run: Run, ruling: Ruling) -> str:
    info = run.controls[ruling.finding.control]
    where = f"{short(run.decision.package)} for {run.decision.request.stage} ({run.decision.request.moment})"
    said = title_of(ruling, info)
    if ruling.finding.outcome == "pass":
        said = f"passed; looked for: {said}"
    elif ruling.finding.outcome == "not-applicable":
        said = f"not applicable: {said}"
    return "\n".join([f"{said}. {where}", *(line.strip() for line in block(run, None, [ruling])[2:])])


def _location(run: Run, info: ControlInfo) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(info.path)},
            "region": {"startLine": max(info.line, 1)},
        },
        "logicalLocations": [
            {
                "name": short(run.decision.package),
                "fullyQualifiedName": printable(run.decision.package),
                "kind": "resource",
            }
        ],
    }


def _invocation(run: Run, rules: dict[str, int]) -> dict[str, Any]:
    decision = run.decision
    told = {"allow": "note", "flag": "warning", "block": "error", "undecided": "error"}[decision.verdict]
    said = [_notification(told, f"{headline(decision)}; {count(run)}")]
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
        "toolConfigurationNotifications": [_notification("note", note) for note in notes(decision)],
        "toolExecutionNotifications": said + [_notification("warning", f"not read: {line}") for line in unread(run)],
    }


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _text(text)}}


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
