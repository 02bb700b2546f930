"""What losing facts may do to a finding, over random parts of every case of every control."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from modelwarden.cases import Case, finding_of, load_cases
from modelwarden.evidence import Fact, Unknown
from tests.unit.facts_strategy import CONTROLS, builtin

CASES = [case for path in sorted(CONTROLS.glob("*/cases.json")) for case in load_cases(path)]
ALLOWED = {
    "pass": {"pass", "unknown"},
    "fail": {"fail", "unknown"},
    "unknown": {"fail", "unknown"},
    "not-applicable": {"not-applicable", "unknown"},
}
"""Outcome -> what it may become. The facts that were lost are one way in which the rest could be complete: what passes
with them is no proven violation without them, and what fails with them is no proof of compliance."""
TRIES = 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.control}: {case.name}")
def test_what_is_lost_proves_nothing(case: Case) -> None:
    rng = random.Random(case.name)
    for _ in range(TRIES):
        share = rng.random()
        facts: dict[str, Fact] = {}
        for pointer, fact in case.facts.items():
            if rng.random() > share:
                facts[pointer] = fact
            elif rng.random() < 0.5:
                facts[pointer] = Unknown("AccessDenied", fact.source)
        finding = finding_of(builtin(), replace(case, facts=facts))
        assert finding.outcome in ALLOWED[case.outcome], (sorted(set(case.facts) - set(facts)), finding)
