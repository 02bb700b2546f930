"""Any recorded decision agrees with itself when it is judged again, and no other one does."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelwarden import gate
from modelwarden.evidence import Evidence
from modelwarden.gate import House, Observed
from modelwarden.replay.difference import differences
from modelwarden.replay.house import Rules
from modelwarden.replay.performing import Performer, Spec, decide_again
from modelwarden.replay.recorded import case_of
from modelwarden.request import Request
from modelwarden.run import Run, decision_from_json, decision_to_json
from tests.unit.facts_strategy import PACKAGE, PARAMETERS, evidence, requests

from .records import house

WITH_ALL = f"""profile = "recommended"
[parameters]
{"".join(f"{name} = {json.dumps(value)}" + chr(10) for name, value in PARAMETERS.items())}
[enforcement]
ENC-02 = {{ Production = "block", block_from = 2026-12-01 }}
[[scope]]
match = {{ tag = {{ owner = "x" }} }}
enforcement = {{ ENC-01 = "block" }}
[[waiver]]
id = "w-1"
package = "{PACKAGE}"
controls = ["APR-01", "IMG-01", "ENC-01"]
owner = "ana"
approver = "bo"
reason = "r"
ticket = "t"
unknown = true
expires = "2026-12-31T10:00:00Z"
"""
SETTINGS = {"all": WITH_ALL, "strict": 'profile = "strict"', "observe": 'profile = "observe"'}


@cache
def of_name(name: str) -> House:
    return house(Path(mkdtemp()) / name, SETTINGS[name])


@cache
def performer() -> Performer:
    return Performer(Spec())


def recorded(name: str, seen: Evidence, request: Request) -> Run:
    """As it lies on disk and is read again."""
    question = gate.Question(PACKAGE, request.stage, request.moment, as_of=request.as_of)
    run = gate.judge(of_name(name), question, Observed(seen, {}, request.principal), now=request.as_of, run_id="r-1")
    return Run.from_json(json.loads(json.dumps(run.to_json())))


def again(run: Run) -> Any:
    return decide_again(performer().house(Rules(run.bundle, run.settings, run.versions), "r-1"), case_of(run))


@settings(
    max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(name=st.sampled_from(sorted(SETTINGS)), seen=evidence(), request=requests(), data=st.data())
def test_it_agrees_and_whatever_is_changed_in_it_differs(
    name: str, seen: Evidence, request: Request, data: st.DataObject
) -> None:
    run = recorded(name, seen, request)
    assert differences(run.decision, again(run), whole=True) == []
    document = json.loads(json.dumps(decision_to_json(run.decision)))
    judged = {key: value for key, value in document.items() if key not in ("request", "rollback")}
    holder, key = data.draw(st.sampled_from(list(_leaves(judged))))
    holder[key] = not holder[key] if isinstance(holder[key], bool) else f"{holder[key]}~"
    forged = decision_from_json({**document, **judged})
    assert differences(forged, again(run), whole=True) != []


def _leaves(value: Any) -> Any:
    """(holder, key) of every text and flag of a decision that judging makes."""
    for key, member in list(value.items()) if isinstance(value, dict) else enumerate(value):
        if key in ("facts", "sources"):
            continue
        if isinstance(member, dict | list):
            yield from _leaves(member)
        elif isinstance(member, str | bool):
            yield value, key
