"""Evaluate: bundle, settings, evidence, reference and request become findings. Pure and total: no clock, no network, never raises."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from modelwarden.catalog import Bundle
from modelwarden.control import Control, ParameterValue
from modelwarden.evidence import Evidence, Fact
from modelwarden.finding import Finding, Level
from modelwarden.request import Request
from modelwarden.rule import describe, judge_rule


class Effective(Protocol):
    """What the settings say for one package and request (`settings.Settings.effective`)."""

    @property
    def parameters(self) -> Mapping[str, ParameterValue]: ...

    @property
    def parameters_unknown(self) -> Mapping[str, str]: ...

    def level(self, control_id: str) -> tuple[Level, str]: ...


def subject(evidence: Evidence, reference: Mapping[str, Fact], request: Request) -> Evidence:
    """Everything a control may read, in one record: facts of the package, of the reference and of the request."""
    return Evidence(evidence.package, {**evidence.facts, **reference, **request.facts()}, evidence.asserted)


def evaluate(
    bundle: Bundle, effective: Effective, evidence: Evidence, reference: Mapping[str, Fact], request: Request
) -> tuple[Finding, ...]:
    """One finding for each control that is not off, sorted by id."""
    wanted = [id_ for id_ in bundle.controls if effective.level(id_)[0] != "off"]
    facts = subject(evidence, reference, request)
    findings = _cedar(bundle, facts, effective, request.moment, wanted)
    findings |= _rules(bundle, facts, effective, request.moment, wanted)
    return tuple(findings[id_] for id_ in sorted(findings))


def _cedar(
    bundle: Bundle, facts: Evidence, effective: Effective, moment: str, wanted: Collection[str]
) -> dict[str, Finding]:
    try:
        return bundle.cedar.judge(facts, effective.parameters, effective.parameters_unknown, moment, wanted)
    except Exception as error:  # noqa: BLE001 - total: a defect of ours makes its controls unknown and never a pass
        lost = [id_ for id_ in wanted if bundle.controls[id_].info.engine == "cedar"]
        return {id_: Finding(id_, "unknown", reason=f"the engine raised {describe(error)}") for id_ in lost}


def _rules(
    bundle: Bundle, facts: Evidence, effective: Effective, moment: str, wanted: Collection[str]
) -> dict[str, Finding]:
    mine: list[Control] = []
    users: list[Control] = []
    for id_ in wanted:
        control = bundle.controls[id_]
        if control.info.engine == "python":
            (mine if control.check else users).append(control)
    parameters, unknown = effective.parameters, effective.parameters_unknown
    findings = {control.id: judge_rule(control, facts, parameters, unknown, moment) for control in mine}
    if users:
        findings |= bundle.workers.judge(users, facts, parameters, unknown, moment)
    return findings
