"""The proof of `judge`, against every completion of what was not read: no false pass, no false fail.

A completion replaces each unknown fact by a value or by absence, and each unset parameter by a value. A pass or a
not-applicable must hold in all of them, a fail in none of them be a pass. And a cheap twin: a few policies written
again in Python, in three-valued logic, must agree exactly.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwarden.attributes import approver_pointer
from modelwarden.evidence import Absent, Evidence, Fact, Present, Unknown
from modelwarden.facts import kind_of, kinds
from modelwarden.finding import Finding
from modelwarden.judge import CedarJudge
from modelwarden.policy import CedarPolicy, read_file
from modelwarden.projection import pointer_of
from tests.unit.facts_strategy import BY_TYPE, PACKAGE, TELLING, builtin, evidence, one_fact, parameters, requests

ALLOWED = {"pass": {"pass"}, "not-applicable": {"not-applicable"}, "fail": {"fail", "unknown"}}
"""Outcome -> what completions may give. Some complete facts are unknown: an overflow, an absence that decides nothing."""
EXHAUSTIVE = 400
"""So many completions are tried one after the other, and where there are more, as many at random."""
DENIED = Unknown("AccessDenied")

thorough = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))

Facts = dict[str, Fact]
Values = dict[str, Any]


class Chooser:
    """Takes one of several options at each question, so that repeated runs take every sequence of answers once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._path: list[tuple[int, int]] = []
        """(answer, number of options) of each question of this run."""
        self._asked = 0
        self.random = False

    def __call__(self, options: list[Any]) -> Any:
        if self.random:
            return self._rng.choice(options)
        if self._asked == len(self._path):
            self._path.append((0, len(options)))
        answer = self._path[self._asked][0]
        self._asked += 1
        return options[answer]

    def next(self) -> bool:
        """Prepare the next run; False after the last one."""
        if self.random:
            return True
        while self._path and self._path[-1][0] + 1 == self._path[-1][1]:
            self._path.pop()
        if not self._path:
            return False
        answer, options = self._path.pop()
        self._path.append((answer + 1, options))
        self._asked = 0
        return True


def completions(
    policy: CedarPolicy, facts: Facts, values: Values, moment: str, rng: random.Random
) -> Iterator[tuple[Facts, Values]]:
    """Every way in which what is unknown could have turned out."""
    chooser = Chooser(rng)
    for number in itertools.count():
        if number == EXHAUSTIVE:
            chooser.random = True
        elif number == 2 * EXHAUSTIVE:
            return
        yield complete(policy, facts, moment, chooser), {**unset_values(policy, values, chooser), **values}
        if not chooser.next():
            return


def unset_values(policy: CedarPolicy, values: Values, choose: Callable[[list[Any]], Any]) -> Values:
    options: dict[str, list[Any]] = {"set": [(), ("A",), ("good", "owner")], "bool": [True, False], "long": [0, 7]}
    types = {name: declaration.type for name, declaration in builtin().declarations.items()}
    return {name: choose(options[types[name]]) for _, name in policy.parameters if name not in values}


def complete(policy: CedarPolicy, facts: Facts, moment: str, choose: Callable[[list[Any]], Any]) -> Facts:
    full = dict(facts)
    for pattern in in_order(read_by(policy, moment)):
        for pointer in pointers(full, pattern):
            if isinstance(Evidence(PACKAGE, full).get(pointer), Unknown):
                full[pointer] = choose(possible(full, pointer))
    return full


def read_by(policy: CedarPolicy, moment: str) -> list[str]:
    """Patterns of everything that decides, with the counts of the lists on the way."""
    patterns = {approver_pointer(attribute.pattern, moment) for attribute in policy.attributes}
    patterns |= {pointer for _, pointer in policy.tags}
    for pattern in list(patterns):
        heads = pattern.split("/*")
        patterns |= {"/*".join(heads[:depth]) + "_count" for depth in range(1, len(heads))}
    return [pattern for pattern in patterns if not pattern.startswith("/request/") or "principal/" in pattern]


