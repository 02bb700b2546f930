"""The registry of planned defects: what each changes in a draft, and which findings it must lead to.

A defect damages a draft; `FINDINGS` is the oracle. A trait damages nothing: it is unusual, and must lead to no finding.
"""

from __future__ import annotations

from collections.abc import Callable

from modelwarden.sandbox.demo.draft import Draft

Change = Callable[[Draft], None]

CHANGES: dict[str, Change] = {}
FINDINGS: dict[str, dict[str, str]] = {}
"""defect -> control -> fail or unknown, at the level of evidence: whether it blocks is the settings' concern"""


def defect(name: str, **findings: str) -> Callable[[Change], Change]:
    """Register a change under its name; findings as `ENC_02="fail"`."""

    def register(change: Change) -> Change:
        CHANGES[name] = change
        FINDINGS[name] = {control.replace("_", "-"): outcome for control, outcome in findings.items()}
        return change

    return register


def trait(name: str) -> Callable[[Change], Change]:
    """Register a change that must lead to no finding."""
    return defect(name)
