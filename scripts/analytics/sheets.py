"""The sheets of the dashboard, in their order: what each shows of which data set."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Shape = Literal["bars", "lines", "table", "heat"]


class Visual(Struct, frozen=True):
    """A picture or a table of one data set."""

    title: str
    data_set: str
    shape: Shape
    by: tuple[str, ...]
    """Columns of a table; else what is counted by: the axis, and the colour or the other axis."""
    values: tuple[str, ...] = ()
    """Columns that are added up; none counts rows."""


class Sheet(Struct, frozen=True):
    name: str
    title: str
    numbers: tuple[tuple[str, str, str], ...]
    """(title, data set, column that is added up), beside the coverage."""
    visuals: tuple[Visual, ...]


_VERDICTS: Final = ("blocked", "undecided", "flagged", "allowed")
_POSTURE: Final = tuple(
    (f"{name.capitalize()} packages", "posture", name) for name in ("blocked", "undecided", "flagged")
)
SHEETS: Final = (
    Sheet(
        "Posture",
        "Where each account stands",
        _POSTURE,
        (
            Visual("Packages by unit and verdict", "posture", "bars", ("unit",), _VERDICTS),
            Visual("Accounts by standing", "posture", "bars", ("standing",)),
            Visual(
                "Accounts",
                "posture",
                "table",
                (
                    *("account", "account_name", "unit", "standing", "account_cells_read", "account_cells_expected"),
                    *("account_coverage_percent", *_VERDICTS, "unmapped", "containers_unjudged"),
                ),
            ),
        ),
    ),
    Sheet(
        "Coverage",
        "What was read, and what was not",
        (),
        (
            Visual("What was not read, by kind", "coverage", "bars", ("state", "kind")),
            Visual(
                "Account-regions and what of them was not read",
                "coverage",
                "table",
                ("account", "account_name", "unit", "region", "state", "api", "kind", "reason"),
            ),
        ),
    ),
    Sheet(
        "Over time",
        "Scan by scan",
        (),
        (
            Visual("Packages by verdict", "posture_trend", "lines", ("started_at",), _VERDICTS),
            Visual(
                "Account-regions expected and read whole",
                "posture_trend",
                "lines",
                ("started_at",),
                ("cells_expected", "cells_read"),
            ),
            Visual(
                "Scans",
                "posture_trend",
                "table",
                (
                    *("run", "started_at", "standing", "coverage_percent", "cells_read", "cells_expected"),
                    *(*_VERDICTS, "unmapped", "blocked_serving", "advisory"),
                ),
            ),
            Visual(
                "What became another one",
                "changes",
                "table",
                (
                    *("finished_at", "package", "account", "previous_verdict", "verdict", "previous_stage", "stage"),
                    *("previous_approval_status", "approval_status"),
                ),
            ),
        ),
    ),
    Sheet(
        "Use cases and models",
        "By line of business, stage, risk and status",
        _POSTURE,
        (
            Visual("By line of business", "models", "bars", ("line_of_business", "line_of_business_state")),
            Visual("By stage and verdict", "models", "bars", ("stage", "verdict")),
            Visual("By risk rating", "models", "bars", ("risk_rating", "risk_rating_state")),
            Visual("By approval", "models", "bars", ("approval_status", "verdict")),
            Visual(
                "Models",
                "models",
                "table",
                (
                    *("package", "account_name", "line_of_business", "line_of_business_state", "use_case"),
                    *("use_case_state", "risk_rating", "risk_rating_state", "stage", "approval_status", "verdict"),
                    *("owner", "created_at"),
                ),
            ),
            Visual("Model cards by standing and status", "model_cards", "bars", ("standing", "status")),
            Visual(
                "Model cards",
                "model_cards",
                "table",
                ("card", "account_name", "status", "standing", "package", "reason", "changed_at"),
            ),
        ),
    ),
    Sheet(
        "Validation metrics",
        "What the reports of judged models state",
        (),
        (
            Visual("Rows by state of the model quality report", "validation_metrics", "bars", ("evaluation_state",)),
            Visual("Metrics by report and state", "validation_metrics", "bars", ("report", "value_state")),
            Visual(
                "Metrics",
                "validation_metrics",
                "table",
                (
                    *("package", "stage", "line_of_business", "risk_rating", "evaluation_state", "bias_reports_state"),
                    *("report", "section", "facet", "facet_value", "metric", "value_state", "value"),
                ),
            ),
        ),
    ),
    Sheet(
        "Audit",
        "Who registered and who approved",
        (),
        (
            Visual(
                "Packages by approval and what the records say", "audit", "bars", ("approval_status", "approval_record")
            ),
            Visual("Packages by whether the approver is known", "audit", "bars", ("approval_status", "approver_state")),
            Visual(
                "Approvals",
                "audit",
                "table",
                (
                    *("package", "stage", "verdict", "approval_status", "approval_record", "approval_record_why"),
                    *("approver", "approver_state", "approved_at", "approval_description", "creator", "created_at"),
                    *("evidence_digest", "material_digest"),
                ),
            ),
        ),
    ),
    Sheet(
        "Endpoints",
        "What runs, and whether it was judged",
        (("Containers that nobody judged", "posture", "containers_unjudged"),),
        (
            Visual("Containers by standing and verdict", "endpoint_monitoring", "bars", ("standing", "verdict")),
            Visual("Containers by data capture", "endpoint_monitoring", "bars", ("data_capture_state", "data_capture")),
            Visual("Requests by endpoint", "endpoint_metrics", "bars", ("endpoint",), ("invocations",)),
            Visual("Server errors by endpoint", "endpoint_metrics", "bars", ("endpoint",), ("invocation_5xx_errors",)),
            Visual("Variants by whether requests are known", "endpoint_metrics", "bars", ("invocations_state",)),
            Visual(
                "Variants in CloudWatch",
                "endpoint_metrics",
                "table",
                (
                    *(
                        "endpoint",
                        "account_name",
                        "variant",
                        "status",
                        "measured_on",
                        "invocations",
                        "invocations_state",
                    ),
                    *("invocation_4xx_errors", "invocation_5xx_errors", "model_latency_average_us"),
                    *("model_latency_maximum_us", "model_latency_maximum_us_state", "cpu_utilization_maximum_bp"),
                    *(
                        "memory_utilization_maximum_bp",
                        "disk_utilization_maximum_bp",
                        "disk_utilization_maximum_bp_state",
                    ),
                ),
            ),
            Visual(
                "Containers",
                "endpoint_monitoring",
                "table",
                (
                    *("endpoint", "account_name", "status", "variant", "standing", "package", "stage", "verdict"),
                    *("image", "problem", "data_capture", "data_capture_state", "capture_percent"),
                ),
            ),
        ),
    ),
    Sheet(
        "Controls",
        "What fails, and where",
        (),
        (
            Visual("Open findings by control", "controls", "bars", ("control",), ("fails", "unknowns")),
            Visual("Failed findings by severity and stage", "controls", "bars", ("severity", "stage"), ("fails",)),
            Visual("Failed findings by account and family", "controls", "heat", ("account", "family"), ("fails",)),
            Visual("Findings that could not be told", "controls", "heat", ("account", "family"), ("unknowns",)),
            Visual(
                "Controls by account",
                "controls",
                "table",
                (
                    *("control", "title", "severity", "account", "region", "stage"),
                    *("fails", "unknowns", "passes", "not_applicable", "blocking", "waived"),
                ),
            ),
        ),
    ),
    Sheet(
        "Waivers",
        "What is accepted, by whom and how long",
        (("Findings under a waiver", "waivers", "findings"),),
        (
            Visual("Findings by owner of the waiver", "waivers", "bars", ("owner",), ("findings",)),
            Visual(
                "Waivers",
                "waivers",
                "table",
                (
                    *("waiver_id", "owner", "approver", "reason", "ticket", "expires_on", "days_left", "break_glass"),
                    *("findings", "packages"),
                ),
            ),
        ),
    ),
)
