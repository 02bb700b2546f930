"""Cedar's answers as findings: one call of the set gives verdicts, one call without `unless` says what applies.

A satisfied `forbid` is a violation only if known facts prove it. Where an unknown fact was read, each largest part of
`unless` that names it is taken to be true and the policy is judged again: still satisfied means that no value of the
unknown facts could have helped (fail), otherwise they decide (unknown).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from modelwarden import syntax
from modelwarden.attributes import Path, approver_pointer
from modelwarden.cedar import Entities, Judgement, NoDecision, PolicySet
from modelwarden.control import ParameterValue
from modelwarden.evidence import Absent, Evidence, Present, Unknown
from modelwarden.facts import kind_of
from modelwarden.finding import Finding, Observation
from modelwarden.flat import flat, name_of, request
from modelwarden.policy import CedarPolicy
from modelwarden.projection import Member, Projection, Projector, pointer_of

MAX_SHOWN: Final = 10
"""Members that one finding spells out."""


class CedarJudge:
    """The Cedar controls of a bundle, compiled once and asked once per package."""

    def __init__(self, policies: Iterable[CedarPolicy]) -> None:
        """Raises CedarError if Cedar refuses the set."""
        self.policies = {policy.id: policy for policy in policies}
        self._projector = Projector(self.policies.values())
        flattened = {id_: flat(policy.json) for id_, policy in self.policies.items()}
        self.full = PolicySet(flattened)
        self._scopes = PolicySet({id_: syntax.without_unless(policy) for id_, policy in flattened.items()})
        paths = {attribute.path for policy in self.policies.values() for attribute in policy.scope}
        self._scope_names = sorted(map(name_of, paths))
        self._scope_cache: dict[tuple[Any, ...], Judgement] = {}
        """(moment, value of each attribute that scopes read) -> answer."""
        self._proofs: dict[tuple[str, frozenset[Path]], PolicySet] = {}

    def judge(
        self,
        facts: Evidence,
        parameters: Mapping[str, ParameterValue],
        unknown_parameters: Mapping[str, str],
        moment: str,
        wanted: Iterable[str],
    ) -> dict[str, Finding]:
        """Control id -> finding, for each wanted control that is one of ours."""
        wanted = [id_ for id_ in wanted if id_ in self.policies]
        if not wanted:
            return {}
        projection = self._projector.project(facts, parameters, unknown_parameters, moment)
        return _PackageJudge(self, projection, facts, moment).findings(wanted)

    def scope(self, projection: Projection, moment: str, ask: Callable[[PolicySet], Judgement]) -> Judgement:
        """Which policies apply; few values of low cardinality, so the answers are kept. `ask` is for the others."""
        values = projection.plain.values
        key = (moment, *[_hashable(values.get(name)) for name in self._scope_names])
        found = self._scope_cache.get(key)
        if found is None:
            if len(self._scope_cache) > 10_000:
                self._scope_cache.clear()
            found = self._scope_cache[key] = ask(self._scopes)
        return found

    def proof(self, policy: CedarPolicy, unknown: frozenset[Path]) -> PolicySet:
        """The policy with everything that names an unknown path taken to be true."""
        key = (policy.id, unknown)
        if key not in self._proofs:
            rewritten = syntax.rewrite_unless(policy.json, partial(syntax.assume_true, paths=unknown))
            self._proofs[key] = PolicySet({policy.id: flat(rewritten)})
        return self._proofs[key]


class _PackageJudge:
    """One package before all Cedar controls."""

    def __init__(self, judge: CedarJudge, projection: Projection, facts: Evidence, moment: str) -> None:
        self._judge = judge
        self._projection = projection
        self._facts = facts
        self._moment = moment
        self._request = request(moment)
        self._entities: dict[int, Entities] = {}

    def _ask(self, policies: PolicySet, call: int = 0) -> Judgement:
        """What a set says of the members that the call shows.

        Raises:
            NoDecision: the request or an entity is malformed.
        """
        if call not in self._entities:
            self._entities[call] = Entities(self._projection.entities(call), self._projection.parameters)
        return policies.judge(self._request, self._entities[call])

    def findings(self, wanted: list[str]) -> dict[str, Finding]:
        try:
            scope = self._judge.scope(self._projection, self._moment, self._ask)
            calls = [self._ask(self._judge.full, call) for call in range(self._projection.calls())]
        except NoDecision as error:
            return {id_: Finding(id_, "unknown", reason=f"cedar gave no decision: {error}") for id_ in wanted}
        doubtful = set(scope.errors)
        for call in calls:
            doubtful.update(call.satisfied, call.errors)
        found = {}
        for id_ in wanted:
            policy = self._judge.policies[id_]
            # Most controls comply for every member and cannot err: nothing more is to be asked about them.
            sure = id_ in scope.satisfied and id_ not in doubtful and not policy.fallible
            found[id_] = policy.passed if sure else self._finding(policy, scope, calls)
        return found

    def _finding(self, policy: CedarPolicy, scope: Judgement, calls: list[Judgement]) -> Finding:
        if self._moment not in policy.info.moments:
            return Finding(
                policy.id, "not-applicable", observed=(Observation("/request/moment", Present(self._moment)),)
            )
        if policy.id in scope.errors:
            return self._scope_unknown(policy, scope.errors[policy.id])
        if policy.id not in scope.satisfied:
            shown = [self._projection.plain.seen(attribute.path) for attribute in policy.scope]
            return Finding(policy.id, "not-applicable", observed=tuple(shown))
        if not policy.chain:
            return self._of_member(policy, None, calls[0])
        return self._of_list(policy, calls)

    def _of_list(self, policy: CedarPolicy, calls: list[Judgement]) -> Finding:
        """Every member must comply: one proven violation fails, else one doubt makes it unknown."""
        findings = [
            self._of_member(policy, member, calls[number], number)
            for number, member in enumerate(self._projection.members(policy.chain))
        ]
        for outcome in ("fail", "unknown"):
            found = [finding for finding in findings if finding.outcome == outcome]
            if found:
                return _joined(found)
        return findings[0]

    def _of_member(self, policy: CedarPolicy, member: Member | None, judgement: Judgement, call: int = 0) -> Finding:
        complies = policy.id not in judgement.satisfied and policy.id not in judgement.errors
        if complies and not policy.fallible:
            return policy.passed
        unknown, unset = self._doubts(policy, member)
        doubted = frozenset(unknown) | frozenset(unset)
        if complies and policy.fallible.isdisjoint(doubted):
            return policy.passed
        if complies:
            # A fact that was not read might have made the condition err, and an error is never a pass.
            return self._unknown(policy, member, unknown, unset)
        if policy.id in judgement.errors and not doubted:
            return self._unknown(policy, member, unknown, unset, f"cedar: {judgement.errors[policy.id]}")
        if doubted and not self._proven(policy, doubted, call):
            return self._unknown(policy, member, unknown, unset)
        return Finding(policy.id, "fail", policy.info.expected, tuple(self._shown(policy, member)))

    def _proven(self, policy: CedarPolicy, unknown: frozenset[Path], call: int) -> bool:
        proof = self._judge.proof(policy, unknown)
        try:
            judgement = self._ask(proof, call)
        except NoDecision:
            return False
        return policy.id in judgement.satisfied and policy.id not in judgement.errors

    def _doubts(self, policy: CedarPolicy, member: Member | None) -> tuple[dict[Path, Observation], dict[Path, str]]:
        """The facts that the policy reads and nobody knows, and the parameters that nobody set."""
        doubts = {path: seen for path, seen in self._read(policy, member) if self._is_doubtful(policy, path, seen)}
        unset = {path: self._projection.unset[path] for path, _ in policy.parameters if path in self._projection.unset}
        return doubts, unset

    def _is_doubtful(self, policy: CedarPolicy, path: Path, seen: Observation) -> bool:
        if not isinstance(seen.fact, Absent):
            return isinstance(seen.fact, Unknown)
        # What the schema requires must not be absent either: reading it is an error.
        lost = path in policy.required and name_of(path) not in self._projection.plain.values
        return lost or _pattern(seen.pointer) in policy.info.undecidable_without

    def _read(self, policy: CedarPolicy, member: Member | None) -> list[tuple[Path, Observation]]:
        plain, tags = self._projection.plain, self._projection.tag_facts
        read = [(path, (member.shown if member and listed else plain).seen(path)) for path, listed in policy.places]
        return read + [(path, tags[path]) for path, _ in policy.tags]

    def _shown(self, policy: CedarPolicy, member: Member | None) -> list[Observation]:
        """What the finding shows: what the tree reads and `@reads` adds, for the first of the members with these facts."""
        shown = [
            seen
            for _, seen in self._read(policy, member)
            if not seen.pointer.startswith("/request/") or "principal/" in seen.pointer
        ]
        indices = member.indices[:MAX_SHOWN] if member else [()]
        for index in indices:
            for pattern in policy.extra_reads:
                pointer = pointer_of(approver_pointer(pattern, self._moment), index)
                if "*" not in pointer:
                    shown.append(Observation(pointer, self._facts.get(pointer)))
            for attribute in policy.attributes if index != indices[0] else ():
                if attribute.chain:
                    pointer = pointer_of(attribute.pattern, index)
                    shown.append(Observation(pointer, self._facts.get(pointer)))
        return list({seen.pointer: seen for seen in shown}.values())

    def _unknown(
        self,
        policy: CedarPolicy,
        member: Member | None,
        unknown: dict[Path, Observation],
        unset: dict[Path, str],
        reason: str = "",
    ) -> Finding:
        deciding = list({seen.pointer: seen for seen in unknown.values()}.values())
        others = [seen for seen in self._shown(policy, member) if seen not in deciding]
        names = {name for path, name in policy.parameters if path in unset}
        return Finding(
            policy.id,
            "unknown",
            policy.info.expected,
            (*deciding, *others),
            reason or "; ".join(unset.values()),
            tuple(sorted(names)),
        )

    def _scope_unknown(self, policy: CedarPolicy, error: str) -> Finding:
        plain = self._projection.plain
        seen = [plain.seen(attribute.path) for attribute in policy.scope]
        unread = tuple(plain.seen(one.path) for one in policy.scope if name_of(one.path) not in plain.values)
        return Finding(
            policy.id, "unknown", policy.info.expected, unread or tuple(seen), "" if unread else f"cedar: {error}"
        )


def _joined(findings: list[Finding]) -> Finding:
    """Findings of several members of one control as one."""
    first = findings[0]
    observed = {seen.pointer: seen for finding in findings[:MAX_SHOWN] for seen in finding.observed}
    reasons = dict.fromkeys(finding.reason for finding in findings if finding.reason)
    reason = "; ".join(reasons)
    if len(findings) > MAX_SHOWN:
        reason = "; ".join(filter(None, (reason, f"{len(findings) - MAX_SHOWN} more members not shown")))
    unset = {name for finding in findings for name in finding.unset_parameters}
    return Finding(first.control, first.outcome, first.expected, tuple(observed.values()), reason, tuple(sorted(unset)))


def _pattern(pointer: str) -> str:
    kind = kind_of(pointer)
    return kind.pattern if kind else pointer


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict) else value
