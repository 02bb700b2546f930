#!/usr/bin/env python3
"""Write everything that is generated from code; with `--check`, fail where a file differs instead."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts import openapi, pages, readme, schemas  # noqa: E402
from scripts.analytics import athena, quicksight  # noqa: E402
from scripts.analytics.cloudformation import dumped  # noqa: E402

from modelwarden import compiled  # noqa: E402
from modelwarden.catalog import load_bundle  # noqa: E402

COMMANDS = [
    "gate",
    "scan",
    "runs",
    "history",
    "compare",
    "evidence",
    "explain",
    "replay",
    "forecast",
    "report",
    "evidence-pack",
    "publish",
    "waiver request",
    "waiver approve",
    "waiver renew",
    "waiver revoke",
    "waiver list",
    "waiver show",
    "waiver prune",
    "controls list",
    "controls show",
    "lint",
    "test",
    "init",
    "doctor",
    "baseline",
    "config show",
    "verify",
    "key new",
    "key public",
    "pipeline-steps",
    "api",
    "sandbox up",
    "sandbox run",
]


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def generated() -> dict[str, str]:
    """Path below the repository -> text."""
    bundle = load_bundle()
    levels = tomllib.loads((ROOT / "policies/levels.toml").read_text())["recommended"]
    shipped = {file.path: file.text for file in bundle.files}
    return {
        "engine/modelwarden/builtin/compiled.json": _json(compiled.table(shipped)),
        "policies/modelwarden.cedarschema": bundle.schema(),
        "reports/schemas/evidence.schema.json": _json(schemas.evidence_schema()),
        "reports/schemas/decision.schema.json": _json(schemas.decision_schema()),
        "reports/schemas/run.schema.json": _json(schemas.run_schema()),
        "reports/schemas/scan.schema.json": _json(schemas.scan_schema()),
        "reports/schemas/report.schema.json": _json(schemas.report_schema()),
        "reports/schemas/pack.schema.json": _json(schemas.pack_schema()),
        "reports/schemas/pack_statement.schema.json": _json(schemas.pack_statement_schema()),
        "reports/schemas/comparison.schema.json": _json(schemas.comparison_schema()),
        "reports/schemas/runs.schema.json": _json(schemas.runs_schema()),
        "reports/schemas/history.schema.json": _json(schemas.history_schema()),
        "reports/schemas/import.schema.json": _json(schemas.import_schema()),
        "reports/schemas/attestation.schema.json": _json(schemas.attestation_schema()),
        "reports/schemas/log_entry.schema.json": _json(schemas.log_entry_schema()),
        "reports/schemas/replay.schema.json": _json(schemas.replay_schema()),
        "reports/schemas/forecast.schema.json": _json(schemas.forecast_schema()),
        "reports/schemas/waiver.schema.json": _json(schemas.waiver_schema()),
        "reports/schemas/waivers.schema.json": _json(schemas.waivers_schema()),
        "deploy/analytics.yaml": dumped(athena.template()),
        "deploy/dashboard.yaml": dumped(quicksight.template()),
        "docs/analytics-tables.md": pages.analytics_page(),
        "reports/schemas/controls.schema.json": _json(schemas.controls_schema()),
        "reports/schemas/problem.schema.json": _json(schemas.problem_schema()),
        "reports/openapi.json": _json(openapi.document()),
        "docs/facts.md": pages.facts_page(),
        "docs/controls.md": pages.controls_page(bundle, levels),
        "docs/parameters.md": pages.parameters_page(bundle),
        "docs/command-line.md": pages.help_page(COMMANDS),
        **readme.outputs(),
    }


def main(arguments: list[str]) -> int:
    stale = []
    for name, text in generated().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if stale and "--check" in arguments:
        print(
            f"error: generated files differ from the code: {', '.join(stale)}\n  help: run `make docs` and commit",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
