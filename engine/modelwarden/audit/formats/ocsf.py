"""OCSF 1.5.0, Compliance Finding (2003): a line of JSON for each finding, for each hole, and for each undecided package."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

from modelwarden.arn import partition
from modelwarden.audit.coverage import Missing
from modelwarden.audit.report import Report, serves
from modelwarden.audit.source import Package, Source
from modelwarden.evidence import digest
from modelwarden.finding import Found, Outcome
from modelwarden.render.cause import help_for
from modelwarden.render.json import line
from modelwarden.render.text import expected_of, printable, single, title_of
from modelwarden.settings.effective import instant

VERSION: Final = "1.5.0"
CATEGORY: Final = 2
CLASS: Final = 2003
CREATE: Final = 1
"""Each scan tells anew what it found; `finding_info.uid` says which lines are of one finding."""
_COMPLIANCE: Final[dict[Outcome, tuple[int, str]]] = {
    "pass": (1, "Pass"),
    "unknown": (2, "Warning"),
    "fail": (3, "Fail"),
    "not-applicable": (99, "Not applicable"),
}
"""A warning is what OCSF calls a check without a result, as information is missing."""
_SEVERITIES: Final = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_INFORMATIONAL: Final = (1, "Informational")
_NEW, _SUPPRESSED, _RESOLVED, _OTHER = (1, "New"), (3, "Suppressed"), (4, "Resolved"), (99, "Not applicable")
_AWS_ACCOUNT: Final = (10, "AWS Account")


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Holes come first."""
    head = _Head(report)
    for hole in report.coverage.missing():
        out.write(line(head.hole(hole)).encode() + b"\n")
    for one, why in source.unsaid():
        out.write(line(head.undecided(one, why)).encode() + b"\n")
    for found in source.findings():
        out.write(line(head.finding(found)).encode() + b"\n")
    return ()


class _Head:
    """What all lines of one report have in common."""

    def __init__(self, report: Report) -> None:
        coverage = report.coverage
        at = instant(report.as_of)
        self._time = int(at.timestamp() * 1000) if at else 0
        self._serves = serves(report)
        self._product = {
            "name": "modelwarden",
            "vendor_name": "modelwarden",
            "version": report.versions.get("modelwarden", ""),
        }
        self._run = report.run
        self._scan = {
            "run": report.run,
            "run_complete": coverage.whole,
            "run_coverage": coverage.headline(),
            "scope": printable(report.scope),
            "as_of_asserted": report.as_of_asserted,
            "advisory": report.advisory,
        }

    def finding(self, found: Found) -> dict[str, Any]:
        ruling, info = found.ruling, found.info
        finding = ruling.finding
        id_, word = _COMPLIANCE[finding.outcome]
        obligations = self._serves.get(info.id, [])
        lines = [one.strip() for one in single(ruling, info, found.package, found.stage, found.moment)[2:]]
        status = {"pass": _RESOLVED, "not-applicable": _OTHER}.get(finding.outcome, _NEW)
        told = self._event(
            uid=found.identity,
            title=title_of(ruling, info),
            desc=printable(info.rationale),
            place=(found.account, found.region),
            severity=_SEVERITIES[info.severity] if found.is_open else _INFORMATIONAL,
            status=_SUPPRESSED if ruling.waiver else status,
            compliance={
                "control": info.id,
                "status_id": id_,
                "status": word,
                "status_details": lines,
                **({"desc": expected} if (expected := expected_of(ruling, info)) else {}),
                **({"requirements": obligations} if obligations else {}),
                **({"standards": sorted({one.split(" ", 1)[0] for one in obligations})} if obligations else {}),
            },
            resource=_package(found.package, found.region, found.group),
        )
        told["unmapped"] |= {
            "outcome": finding.outcome,
            "effect": ruling.effect,
            "level": ruling.level,
            "stage": found.stage,
            "moment": found.moment,
            "waiver": printable(ruling.waiver.id) if ruling.waiver else "",
        }
        if found.is_open:
            told["remediation"] = {"desc": printable(help_for(ruling, info))}
        return told

    def hole(self, hole: Missing) -> dict[str, Any]:
        """A finding about the account: what was not read cannot be told."""
        account = hole.account or "organization"
        return self._untold(
            uid=hole.identity,
            title="accounts and regions that were expected must be read"
            if hole.kind != "skipped"
            else "account skipped",
            why=printable(hole.words()),
            place=(hole.account, hole.region),
            severity=_INFORMATIONAL if hole.kind == "skipped" else _SEVERITIES["high"],
            control="coverage",
            resource={"uid": account, "type": "AWS::::Account"},
        )

    def undecided(self, one: Package, why: str) -> dict[str, Any]:
        return self._untold(
            uid=digest(["decision", one.package]).removeprefix("sha256:"),
            title="package must be decided",
            why=printable(why),
            place=(one.account, one.region),
            severity=_SEVERITIES["high"],
            control="decision",
            resource=_package(one.package, one.region, one.group),
        )

    def _untold(self, *, title: str, why: str, control: str, **about: Any) -> dict[str, Any]:
        id_, word = _COMPLIANCE["unknown"]
        told = self._event(
            title=title,
            desc=why,
            status=_NEW,
            compliance={"control": control, "status_id": id_, "status": word, "status_details": [why]},
            **about,
        )
        told["unmapped"]["outcome"] = "unknown"
        return told

    def _event(
        self,
        *,
        uid: str,
        title: str,
        desc: str,
        place: tuple[str, str],
        severity: tuple[int, str],
        status: tuple[int, str],
        compliance: dict[str, Any],
        resource: dict[str, Any],
    ) -> dict[str, Any]:
        account, region = place
        type_id, type_ = _AWS_ACCOUNT
        cloud = {"provider": "AWS"} | ({"region": region} if region else {})
        return {
            "metadata": {
                "version": VERSION,
                "product": self._product,
                "profiles": ["cloud"],
                "uid": f"{self._run}/{uid}",
            },
            "category_uid": CATEGORY,
            "category_name": "Findings",
            "class_uid": CLASS,
            "class_name": "Compliance Finding",
            "activity_id": CREATE,
            "activity_name": "Create",
            "type_uid": CLASS * 100 + CREATE,
            "type_name": "Compliance Finding: Create",
            "time": self._time,
            "severity_id": severity[0],
            "severity": severity[1],
            "status_id": status[0],
            "status": status[1],
            "message": f"{compliance['status']}: {title}",
            "finding_info": {"uid": uid, "title": title, "desc": desc or title},
            "compliance": compliance,
            "cloud": cloud | ({"account": {"uid": account, "type_id": type_id, "type": type_}} if account else {}),
            "resources": [resource],
            "unmapped": dict(self._scan),
        }


def _package(package: str, region: str, group: str) -> dict[str, Any]:
    return {
        "uid": printable(package),
        "type": "AWS::SageMaker::ModelPackage",
        "cloud_partition": partition(package),
        "region": region,
        **({"group": {"name": printable(group)}} if group else {}),
    }
