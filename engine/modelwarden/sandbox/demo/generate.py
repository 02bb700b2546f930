"""Regenerates the demo scenario. See README.md beside this file for the three commands.

`python -m modelwarden.sandbox.demo.generate [reports|cards|scenario]...`; without an argument `scenario`, which needs
the standard library alone and reads the reports and cards that the other two wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from modelwarden.sandbox.demo import catalogue, defects, draft, estate, loose_cards, oracle, serving, settings

Json = dict[str, Any]

FOLDER = Path(__file__).parent
_CREATED = "2026-08-01T08:00:00Z"


def _policy(group: estate.Group) -> Json | None:
    """Who else may read the group: the resource policy of a group that is shared across accounts."""
    if not group.shared_with:
        return None
    cell = f"{group.region}:{group.account}"
    arns = [f"arn:aws:sagemaker:{cell}:model-package-group/{group.name}"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadFromConsumers",
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in group.shared_with]},
                "Action": ["sagemaker:DescribeModelPackageGroup", "sagemaker:DescribeModelPackage"],
                "Resource": [*arns, f"arn:aws:sagemaker:{cell}:model-package/{group.name}/*"],
            }
        ],
    }


def _groups() -> list[Json]:
    return [
        {
            "account": group.account,
            "region": group.region,
            "name": group.name,
            "tags": group.all_tags(),
            "policy": _policy(group),
            "created": _CREATED,
        }
        for group in estate.GROUPS
    ]


def drafts() -> list[tuple[catalogue.Case, draft.Draft]]:
    """Every case with its package, all changes applied; versions count from 1 in each group."""
    versions: dict[str, int] = {}
    made = []
    for case in catalogue.CASES:
        versions[case.group] = versions.get(case.group, 0) + 1
        package = draft.draft(case.group, versions[case.group], case.model)
        for change in case.changes:
            defects.CHANGES[change](package)
        made.append((case, package))
    return made


def _package(case: catalogue.Case, package: draft.Draft) -> Json:
    found = oracle.findings(case.changes, case.to)
    verdict = oracle.verdict(found, case.to)
    return {
        "describe": draft.finish(package),
        "tags": package.tags,
        "planned": {
            "defects": [change for change in case.changes if defects.FINDINGS[change]],
            "to": case.to,
            "at": case.at,
            "principal": package.principal,
            "verdict": verdict,
            "exit": oracle.EXIT[verdict],
            "findings": found,
        },
    }


def scenario() -> Json:
    """The scenario document; a pure function of this package and of the files below `files/`."""
    made = drafts()
    cells = estate.cells()
    return {
        "schema": "modelwarden.scenario/1",
        "name": "demo",
        "clock": estate.CLOCK,
        "organization": estate.organization(),
        "keys": estate.keys(cells),
        "buckets": estate.buckets(cells),
        "objects": [entry for _, package in made for entry in package.objects],
        "repositories": estate.repositories(),
        "groups": _groups(),
        "training_jobs": [package.job for _, package in made],
        "model_cards": [*(card for _, package in made for card in package.standalone), *loose_cards.cards()],
        "endpoints": serving.endpoints(),
        "trail": [event for _, package in made for event in package.trail],
        "packages": [_package(case, package) for case, package in made],
        "denied": [{"op": "ecr:BatchGetImage", "account": estate.CLAIMS, "region": estate.VIRGINIA}],
    }


def text(document: Json) -> str:
    """One line an entry: small, and a change of one package is a change of one line."""
    parts = []
    for name, value in document.items():
        if isinstance(value, list):
            lines = ",\n  ".join(json.dumps(entry, ensure_ascii=True, separators=(",", ":")) for entry in value)
            parts.append(f'"{name}": [\n  {lines}\n ]')
        else:
            parts.append(f'"{name}": {json.dumps(value, separators=(",", ":"))}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def main(arguments: list[str]) -> None:
    """Run the parts named, in order."""
    for part in arguments or ["scenario"]:
        if part == "reports":
            from modelwarden.sandbox.demo import models

            models.write(FOLDER / "files" / "reports")
        elif part == "cards":
            from modelwarden.sandbox.demo import cards

            cards.write(FOLDER / "files" / "reports", FOLDER / "files" / "cards")
        elif part == "scenario":
            (FOLDER / "scenario.json").write_text(text(scenario()), encoding="utf-8")
            (FOLDER / "modelwarden.toml").write_text(settings.text(), encoding="utf-8")
        else:
            sys.exit(f"error: unknown part `{part}`\nhelp: reports, cards or scenario")


if __name__ == "__main__":
    main(sys.argv[1:])
