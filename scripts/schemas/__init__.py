"""The published JSON Schemas of our own documents."""

from scripts.schemas.api import controls_schema, problem_schema
from scripts.schemas.audit import (
    attestation_schema,
    log_entry_schema,
    pack_schema,
    pack_statement_schema,
    report_schema,
)
from scripts.schemas.comparison import comparison_schema
from scripts.schemas.document import decision_schema, evidence_schema, run_schema
from scripts.schemas.replay import forecast_schema, replay_schema
from scripts.schemas.scan import history_schema, import_schema, runs_schema, scan_schema
from scripts.schemas.waiver import waiver_schema, waivers_schema

__all__ = [
    "attestation_schema",
    "comparison_schema",
    "controls_schema",
    "decision_schema",
    "evidence_schema",
    "forecast_schema",
    "history_schema",
    "import_schema",
    "log_entry_schema",
    "pack_schema",
    "pack_statement_schema",
    "problem_schema",
    "replay_schema",
    "report_schema",
    "run_schema",
    "runs_schema",
    "scan_schema",
    "waiver_schema",
    "waivers_schema",
]
