"""The tables that are published: their columns, types and meaning. Glue, Parquet and the documentation are made from this.

INVARIANT: whether something was there, was not there or could not be read stands in a column of its own, `<name>_state`,
and `<name>` is null unless it was there. So a sum over what nobody read is never a sum over zeros.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

VERSION: Final = "modelwarden.analytics/1"
"""Other columns are another version, and an edition of their own."""

Kind = Literal["text", "count", "number", "flag", "time", "day"]
"""`time` is a timestamp in UTC, `day` a date."""

PARTITION: Final = "run_date"
"""The day (UTC) on which the scan began, `2026-11-20`; the folder of a file says it, and no column in it."""

States = Literal["present", "absent", "unknown"]
"""AWS answered with it; AWS answered that it is not there; nobody could read it, or nobody asked."""


class Column(Struct, frozen=True):
    """One column."""

    name: str
    kind: Kind
    meaning: str


class Table(Struct, frozen=True):
    """One table; a row of it belongs to one edition of one run."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


def _columns(kind: Kind, /, **meanings: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, meaning) for name, meaning in meanings.items())


def _stated(kind: Kind, /, **meanings: str) -> tuple[Column, ...]:
    """Each with its state."""
    return tuple(
        column
        for name, meaning in meanings.items()
        for column in (
            Column(name, kind, meaning),
            Column(f"{name}_state", "text", f"present, absent or unknown: whether {name} could be read"),
        )
    )


_KEY: Final = _columns(
    "text",
    run="id of the scan; ids sort by time",
    edition="which publication of the scan; the row of `runs` names the one that counts",
)
_PLACE: Final = _columns(
    "text",
    account="id of the account",
    account_name="its name; null where nobody could tell",
    unit="path of its organizational unit, or why there is none",
    region="region",
)
_PACKAGE: Final = (Column("package", "text", "ARN of the model package"), *_PLACE)
_ASKED: Final = _columns(
    "text",
    stage="stage for which it was judged; null where it was not",
    moment="approve, or serve for what is approved or deployed; null where it was not judged",
)

_RUNS: Final = Table(
    "runs",
    "one row for each scan, written last: a scan without a row here is not shown",
    (
        *_KEY,
        *_columns(
            "time",
            started_at="when the scan began",
            finished_at="when it ended",
            as_of="time as of which it judged",
            full_at="when everything was read last",
        ),
        *_columns(
            "flag",
            as_of_asserted="somebody asserted that time; such a scan is in no view",
            advisory="no organization layer held",
            complete="everything that was expected was read, but for accepted gaps",
        ),
        *_columns(
            "text",
            since="the scan whose evidence was carried over; null where everything was read",
            versions="versions of modelwarden, cedarpy and Python, as JSON",
            bundle_digest="digest of the controls",
            settings_digest="digest of the settings",
            waivers_digest="digest of the waivers",
            result_digest="two scans that saw and decided the same have the same",
        ),
        *_columns(
            "count",
            cells_expected="account-regions that were expected",
            cells_read="of these read whole",
            organization_holes="holes that belong to no account-region, and so to all",
            packages="model packages that were found",
            judged="of these judged",
            unmapped="to be judged, and nobody could tell their stage",
            inventory="neither approved, deployed nor newest of their group",
            gone="deleted while they were read",
            carried="packages whose evidence an earlier scan read",
            blocked="packages by verdict",
            undecided="packages by verdict",
            flagged="packages by verdict",
            allowed="packages by verdict",
            blocked_serving="approved or deployed packages that are blocked",
            cards="standalone model cards; null where the scan did not look for them",
            containers="containers behind endpoints",
            containers_unjudged="of these such that run a package nobody judged, or of which nobody could tell",
        ),
    ),
)

_COVERAGE: Final = Table(
    "coverage",
    "one row for each account-region that was expected",
    (
        *_KEY,
        *_PLACE,
        *_columns("text", state="read, partly read, not read, or accepted (a hole that the organization accepts)"),
        *_columns("count", holes="what of it was not read"),
    ),
)

_HOLES: Final = Table(
    "holes",
    "one row for each thing that was not read",
    (
        *_KEY,
        *_PLACE,
        *_columns(
            "text",
            api="API that failed; null where it is the whole account-region",
            kind="not read, partly read, accepted or skipped",
            reason="why, in words",
        ),
        *_columns("flag", everywhere="it belongs to no account-region, and so to all"),
    ),
)

