"""`modelwarden explain`: why a control says what it says."""

from __future__ import annotations

import os
from typing import Any

import click

from modelwarden import gate as gating
from modelwarden.cli.controls import find
from modelwarden.cli.gate import question_from, sources_from
from modelwarden.cli.options import collect_options, house_options, now, question_options
from modelwarden.evaluate import subject
from modelwarden.explain import Explanation
from modelwarden.explain import explain as explain_control
from modelwarden.finding import Observation
from modelwarden.render.text import printable
from modelwarden.request import Request


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
    lines = [
        f"{info.id}  {info.title}",
        f"{finding.outcome} for {printable(package)}  ->  {request.stage} ({request.moment})",
        *([f"  because {printable(finding.reason)}"] if finding.reason else []),
        "",
        "applies to this package" if finding.outcome != "not-applicable" else "does not apply to this package",
        *_facts(explanation.scope or (finding.observed if finding.outcome == "not-applicable" else ())),
    ]
    for clause in explanation.clauses:
        lines += ["", f"{clause.answer}: {clause.text}", *_facts(clause.observed)]
    if explanation.read:
        decisive = {seen.pointer for seen in finding.observed} if finding.outcome != "pass" else set()
        lines += [
            "",
            "facts that it read" + (", * those that decided" if decisive else ""),
            *_facts(explanation.read, decisive),
        ]
    if explanation.parameters:
        lines += ["", "parameters"]
        lines += [f"    {name} = {_value(value)}" for name, value in explanation.parameters]
    lines += ["", f"policy  {info.path}:{info.line}", f"source  {info.source}", f"help    {info.remediation}"]
    return "\n".join(lines) + "\n"


def _facts(observed: tuple[Observation, ...], decisive: set[str] | None = None) -> list[str]:
    lines = []
    for seen in observed:
        source = seen.fact.source
        where = f"    {source.api} {source.at or ''}".rstrip() if source else ""
        mark = "*" if decisive and seen.pointer in decisive else " "
        lines.append(f"  {mark} {printable(str(seen))[:160]}{where}")
    return lines


def _value(value: Any) -> str:
    if value is None:
        return "(nobody set it)"
    return printable(", ".join(value) if isinstance(value, tuple) else str(value))[:200]
