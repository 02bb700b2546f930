"""Every built-in control has cases of every outcome it can have, and every folder of cases has its control."""

from __future__ import annotations

import pytest

from modelwarden.cases import has_scope, load_cases, missing_outcomes
from tests.unit.facts_strategy import CONTROLS, builtin

FOLDERS = sorted(path.name for path in CONTROLS.iterdir() if path.is_dir() and not path.name.startswith("__"))


def test_the_folders_are_the_controls() -> None:
    assert sorted(builtin().controls) == FOLDERS


@pytest.mark.parametrize("control", sorted(builtin().controls))
def test_the_cases_show_every_outcome(control: str) -> None:
    cases = load_cases(CONTROLS / control / "cases.json")
    assert missing_outcomes(has_scope(builtin(), control), cases) == []
    assert len({case.name for case in cases}) == len(cases)
