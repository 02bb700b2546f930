"""Tables of a pack that are made of records: history, exceptions, decisions, findings, endpoints, obligations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from modelwarden.audit.framework import Framework
from modelwarden.audit.pack.outline import Table as Name
from modelwarden.audit.pack.subject import Judgement, Subject
from modelwarden.finding import AppliedWaiver, Ruling
from modelwarden.render.cause import help_for
from modelwarden.render.text import waived

MOST_FACTS: Final = 8
"""That one finding shows; all of them are in decision.json."""
NOT_COVERED: Final = "not covered"


class Table(Struct, frozen=True):
    """Rows of plain texts under a head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def obligations(subject: Subject, frameworks: Sequence[Framework]) -> Table:
    """What the newest decision found, by obligation."""
    rulings = (
        {one.finding.control: one.finding.outcome for one in subject.judgements[0].decision.rulings}
        if subject.judgements
        else {}
    )
    as_of = subject.judgements[0].decision.request.as_of if subject.judgements else ""
    states = {one.framework: one.state(as_of) if as_of else "" for one in frameworks}
    rows = [
        (
            f"{framework.framework} ({states[framework.framework]})".removesuffix(" ()"),
            ref + ("" if all(one.verified for one in mappings) else " (unverified)"),
            framework.refs.get(ref, ""),
            ", ".join(f"{id_}: {rulings.get(id_, 'not judged')}" for id_ in sorted({one.control for one in mappings})),
        )
        for framework in frameworks
        for ref, mappings in framework.obligations().items()
    ]
    return Table(
        "Controls by obligation",
        ("framework", "obligation", "about", "controls that give evidence for it, and their outcome"),
        tuple(rows),
        "A mapping is (unverified) until a person has checked it against the primary text.",
    )


def _record(subject: Subject) -> Table:
    record = subject.record
    if record is None:
        return Table("As the scan recorded it", (), (), "No scan is part of this pack: not covered.")
    told = {
        "why it was looked at": record.why,
        "approval": record.approval or "none",
        "stage that it claims": record.claimed or "none",
        "who approved, by the records": " ".join(filter(None, (record.approval_record, record.approval_record_why)))
        or "no records are kept",
        "exceptions": ", ".join(sorted({one.id for _, one in _waived(subject)})) or "none",
        "monitoring status": f"runs on {len(record.endpoints)} endpoints; beyond that {NOT_COVERED}",
        "next review date": NOT_COVERED,
    }
    return Table("As the scan recorded it", ("what", "value"), tuple(told.items()))


def _endpoints(subject: Subject) -> Table:
    record = subject.record
    if record is None:
        return Table("Endpoints", (), (), "No scan is part of this pack: where the package runs is not covered.")
    rows = tuple((one,) for one in record.endpoints)
    return Table("Endpoints that run it", ("endpoint",), rows, "" if rows else "The scan found none.")


def _past(subject: Subject) -> Table:
    rows = []
    older = [*subject.past[1:], None]
    for one, before in zip(subject.past, older, strict=True):
        changed = [
            name
            for name in ("evidence", "material")
            if before is not None and getattr(one, name) != getattr(before, name)
        ]
        rows.append((one.as_of, f"{one.kind} {one.run}", one.what, ", ".join(one.stopping), ", ".join(changed)))
    return Table(
        "What recorded runs said, the newest first",
        ("as of", "run", "what", "stopped by", "changed since the run below"),
        tuple(rows),
        "" if rows else "No run of this pack says anything of its past.",
    )


def _waivers(subject: Subject) -> Table:
    rows = [
        (
            control,
            one.id,
            one.expires,
            one.owner,
            one.approver,
            one.reason,
            one.ticket,
            "break-glass" if one.break_glass else "waiver",
        )
        for control, one in dict.fromkeys(_waived(subject))
    ]
    rows += [
        ("all", judged.run, "", back.decided_by, "", f"rollback to {back.run} of {back.decided_at}", "", "rollback")
        for judged in subject.judgements
        if (back := judged.decision.rollback) is not None
    ]
    head = ("control", "id", "until", "owner", "approved by", "reason", "ticket", "kind")
    return Table(
        "Exceptions and overrides", head, tuple(rows), "" if rows else "No exception changed a decision of this pack."
    )


def _decisions(subject: Subject) -> Table:
    rows = []
    for one in subject.judgements:
        decision = one.decision
        counts = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in decision.count().items())
        digests = ", ".join(
            f"{name} {getattr(decision.digests, name) or 'unknown'}" for name in decision.digests.__struct_fields__
        )
        rows.append((f"{one.kind} {one.run}", decision.verdict, counts, ", ".join(decision.off) or "none", digests))
    return Table(
        "Decisions",
        ("run", "verdict", "findings", "controls that are off", "digests"),
        tuple(rows),
        "" if rows else "It was not judged.",
    )


def _findings(subject: Subject) -> Table:
    """Of the newest decision."""
    if not subject.judgements:
        return Table("Findings", (), (), "It was not judged.")
    newest = subject.judgements[0]
    rows = [_finding(ruling, newest) for ruling in sorted(newest.decision.rulings, key=_worst)]
    head = ("control", "outcome", "effect", "what", "observed", "expected", "help")
    return Table(f"Findings of {newest.kind} {newest.run}", head, tuple(rows))


def _finding(ruling: Ruling, judged: Judgement) -> tuple[str, ...]:
    finding, info = ruling.finding, judged.controls[ruling.finding.control]
    facts = [str(one) for one in finding.observed]
    more = [f"and {len(facts) - MOST_FACTS} more in decision.json"] if len(facts) > MOST_FACTS else []
    open_ = finding.outcome in ("fail", "unknown")
    return (
        f"{info.id} ({info.severity})",
        finding.outcome,
        f"{ruling.effect}{f' ({waived(ruling)})' if ruling.waiver else ''}",
        f"{'cannot tell: ' if finding.outcome == 'unknown' else ''}{info.title}" if open_ else "",
        "; ".join([*facts[:MOST_FACTS], *more, *([finding.reason] if finding.reason else [])]),
        (finding.expected or info.expected) if open_ else "",
        help_for(ruling, info) if open_ else "",
    )


def _worst(ruling: Ruling) -> tuple[int, str]:
    order = ("fail", "unknown", "pass", "not-applicable")
    return order.index(ruling.finding.outcome), ruling.finding.control


def _waived(subject: Subject) -> Iterator[tuple[str, AppliedWaiver]]:
    """(control, waiver) of every finding that a waiver covers."""
    for judged in subject.judgements:
        for ruling in judged.decision.rulings:
            if ruling.waiver is not None:
                yield ruling.finding.control, ruling.waiver


TABLES: Final[Mapping[Name, Callable[[Subject], Table]]] = {
    "record": _record,
    "endpoints": _endpoints,
    "past": _past,
    "waivers": _waivers,
    "decisions": _decisions,
    "findings": _findings,
}
