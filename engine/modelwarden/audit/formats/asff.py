"""ASFF, as AWS Security Hub CSPM takes it: a JSON array, a finding on each line.

A control that does not apply has no finding. An unknown is `NOT_AVAILABLE` where a call failed, else `WARNING`; what was
not read, and what was not decided, are findings of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from msgspec import Struct

from modelwarden.arn import partition
from modelwarden.audit.coverage import Missing
from modelwarden.audit.report import Report, serves
from modelwarden.audit.source import Found, Package, Source
from modelwarden.evidence import digest
from modelwarden.finding import Ruling
from modelwarden.render.cause import cause_of, help_for
from modelwarden.render.json import line
from modelwarden.render.text import MAX_FACTS, MAX_VALUE, cut, expected_of, printable, short, title_of

SCHEMA_VERSION: Final = "2018-10-08"
MAX_TITLE: Final = 256
MAX_DESCRIPTION: Final = 1_024
MAX_REMEDY: Final = 512
MAX_ID: Final = 512
MAX_LIST: Final = 32
_TYPE: Final = "Software and Configuration Checks/Policy/Model promotion"
_STATUS: Final = {"pass": "PASSED", "fail": "FAILED"}


class Hub(Struct, frozen=True):
    """The Security Hub that findings are for."""

    partition: str
    account: str
    region: str

    @property
    def product(self) -> str:
        place = f"arn:{self.partition}:securityhub:{self.region}:{self.account}"
        return f"{place}:product/{self.account}/default"


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Each finding is for the hub of the account and region that its package lies in."""
    out.write(b"[")
    for number, one in enumerate(findings(source, report)):
        out.write((b",\n" if number else b"\n") + line(one).encode())
    out.write(b"\n]\n")
    homeless = [hole for hole in report.coverage.missing() if hole.kind != "skipped" and not hole.account.isdecimal()]
    return tuple(f"asff: belongs to no account, and has no finding: {printable(hole.words())}" for hole in homeless)


def findings(source: Source, report: Report, hub: Hub | None = None, *outcomes: str) -> Iterator[dict[str, Any]]:
    """Holes first. `hub`: of all of them, whatever account they are about; `outcomes`: those that are wanted, all by default."""
    maker = _Maker(report, hub)
    for hole in report.coverage.missing():
        if hole.kind != "skipped" and (hub or hole.account.isdecimal()):
            yield maker.hole(hole)
    for one, why in source.unsaid():
        yield maker.undecided(one, why)
    for found in source.findings(*(outcomes or ("fail", "unknown", "pass"))):
        yield maker.finding(found)


def status_of(ruling: Ruling) -> str:
    """`Compliance.Status`."""
    if ruling.finding.outcome != "unknown":
        return _STATUS[ruling.finding.outcome]
    cause = cause_of(ruling)
    return "NOT_AVAILABLE" if cause and cause.api else "WARNING"


class _Maker:
    def __init__(self, report: Report, hub: Hub | None) -> None:
        self._hub = hub
        self._report = report
        self._serves = serves(report)
        coverage = report.coverage
        self._fields = {
            "modelwarden/run": report.run,
            "modelwarden/run_complete": str(coverage.whole).lower(),
            "modelwarden/run_coverage": coverage.headline(),
            "modelwarden/as_of": report.as_of,
        }

    def finding(self, found: Found) -> dict[str, Any]:
        ruling, info = found.ruling, found.info
        requirements = [cut(one, MAX_ID) for one in self._serves.get(info.id, [])[:MAX_LIST]]
        return self._document(
            identity=found.identity,
            control=info.id,
            package=found.package,
            place=(found.account, found.region),
            title=title_of(ruling, info),
            description=_description(found),
            severity=info.severity.upper() if found.is_open else "INFORMATIONAL",
            compliance={
                "Status": status_of(ruling),
                "SecurityControlId": info.id,
                **({"RelatedRequirements": requirements} if requirements else {}),
            },
            workflow="SUPPRESSED" if ruling.waiver else "NEW" if found.is_open else "RESOLVED",
            remedy=help_for(ruling, info) if found.is_open else "",
            resource=_package(found.package, found.region, {"stage": found.stage, "moment": found.moment}),
        )

    def hole(self, hole: Missing) -> dict[str, Any]:
        account = hole.account or (self._hub.account if self._hub else "")
        return self._document(
            identity=hole.identity,
            control="coverage",
            place=(account, hole.region),
            title=f"not all of an account was read: {hole.kind}",
            description=hole.words(),
            severity="HIGH",
            compliance={"Status": "NOT_AVAILABLE"},
            workflow="SUPPRESSED" if hole.kind == "accepted" else "NEW",
            resource={"Type": "AwsAccount", "Id": f"AWS::::Account:{account}"},
        )

    def undecided(self, one: Package, why: str) -> dict[str, Any]:
        return self._document(
            identity=digest(["decision", one.package]).removeprefix("sha256:"),
            control="decision",
            package=one.package,
            place=(one.account, one.region),
            title="package is not decided",
            description=why,
            severity="HIGH",
            compliance={"Status": "WARNING"},
            resource=_package(one.package, one.region, {}),
        )

    def _document(
        self,
        *,
        identity: str,
        control: str,
        place: tuple[str, str],
        title: str,
        description: str,
        severity: str,
        compliance: dict[str, Any],
        resource: dict[str, Any],
        package: str = "",
        workflow: str = "NEW",
        remedy: str = "",
    ) -> dict[str, Any]:
        account, region = place
        hub = self._hub or Hub(resource.get("Partition", "aws"), account, region if region != "global" else "us-east-1")
        return {
            "SchemaVersion": SCHEMA_VERSION,
            "Id": f"modelwarden/{control}/{identity}",
            "ProductArn": hub.product,
            "ProductName": "modelwarden",
            "CompanyName": "modelwarden",
            "GeneratorId": f"modelwarden/{control}",
            "AwsAccountId": hub.account,
            "Types": [_TYPE],
            "CreatedAt": self._report.started_at,
            "UpdatedAt": self._report.finished_at,
            "Severity": {"Label": severity},
            "Title": cut(printable(title), MAX_TITLE),
            "Description": cut(printable(description), MAX_DESCRIPTION),
            **({"Remediation": {"Recommendation": {"Text": cut(printable(remedy), MAX_REMEDY)}}} if remedy else {}),
            "ProductFields": self._fields
            | {
                "modelwarden/control": control,
                "modelwarden/account": account,
                **({"modelwarden/region": region} if region else {}),
                **({"modelwarden/package": cut(printable(package), MAX_DESCRIPTION)} if package else {}),
            },
            "Resources": [resource],
            "Compliance": compliance,
            "Workflow": {"Status": workflow},
            "RecordState": "ACTIVE",
        }


def _description(found: Found) -> str:
    """Without times: it is the same from scan to scan where nothing changed."""
    finding = found.ruling.finding
    parts = [f"{short(found.package)} -> {found.stage} ({found.moment})"]
    parts += [cut(printable(str(one)), MAX_VALUE) for one in finding.observed[:MAX_FACTS]]
    parts += [f"because {finding.reason}"] if finding.reason else []
    if found.is_open and (expected := expected_of(found.ruling, found.info)):
        parts.append(f"expected {expected}")
    return "; ".join(parts)


def _package(package: str, region: str, details: dict[str, str]) -> dict[str, Any]:
    told = {name: value for name, value in details.items() if value}
    return {
        "Type": "Other",
        "Id": cut(printable(package), MAX_ID),
        "Partition": partition(package),
        "Region": region,
        **({"Details": {"Other": told}} if told else {}),
    }