def pointers(facts: Facts, pattern: str) -> list[str]:
    """The pattern's pointers for counts that are known by now."""
    found = [()]
    parts = pattern.split("*")
    for depth in range(1, len(parts)):
        heads = [(indices, pointer_of("*".join(parts[:depth]), indices).rstrip("/")) for indices in found]
        found = [(*indices, index) for indices, head in heads for index in range(length(facts, head))]
    return [pointer_of(pattern, indices) for indices in found]


def length(facts: Facts, head: str) -> int:
    fact = facts.get(f"{head}_count")
    return int(fact.value) if isinstance(fact, Present) else 0  # type: ignore[arg-type]


def possible(facts: Facts, pointer: str) -> list[Fact]:
    kind = kind_of(pointer)
    assert kind is not None
    if pointer.endswith("_count"):
        in_hand = Evidence(PACKAGE, facts).listing(pointer.removesuffix("_count"))[1]
        least = max(in_hand, default=-1) + 1
        return [Present(count) for count in range(least, max(least, 2) + 1)] + ([] if least else [Absent()])
    values = TELLING.get(kind.pattern, BY_TYPE[kind.type])
    return [*map(Present, values), Absent()]


def check(
    judge: CedarJudge, policy: CedarPolicy, facts: Facts, values: Values, moment: str, rng: random.Random
) -> Finding:
    def found(facts: Facts, values: Values) -> Finding:
        return judge.judge(Evidence(PACKAGE, facts), values, {}, moment, [policy.id])[policy.id]

    finding = found(facts, values)
    if finding.outcome != "unknown":
        for full, told in completions(policy, facts, values, moment, rng):
            outcome = found(full, told).outcome
            assert outcome in ALLOWED[finding.outcome], (finding, outcome, full, told)
    return finding


Kleene = bool | None
"""None: nobody knows."""


def both(*parts: Kleene) -> Kleene:
    return False if False in parts else None if None in parts else True


def either(*parts: Kleene) -> Kleene:
    return True if True in parts else None if None in parts else False


def is_(fact: Fact, good: Callable[[Any], bool]) -> Kleene:
    """Whether a fact is there and good."""
    match fact:
        case Present(value):
            return good(value)
        case Absent():
            return False
        case Unknown():
            return None


# Generated policies.

Pattern = str
Condition = tuple[str, str, Callable[[Callable[[Pattern], Fact]], "Kleene"]]
"""(reads, Cedar text, the same in three-valued logic over what a pattern's fact is)"""


def leaf(pattern: str, path: str, condition: str, good: Callable[[Any], bool]) -> Condition:
    return (
        pattern,
        f"resource has {path} && {condition.format(f'resource.{path}')}",
        lambda get: is_(get(pattern), good),
    )


EXACT: list[Condition] = [
    leaf("/package/status", "package.status", '{} == "A"', lambda value: value == "A"),
    leaf("/package/status", "package.status", '{} != "A"', lambda value: value != "A"),
    leaf("/approval/status", "approval.status", '["A", "C"].contains({})', lambda value: value == "A"),
    leaf("/package/version", "package.version", "{} > 1", lambda value: value > 1),
    leaf("/tag_keys", "tagKeys", '!{}.contains("a")', lambda value: "a" not in value),
    leaf("/container/*/framework", "container.framework", '{} != "A"', lambda value: value != "A"),
    leaf("/container/*/image/tag_immutable", "container.image.tagImmutable", "{}", bool),
    ("/package/arn", "resource has package.arn", lambda get: is_(get("/package/arn"), lambda _: True)),
    (
        "/tag/owner",
        'resource.hasTag("owner") && resource.getTag("owner") == "x"',
        lambda get: is_(get("/tag/owner"), lambda value: value == "x"),
    ),
    (
        "/request/stage",
        'context.stage == "Production"',
        lambda get: is_(get("/request/stage"), lambda value: value == "Production"),
    ),
]


def never(get: Callable[[Pattern], Fact]) -> Kleene:
    raise AssertionError("may err, so it has no value in three-valued logic")


