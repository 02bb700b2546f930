"""What earlier releases recorded can still be judged, and is judged as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwarden.evidence import Source, Unknown
from modelwarden.gate import Observed
from modelwarden.run import decision_from_json, decision_to_json
from tests.command import Done
from tests.demo.test_oracle import validator

from .records import house, run_of
from .test_replay import EVIDENCE

COMPAT = Path(__file__).parents[1] / "compat"
RELEASES = sorted(path for path in COMPAT.glob("v*") if path.is_dir())


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
@pytest.mark.parametrize(("record", "decisions"), [("gate", 2), ("scan", 6)])
def test_records_of_a_release_agree(release: Path, record: str, decisions: int, run: Callable[..., Done]) -> None:
    done = run("replay", release / record, "--run-recorded-code", "--format", "json")
    told = json.loads(done.out)
    assert told["decisions"] == {"recorded": decisions, "agree": decisions, "differ": 0, "not_judged": 0}, told[
        "differing"
    ]
    assert done.code == 0
    refused = run("replay", release / record)
    assert refused.code == 3
    assert "it brings Python controls that are not installed here" in refused.out


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_a_forecast_reads_them_too(release: Path, run: Callable[..., Done]) -> None:
    done = run("forecast", release / "scan", "--run-recorded-code", "--days", "100", "--format", "json")
    told = json.loads(done.out)
    validator("forecast").validate(told)
    assert done.code == 0
    assert [cause["id"] for cause in told["causes"]] == ["w-1"]
    assert told["causes"][0]["first"] == "2027-02-01T00:00:00Z"
    for start, causes in {"2027-01-31": ["w-1"], "2027-02-01": []}.items():
        done = run(
            "forecast", release / "scan", "--run-recorded-code", "--from", start, "--days", "1", "--format", "json"
        )
        assert [cause["id"] for cause in json.loads(done.out)["causes"]] == causes


def test_who_could_not_be_told_is_recorded_with_its_call(tmp_path: Path) -> None:
    """What a control sees of a principal whom nobody could tell must be there later, to the last word."""
    nobody = Unknown("AccessDenied", Source("sts:GetCallerIdentity", "2026-11-22T02:10:00Z", "r-1"), "not for you")
    decision = run_of(house(tmp_path), EVIDENCE, observed=Observed(EVIDENCE, {}, nobody)).decision
    assert decision.request.principal == nobody
    document = json.loads(json.dumps(decision_to_json(decision)))
    assert decision_from_json(document) == decision
    del document["request"]["principal"]["source"], document["request"]["principal"]["detail"]
    assert decision_from_json(document).request.principal == Unknown("AccessDenied")
