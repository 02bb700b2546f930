"""Explain: why one control says what it says of one package, clause by clause and fact by fact, for passes too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from modelwarden import syntax
from modelwarden.attributes import approver_pointer, records
from modelwarden.catalog import Bundle
from modelwarden.control import Control
from modelwarden.evaluate import Effective, evaluate, subject
from modelwarden.evidence import Evidence, Fact
from modelwarden.finding import Finding, Level, Observation
from modelwarden.judge import CedarJudge
from modelwarden.policy import CedarPolicy, recompile
from modelwarden.request import Request
from modelwarden.rule import read_by
from modelwarden.spelling import spell
from modelwarden.syntax import Expr

Answer = Literal["yes", "no", "cannot tell"]

ANY: Final = "at least one of"
ALL: Final = "all of"

_ANSWERS: Final[dict[str, Answer]] = {"pass": "yes", "fail": "no", "unknown": "cannot tell"}
_SCOPE_ANSWERS: Final[dict[str, Answer]] = {"fail": "yes", "not-applicable": "no", "unknown": "cannot tell"}
_FALSE: Final[Expr] = {"Value": False}


class Clause(Struct, frozen=True):
    """One condition, its answer, and the facts it rests on."""

    text: str
    """As the policy says it, without guards; `ANY` or `ALL` of the `parts`."""
    answer: Answer
    observed: tuple[Observation, ...]
    """Every fact that the condition reads, member by member."""
    deciding: frozenset[str] = frozenset()
    """Pointers of those that make it `no` or `cannot tell`."""
    parts: tuple[Clause, ...] = ()


class Explanation(Struct, frozen=True):
    """Everything behind one finding."""

    control: Control
    finding: Finding
    level: tuple[Level, str]
    """What the settings make of a fail, and which of them says so."""
    scope: Clause | None
    """Of a Cedar control with a `when`: whether it applies."""
    clauses: tuple[Clause, ...]
    """Of a Cedar control; all must be `yes` for a pass."""
    read: tuple[Observation, ...]
    """Of a Python control: every fact that it read; of a user's all that it declares."""
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
    (finding,) = evaluate(bundle, _Only(effective, control_id), evidence, reference, request)
    facts = subject(evidence, reference, request)
    parameters = tuple((name, effective.parameters.get(name)) for name in control.info.parameters)
    level = effective.level(control_id)
    if control.info.engine == "python":
        read = read_by(control, facts, effective.parameters, effective.parameters_unknown)
        return Explanation(control, finding, level, None, (), read, parameters)
    asked = _Asked(bundle, bundle.cedar.policies[control_id], effective, facts, request.moment)
    clauses = tuple(asked.clauses()) if finding.outcome != "not-applicable" else ()
    return Explanation(control, finding, level, asked.scope(), clauses, (), parameters)


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


class _Asked(Struct, frozen=True):
    """One policy before one package, whose conditions are judged one by one."""

    bundle: Bundle
    policy: CedarPolicy
    effective: Effective
    facts: Evidence
    moment: str

    def scope(self) -> Clause | None:
        """Judged with an `unless` that is always false: what applies fails, and nothing passes."""
        bodies = syntax.bodies(self.policy.json, "when")
        if not bodies or self.moment not in self.policy.info.moments:
            return None
        variant = recompile(self.policy, bodies, _FALSE, self.bundle.parameter_types())
        answer = _SCOPE_ANSWERS[self._judged(variant).outcome]
        return Clause(spell(syntax.conjunction(bodies)), answer, self._facts_of(variant))

    def clauses(self) -> Iterator[Clause]:
        """The conditions of `unless`; a guard is told with what it guards."""
        for body in syntax.bodies(self.policy.json, "unless"):
            yield from self._conjunction(body, [])

    def _conjunction(self, condition: Expr, guards: Sequence[Expr]) -> Iterator[Clause]:
        conjuncts = list(syntax.conjuncts(condition))
        for one in conjuncts:
            if not (syntax.is_guard(one) and _guards_another(one, conjuncts)):
                yield self._clause(one, [*guards, *(guard for guard in conjuncts if _guards(guard, one))])

    def _clause(self, condition: Expr, guards: Sequence[Expr]) -> Clause:
        """Judged alone, with the guards that it needs."""
        needed = [guard for guard in guards if _guards(guard, condition)]
        variant = recompile(self.policy, (), syntax.conjunction([*needed, condition]), self.bundle.parameter_types())
        found = self._judged(variant)
        text, parts = _spelled(condition), list[Clause]()
        if "||" in condition:
            text, parts = ANY, [self._clause(one, guards) for one in syntax.disjuncts(condition)]
        elif "&&" in condition:
            told = list(self._conjunction(condition, guards))
            text, parts = (ALL, told) if len(told) > 1 else (told[0].text, list(told[0].parts))
        deciding = frozenset(seen.pointer for seen in found.observed)
        return Clause(text, _ANSWERS[found.outcome], self._facts_of(variant), deciding, tuple(parts))

    def _judged(self, variant: CedarPolicy) -> Finding:
        # Only what the condition reads shall be told, not what `@reads` adds to the finding of the whole.
        alone = replace(variant, info=replace(variant.info, reads=(), moments=(self.moment,)))
        parameters, unknown = self.effective.parameters, self.effective.parameters_unknown
        return CedarJudge([alone]).judge(self.facts, parameters, unknown, self.moment, [alone.id])[alone.id]

    def _facts_of(self, variant: CedarPolicy) -> tuple[Observation, ...]:
        patterns = [approver_pointer(attribute.pattern, self.moment) for attribute in variant.attributes]
        patterns += [pointer for _, pointer in variant.tags]
        seen = [found for pattern in dict.fromkeys(patterns) for found in self._expanded(pattern)]
        return tuple(dict.fromkeys(seen))

    def _expanded(self, pattern: str) -> Iterator[Observation]:
        head, star, _ = pattern.partition("/*")
        found = self.facts.each(pattern)
        if star and not found:
            yield Observation(f"{head}_count", self.facts.get(f"{head}_count"))
        for pointer, fact in found:
            yield Observation(pointer, fact)


def _spelled(condition: Expr) -> str:
    """A guard with its whole path: `resource.a has b` is `resource has a.b` again."""
    if "has" in condition:
        (access,) = syntax.accesses(condition)
        return f"{access.path[0]} has {'.'.join(access.path[1:])}"
    return spell(condition)


def _guards_another(guard: Expr, conjuncts: list[Expr]) -> bool:
    return any(_guards(guard, other) and not syntax.is_guard(other) for other in conjuncts)


def _guards(guard: Expr, condition: Expr) -> bool:
    """Whether a condition reads what the guard asks for, or something in that record."""
    if guard is condition or not syntax.is_guard(guard):
        return False
    (asked,) = (access.path for access in syntax.accesses(guard))
    read = (access.path for access in syntax.accesses(condition) if access.path not in records())
    return any(path[: len(asked)] == asked for path in read)
