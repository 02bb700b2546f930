"""GitLab Code Quality: a list of issues for the merge request, the decision itself as the first."""

from __future__ import annotations

from typing import Any, Final

from modelwarden.evidence import digest
from modelwarden.finding import Ruling
from modelwarden.render.cause import fingerprint, help_for
from modelwarden.render.json import dump
from modelwarden.render.text import (
    count,
    cut,
    expected_of,
    fact_of,
    headline,
    notes,
    printable,
    short,
    title_of,
    unread,
    waived,
)
from modelwarden.run import Run

MAX_FACTS: Final = 3
MAX_DESCRIPTION: Final = 1_000
SETTINGS: Final = "modelwarden.toml"
"""Where an issue stands that is about the decision and no single control: GitLab wants a file."""

_SEVERITIES: Final = {"critical": "major", "high": "major", "medium": "minor", "low": "info"}
"""Of a finding that flags; what blocks is a blocker and what leaves the decision open critical, whatever the control."""
_OF_VERDICT: Final = {"allow": "info", "flag": "minor", "block": "blocker", "undecided": "critical"}


def render(run: Run) -> str:
    """Everything but passes; a description is all that GitLab shows, so it holds what there is to say."""
    shown = [ruling for ruling in run.decision.rulings if ruling.finding.outcome != "pass"]
    return dump([_decision(run), *(_finding(run, ruling) for ruling in shown)])


def _issue(check: str, severity: str, description: str, identity: str, path: str, line: int) -> dict[str, Any]:
    return {
        "description": cut(description, MAX_DESCRIPTION),
        "check_name": check,
        "fingerprint": identity,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": max(line, 1)}},
    }


def _decision(run: Run) -> dict[str, Any]:
    decision = run.decision
    said = [headline(decision), count(run), *notes(decision), *(f"not read: {line}" for line in unread(run))]
    identity = digest(["decision", decision.package, decision.request.stage, decision.verdict]).removeprefix("sha256:")
    return _issue("modelwarden", _OF_VERDICT[decision.verdict], "; ".join(said), identity, SETTINGS, 1)


def _finding(run: Run, ruling: Ruling) -> dict[str, Any]:
    info = run.controls[ruling.finding.control]
    return _issue(
        ruling.finding.control,
        _severity(ruling, info.severity),
        _description(run, ruling),
        fingerprint(run.decision.package, run.decision.request.stage, ruling),
        printable(info.path),
        info.line,
    )


def _severity(ruling: Ruling, severity: str) -> str:
    if ruling.waiver is not None or ruling.finding.outcome == "not-applicable":
        return "info"
    return {"blocks": "blocker", "undecides": "critical"}.get(ruling.effect, _SEVERITIES[severity])


def _description(run: Run, ruling: Ruling) -> str:
    info = run.controls[ruling.finding.control]
    said = f"{short(run.decision.package)}: {title_of(ruling, info)}"
    if ruling.finding.outcome == "not-applicable":
        said = f"{short(run.decision.package)}: not applicable: {printable(info.title)}"
    elif ruling.waiver is not None:
        said = f"{said}; waived: {waived(ruling)}"
    parts = [said, *(fact_of(seen) for seen in ruling.finding.observed[:MAX_FACTS])]
    if ruling.finding.outcome != "not-applicable":
        if expected := expected_of(ruling, info):
            parts.append(f"expected: {expected}")
        parts.append(f"help: {printable(help_for(ruling, info))}")
    return "; ".join(parts)
