"""`modelwarden explain`: why a control says what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from modelwarden import gate as gating
from modelwarden.cli.controls import find
from modelwarden.cli.gate import question_from, sources_from
from modelwarden.cli.options import collect_options, house_options, question_options
from modelwarden.clock import now
from modelwarden.evaluate import subject
from modelwarden.explain import Clause, Explanation
from modelwarden.explain import explain as explain_control
from modelwarden.finding import Observation
from modelwarden.render.text import printable, short
from modelwarden.request import Request

MAX_FACTS: Final = 40
"""Facts that one clause spells out."""
MAX_VALUE: Final = 200
MAX_WIDTH: Final = 110


@click.command()
@click.argument("target")
@question_options
@click.option("--control", "control_id", metavar="ID", required=True, help="The control to explain.")
@house_options
@collect_options
def explain(control_id: str, **options: Any) -> None:
    """Show why a control says what it says of TARGET: its conditions, and every fact behind them."""
    question = question_from(options)
    house = gating.load_house(sources_from(options), os.environ)
    info = find(house.bundle, control_id)
    observed = gating.observe(house, question)
    as_of = question.as_of or now()
    request = Request(
        question.stage, question.moment, as_of, observed.principal, as_of_asserted=question.as_of is not None
    )
    effective = house.settings.effective(subject(observed.evidence, observed.reference, request), request)
    explanation = explain_control(
        house.bundle, effective, observed.evidence, dict(observed.reference), request, info.id
    )
    click.echo(_text(explanation, observed.evidence.package, request), nl=False)


def _text(explanation: Explanation, package: str, request: Request) -> str:
    info, finding = explanation.control.info, explanation.finding
    level, why = explanation.level
    lines = [
        f"{info.id}  {info.title}",
        f"{finding.outcome} for {short(package)}  ->  {request.stage} ({request.moment})",
        *([f"  because {printable(finding.reason)}"] if finding.reason else []),
        "",
        *_scope(explanation, request.moment),
        *_clauses(explanation.clauses, ""),
        *_read(explanation),
    ]
    if explanation.parameters:
        lines += ["parameters"]
        lines += [f"    {name} = {_value(value)}" for name, value in explanation.parameters]
        lines += [""]
    rows = {
        "level": f"{level} ({printable(why)})",
        "policy": f"{info.path}:{info.line}",
        "source": info.source,
        "help": info.remediation,
    }
    return "\n".join([*lines, *(f"{name:<8}{value}" for name, value in rows.items())]) + "\n"


def _scope(explanation: Explanation, moment: str) -> list[str]:
    scope, finding, moments = explanation.scope, explanation.finding, explanation.control.info.moments
    if moment not in moments:
        return [f"does not apply at {moment}, only at {' and '.join(moments)}", ""]
    if scope is not None:
        said = {"yes": "applies", "no": "does not apply", "cannot tell": "cannot tell whether it applies"}[scope.answer]
        return [f"{said}: {printable(scope.text)}", *_facts(scope.observed), ""]
    if finding.outcome == "not-applicable":
        return ["does not apply", *_facts(finding.observed), ""]
    return ["applies to every package", ""] if explanation.clauses else []


def _clauses(clauses: tuple[Clause, ...], indent: str) -> Iterator[str]:
    for clause in clauses:
        yield from (indent + line for line in _wrapped(f"{clause.answer}: ", printable(clause.text)))
        if clause.parts:
            yield from _clauses(clause.parts, indent + "  ")
            continue
        marked = clause.deciding if clause.answer != "yes" else frozenset()
        yield from (indent + line for line in _facts(clause.observed, marked))
        yield ""


def _wrapped(answer: str, text: str) -> list[str]:
    """A long condition with one line for each part of it."""
    if len(answer + text) <= MAX_WIDTH:
        return [answer + text]
    return (answer + text).replace(" && ", f" &&\n{' ' * len(answer)}").split("\n")


def _read(explanation: Explanation) -> list[str]:
    if not explanation.read:
        return []
    finding, info = explanation.finding, explanation.control.info
    decisive = frozenset(seen.pointer for seen in finding.observed) if finding.outcome != "pass" else frozenset()
    title = "facts that it may read" if info.origin == "user" else "facts that it read"
    return [title + (", * those that decided" if decisive else ""), *_facts(explanation.read, decisive), ""]


def _facts(observed: tuple[Observation, ...], decisive: frozenset[str] = frozenset()) -> list[str]:
    first = sorted(observed, key=lambda seen: seen.pointer not in decisive) if len(observed) > MAX_FACTS else observed
    lines = [_fact(seen, "*" if seen.pointer in decisive else " ") for seen in first[:MAX_FACTS]]
    if len(observed) > MAX_FACTS:
        lines.append(f"    and {len(observed) - MAX_FACTS} more facts")
    return lines


def _fact(seen: Observation, mark: str) -> str:
    said, source = printable(str(seen)), seen.fact.source
    said = said if len(said) <= MAX_VALUE else said[:MAX_VALUE] + "…"
    return f"  {mark} {said}" + (f"    {printable(source.api)} {printable(source.at or '')}".rstrip() if source else "")


def _value(value: Any) -> str:
    match value:
        case None:
            said = "(nobody set it)"
        case tuple():
            said = ", ".join(map(str, value)) or "(empty)"
        case bool():
            said = str(value).lower()
        case Mapping():
            said = json.dumps(value, ensure_ascii=False)
        case _:
            said = str(value)
    said = printable(said)
    return said if len(said) <= MAX_VALUE else said[:MAX_VALUE] + "…"
