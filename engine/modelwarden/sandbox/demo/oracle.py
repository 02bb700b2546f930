"""The verdict that planned findings must lead to: what the tests of the demo compare with."""

from __future__ import annotations

from collections.abc import Iterable

from modelwarden.sandbox.demo.defects import FINDINGS

LEVELS = {
    "ENC-01": ("flag", "block", "block"),
    "ENC-02": ("flag", "block", "block"),
    "ENC-06": ("flag", "flag", "block"),
    "IMG-01": ("flag", "block", "block"),
    "IMG-02": ("flag", "block", "block"),
    "IMG-03": ("flag", "flag", "block"),
    "IMG-04": ("flag", "flag", "block"),
    "CARD-01": ("flag", "block", "block"),
    "CARD-02": ("flag", "flag", "block"),
    "CARD-03": ("flag", "block", "block"),
    "CARD-04": ("flag", "block", "block"),
    "CARD-07": ("flag", "flag", "block"),
    "EVAL-01": ("flag", "block", "block"),
    "BIAS-01": ("flag", "block", "block"),
    "BIAS-02": ("flag", "block", "block"),
    "BIAS-03": ("flag", "flag", "block"),
    "BIAS-04": ("flag", "block", "block"),
    "APR-01": ("flag", "block", "block"),
    "APR-02": ("off", "block", "block"),
    "HYG-01": ("flag", "flag", "block"),
}
"""control -> enforcement at Development, Staging, Production in the profile `recommended`; written out again on purpose"""

STAGES = ("Development", "Staging", "Production")
EXIT = {"allow": 0, "flag": 0, "block": 1, "undecided": 3}


def findings(changes: Iterable[str], stage: str) -> dict[str, str]:
    """Control -> fail or unknown, in the order of `LEVELS`; a control that is off at the stage is left out.

    Where two defects touch one control, the proven failure wins.
    """
    found: dict[str, str] = {}
    for change in changes:
        for control, outcome in FINDINGS[change].items():
            if found.get(control) != "fail":
                found[control] = outcome
    at = STAGES.index(stage)
    return {control: found[control] for control, levels in LEVELS.items() if control in found and levels[at] != "off"}


def verdict(found: dict[str, str], stage: str) -> str:
    """Block beats undecided beats flag."""
    at = STAGES.index(stage)
    outcomes = {(LEVELS[control][at], outcome) for control, outcome in found.items()}
    if ("block", "fail") in outcomes:
        return "block"
    if ("block", "unknown") in outcomes:
        return "undecided"
    return "flag" if outcomes else "allow"
