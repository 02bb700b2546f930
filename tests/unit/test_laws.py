"""The laws of evaluation and decision, over random evidence and over every passing case of every control."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from modelwarden.cases import Case, load_cases
from modelwarden.decide import decide
from modelwarden.evaluate import evaluate, subject
from modelwarden.evidence import Evidence, Fact, Present, Unknown
from modelwarden.facts import KEYED
from modelwarden.finding import AppliedWaiver, Digests, Finding, Observation
from modelwarden.gate import exit_code
from modelwarden.identity import who
from modelwarden.request import Request
from modelwarden.rule import read_by
from tests.unit.facts_strategy import CONTROLS, Everything, builtin, evidence, parameters, requests

DIGESTS = Digests("e", "r", "b", "s", "w", "m")
WORSE = {"allow": 0, "flag": 1, "undecided": 2, "block": 3}

often = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def outcomes(record: Evidence, request: Request, values: dict[str, Any] | None = None) -> dict[str, Finding]:
    return {finding.control: finding for finding in evaluate(builtin(), Everything(values), record, {}, request)}


@often
@given(evidence(), requests())
def test_every_control_gives_one_finding_and_nothing_raises(record: Evidence, request: Request) -> None:
    findings = evaluate(builtin(), Everything(), record, {}, request)
    assert [finding.control for finding in findings] == sorted(builtin().controls)
    assert not [
        finding for finding in findings if finding.reason.startswith(("the engine raised", "the control raised"))
    ]


@often
@given(evidence(), requests(), st.randoms(use_true_random=False))
def test_losing_facts_never_turns_a_fail_or_unknown_into_a_pass(
    record: Evidence, request: Request, rng: random.Random
) -> None:
    """Neither deletion nor unreadability helps."""
    before = outcomes(record, request)
    for lose in (None, Unknown("AccessDenied")):
        chosen = {pointer for pointer in record.facts if rng.random() < 0.2}
        facts: dict[str, Fact] = {}
        for pointer, fact in record.facts.items():
            if pointer not in chosen:
                facts[pointer] = fact
            elif lose is not None:
                facts[pointer] = lose
        after = outcomes(Evidence(record.package, facts), request)
        for id_, finding in before.items():
            if finding.outcome in ("fail", "unknown"):
                assert after[id_].outcome in ("fail", "unknown"), (id_, sorted(chosen), finding, after[id_])


@often
@given(evidence(), requests())
def test_an_unset_parameter_never_helps(record: Evidence, request: Request) -> None:
    before, after = outcomes(record, request), outcomes(record, request, {})
    for id_, finding in before.items():
        if finding.outcome in ("fail", "unknown"):
            assert after[id_].outcome in ("fail", "unknown"), (id_, finding, after[id_])


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(evidence(), requests(), st.randoms(use_true_random=False))
def test_the_order_of_controls_is_irrelevant(record: Evidence, request: Request, rng: random.Random) -> None:
    ids = list(builtin().controls)
    rng.shuffle(ids)
    shuffled = replace(
        builtin(),
        controls={id_: builtin().controls[id_] for id_ in ids},
        policies=tuple(sorted(builtin().policies, key=lambda policy: rng.random())),
    )
    assert evaluate(shuffled, Everything(), record, {}, request) == evaluate(
        builtin(), Everything(), record, {}, request
    )


findings = st.builds(
    Finding,
    control=st.sampled_from([f"AAA-0{n}" for n in range(10)]),
    outcome=st.sampled_from(["pass", "fail", "unknown", "not-applicable"]),
)
levels = st.dictionaries(st.sampled_from([f"AAA-0{n}" for n in range(10)]), st.sampled_from(["block", "flag"]))
request_ = Request("Production", "approve", "2026-11-22T00:00:00Z")


class Rules:
    """Levels by control, and controls whose fails are waived."""

    def __init__(self, table: dict[str, Any], waived: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.table, self.waived = table, waived

    def level(self, control_id: str) -> Any:
        return self.table.get(control_id, "block"), "test"

    def waiver(self, finding: Finding) -> AppliedWaiver | None:
        covered = finding.control in self.waived and finding.outcome == "fail"
        return AppliedWaiver("w", "o", "a", "r", "2027-01-01") if covered else None


def decision(found: list[Finding], rules: Rules) -> Any:
    return decide(found, rules, request_, package="p", digests=DIGESTS, advisory=False)


@given(
    st.lists(findings, unique_by=lambda one: one.control),
    levels,
    st.sets(st.sampled_from([f"AAA-0{n}" for n in range(10)])),
)
def test_a_waiver_changes_no_finding_and_never_gives_an_allow(
    found: list[Finding], table: dict[str, Any], waived: set[str]
) -> None:
    without, with_ = decision(found, Rules(table)), decision(found, Rules(table, waived))
    assert [ruling.finding for ruling in with_.rulings] == [ruling.finding for ruling in without.rulings]
    assert with_.without_waivers == without.without_waivers == without.verdict
    if any(ruling.waiver for ruling in with_.rulings):
        assert with_.verdict != "allow"


@given(
    st.lists(
        findings.filter(lambda one: one.outcome in ("unknown", "not-applicable")), unique_by=lambda one: one.control
    ),
    levels,
    st.booleans(),
)
def test_what_nobody_could_read_is_never_a_yes(found: list[Finding], table: dict[str, Any], fails: bool) -> None:
    """Not even where every control only flags: nothing speaks for the package."""
    assert decision(found, Rules(table)).verdict == "undecided"
    if fails and any(finding.outcome == "unknown" for finding in found):
        assert decision([*found, Finding("ZZZ-99", "fail")], Rules(table)).verdict in ("undecided", "block")


@given(
    st.lists(findings, unique_by=lambda one: one.control),
    levels,
    st.sampled_from(["fail", "unknown", "not-applicable"]),
)
def test_one_more_non_pass_never_improves_a_decision(found: list[Finding], table: dict[str, Any], outcome: Any) -> None:
    """Of findings that say something: where nothing applied, the first fail is the first thing known at all."""
    before = decision(found, Rules(table))
    if all(finding.outcome == "not-applicable" for finding in found):
        assert before.verdict == "undecided"
        return
    after = decision([*found, Finding("ZZZ-99", outcome)], Rules(table))
    assert WORSE[after.verdict] >= WORSE[before.verdict]


def _passing() -> list[Case]:
    return [
        case for path in sorted(CONTROLS.glob("*/cases.json")) for case in load_cases(path) if case.outcome == "pass"
    ]


def _request(case: Case) -> Request:
    moment = case.moment or builtin().controls[case.control].info.moments[0]
    principal = who(case.principal) if case.principal else Unknown("no principal in this case")
    return Request(case.stage, moment, case.as_of, principal)  # type: ignore[arg-type]


def _judge(case: Case, facts: dict[str, Fact]) -> Finding:
    values = {
        **parameters(),
        **{name: d.default for name, d in builtin().declarations.items() if d.default is not None},
        **case.parameters,
    }
    return outcomes(Evidence("p", facts), _request(case), values)[case.control]


def _decisive(case: Case) -> set[str]:
    """The facts that the verdict rests on: of a policy what its tree reads, of a rule what it touched."""
    control = builtin().controls[case.control]
    record = subject(Evidence("p", case.facts), {}, _request(case))
    if control.info.engine == "python":
        values = {
            **{name: d.default for name, d in builtin().declarations.items() if d.default is not None},
            **case.parameters,
        }
        touched = {seen.pointer for seen in read_by(control, record, values, {})}
        listings = {keys for prefix, keys in KEYED.items() if any(pointer.startswith(prefix) for pointer in touched)}
        return (touched | listings) & set(case.facts)
    policy = builtin().cedar.policies[case.control]
    patterns = [attribute.pattern for attribute in policy.attributes] + [pointer for _, pointer in policy.tags]
    counts = {head + "_count" for pattern in patterns for head in [pattern.split("/*")[0]] if "*" in pattern}
    read = {pointer for pattern in patterns for pointer, _ in record.each(pattern)}
    return (read | counts) & set(case.facts)


@pytest.mark.parametrize("case", _passing(), ids=lambda case: f"{case.control}: {case.name}")
def test_a_pass_needs_every_fact_it_read(case: Case) -> None:
    """Delete each fact in turn, then make it unknown: the pass is gone wherever the fact mattered, and the finding names it."""
    assert _judge(case, dict(case.facts)).outcome == "pass"
    decisive = _decisive(case)
    assert decisive, "a pass without a fact"
    for pointer, fact in case.facts.items():
        rest = {name: value for name, value in case.facts.items() if name != pointer}
        for facts in (rest, {**rest, pointer: Unknown("AccessDenied", fact.source)}):
            finding = _judge(case, facts)
            if finding.outcome == "pass":
                # Then the fact could not matter: no value of it changes the verdict either.
                assert pointer not in decisive or _irrelevant(case, rest, pointer), (
                    f"{pointer} is gone and the control passes"
                )
            else:
                assert exit_code(decision([finding], Rules({})).verdict) != 0
                named = {pointer, *(prefix for prefix, keys in KEYED.items() if keys == pointer)}
                assert pointer.endswith("_count") or any(
                    seen.pointer.startswith(tuple(named)) for seen in finding.observed
                ), (
                    pointer,
                    finding,
                )


def _irrelevant(case: Case, rest: dict[str, Fact], pointer: str) -> bool:
    """True if the verdict holds for other values of the fact as well."""
    fact = case.facts[pointer]
    if not isinstance(fact, Present):
        return True
    others: dict[type, list[Any]] = {
        str: ["", "other", "AWS", "AES256"],
        bool: [True, False],
        int: [0, 1, 7],
        float: [0.0, 9.9],
        tuple: [(), ("other",)],
    }
    tries = others[type(fact.value)]
    return all(_judge(case, {**rest, pointer: Present(value)}).outcome == "pass" for value in tries)


def test_an_observation_reads_as_a_sentence() -> None:
    seen = Observation("/artifact/0/encryption/sse", Present("AES256"))
    assert str(seen) == '/artifact/0/encryption/sse = "AES256"'
