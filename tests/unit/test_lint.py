"""Lint: one hostile bundle for each rule, with the message and the line; a clean bundle and what ships are clean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden import cedar
from modelwarden.catalog import BundleError, load_bundle
from modelwarden.lint import lint
from modelwarden.problem import Problem
from modelwarden.spelling import spell
from modelwarden.statement import statements

SCRIPT = Path(sys.executable).with_name("modelwarden")

ANNOTATIONS = {
    "id": "ACME-01",
    "title": "package is not complete",
    "severity": "medium",
    "rationale": "What is not complete cannot be judged.",
    "remediation": "wait until SageMaker has registered it",
    "reads": "/package/status",
    "source": "house rule 1",
    "since": "1.0.0",
}
GOOD = 'resource has package.status && resource.package.status == "Completed"'
PROMOTE = 'action in Modelwarden::Action::"promote"'

RULE = """from modelwarden.control import Fail, Parameters, Pass, Verdict, View, control
from modelwarden.evidence import Present


@control(
    id="ACME-02",
    title="package is not complete",
    severity="medium",
    rationale="What is not complete cannot be judged.",
    remediation="wait until SageMaker has registered it",
    reads=("/package/status",),
    source="house rule 2",
    since="1.0.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    match evidence.get("/package/status"):
        case Present("Completed"):
            return Pass()
    return Fail(expected="a completed package", at=["/package/status"])
"""


def policy(
    unless: str | None = GOOD,
    when: str = "",
    action: str = PROMOTE,
    effect: str = "forbid",
    scope: tuple[str, str] = ("principal", "resource"),
    **changed: str | None,
) -> str:
    """A control whose effect stands in line 9, `when` in line 10 or else `unless`, which follows it."""
    annotations = {**ANNOTATIONS, **changed}
    lines = [f'@{name}("{value}")' for name, value in annotations.items() if value is not None]
    lines.append(f"{effect} ({scope[0]}, {action}, {scope[1]})")
    lines += [f"when {{ {when} }}"] if when else []
    lines += [f"unless {{ {unless} }}"] if unless is not None else []
    return "\n".join(lines) + ";\n"


def bundle(root: Path, **files: str) -> Path:
    """A folder `house`; `name__ending` becomes `name.ending`."""
    for name, text in files.items():
        path = root / "house" / name.replace("__", ".").replace("_in_authz", "")
        path = path.parent / "authz" / path.name if "_in_authz" in name else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "house"


def problems(folder: Path) -> list[Problem]:
    """Of the folder; without the layout, which the examples do not care about."""
    found = lint([folder]).problems
    return [one for one in found if one.rule != "layout" and not one.path.startswith(("policies/", "rules/"))]


def told(found: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.rule, str(problem)) for problem in found]


HAS = "resource has package.status"
SET = "resource has tagKeys && "
SETS = {"reads": "/tag_keys"}

IDIOM: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "has in when": (
        {"when": HAS, "unless": "resource.containerCount > 0", "reads": "/package/status /container_count"},
        "guard-in-scope",
        10,
        "`resource has package.status` in `when` lets a package without it through",
    ),
    "hasTag in when": (
        {"when": 'resource.hasTag("x")', "reads": "/package/status /tag/x"},
        "guard-in-scope",
        10,
        '`resource.hasTag("x")` in `when` lets a package without it through',
    ),
    "optional attribute in when": (
        {"when": 'resource.package.status == "Failed"'},
        "optional-in-scope",
        10,
        "`resource.package.status` in `when` is not always there",
    ),
    "parameter in when": (
        {"when": "context.parameters.lifeCycleRequired", "reads": "/package/status parameter:life_cycle_required"},
        "optional-in-scope",
        10,
        "`context.parameters.lifeCycleRequired` in `when` is not always there",
    ),
    "has under !": (
        {"unless": f"!({HAS})"},
        "guard-position",
        10,
        "`resource has package.status` stands under `!`, where a missing fact can pass",
    ),
    "has under if": (
        {"unless": f'if {HAS} then resource.package.status == "Completed" else true'},
        "guard-position",
        10,
        "`resource has package.status` stands under `if`, where a missing fact can pass",
    ),
    "hasTag under !=": (
        {"unless": '(resource.hasTag("x")) != true', "reads": "/tag/x"},
        "guard-position",
        10,
        '`resource.hasTag("x")` stands under `!=`, where a missing fact can pass',
    ),
    "has under contains": (
        {"unless": f"[false].contains({HAS})"},
        "guard-position",
        10,
        "`resource has package.status` stands under `contains`, where a missing fact can pass",
    ),
    "no unless": (
        {"unless": None, "when": "resource.containerCount > 0", "reads": "/container_count"},
        "no-unless",
        9,
        "without `unless` it can never pass",
    ),
    "two unless": (
        {"unless": f"{GOOD} }} unless {{ resource.containerCount > 0", "reads": "/package/status /container_count"},
        "two-unless",
        10,
        "of several `unless` any one would do",
    ),
    "permit": ({"effect": "permit"}, "effect", 9, "a control is a `forbid`, this is a `permit`"),
    "principal": (
        {"scope": ('principal == Modelwarden::Principal::"x"', "resource")},
        "scope",
        9,
        "the scope limits `principal`, so the control would silently not apply",
    ),
    "resource": (
        {"scope": ("principal", 'resource == Modelwarden::Package::"x"')},
        "scope",
        9,
        "the scope limits `resource`, so the control would silently not apply",
    ),
    "type of the resource": (
        {"scope": ("principal", "resource is Modelwarden::Package")},
        "scope",
        9,
        "the scope limits `resource`, so the control would silently not apply",
    ),
    "any action": ({"action": "action"}, "action", 9, "the action is none of the moments"),
    "unknown action": (
        {"action": 'action == Modelwarden::Action::"aprove"'},
        "action",
        9,
        "the action is none of the moments",
    ),
    "action of another type": (
        {"action": 'action == House::Action::"approve"'},
        "action",
        9,
        "the action is none of the moments",
    ),
    "true": ({"unless": "true"}, "constant", 10, "`true` is the same for every package"),
    "false": ({"unless": f"{GOOD} && false"}, "constant", 10, "`false` is the same for every package"),
    "or true": ({"unless": f"{GOOD} || true"}, "constant", 10, "`true` is the same for every package"),
    "literals alone": ({"unless": f"{GOOD} || 1 == 1"}, "constant", 10, "`1 == 1` is the same for every package"),
    "constant in when": ({"when": "true"}, "constant", 10, "`true` is the same for every package"),
    "constant under !": (
        {"unless": f"{GOOD} || !(1 == 2)"},
        "constant",
        10,
        "`!(1 == 2)` is the same for every package",
    ),
    "compared with itself": (
        {"unless": f"{HAS} && resource.package.status == resource.package.status"},
        "constant",
        10,
        "`resource.package.status == resource.package.status` is the same for every package",
    ),
    "like anything": (
        {"unless": f'{HAS} && resource.package.status like "*"'},
        "constant",
        10,
        '`resource.package.status like "*"` is the same for every package',
    ),
    "in a set that holds it": (
        {"unless": f'{HAS} && ["Completed", resource.package.status].contains(resource.package.status)'},
        "constant",
        10,
        '`["Completed", resource.package.status].contains(resource.package.status)` is the same for every package',
    ),
    "contains all of nothing": (
        {"unless": f"{SET}resource.tagKeys.containsAll([])", **SETS},
        "constant",
        10,
        "`resource.tagKeys.containsAll([])` is the same for every package",
    ),
    "one or its contrary": (
        {"unless": f'{HAS} && (resource.package.status == "A" || resource.package.status != "A")'},
        "idle-part",
        10,
        '`resource.package.status == "A"` never changes the answer of `unless`',
    ),
    "always true as a whole": (
        {"unless": "resource.containerCount > 1 || resource.containerCount <= 1", "reads": "/container_count"},
        "constant",
        10,
        "`unless` is true for every package",
    ),
    "part that is swallowed": (
        {
            "unless": f"{GOOD} || ({GOOD} && resource.containerCount > 0)",
            "reads": "/package/status /container_count",
        },
        "idle-part",
        10,
        "`resource.containerCount > 0` never changes the answer of `unless`",
    ),
    "vacuous containsAll": (
        {"unless": f'{SET}["a"].containsAll(resource.tagKeys)', **SETS},
        "empty-set",
        10,
        '`["a"].containsAll(resource.tagKeys)` is true for an empty `resource.tagKeys`',
    ),
    "containsAll of a parameter": (
        {
            "unless": f"{SET}resource.tagKeys.containsAll(context.parameters.requiredTags)",
            "reads": "/tag_keys parameter:required_tags",
        },
        "empty-set",
        10,
        "`resource.tagKeys.containsAll(context.parameters.requiredTags)` is true for an empty",
    ),
    "emptiness tested in another branch": (
        {
            "unless": f'({SET}["a"].containsAll(resource.tagKeys)) || ({SET}!resource.tagKeys.isEmpty() && resource.containerCount > 3)',
            "reads": "/tag_keys /container_count",
        },
        "empty-set",
        10,
        '`["a"].containsAll(resource.tagKeys)` is true for an empty `resource.tagKeys`',
    ),
    "record instead of a fact": (
        {"unless": "resource has package && resource.containerCount > 0", "reads": "/container_count"},
        "record-guard",
        10,
        "`resource has package` asks for a record and for no fact in it",
    ),
    "computed record": (
        {"unless": '(if context.stage == "Production" then resource else resource).containerCount > 0'},
        "computed-access",
        10,
        "reads no plain path",
    ),
    "entity as a whole": (
        {"unless": f'{GOOD} && resource == Modelwarden::Package::"x"'},
        "whole-entity",
        10,
        "`resource` is used as a whole, and its id says nothing about the package",
    ),
    "action in a condition": (
        {"when": 'action == Modelwarden::Action::"deploy"'},
        "whole-entity",
        10,
        "`action` is used as a whole",
    ),
    "tag key that is no literal": (
        {"unless": f"{HAS} && resource.hasTag(resource.package.status)"},
        "tag-key",
        10,
        "the tag key of `resource.hasTag(resource.package.status)` is no literal",
    ),
}


@pytest.mark.parametrize("example", IDIOM)
def test_a_breach_of_the_idiom_is_told_and_keeps_the_bundle_from_loading(tmp_path: Path, example: str) -> None:
    changes, rule, line, message = IDIOM[example]
    folder = bundle(tmp_path, control__cedar=policy(**changes))
    found = [problem for problem in problems(folder) if problem.rule == rule]
    assert found, told(problems(folder))
    assert (found[0].line, found[0].warning) == (line, False)
    assert message in found[0].message
    assert found[0].help
    with pytest.raises(BundleError):
        load_bundle([folder])


METADATA: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "missing": ({"source": None}, "missing-annotation", 8, "annotation `@source` is missing"),
    "empty": ({"title": ""}, "missing-annotation", 2, "annotation `@title` is missing"),
    "unknown": ({"severitty": "high"}, "unknown-annotation", 9, "unknown annotation `@severitty`"),
    "id": ({"id": "acme-1"}, "id", 1, "control id `acme-1` is not of the form FAMILY-01"),
    "severity": ({"severity": "hi"}, "severity", 3, "unknown severity `hi`"),
    "fact": (
        {"reads": "/package/status /package/colour"},
        "unknown-fact",
        6,
        "reads `/package/colour`, which is not a fact",
    ),
    "fact that is not declared": (
        {"reads": "/package/arn"},
        "undeclared-read",
        6,
        "reads `/package/status`, and `@reads` does not say so",
    ),
    "tag that is not declared": (
        {"unless": 'resource.hasTag("a")'},
        "undeclared-read",
        6,
        "reads `/tag/a`, and `@reads` does not say so",
    ),
    "parameter that is not declared": (
        {"unless": f"{GOOD} && context.parameters.requiredTags.contains(resource.package.status)"},
        "undeclared-read",
        6,
        "reads parameter `required_tags`, and `@reads` does not say so",
    ),
    "unknown parameter": (
        {"unless": f"{GOOD} && context.parameters.colours.contains(resource.package.status)"},
        "unknown-parameter",
        10,
        "unknown parameter `colours`",
    ),
    "unknown parameter in reads": (
        {"reads": "/package/status parameter:colours"},
        "unknown-parameter",
        6,
        "unknown parameter `colours`",
    ),
    "table parameter": (
        {"unless": f"{GOOD} && context.parameters.biasBounds == {{}}"},
        "unknown-parameter",
        10,
        "parameter `bias_bounds` is a table, which a policy cannot read like this",
    ),
    "unknown attribute": (
        {"unless": f'{GOOD} && resource.package.colour == "red"'},
        "unknown-attribute",
        10,
        "unknown attribute `resource.package.colour`",
    ),
    "unknown attribute in has": (
        {"unless": f"{GOOD} && resource has colour"},
        "unknown-attribute",
        10,
        "unknown attribute `resource.colour`",
    ),
    "record as a value": (
        {"unless": "resource.package == resource.approval"},
        "unknown-attribute",
        10,
        "`resource.package` is a record and no value",
    ),
    "two lists": (
        {
            "unless": "resource has artifact.etag && resource has container.framework",
            "reads": "/artifact/*/etag /container/*/framework",
        },
        "two-lists",
        10,
        "reads members of two lists, `/artifact/*` and `/container/*`",
    ),
    "undecidable without what it does not read": (
        {"undecidable_without": "/package/arn"},
        "undecidable",
        9,
        "`@undecidable_without` names `/package/arn`, which the policy does not read",
    ),
    "undecidable without no fact": (
        {"undecidable_without": "/package/colour"},
        "undecidable",
        9,
        "`@undecidable_without` names `/package/colour`, which is not a fact",
    ),
    "unguarded": (
        {"unless": 'resource.package.status == "Completed"'},
        "validation",
        9,
        "ACME-01: unable to guarantee safety of access to optional attribute `package.status`",
    ),
    "unguarded tag": (
        {"unless": 'resource.getTag("a") == "b"', "reads": "/tag/a"},
        "validation",
        9,
        'ACME-01: unable to guarantee safety of access to tag `"a"`',
    ),
    "types": (
        {"unless": 'resource.containerCount == "1"', "reads": "/container_count"},
        "validation",
        9,
        "ACME-01: the types Long and String are not compatible",
    ),
    "syntax": ({"unless": "resource. > 0"}, "syntax", 9, "unexpected token `>`"),
    "template": ({"scope": ("principal == ?principal", "resource")}, "syntax", 9, "policy templates are not supported"),
    "too long for the engine and not for Cedar": (
        {"unless": " && ".join(f"resource.containerCount != {n}" for n in range(100)), "reads": "/container_count"},
        "validation",
        9,
        "ACME-01: nested too deeply, or too many conditions in one policy",
    ),
    "nested too deeply": (
        {"unless": " && ".join(f"resource.containerCount != {n}" for n in range(3_000)), "reads": "/container_count"},
        "syntax",
        9,
        "nested too deeply, or too many conditions in one policy",
    ),
}


@pytest.mark.parametrize("example", METADATA)
def test_metadata_names_and_types_are_checked(tmp_path: Path, example: str) -> None:
    changes, rule, line, message = METADATA[example]
    folder = bundle(tmp_path, control__cedar=policy(**changes))
    found = [problem for problem in problems(folder) if problem.rule == rule]
    assert found, told(problems(folder))
    assert (found[0].line, found[0].warning) == (line, False)
    assert found[0].message.startswith(message)
    with pytest.raises(BundleError):
        load_bundle([folder])


RULES: dict[str, tuple[Callable[[str], str], str, int, str, bool]] = {
    "network": (
        lambda text: "import boto3\n" + text,
        "impure-import",
        1,
        "imports `boto3`",
        False,
    ),
    "network inside of a function": (
        lambda text: text.replace("    match", "    from urllib.request import urlopen\n\n    match"),
        "impure-import",
        16,
        "imports `urllib.request`",
        False,
    ),
    "another process": (lambda text: "import subprocess\n" + text, "impure-import", 1, "imports `subprocess`", False),
    "surroundings": (lambda text: "import os\n" + text, "impure-import", 1, "imports `os`", True),
    "clock": (
        lambda text: text.replace("    match", "    datetime.now()\n    match"),
        "clock",
        16,
        "`now()` reads the clock",
        True,
    ),
    "files": (
        lambda text: text.replace("    match", "    open('x')\n    match"),
        "impure-call",
        16,
        "calls `open()`",
        True,
    ),
    "pass at once": (
        lambda text: text.split("    match")[0] + "    return Pass()\n",
        "pass-without-reading",
        16,
        "passes before it has read anything",
        False,
    ),
    "pass before reading": (
        lambda text: text.replace("    match", "    if len(parameters) > 3:\n        return Pass()\n    match"),
        "pass-without-reading",
        17,
        "passes before it has read anything",
        False,
    ),
    "no facts": (
        lambda text: text.replace('("/package/status",)', "()"),
        "rule",
        5,
        "does not load: ControlError: ACME-02: reads no fact, so it can prove nothing; name the facts it reads",
        False,
    ),
    "reads that are a text": (
        lambda text: text.replace('("/package/status",)', '("/package/status")'),
        "rule",
        5,
        "does not load: ControlError: ACME-02: `reads` is a text",
        False,
    ),
    "several mistakes in the metadata": (
        lambda text: text.replace("medium", "hi").replace("ACME-02", "acme"),
        "rule",
        5,
        "does not load: ControlError: acme: control id `acme` is not of the form FAMILY-01; write it like ACME-01; unknown severity `hi`; use",
        False,
    ),
    "unknown parameter": (
        lambda text: text.replace('("/package/status",)', '("/package/status", "parameter:colours")'),
        "unknown-parameter",
        15,
        "reads parameter `colours`, which nobody declares",
        False,
    ),
    "no control": (lambda text: "X = 1\n", "no-control", 0, "defines no control", False),
    "syntax": (lambda text: text + "def (\n", "rule", 20, "does not load: SyntaxError: ", False),
    "exception": (lambda text: text + "raise ValueError('no')\n", "rule", 20, "does not load: ValueError: no", False),
    "exit": (lambda text: text + "raise SystemExit(0)\n", "rule", 20, "does not load: SystemExit: 0", False),
}


@pytest.mark.parametrize("example", RULES)
def test_a_rule_is_checked_by_its_source_and_by_loading_it(tmp_path: Path, example: str) -> None:
    change, rule, line, message, warning = RULES[example]
    folder = bundle(tmp_path, control__py=change(RULE))
    found = [problem for problem in problems(folder) if problem.rule == rule]
    assert found, told(problems(folder))
    assert (found[0].line, found[0].warning) == (line, warning)
    assert found[0].message.startswith(message)
    if warning:
        assert "ACME-02" in load_bundle([folder]).controls
    else:
        with pytest.raises(BundleError):
            load_bundle([folder])


PARAMETER = '[colours]\ntype = "set"\nabout = "colours"\n'
GUARD = '@id("house")\nforbid (principal, action == Modelwarden::Action::"may_approve", resource)\nwhen { %s };'

FILES: dict[str, tuple[dict[str, str], str, str]] = {
    "nothing": ({"readme__txt": "hello"}, "no-control", "house: holds no control"),
    "no policy in a file": ({"a__cedar": "// later\n"}, "no-control", "house/a.cedar: holds no policy"),
    "duplicate in one file": (
        {"a__cedar": policy() + policy()},
        "duplicate-id",
        "house/a.cedar:19: control id `ACME-01` exists already in house/a.cedar",
    ),
    "duplicate in two files": (
        {"a__cedar": policy(), "b__cedar": policy()},
        "duplicate-id",
        "house/b.cedar:9: control id `ACME-01` exists already in house/a.cedar",
    ),
    "duplicate in both languages": (
        {"a__cedar": policy(id="ACME-02"), "b__py": RULE},
        "duplicate-id",
        "house/b.py:15: control id `ACME-02` exists already in house/a.cedar",
    ),
    "duplicate of a built-in one": (
        {"a__cedar": policy(id="ENC-02")},
        "duplicate-id",
        "house/a.cedar:9: control id `ENC-02` exists already in policies/unencrypted_artifact.cedar",
    ),
    "parameters that are no TOML": (
        {"a__cedar": policy(), "parameters__toml": "\n[colours\n"},
        "parameters",
        "house/parameters.toml:2: expected",
    ),
    "parameter of no type": (
        {"a__cedar": policy(), "parameters__toml": "\n" + PARAMETER.replace("set", "list")},
        "parameters",
        "house/parameters.toml:2: `colours.type`: unknown type `list`",
    ),
    "parameter that exists": (
        {"a__cedar": policy(), "parameters__toml": PARAMETER.replace("[colours]", "[required_tags]")},
        "duplicate-parameter",
        "house/parameters.toml:1: parameter `required_tags` exists already",
    ),
    "authorisation that permits": (
        {"a_in_authz__cedar": '@id("me-too")\npermit (principal, action, resource);'},
        "effect",
        "house/authz/a.cedar:2: authorisation policy `me-too` is no `forbid`: a bundle may only take permissions away",
    ),
    "authorisation without id": (
        {"a_in_authz__cedar": "forbid (principal, action, resource);"},
        "missing-annotation",
        "house/authz/a.cedar:1: annotation `@id` is missing",
    ),
    "authorisation with a built-in id": (
        {"a_in_authz__cedar": '@id("approve-low") forbid (principal, action, resource);'},
        "duplicate-id",
        "house/authz/a.cedar:1: authorisation policy `approve-low` exists already",
    ),
    "authorisation that reads what is not there": (
        {"a_in_authz__cedar": GUARD % 'resource.colour == "red"'},
        "validation",
        "house/authz/a.cedar:2: house: attribute `colour` on entity type `Modelwarden::Package` not found",
    ),
    "authorisation of no action": (
        {"a_in_authz__cedar": GUARD.replace("may_approve", "may_aprove") % "true"},
        "validation",
        "house/authz/a.cedar:2: house: unable to find an applicable action",
    ),
    "authorisation with a syntax error": (
        {"a_in_authz__cedar": GUARD % "resource."},
        "syntax",
        "house/authz/a.cedar:2: unexpected token `}`",
    ),
    "not UTF-8": (
        {"a__cedar": policy(), "b__cedar": policy(id="ACME-09")},
        "unreadable",
        "house/b.cedar: not UTF-8 at byte 0",
    ),
    "too large": (
        {"a__cedar": policy(), "b__cedar": "/" * 1_000_001},
        "unreadable",
        "house/b.cedar: larger than 1000000 bytes",
    ),
}


@pytest.mark.parametrize("example", FILES)
def test_files_are_checked(tmp_path: Path, example: str) -> None:
    files, rule, message = FILES[example]
    folder = bundle(tmp_path, **files)
    if example == "not UTF-8":
        (folder / "b.cedar").write_bytes(b"\xff" + policy(id="ACME-09").encode())
    found = [problem for problem in problems(folder) if problem.rule == rule]
    assert found, told(problems(folder))
    assert str(found[0]).removeprefix(f"{tmp_path}/").startswith(message)
    with pytest.raises(BundleError):
        load_bundle([folder])


def test_an_unused_parameter_and_the_layout_are_only_warned_of(tmp_path: Path) -> None:
    folder = bundle(tmp_path, a__cedar=policy(reads="/package/status parameter:required_tags"))
    report = lint([folder])
    assert [(problem.rule, problem.line, problem.warning) for problem in report.problems] == [
        ("unused-parameter", 6, True),
        ("layout", 9, True),
    ]
    assert report.errors == 0
    assert "ACME-01" in load_bundle([folder]).controls


def test_all_problems_are_told_and_not_only_the_first(tmp_path: Path) -> None:
    first = policy(f"{GOOD} || true", when=HAS, severity="hi", source=None)
    folder = bundle(
        tmp_path, a__cedar=first + policy("resource. > 0"), b__cedar=policy(id="b"), c__py="import boto3\n1/0\n"
    )
    assert [(problem.rule, f"{problem.path}:{problem.line}") for problem in problems(folder)] == [
        ("severity", "house/a.cedar:3"),
        ("missing-annotation", "house/a.cedar:8"),
        ("guard-in-scope", "house/a.cedar:9"),
        ("constant", "house/a.cedar:10"),
        ("syntax", "house/a.cedar:19"),
        ("id", "house/b.cedar:1"),
        ("impure-import", "house/c.py:1"),
        ("rule", "house/c.py:2"),
    ]
    with pytest.raises(BundleError) as caught:
        load_bundle([folder])
    assert str(caught.value) == "house/a.cedar:3: unknown severity `hi`"
    assert caught.value.help == "use one of low, medium, high, critical; `modelwarden lint` shows all 8 problems"


def test_a_record_guard_before_the_fact_and_a_tested_set_are_fine(tmp_path: Path) -> None:
    folder = bundle(
        tmp_path,
        a__cedar=policy(
            'resource has package && resource.package has status && resource.package.status != "Failed"', id="ACME-01"
        ),
        b__cedar=policy(
            f'{SET}!resource.tagKeys.isEmpty() && ["a"].containsAll(resource.tagKeys)', id="ACME-02", **SETS
        ),
        c__cedar=policy(
            f'{SET}(resource.tagKeys.isEmpty() || ["a"].containsAll(resource.tagKeys))', id="ACME-03", **SETS
        ),
        d__cedar=policy(f'{SET}!(resource.tagKeys.containsAny(["a", "b"]))', id="ACME-04", **SETS),
        e__cedar=policy(f'{SET}!(resource.tagKeys.containsAll(["a", "b"]))', id="ACME-05", **SETS),
        f__cedar=policy(
            'resource.metadata.hasTag("a b") && resource.metadata.getTag("a b") like "x*"',
            id="ACME-06",
            reads="/customer_metadata/{key}",
        ),
        g__cedar=policy(
            when='context.stage == "Production" && resource.effectiveRiskRating == "High"',
            id="ACME-07",
            reads="/package/status /card/content/intended_uses/risk_rating",
        ),
        h__cedar=policy(
            'context.asOf.durationSince(datetime("2024-01-01")) > duration("1d")', id="ACME-08", reads="/request/as_of"
        ),
    )
    assert told(problems(folder)) == []
    assert {f"ACME-0{number}" for number in range(1, 9)} <= load_bundle([folder]).controls.keys()


def test_what_ships_is_clean() -> None:
    report = lint()
    assert told(list(report.problems)) == []
    assert report.controls == len(load_bundle().controls) > 10


def test_statements_know_their_lines_whatever_the_strings_and_comments_hold() -> None:
    text = """// forbid (; unless {
@id("a;b \\" // forbid")
@title("when")
forbid (principal, action, resource) when { resource.when > 0 } // ; unless
unless {
  // a } comment
  resource.x == "}" && resource.y
};
@id("c") permit (principal, action, resource); forbid (principal, action, resource)"""
    first, second, rest = statements(text)
    assert (first.line, first.lines) == (2, {"@id": 2, "@title": 3, "forbid": 4, "when": 4, "unless": 5})
    assert first.clauses == {"when": "resource.when > 0", "unless": 'resource.x == "}" && resource.y'}
    assert (second.line_of("unless"), rest.line_of("forbid"), rest.text) == (
        9,
        9,
        " forbid (principal, action, resource)",
    )


_names = st.sampled_from(["resource.a.b", "context.c", 'resource.getTag("t")', "7", "-3", '"te\\nxt"', "[1, 2]"])


@st.composite
def conditions(draw: st.DrawFn, depth: int = 4) -> str:
    """Cedar text with every operator and with brackets everywhere."""
    if depth == 0 or draw(st.booleans()):
        one, two = draw(_names), draw(_names)
        return draw(
            st.sampled_from(
                [
                    f"({one}) == ({two})",
                    f"({one}) <= ({two})",
                    f"(({one}) + ({two})) * ({one}) > -({two})",
                    f"({one}).contains({two})",
                    f"({one}).isEmpty()",
                    f'({one}) like "a*\\*b"',
                    "resource has a.b.c",
                    'resource has "x y"',
                    'context.d.durationSince(datetime("2024-01-01")) < duration("1d")',
                ]
            )
        )
    parts = [draw(conditions(depth=depth - 1)) for _ in range(3)]
    return draw(
        st.sampled_from(
            [
                f"({parts[0]}) && ({parts[1]})",
                f"({parts[0]}) || ({parts[1]})",
                f"!({parts[0]})",
                f"if ({parts[0]}) then ({parts[1]}) else ({parts[2]})",
                f"({parts[0]}) == ({parts[1]})",
            ]
        )
    )


def _tree(condition: str) -> Any:
    return cedar.parse(f"forbid (principal, action, resource) unless {{ {condition} }};")[0]["conditions"][0]["body"]


@settings(max_examples=150, deadline=None)
@given(conditions())
def test_what_is_spelled_parses_to_the_same_tree(condition: str) -> None:
    tree = _tree(condition)
    assert _tree(spell(tree)) == tree


def run(*arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MODELWARDEN_")}
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_on_what_ships(tmp_path: Path) -> None:
    assert run("lint", cwd=tmp_path) == (0, f"{lint().controls} controls, no problems\n", "")


def test_the_command_lists_every_problem_with_its_place_and_the_next_step(tmp_path: Path) -> None:
    bundle(tmp_path, a__cedar=policy(f"!({HAS})", reads="/package/status parameter:required_tags"))
    code, out, err = run("lint", "house", cwd=tmp_path)
    assert (code, err) == (2, "")
    assert out.splitlines() == [
        "warning[unused-parameter] house/a.cedar:6: parameter `required_tags` is not read",
        "  help: leave it out of `@reads`",
        "warning[layout] house/a.cedar:9: is not laid out as Cedar's formatter does",
        "  help: `modelwarden lint --fix` lays out the files of your folders",
        "error[guard-position] house/a.cedar:10: `resource has package.status` stands under `!`, where a missing fact can pass",
        "  help: only `&&` and `||` may stand around `has` and `hasTag`",
        f"{lint().controls + 1} controls, 1 error, 2 warnings",
    ]


def test_the_command_in_json(tmp_path: Path) -> None:
    bundle(tmp_path, a__cedar=policy(severity="hi"))
    code, out, _ = run("lint", "--bundle", "house", "--format", "json", cwd=tmp_path)
    document = json.loads(out)
    assert (code, document["schema"], document["errors"]) == (2, "modelwarden.lint/1", 1)
    assert document["problems"][0] == {
        "severity": "error",
        "rule": "severity",
        "path": "house/a.cedar",
        "line": 3,
        "message": "unknown severity `hi`",
        "help": "use one of low, medium, high, critical",
    }


def test_warnings_alone_are_exit_0_and_fix_lays_out(tmp_path: Path) -> None:
    folder = bundle(tmp_path, a__cedar=policy())
    code, out, _ = run("lint", "house", cwd=tmp_path)
    assert (code, "warning[layout]" in out) == (0, True)
    code, out, err = run("lint", "house", "--fix", cwd=tmp_path)
    assert (code, out, err) == (0, f"{lint().controls + 1} controls, no problems\n", "laid out house/a.cedar\n")
    assert cedar.parse((folder / "a.cedar").read_text()) == cedar.parse(policy())


@pytest.mark.parametrize("arguments", [["nowhere"], ["--bundle", "nowhere"], ["--fix"], ["--frobnicate"]])
def test_mistakes_in_the_command_are_exit_2(tmp_path: Path, arguments: list[str]) -> None:
    code, out, err = run("lint", *arguments, cwd=tmp_path)
    assert code == 2
    assert "nowhere: no such folder" in out or err.startswith("error: ")
    assert "Traceback" not in err


def test_a_gate_refuses_a_bundle_that_does_not_lint(tmp_path: Path) -> None:
    bundle(tmp_path, a__cedar=policy(f"!({HAS})"))
    package = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/1"
    (tmp_path / "e.json").write_text(json.dumps({"schema": "modelwarden.evidence/1", "package": package, "facts": {}}))
    code, out, err = run("gate", "e.json", "--to", "Production", "--bundle", "house", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("error: house/a.cedar:10: `resource has package.status` stands under `!`")
