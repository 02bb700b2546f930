"""One finding in ASFF, as AWS Security Hub CSPM takes it: that of a scan and that of an event have the same form and `Id`.

An unknown is `NOT_AVAILABLE` where a call failed, else `WARNING`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from modelwarden.arn import partition
from modelwarden.evidence import digest
from modelwarden.finding import Found, Ruling
from modelwarden.render.cause import cause_of, help_for
from modelwarden.render.text import MAX_FACTS, MAX_VALUE, cut, expected_of, printable, short, title_of

SCHEMA_VERSION: Final = "2018-10-08"
AT_ONCE: Final = 100
"""Findings of one call."""
MAX_TITLE: Final = 256
MAX_DESCRIPTION: Final = 1_024
MAX_REMEDY: Final = 512
MAX_ID: Final = 512
MAX_LIST: Final = 32
MEMBERS: Final = (
    *(
        "SchemaVersion",
        "Id",
        "ProductArn",
        "ProductName",
        "CompanyName",
        "GeneratorId",
        "AwsAccountId",
        "Types",
        "CreatedAt",
    ),
    *(
        "UpdatedAt",
        "Severity",
        "Title",
        "Description",
        "Remediation",
        "ProductFields",
        "Resources",
        "Compliance",
        "Workflow",
    ),
    "RecordState",
)
"""Of a document; Security Hub adds members of its own."""
BY: Final = "modelwarden/told_by"
"""Product field: `scan`, or `event` where a decision about one package told it."""
UNDECIDED: Final = "decision"
"""In the place of a control: that a package is not decided, and no finding says why."""
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


class About(Struct, frozen=True):
    """The run that the findings are of."""

    run: str
    whole: bool
    """Whether everything was read."""
    coverage: str
    """In words."""
    as_of: str
    started_at: str
    finished_at: str
    told_by: Literal["scan", "event"]


class Maker:
    """Makes documents of one run."""

    def __init__(self, about: About, hub: Hub | None, serves: Mapping[str, Sequence[str]]) -> None:
        """`hub`: None for that of the account and region that a finding is about; `serves`: control -> obligations."""
        self.hub = hub
        self._about = about
        self._serves = serves
        self._fields = {
            "modelwarden/run": about.run,
            "modelwarden/run_complete": str(about.whole).lower(),
            "modelwarden/run_coverage": about.coverage,
            "modelwarden/as_of": about.as_of,
            BY: about.told_by,
        }

    def finding(self, found: Found) -> dict[str, Any]:
        ruling, info = found.ruling, found.info
        requirements = [cut(one, MAX_ID) for one in self._serves.get(info.id, [])[:MAX_LIST]]
        return self.document(
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

    def undecided(self, package: str, place: tuple[str, str], why: str) -> dict[str, Any]:
        """A package that is not decided, while no finding says so; `place`: account and region."""
        return self.document(
            identity=digest([UNDECIDED, package]).removeprefix("sha256:"),
            control=UNDECIDED,
            package=package,
            place=place,
            title="package is not decided",
            description=why,
            severity="HIGH",
            compliance={"Status": "WARNING"},
            resource=_package(package, place[1], {}),
        )

    def document(
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
        hub = self.hub or Hub(resource.get("Partition", "aws"), account, region if region != "global" else "us-east-1")
        return {
            "SchemaVersion": SCHEMA_VERSION,
            "Id": f"modelwarden/{control}/{identity}",
            "ProductArn": hub.product,
            "ProductName": "modelwarden",
            "CompanyName": "modelwarden",
            "GeneratorId": f"modelwarden/{control}",
            "AwsAccountId": hub.account,
            "Types": [_TYPE],
            "CreatedAt": self._about.started_at,
            "UpdatedAt": self._about.finished_at,
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


def status_of(ruling: Ruling) -> str:
    """`Compliance.Status`."""
    if ruling.finding.outcome != "unknown":
        return _STATUS[ruling.finding.outcome]
    cause = cause_of(ruling)
    return "NOT_AVAILABLE" if cause and cause.api else "WARNING"


def closing(at: str, *, passed: bool) -> dict[str, Any]:
    """Members of the document of a finding that is no more; `at`: UTC, when that was found."""
    told = {"RecordState": "ARCHIVED", "UpdatedAt": at, "Workflow": {"Status": "RESOLVED"}}
    return told | ({"Compliance": {"Status": "PASSED"}} if passed else {})


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