ALSO: list[Condition] = [
    ("/package/version", "resource has package.version && resource.package.version * 5000000000000000000 > 1", never),
    ("/trainer_count", "resource.trainerCount == 0", never),
    (
        "/package/status parameter:required_tags",
        "resource has package.status && context.parameters.requiredTags.contains(resource.package.status)",
        never,
    ),
    ("parameter:life_cycle_required", "context.parameters.lifeCycleRequired", never),
]
SCOPES = [
    ("", ""),
    ("", 'when { context.stage == "Production" }'),
    ("/trainer_count", "when { resource.trainerCount > 0 }"),
    ("/trainer_count", 'when { context.stage == "Staging" || resource.trainerCount > 0 }'),
    ("/card/content/intended_uses/risk_rating", 'when { resource.effectiveRiskRating == "High" }'),
]
SMALL: dict[str, list[Any]] = {
    "string": ["A", "B"],
    "bool": [True, False],
    "long": [0, 1, 2],
    "set": [(), ("a",)],
}


def trees(leaves: list[Condition]) -> st.SearchStrategy[Condition]:
    """Conditions of the form that lint lets through: guards under `&&` and `||` alone."""
    return st.recursive(
        st.sampled_from(leaves),
        lambda parts: st.builds(joined, parts, parts, st.sampled_from(["&&", "||"])),
        max_leaves=6,
    )


def joined(left: Condition, right: Condition, joint: str) -> Condition:
    join = both if joint == "&&" else either
    return (
        f"{left[0]} {right[0]}",
        f"({left[1]}) {joint} ({right[1]})",
        lambda get: join(left[2](get), right[2](get)),
    )


def compiled(condition: Condition, scope: tuple[str, str] = ("", ""), undecidable: str = "") -> CedarPolicy:
    names = " ".join(sorted({"/request/stage", *condition[0].split(), *scope[0].split()}))
    text = (
        '@id("TEST-01") @title("t") @severity("low") @rationale("r") @remediation("m") @source("s") @since("1")'
        f'@reads("{names}")' + (f'@undecidable_without("{undecidable}")' if undecidable else "")
    )
    text += f' forbid (principal, action in Modelwarden::Action::"promote", resource) {scope[1]} unless {{ {condition[1]} }};'
    declared = {name: declaration.type for name, declaration in builtin().declarations.items()}
    (policy,), problems = read_file(text, "test.cedar", "user", declared, thorough=False)
    assert problems == []
    return policy


@st.composite
def policies(draw: st.DrawFn) -> CedarPolicy:
    condition = draw(trees([*EXACT, *ALSO]))
    undecidable = draw(st.sampled_from(["", *({"/package/status"} & set(condition[0].split()))]))
    return compiled(condition, draw(st.sampled_from(SCOPES)), undecidable)


@st.composite
def partial_facts(draw: st.DrawFn, policy: CedarPolicy) -> Facts:
    """The facts that a policy reads: present, absent, unknown or missing."""
    facts: Facts = {"/request/stage": Present(draw(st.sampled_from(["Staging", "Production"])))}
    facts["/request/moment"] = Present("approve")
    for pattern in in_order(read_by(policy, "approve")):
        kind = kind_of(pattern)
        assert kind is not None
        values = (
            ["High", "Low", "x"]
            if pattern.endswith("risk_rating")
            else ["x", "y"]
            if "/tag/" in pattern
            else SMALL[kind.type]
        )
        for pointer in pointers(facts, pattern):
            states = [DENIED, None, Absent()] if not pattern.endswith("_count") else []
            fact = draw(st.sampled_from([*map(Present, values), *states]))
            facts |= {} if fact is None else {pointer: fact}
    return draw(without_counts(facts))


@st.composite
def without_counts(draw: st.DrawFn, facts: Facts) -> Facts:
    """Some counts are lost after the members were read."""
    for pointer in [pointer for pointer in facts if pointer.endswith("_count")]:
        fact = draw(st.sampled_from([facts[pointer], facts[pointer], DENIED, Absent()]))
        facts[pointer] = fact
    return facts


