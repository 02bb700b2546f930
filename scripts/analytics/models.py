"""Questions about models: use cases, what their reports state, who approved them, and where they run."""

from __future__ import annotations

from typing import Final

from scripts.analytics.sql import (
    BESIDE,
    COMPUTED,
    COUNTS,
    LATEST,
    PLACE,
    RECENT_DAYS,
    VERDICTS,
    Question,
    columns_of,
    known_columns,
    listed,
    of_latest,
    of_same_scan,
    since,
)

from modelwarden.analytics.tables import Kind
from modelwarden.collect.endpoint_metrics import METRICS

_MODEL: Final = (
    *("package", "package_group", "version", *PLACE, "role", "why", "stage", "moment", "verdict"),
    *("approval_status", "claimed_stage", "owner"),
    *("line_of_business", "line_of_business_state", "use_case", "use_case_state"),
    *("business_problem", "business_problem_state", "risk_rating", "risk_rating_state"),
    *("problem_type", "problem_type_state", "model_owner", "model_owner_state", "card_status", "card_status_state"),
    *("life_cycle_status", "life_cycle_status_state", "evaluation_state", "created_at", "modified_at"),
    *("blocking", "undeciding", "flagging", "waived"),
)


def models() -> Question:
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)},
    {listed("p", *_MODEL)}
FROM {of_latest("packages", "p")}
WHERE {since(RECENT_DAYS, "p")} AND p.role <> 'gone'"""
    about = "one row for each model package, with what its model card says and how it was judged"
    columns = columns_of(known_columns("runs", "packages", **COMPUTED), *BESIDE, *_MODEL)
    return Question("models", "Models", about, sql, columns)


_PACKAGES: Final[dict[str, tuple[Kind, str]]] = {
    "packages": ("count", "model packages"),
    "judged": ("count", "of these judged"),
    "unmapped": ("count", "to be judged, and nobody could tell their stage"),
    "blocked": ("count", "packages by verdict"),
    "undecided": ("count", "packages by verdict"),
    "flagged": ("count", "packages by verdict"),
    "allowed": ("count", "packages by verdict"),
}


def use_cases() -> Question:
    by = (
        *("line_of_business", "line_of_business_state", "use_case", "use_case_state"),
        *("stage", "risk_rating", "risk_rating_state", "approval_status"),
    )
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)},
    {listed("p", *by)},
    {COUNTS}
FROM {of_latest("packages", "p")}
WHERE {since(RECENT_DAYS, "p")} AND p.role <> 'gone'
GROUP BY {listed("r", *BESIDE)},
    {listed("p", *by)}"""
    about = "model packages by line of business, use case, stage, risk rating and approval"
    columns = columns_of(known_columns("runs", "packages", **COMPUTED, **_PACKAGES), *BESIDE, *by, *VERDICTS)
    return Question("use_cases", "Use cases", about, sql, columns, data_set=False)


def metrics() -> Question:
    of_package = (
        *("package", "package_group", "version", *PLACE, "stage", "verdict"),
        *("line_of_business", "line_of_business_state", "risk_rating", "risk_rating_state", "evaluation_state"),
        *("evaluation_metrics", "evaluation_metrics_state", "bias_reports", "bias_reports_state"),
    )
    of_metric = ("report", "section", "facet", "facet_value", "metric", "value_state", "value")
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)},
    {listed("p", *of_package)},
    {listed("m", *of_metric)}
FROM {of_latest("packages", "p")}
LEFT JOIN ${{Database}}.metrics m ON m.package = p.package AND {of_same_scan("metrics", "m")}
WHERE {since(RECENT_DAYS, "p")} AND p.role = 'judged'"""
    about = "metrics of judged packages as their reports state them; a package without any is one row without a metric"
    known = known_columns("runs", "packages", "metrics", **COMPUTED)
    columns = columns_of(known, *BESIDE, *of_package, *of_metric)
    return Question("validation_metrics", "Validation metrics", about, sql, columns)


def audit() -> Question:
    told = (
        *("package", "package_group", "version", *PLACE, "stage", "verdict", "approval_status"),
        *("approval_record", "approval_record_why", "approver", "approver_state", "approved_at", "approved_at_state"),
        *("approval_description", "approval_description_state", "creator", "creator_state", "created_at"),
        *("evidence_digest", "material_digest", "origin"),
    )
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)},
    {listed("p", *told)}
FROM {of_latest("packages", "p")}
WHERE {since(RECENT_DAYS, "p")} AND p.role IN ('judged', 'unmapped')"""
    about = "who registered and who approved each package that is judged, and whether a recorded decision says so"
    columns = columns_of(known_columns("runs", "packages", **COMPUTED), *BESIDE, *told)
    return Question("audit", "Approvals", about, sql, columns)