_PACKAGES: Final = Table(
    "packages",
    "one row for each model package",
    (
        *_KEY,
        *_PACKAGE,
        *_columns("text", package_group="model package group; null for an unversioned package"),
        *_columns("count", version="its version in the group"),
        *_columns(
            "text",
            role="judged, unmapped, inventory or gone",
            why="why it was judged, or why not",
        ),
        *_ASKED,
        *_columns(
            "text",
            verdict="block, undecided, flag or allow; null where it was not judged",
            approval_status="ModelApprovalStatus; null where nobody read it",
            claimed_stage="stage of its life cycle; null where it claims none",
            owner="who answers for it: tag of the group, else the model card; null where neither says",
            origin="package of which it says to be a copy",
            approval_record="recorded, out of band or not told; null where it is not approved or no records are kept",
            approval_record_why="why it is not recorded",
            carried_from="scan that read its evidence, where it was not this one",
            evidence_digest="digest of its facts",
            material_digest="digest of what it would run",
        ),
        *_columns("time", created_at="when it was registered", modified_at="when it changed last"),
        *_columns(
            "count",
            blocking="findings that block it",
            undeciding="findings that leave it undecided",
            flagging="findings that flag it",
            waived="findings under a waiver",
        ),
        *_stated(
            "text",
            line_of_business="business_details.line_of_business of the model card",
            use_case="intended_uses.purpose_of_model of the model card",
            business_problem="business_details.business_problem of the model card",
            risk_rating="intended_uses.risk_rating of the model card",
            problem_type="model_overview.problem_type of the model card",
            model_owner="model_overview.model_owner of the model card",
            card_status="ModelCardStatus",
            life_cycle_status="ModelLifeCycle.StageStatus",
            creator="who registered it",
            approver="who last set its status, as CloudTrail tells; read only for what is approved",
            approval_description="ApprovalDescription",
        ),
        *_stated("time", approved_at="when the status was set, as CloudTrail tells"),
        *_columns(
            "text",
            evaluation_state="valid or malformed: the model quality report; absent; or unknown",
        ),
        *_stated(
            "count",
            evaluation_metrics="metrics in the model quality report",
            bias_reports="bias reports that it names",
        ),
    ),
)

_FINDINGS: Final = Table(
    "findings",
    "one row for each control and judged package",
    (
        *_KEY,
        *_columns("text", package="ARN of the model package", account="id of the account", region="region"),
        *_ASKED,
        *_columns(
            "text",
            control="id of the control",
            severity="its severity",
            outcome="pass, fail, unknown or not-applicable",
            level="block or flag",
            effect="blocks, undecides, flags or none",
            waiver_id="waiver that covers it; null where none does",
            reason="in words; null where there is no more to say",
        ),
    ),
)

_CONTROLS: Final = Table(
    "controls",
    "one row for each control of the scan",
    (
        *_KEY,
        *_columns(
            "text",
            control="its id",
            family="what stands before the dash of the id",
            title="what is wrong where it fails",
            severity="critical, high, medium or low",
        ),
    ),
)

_WAIVERS: Final = Table(
    "waivers",
    "one row for each waiver that covers a finding of the scan",
    (
        *_KEY,
        *_columns(
            "text",
            waiver_id="its id",
            owner="who answers for it",
            approver="who approved it",
            reason="why",
            ticket="where it was asked for; null where nobody said",
        ),
        *_columns("day", expires_on="its last day"),
        *_columns("flag", break_glass="it was granted in an emergency"),
        *_columns("count", findings="findings that it covers", packages="packages that it covers"),
    ),
)

_METRICS: Final = Table(
    "metrics",
    "one row for each metric that a report of a judged package holds; what no report holds has no row",
    (
        *_KEY,
        *_columns("text", package="ARN of the model package", account="id of the account", region="region"),
        *_columns(
            "text",
            report="evaluation (model quality) or bias",
            section="pre_training or post_training; null for an evaluation",
            facet="facet of a bias metric; null for an evaluation",
            facet_value="its value or threshold",
            metric="name of the metric",
            value_state="number, infinite, undefined, absent or unknown",
        ),
        *_columns("number", value="in the unit of the report; null unless it is a number"),
    ),
)

_ENDPOINTS: Final = Table(
    "endpoints",
    "one row for each container of each variant of each endpoint",
    (
        *_KEY,
        *_columns("text", endpoint="ARN of the endpoint", endpoint_name="its name"),
        *_PLACE,
        *_columns(
            "text",
            status="EndpointStatus",
            variant="variant; null where nobody could read which there are",
            model="model; null where the variant names none",
            package="ARN of the model package that it runs; null where it runs none, or nobody could tell",
            image="image that it runs where it runs no package",
            standing="judged, not judged, unregistered or not told",
            problem="why nobody could tell what it runs",
        ),
        *_stated("text", data_capture="Started or Stopped, where the endpoint captures its data"),
        *_columns("count", capture_percent="share of requests that it captures; null unless data capture is set"),
    ),
)

_ENDPOINT_METRICS: Final = Table(
    "endpoint_metrics",
    "one row for each metric of CloudWatch and each variant of an endpoint, where the scan asked for them",
    (
        *_KEY,
        *_columns("text", endpoint="ARN of the endpoint", endpoint_name="its name"),
        *_PLACE,
        *_columns("text", variant="variant", metric="metric, with its unit"),
        *_columns("day", measured_on="day (UTC) that it is over: the last whole one before the scan"),
        *_stated("count", value="what CloudWatch holds; absent where it holds nothing, which is no zero"),
        *_columns("text", problem="why it could not be read; null where it was"),
    ),
)

_CARDS: Final = Table(
    "cards",
    "one row for each standalone model card, where the scan looked for them",
    (
        *_KEY,
        *_columns("text", card="ARN of the model card"),
        *_PLACE,
        *_columns(
            "text",
            status="its status",
            package="ARN of the model package that it names; null where it names none, or nobody could tell",
            standing="of a package (which the scan found), standalone or not told",
            reason="what it names and was not found, or why nobody could tell; null for one of a package",
        ),
        *_columns("time", created_at="when it was made", changed_at="when its newest version was made"),
    ),
)

TABLES: Final = {
    table.name: table
    for table in (
        _RUNS,
        _COVERAGE,
        _HOLES,
        _PACKAGES,
        _FINDINGS,
        _CONTROLS,
        _WAIVERS,
        _METRICS,
        _ENDPOINTS,
        _ENDPOINT_METRICS,
        _CARDS,
    )
}
"""By name; `runs` first."""