def in_order(patterns: list[str]) -> list[str]:
    """Counts before members, outer lists before inner ones."""
    return sorted(patterns, key=lambda one: (one.count("*"), not one.endswith("_count"), one))


PARAMETER_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "required_tags": st.sampled_from([(), ("A",)]),
        "life_cycle_required": st.booleans(),
    },
)


@thorough
@given(st.data(), policies(), PARAMETER_VALUES, st.randoms(use_true_random=False))
def test_generated_policies_give_no_false_pass_and_no_false_fail(
    data: st.DataObject, policy: CedarPolicy, values: Values, rng: random.Random
) -> None:
    facts = data.draw(partial_facts(policy))
    check(CedarJudge([policy]), policy, facts, values, "approve", rng)


@thorough
@given(st.data(), trees(EXACT))
def test_where_nothing_can_err_the_outcome_is_exact(data: st.DataObject, condition: Condition) -> None:
    """Not only never wrong, but never unknown without need either."""
    policy = compiled(condition)
    record = Evidence(PACKAGE, data.draw(partial_facts(policy)))
    finding = CedarJudge([policy]).judge(record, {}, {}, "approve", [policy.id])[policy.id]
    assert finding.outcome == compliant(over_members(record, policy.chain, condition)), finding


def over_members(record: Evidence, chain: str, condition: Condition) -> Kleene:
    if not chain:
        return condition[2](record.get)
    count, indices = record.listing("/container")
    members: list[Kleene] = [
        condition[2](lambda pattern, index=index: record.get(pattern.replace("*", str(index)))) for index in indices
    ]
    if not indices or not isinstance(count, Present):
        nothing: Fact = DENIED if isinstance(count, Unknown) else Absent()
        members.append(condition[2](lambda pattern: nothing if "*" in pattern else record.get(pattern)))
    return both(*members)


@pytest.mark.parametrize("policy", builtin().policies, ids=lambda policy: policy.id)
def test_built_in_policies_give_no_false_pass_and_no_false_fail(policy: CedarPolicy) -> None:
    judge = CedarJudge([policy])
    seen: set[str] = set()

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), requests(), st.randoms(use_true_random=False), st.booleans())
    def examples(data: st.DataObject, request: Any, rng: random.Random, unset: bool) -> None:
        facts = {**data.draw(facts_of(policy)), **request.facts()}
        values = {} if unset else {name: parameters().get(name, ("good",)) for _, name in policy.parameters}
        seen.add(check(judge, policy, facts, values, request.moment, rng).outcome)

    examples()
    assert "fail" in seen


@st.composite
def facts_of(draw: st.DrawFn, policy: CedarPolicy) -> Facts:
    facts: Facts = {}
    patterns = [pattern for pattern in read_by(policy, "deploy") if pattern in kinds()]
    for pattern in in_order(patterns):
        for pointer in pointers(facts, pattern):
            fact = Present(draw(st.integers(0, 2))) if pattern.endswith("_count") else draw(one_fact(pattern))
            facts |= {} if fact is None else {pointer: fact}
    return draw(without_counts(facts))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(evidence(), requests())
def test_what_a_policy_says_does_not_depend_on_the_others(record: Evidence, request: Any) -> None:
    facts = Evidence(PACKAGE, {**record.facts, **request.facts()})
    ids = [policy.id for policy in builtin().policies]
    together = builtin().cedar.judge(facts, parameters(), {}, request.moment, ids)
    for policy in builtin().policies:
        alone = ALONE[policy.id].judge(facts, parameters(), {}, request.moment, [policy.id])[policy.id]
        assert alone.outcome == together[policy.id].outcome
        assert set(alone.observed) == set(together[policy.id].observed)


ALONE = {policy.id: CedarJudge([policy]) for policy in builtin().policies}


# The cheap twin.


def every(record: Evidence, head: str, good: Callable[[str], Kleene]) -> Kleene:
    """Whether a list is not empty and each member is good."""
    count, indices = record.listing(head)
    members = [good(f"{head}/{index}") for index in indices]
    match count:
        case Present():
            return both(*members) if members else False
        case Absent():
            return False
        case Unknown():
            return both(*members, None)