def cards() -> Question:
    told = ("card", *PLACE, "status", "package", "standing", "reason", "created_at", "changed_at")
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)}, {listed("k", *told)}
FROM {of_latest("cards", "k")}
WHERE {since(RECENT_DAYS, "k")}"""
    about = "standalone model cards, and which of them belong to no model package that was found"
    # `standing` and `package` are those of the card here.
    known = known_columns("runs", **COMPUTED) | known_columns("cards")
    return Question("model_cards", "Model cards", about, sql, columns_of(known, *BESIDE, *told))


def endpoints() -> Question:
    of_endpoint = (
        *("endpoint", "endpoint_name", *PLACE, "status", "variant", "model", "package", "image", "standing"),
        *("problem", "data_capture", "data_capture_state", "capture_percent"),
    )
    of_package = ("package_group", "version", "stage", "verdict", "line_of_business", "line_of_business_state")
    sql = f"""WITH {LATEST}
SELECT {listed("r", *BESIDE)},
    {listed("e", *of_endpoint)},
    {listed("p", *of_package)}
FROM {of_latest("endpoints", "e")}
LEFT JOIN ${{Database}}.packages p ON lower(p.package) = lower(e.package) AND {of_same_scan("packages", "p")}
WHERE {since(RECENT_DAYS, "e")}"""
    about = "what each endpoint runs, whether that was judged, and whether the endpoint captures its data"
    # `standing` is that of the container here.
    known = known_columns("runs", "packages", **COMPUTED) | known_columns("endpoints")
    columns = columns_of(known, *BESIDE, *of_endpoint, *of_package)
    return Question("endpoint_monitoring", "Endpoints", about, sql, columns)


_MEANINGS: Final = {
    "invocations": "requests over the day",
    "invocation_4xx_errors": "of these answered with a 4xx code",
    "invocation_5xx_errors": "of these answered with a 5xx code",
    "model_latency_average_us": "time of the model for a request, in microseconds",
    "model_latency_maximum_us": "longest time of the model for a request, in microseconds",
    "cpu_utilization_average_bp": "processor in use, in hundredths of a percent of one core",
    "cpu_utilization_maximum_bp": "most of the processor in use, in hundredths of a percent of one core",
    "memory_utilization_average_bp": "memory in use, in hundredths of a percent",
    "memory_utilization_maximum_bp": "most memory in use, in hundredths of a percent",
    "disk_utilization_average_bp": "disk in use, in hundredths of a percent",
    "disk_utilization_maximum_bp": "most disk in use, in hundredths of a percent",
}
_METRIC_COLUMNS: Final = tuple(name for metric in METRICS for name in (metric, f"{metric}_state"))


def endpoint_metrics() -> Question:
    """INVARIANT: each variant that runs has a row, also one of which nobody read anything."""
    of_variant = ("endpoint", "endpoint_name", *PLACE, "variant", "status")
    key = (*BESIDE, *of_variant)
    picked = [
        f"max(CASE WHEN m.metric = '{metric}' THEN m.value END) AS {metric},\n"
        f"    coalesce(max(CASE WHEN m.metric = '{metric}' THEN m.value_state END), 'unknown') AS {metric}_state"
        for metric in METRICS
    ]
    sql = f"""WITH {LATEST},
variants AS (
    SELECT DISTINCT r.edition, {listed("r", *BESIDE)},
        {listed("e", *of_variant)}
    FROM {of_latest("endpoints", "e")}
    WHERE {since(RECENT_DAYS, "e")}
)
SELECT {listed("v", *key)},
    max(m.measured_on) AS measured_on,
    {f",{chr(10)}    ".join(picked)}
FROM variants v
LEFT JOIN ${{Database}}.endpoint_metrics m ON m.endpoint = v.endpoint AND m.variant = v.variant
    AND m.run = v.run AND m.edition = v.edition AND {since(RECENT_DAYS, "m")}
GROUP BY {listed("v", *key)}"""
    about = "what CloudWatch holds of each variant of each endpoint over the last whole day before the scan"
    states: dict[str, tuple[Kind, str]] = {
        f"{metric}_state": ("text", f"present, absent or unknown: whether {metric} could be read") for metric in METRICS
    }
    numbers: dict[str, tuple[Kind, str]] = {metric: ("count", _MEANINGS[metric]) for metric in METRICS}
    known = known_columns("runs", "endpoints", "endpoint_metrics", **COMPUTED) | known_columns(**numbers, **states)
    return Question(
        "endpoint_metrics", "Endpoint metrics", about, sql, columns_of(known, *key, "measured_on", *_METRIC_COLUMNS)
    )
