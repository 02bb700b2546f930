"""Explain: why one control says what it says of one package, clause by clause and fact by fact, for passes too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from modelwarden import syntax
from modelwarden.catalog import Bundle
from modelwarden.control import Control
from modelwarden.evaluate import Effective, evaluate, subject
from modelwarden.evidence import Evidence, Fact
from modelwarden.finding import Finding, Observation
from modelwarden.judge import CedarJudge
from modelwarden.policy import CedarPolicy, recompile
from modelwarden.request import Request
from modelwarden.rule import read_by
from modelwarden.spelling import spell

_ANSWERS: Final = {"pass": "yes", "fail": "no", "unknown": "cannot tell"}


class Clause(Struct, frozen=True):
    """One condition, its answer, and the facts it rests on."""

    text: str
    answer: str
    """`yes`, `no` or `cannot tell`."""
    observed: tuple[Observation, ...]


class Explanation(Struct, frozen=True):
    """Everything behind one finding."""

    control: Control
    finding: Finding
    scope: tuple[Observation, ...]
    """The facts that say whether the control applies; empty where it always does."""
    clauses: tuple[Clause, ...]
    """Of a Cedar control; all must be `yes` for a pass."""
    read: tuple[Observation, ...]
    """Of a Python control: every fact that it read."""
    parameters: tuple[tuple[str, Any], ...]
    """Name and value; None where nobody set it."""


def explain(
    bundle: Bundle,
    effective: Effective,
    evidence: Evidence,
    reference: dict[str, Fact],
    request: Request,
    control_id: str,
) -> Explanation:
    """Explain one control of the bundle, which may be one that the settings switch off."""
    control = bundle.controls[control_id]
    only = _Only(effective, control_id)
    (finding,) = evaluate(bundle, only, evidence, reference, request)
    facts = subject(evidence, reference, request)
    parameters = tuple((name, effective.parameters.get(name)) for name in control.info.parameters)
    if control.info.engine == "python":
        read = read_by(control, facts, effective.parameters, effective.parameters_unknown)
        return Explanation(control, finding, (), (), read, parameters)
    policy = bundle.cedar.policies[control_id]
    scope = tuple(Observation(attribute.pattern, facts.get(attribute.pattern)) for attribute in policy.scope)
    clauses = tuple(_clauses(bundle, policy, effective, facts, request)) if finding.outcome != "not-applicable" else ()
    return Explanation(control, finding, scope, clauses, (), parameters)


class _Only(Struct, frozen=True):
    """The settings with a single control on."""

    settings: Effective
    control: str

    @property
    def parameters(self) -> Any:
        return self.settings.parameters

    @property
    def parameters_unknown(self) -> Any:
        return self.settings.parameters_unknown

    def level(self, control_id: str) -> Any:
        return ("block", "explained") if control_id == self.control else ("off", "explained")


def _clauses(
    bundle: Bundle, policy: CedarPolicy, effective: Effective, facts: Evidence, request: Request
) -> Iterator[Clause]:
    """Each condition judged alone, with the guards that it needs."""
    for body in syntax.bodies(policy.json, "unless"):
        conjuncts = list(syntax.conjuncts(body))
        for condition in conjuncts:
            if syntax.is_guard(condition) and _guards_another(condition, conjuncts):
                continue
            guarded = syntax.conjunction([*_guards_of(condition, conjuncts), condition])
            variant = recompile(policy, guarded, bundle.parameter_types())
            judge = CedarJudge([variant])
            found = judge.judge(facts, effective.parameters, effective.parameters_unknown, request.moment, [policy.id])[
                policy.id
            ]
            observed = found.observed or _facts_of(variant, facts)
            yield Clause(spell(condition), _ANSWERS.get(found.outcome, found.outcome), observed)


def _guards_another(guard: Any, conjuncts: list[Any]) -> bool:
    paths = {access.path for access in syntax.accesses(guard)}
    return any(
        other is not guard and not syntax.is_guard(other) and syntax.names_any(other, paths) for other in conjuncts
    )


def _guards_of(condition: Any, conjuncts: list[Any]) -> list[Any]:
    paths = {access.path for access in syntax.accesses(condition)}
    return [
        guard
        for guard in conjuncts
        if guard is not condition and syntax.is_guard(guard) and syntax.names_any(guard, paths)
    ]


def _facts_of(policy: CedarPolicy, facts: Evidence) -> tuple[Observation, ...]:
    """For a clause that holds: every fact behind it, member by member."""
    patterns = [attribute.pattern for attribute in policy.attributes] + [pointer for _, pointer in policy.tags]
    return tuple(Observation(pointer, fact) for pattern in patterns for pointer, fact in facts.each(pattern))