def compliant(answer: Kleene) -> str:
    return "unknown" if answer is None else "pass" if answer else "fail"


def enc_02(record: Evidence, moment: str) -> str:
    count = record.get("/artifact_count")
    if not isinstance(count, Present):
        return "unknown"
    if count.value == 0:
        return "not-applicable"

    def good(artifact: str) -> Kleene:
        return both(
            is_(record.get(f"{artifact}/encryption/sse"), lambda sse: sse in ("aws:kms", "aws:kms:dsse")),
            is_(record.get(f"{artifact}/kms_key/manager"), lambda manager: manager == "CUSTOMER"),
            is_(record.get(f"{artifact}/kms_key/arn"), lambda arn: arn in parameters()["approved_kms_keys"]),
        )

    return compliant(every(record, "/artifact", good))


def img_01(record: Evidence, moment: str) -> str:
    approved = parameters()["approved_image_sources"]
    return compliant(
        every(record, "/container", lambda one: is_(record.get(f"{one}/image/source"), lambda s: s in approved))
    )


def img_02(record: Evidence, moment: str) -> str:
    def good(container: str) -> Kleene:
        pinned, resolved = (record.get(f"{container}/image/{name}_digest") for name in ("pinned", "resolved"))
        return both(is_(pinned, lambda digest: True), is_(resolved, lambda digest: True), equal(pinned, resolved))

    return compliant(every(record, "/container", good))


def img_03(record: Evidence, moment: str) -> str:
    def good(container: str) -> Kleene:
        reference, tag, immutable = (
            record.get(f"{container}/image/{name}") for name in ("reference", "tag", "tag_immutable")
        )
        fit = both(is_(tag, lambda name: name not in parameters()["forbidden_tags"]), is_(immutable, bool))
        return both(is_(reference, lambda _: True), either(is_(reference, lambda how: how == "digest"), fit))

    return compliant(every(record, "/container", good))


def equal(one: Fact, other: Fact) -> Kleene:
    return None if not (isinstance(one, Present) and isinstance(other, Present)) else one.value == other.value


def differ(one: Fact, other: Fact) -> Kleene:
    same = equal(one, other)
    return None if same is None else not same


def doubt(fact: Fact) -> Fact:
    """Where absence decides nothing either."""
    return Unknown("absent") if isinstance(fact, Absent) else fact


def apr_02(record: Evidence, moment: str) -> str:
    state = record.get("/request/principal/state")
    if moment == "approve" and isinstance(state, Present) and state.value == "none":
        return "not-applicable"
    who = "/request/principal" if moment == "approve" else "/approver"
    approver, creator = record.get(f"{who}/identity"), doubt(record.get("/creator/identity"))
    count = record.get("/trainer_count")

    def untrained(trainer: str) -> Kleene:
        principal = doubt(record.get(f"{trainer}/principal"))
        return both(is_(principal, lambda _: True), differ(approver, principal))

    none = is_(count, lambda number: number == 0) if not isinstance(count, Absent) else None
    return compliant(
        both(
            is_(approver, lambda _: True),
            is_(creator, lambda _: True),
            differ(approver, creator),
            either(none, every(record, "/trainer", untrained)),
            is_(doubt(record.get(f"{who}/person")), lambda person: person != ""),
        )
    )


TWINS = {"ENC-02": enc_02, "IMG-01": img_01, "IMG-02": img_02, "IMG-03": img_03, "APR-02": apr_02}


@pytest.mark.parametrize("id_", TWINS)
def test_the_twin_in_python_agrees(id_: str) -> None:
    policy = next(policy for policy in builtin().policies if policy.id == id_)
    seen: set[str] = set()

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(facts_of(policy), requests())
    def examples(facts: Facts, request: Any) -> None:
        record = Evidence(PACKAGE, {**facts, **request.facts()})
        finding = ALONE[id_].judge(record, parameters(), {}, request.moment, [id_])[id_]
        assert finding.outcome == TWINS[id_](record, request.moment), finding
        seen.add(finding.outcome)

    examples()
    assert {"pass", "fail", "unknown"} <= seen
