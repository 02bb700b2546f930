"""Cases: small facts with the finding that a control must give; tests of controls and examples on their pages.

`cases.json` is a list of objects: `name`, `outcome`, `facts` (a bare value is present; `{"state": ...}` spells out the
two other states), and optionally `parameters`, `stage`, `moment`, `principal` (an ARN; null for a scan, which has
none), `as_of`, and `says` (texts that
the finding must contain). The folder is named after the control.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from msgspec import Struct, field

from modelwarden.catalog import Bundle
from modelwarden.control import ParameterValue
from modelwarden.errors import UserError
from modelwarden.evaluate import evaluate
from modelwarden.evidence import Evidence, EvidenceError, Fact, Unknown, fact_from_json
from modelwarden.finding import Finding, Level, Outcome
from modelwarden.identity import who
from modelwarden.request import MOMENTS, STAGES, Principal, Request

OUTCOMES: Final = get_args(Outcome)
AS_OF: Final = "2026-11-22T00:00:00Z"
_KEYS: Final = frozenset({"name", "outcome", "facts", "parameters", "stage", "moment", "principal", "as_of", "says"})
_PACKAGE: Final = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/example/1"


class CaseError(UserError):
    """A cases file that cannot be run."""

    help = "compare with the cases of a built-in control: tests/controls/ENC-02/cases.json"


class Case(Struct, frozen=True):
    """One example of one control."""

    control: str
    name: str
    outcome: Outcome
    facts: Mapping[str, Fact]
    parameters: Mapping[str, ParameterValue]
    stage: str = "Production"
    moment: str = ""
    """Empty: the first moment of the control."""
    principal: str | None = ""
    """ARN; empty: nobody could tell who; None: there is none."""
    as_of: str = AS_OF
    says: tuple[str, ...] = ()


class _Only(Struct, frozen=True):
    """Settings under which one control is judged, with the parameters of the case over the defaults."""

    control: str
    parameters: Mapping[str, ParameterValue]
    parameters_unknown: Mapping[str, str] = field(default_factory=dict)

    def level(self, control_id: str) -> tuple[Level, str]:
        return ("block", "case") if control_id == self.control else ("off", "case")


def load_cases(path: Path) -> list[Case]:
    """The cases of one `cases.json`; the folder's name is the control.

    Raises:
        CaseError: no JSON list of cases, an unknown key or outcome, a fact that is not in the dictionary.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CaseError(f"{path}: not a list of cases: {error}") from error
    if not isinstance(document, list) or not document:
        raise CaseError(f"{path}: holds no case")
    return [_case(path, index, entry) for index, entry in enumerate(document)]


def _case(path: Path, index: int, entry: Any) -> Case:
    where = f"{path}: case {index + 1}"
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("name"), str)
        or not isinstance(entry.get("facts"), dict)
    ):
        raise CaseError(f"{where}: an object with `name`, `outcome` and `facts` is expected")
    unknown = sorted(entry.keys() - _KEYS)
    if unknown:
        raise CaseError(f"{where}: unknown key `{unknown[0]}`; use {', '.join(sorted(_KEYS))}")
    for key, allowed in (("outcome", OUTCOMES), ("stage", STAGES), ("moment", MOMENTS)):
        if (key in entry and entry[key] not in allowed) or (key == "outcome" and key not in entry):
            raise CaseError(f"{where}: `{key}` must be one of {', '.join(allowed)}")
    for key, kind, what in (
        ("parameters", dict, "an object"),
        ("says", list, "a list of texts"),
        ("as_of", str, "a time"),
    ):
        if not isinstance(entry.get(key, kind()), kind):
            raise CaseError(f"{where}: `{key}` must be {what}")
    if not isinstance(entry.get("principal", ""), str | None) or not all(
        isinstance(t, str) for t in entry.get("says", ())
    ):
        raise CaseError(f"{where}: `principal` must be an ARN or null, and `says` a list of texts")
    try:
        facts = {pointer: fact_from_json(pointer, value) for pointer, value in entry["facts"].items()}
    except EvidenceError as error:
        raise CaseError(f"{where}: {error}") from error
    return Case(
        control=path.parent.name,
        name=entry["name"],
        outcome=entry["outcome"],
        facts=facts,
        parameters={name: _parameter(value) for name, value in entry.get("parameters", {}).items()},
        stage=entry.get("stage", "Production"),
        moment=entry.get("moment", ""),
        principal=entry.get("principal", ""),
        as_of=entry.get("as_of", AS_OF),
        says=tuple(entry.get("says", ())),
    )


def _parameter(value: Any) -> ParameterValue:
    return tuple(value) if isinstance(value, list) else value


def finding_of(bundle: Bundle, case: Case) -> Finding:
    """What the control says of the case.

    Raises:
        CaseError: the bundle has no such control, or the case sets a parameter that nobody declares.
    """
    if case.control not in bundle.controls:
        raise CaseError(f"cases for `{case.control}`, which is not a control of the bundle")
    undeclared = sorted(case.parameters.keys() - bundle.declarations.keys())
    if undeclared:
        raise CaseError(f"{case.control}: case `{case.name}` sets `{undeclared[0]}`, which is not a declared parameter")
    defaults = {name: d.default for name, d in bundle.declarations.items() if d.default is not None}
    moment = case.moment or bundle.controls[case.control].info.moments[0]
    principal = _principal(case.principal)
    request = Request(case.stage, moment, case.as_of, principal)  # type: ignore[arg-type]
    settings = _Only(case.control, {**defaults, **case.parameters})
    (finding,) = evaluate(bundle, settings, Evidence(_PACKAGE, case.facts), {}, request)
    return finding


def _principal(arn: str | None) -> Principal | Unknown | None:
    if arn is None:
        return None
    return who(arn) if arn else Unknown("no principal in this case")


def problems_of(bundle: Bundle, case: Case) -> list[str]:
    """How the finding differs from what the case demands; empty where it does not."""
    finding = finding_of(bundle, case)
    text = text_of(finding)
    problems = [] if finding.outcome == case.outcome else [f"outcome is {finding.outcome}, expected {case.outcome}"]
    problems += [f"does not say `{line}`" for line in case.says if line not in text]
    return [f"{problem}; the finding says:\n{text}" for problem in problems]


def text_of(finding: Finding) -> str:
    """The finding in plain lines: reason, expectation and every fact that it rests on."""
    lines = [f"{finding.outcome}[{finding.control}] {finding.reason}".rstrip()]
    lines += [f"  expected {finding.expected}"] if finding.expected else []
    return "\n".join([*lines, *(f"  {seen}" for seen in finding.observed)])


def has_scope(bundle: Bundle, control: str) -> bool:
    """Whether the control can be not-applicable: a `when`, a moment that it does not take, or the word in a rule's file."""
    info = bundle.controls[control].info
    if info.engine == "cedar":
        policy = bundle.cedar.policies[control]
        return bool(policy.scope) or len(info.moments) < len(MOMENTS)
    text = next((file.text for file in bundle.files if file.path == info.path), "")
    return "NotApplicable(" in text or len(info.moments) < len(MOMENTS)


def missing_outcomes(scoped: bool, cases: Sequence[Case]) -> list[str]:
    """Outcomes that no case shows: pass, fail and unknown are always due, not-applicable where there is a scope."""
    due = ["pass", "fail", "unknown", *(["not-applicable"] if scoped else [])]
    return [outcome for outcome in due if outcome not in {case.outcome for case in cases}]
