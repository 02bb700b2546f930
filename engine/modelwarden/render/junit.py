"""JUnit XML: one test case a control, for the test views of any CI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from msgspec.structs import asdict

from modelwarden.finding import ControlInfo, Ruling
from modelwarden.render.text import count, coverage, headline, notes, printable, short, single, title_of, unread, waived
from modelwarden.run import Run

_DECISION: Final = "decision"


def render(run: Run) -> str:
    """One suite. Nothing that is unknown, waived or not applicable looks like a pass."""
    decision = run.decision
    cases = [_case(run, ruling) for ruling in decision.rulings]
    if decision.verdict == "undecided" and not any(case.find("error") is not None for case in cases):
        cases.append(_undecided(run))
    totals = {"tests": str(len(cases))} | {
        plural: str(sum(case.find(one) is not None for case in cases))
        for plural, one in (("failures", "failure"), ("errors", "error"))
    }
    root = ET.Element("testsuites", {"name": "modelwarden", **totals})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": f"{short(decision.package)} -> {decision.request.stage} ({decision.request.moment})",
            **totals,
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "timestamp": run.started_at,
        },
    )
    about = ET.SubElement(suite, "properties")
    for name, value in _properties(run):
        ET.SubElement(about, "property", {"name": name, "value": value})
    suite.extend(cases)
    lines = [*_said(run), *(f"not read: {line}" for line in unread(run)), count(run)]
    ET.SubElement(suite, "system-out").text = "\n".join(lines)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(run: Run, ruling: Ruling) -> ET.Element:
    info, request = run.controls[ruling.finding.control], run.decision.request
    name = f"{info.id} {printable(info.title)}"
    return case_of(name, ruling, info, single(ruling, info, run.decision.package, request.stage, request.moment)[1:])


def case_of(name: str, ruling: Ruling, info: ControlInfo, lines: Sequence[str]) -> ET.Element:
    """The test case of one finding, of a gate or of a scan; `lines` say why it did not pass."""
    case = ET.Element("testcase", {"name": name, "classname": f"modelwarden.{info.id.partition('-')[0]}"})
    type_: str = ruling.finding.outcome
    said, element = title_of(ruling, info), ""
    if ruling.waiver is not None:
        element, type_, said = "skipped", "waived", f"waived: {said}; {waived(ruling)}"
    elif ruling.finding.outcome == "fail":
        element, type_ = "failure", "block" if ruling.effect == "blocks" else "flag"
    elif ruling.finding.outcome == "unknown":
        element = "error"
    elif ruling.finding.outcome == "not-applicable":
        element, said = "skipped", f"not applicable: {said}"
    if element:
        node = ET.SubElement(case, element, {"type": type_, "message": said})
        node.text = "\n".join([said, *lines])
    return case


def _undecided(run: Run) -> ET.Element:
    """Without it a run in which nothing applied would be green."""
    case = ET.Element("testcase", {"name": _DECISION, "classname": "modelwarden"})
    said = _said(run)
    ET.SubElement(case, "error", {"type": "undecided", "message": said[0]}).text = "\n".join(said)
    return case


def _said(run: Run) -> list[str]:
    """No line begins with text from outside: a build log takes `::` there for a command."""
    return [headline(run.decision), *(f"note: {note}" for note in notes(run.decision))]


def _properties(run: Run) -> Iterator[tuple[str, str]]:
    decision, request = run.decision, run.decision.request
    yield from (
        ("verdict", decision.verdict),
        ("package", printable(decision.package)),
        ("stage", request.stage),
        ("moment", request.moment),
        ("as_of", printable(request.as_of)),
        ("run", run.id),
        ("coverage", coverage(run)),
        ("advisory", str(decision.advisory).lower()),
        ("asserted", ", ".join(decision.asserted)),
        ("off", ", ".join(decision.off)),
    )
    for name, digest in asdict(decision.digests).items():
        yield f"digest.{name}", digest
