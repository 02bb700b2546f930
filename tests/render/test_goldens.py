"""What three decisions look like in every format. Outcomes stand here and in `runs.py`, messages in `tests/golden/`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelwarden.render import FORMATS, render
from tests.render import runs

OUTCOMES = {
    "everything": (
        "block",
        {"blocked": 1, "flagged": 3, "unknown": 5, "passed": 1, "not_applicable": 1},
    ),
    "undecided": ("undecided", {"blocked": 0, "flagged": 0, "unknown": 2, "passed": 1, "not_applicable": 0}),
    "allowed": ("allow", {"blocked": 0, "flagged": 0, "unknown": 0, "passed": 1, "not_applicable": 1}),
}
ENDINGS = {"text": "txt", "json": "json", "sarif": "sarif", "junit": "xml", "markdown": "md"}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", OUTCOMES)
def test_looks_as_it_did(name: str, format_: str, golden: Callable[[str, str], None]) -> None:
    run = runs.RUNS[name]()
    assert (run.decision.verdict, dict(run.decision.count())) == OUTCOMES[name]
    golden(f"{name}.{format_}.{ENDINGS.get(format_, 'txt')}", render(run, format_))
