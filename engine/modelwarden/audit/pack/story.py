"""The story of a pack: what it attests and what it cannot, then each package by the parts of the outline. Plain texts, not escaped.

INVARIANT: whatever was not read, was asserted, or is not covered has a sentence here; nothing is left out because it is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from modelwarden.audit.framework import Framework
from modelwarden.audit.pack.outline import COVERS, Outline, Part
from modelwarden.audit.pack.redaction import Redacted, Redaction
from modelwarden.audit.pack.subject import Dossier, Subject
from modelwarden.audit.pack.tables import TABLES, Table, obligations
from modelwarden.evidence import NOT_COLLECTED, Absent, Evidence, Fact, Present, Unknown
from modelwarden.finding import Observation
from modelwarden.render.text import short

MOST_ROWS: Final = 300
"""Facts that one part shows; all of them are in the record."""


class Chapter(Struct, frozen=True):
    """One part of the outline for one package."""

    ref: str
    title: str
    cover: str
    about: str
    missing: str
    read: str
    """`12 present, 2 absent, 1 unknown, 3 not collected`; empty for a part without facts."""
    tables: tuple[Table, ...]


class Account(Struct, frozen=True):
    """One package."""

    anchor: str
    package: str
    name: str
    folder: str
    verdicts: tuple[str, ...]
    """`block for Production (serve) as of 2026-11-22T02:10:00Z: scan 2026...`."""
    notes: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    obligations: Table


class Inclusion(Struct, frozen=True):
    """What became of the files beside the records, as `build` put them in."""

    raw: int = 0
    """Raw responses."""
    named: int = 0
    """Of them, those by which a fact of the pack was read."""
    calls: int = 0
    """Calls by which the facts of the pack were read."""
    without_bundle: tuple[str, ...] = ()
    """Runs that keep the digest of their controls and no text."""


class Story(Struct, frozen=True):
    """All that the pages show."""

    title: str
    basis: str
    complete: bool
    attests: tuple[str, ...]
    cannot: tuple[str, ...]
    population: tuple[str, ...]
    holes: Table
    redactions: tuple[Redacted, ...]
    packages: tuple[Account, ...]


def story(
    dossier: Dossier,
    outline: Outline,
    frameworks: Sequence[Framework],
    folders: dict[str, str],
    included: Inclusion,
    redaction: Redaction,
) -> Story:
    """`folders`: package -> its folder in the pack; what is redacted is so in the dossier already."""
    holes = _holes(dossier)
    return Story(
        title=outline.title,
        basis=outline.basis,
        complete=not holes.rows and not dossier.skipped,
        attests=(*_attests(dossier), *_answers(included)),
        cannot=(*_incomplete(holes), *_asserted(dossier), *_cannot(dossier, included, redaction)),
        population=_population(dossier),
        holes=holes,
        redactions=redaction.told(),
        packages=tuple(
            _account(one, number, outline, frameworks, folders[one.package])
            for number, one in enumerate(dossier.subjects, start=1)
        ),
    )


def _attests(dossier: Dossier) -> tuple[str, ...]:
    judged = _some(sum(len(one.judgements) for one in dossier.subjects), "recorded decision")
    return (
        f"what {judged} about {_some(len(dossier.subjects), 'model package')} said: for which stage, and as of when",
        "by which controls, settings and waivers they were made, each named by its digest",
        "which facts they rest on: what AWS answered, by which API, and when; absent and unknown are told apart",
        "that no file of the pack was changed since it was made, where it was signed or the digest of its manifest was kept elsewhere",
    )


def _answers(included: Inclusion) -> tuple[str, ...]:
    if not included.named:
        return ()
    calls = _some(included.calls, "call")
    return (f"what AWS answered, word by word, to {included.named} of the {calls} behind the facts",)


def _incomplete(holes: Table) -> tuple[str, ...]:
    if not holes.rows:
        return ()
    return (
        f"what lies in {_some(len(holes.rows), 'hole')}: the runs are NOT COMPLETE, and say nothing of what was not read",
    )


def _asserted(dossier: Dossier) -> tuple[str, ...]:
    found = []
    if dossier.scan is not None and dossier.scan.as_of_asserted:
        found.append("that the scan happened as of its time: the time was asserted")
    asserted = sorted({what for one in dossier.gates for what in one.run.decision.asserted})
    if asserted:
        found.append(f"what was asserted by whoever ran the gate instead of being proven: {', '.join(asserted)}")
    if any(one.run.decision.advisory for one in dossier.gates) or (dossier.scan is not None and dossier.scan.advisory):
        found.append("that the organization chose these settings: no pinned organization layer stood behind them")
    return tuple(found)


def _cannot(dossier: Dossier, included: Inclusion, redaction: Redaction) -> tuple[str, ...]:
    found = [
        "that the model is sound, fair or lawful: controls say what they found, and give evidence for obligations",
        "who made it: only a signature in a file beside it, or the digest of its manifest kept elsewhere, can",
    ]
    without = included.calls - included.named
    if not included.raw:
        found.append("what AWS answered, word by word: no raw responses are in the pack, only what was read from them")
    elif without:
        found.append(
            f"what AWS answered, word by word, to {without} of the {_some(included.calls, 'call')} behind the facts"
        )
    if included.without_bundle:
        found.append(
            f"the text of the controls of {', '.join(included.without_bundle)}: the record holds their digest alone"
        )
    if redaction.active:
        found.append(
            "anything by judging again: values were redacted, so that digests in the records fit the originals and not what is here"
        )
    if dossier.scan is not None:
        found.append(
            "what the scan found of other packages: its tables are named by their digests, and are not in the pack"
        )
    found += [f"what a run holds that could not be read: {one}" for one in dossier.skipped]
    return tuple(found)


def _population(dossier: Dossier) -> tuple[str, ...]:
    found = []
    if dossier.scan is not None:
        scan, coverage = dossier.scan, dossier.scan.coverage
        total = sum(scan.population.values())
        roles = ", ".join(f"{count} {role}" for role, count in scan.population.items())
        found += [
            f"scan {scan.folder.id} as of {scan.as_of}: {coverage.words()}, {coverage.accounts_read} of {coverage.accounts} accounts",
            f"{_some(total, 'package')} in the scan ({roles or 'none'}); {len(dossier.subjects)} of them in this pack"
            + (f", by {scan.scope}" if scan.scope else ""),
        ]
    for one in dossier.gates:
        rows = one.run.ledger
        found.append(
            f"gate {one.run.id}: {len(rows) - len(one.failed)} of {len(rows)} APIs answered or were not needed"
        )
    return tuple(found)


def _holes(dossier: Dossier) -> Table:
    rows: list[tuple[str, ...]] = []
    if dossier.scan is not None:
        id_, coverage = dossier.scan.folder.id, dossier.scan.coverage
        rows += [(id_, one.account, one.region, "all", one.why) for one in coverage.unread]
        rows += [(id_, one.account, one.region, one.api, f"{one.state}: {one.error}") for one in coverage.failed]
        rows += [
            (
                id_,
                one.account,
                one.region,
                one.api,
                f"{one.state}; accepted until {one.expires} by {one.owner}: {one.reason}",
            )
            for one in coverage.accepted
        ]
    for gate in dossier.gates:
        rows += [
            (gate.run.id, one.account, one.region, one.api, f"{one.state}: {one.error}".rstrip(": "))
            for one in gate.failed
        ]
    return Table("What could not be read", ("run", "account", "region", "API", "why"), tuple(dict.fromkeys(rows)))


def _account(
    subject: Subject,
    number: int,
    outline: Outline,
    frameworks: Sequence[Framework],
    folder: str,
) -> Account:
    evidence = subject.evidence
    record = subject.record
    notes = [note for one in subject.judgements for note in one.decision.notices if note]
    if not subject.judgements:
        notes.append(f"it was not judged: {record.role}, {record.why}" if record else "it was not judged")
    if not evidence.facts:
        notes.append("no run of this pack keeps evidence of it: every fact below is unknown")
    if record is not None and record.carried:
        notes.append(f"its evidence was read by scan {record.carried}: nothing changed since, as AWS tells it")
    return Account(
        anchor=f"package-{number}",
        package=subject.package,
        name=short(subject.package),
        folder=folder,
        verdicts=tuple(
            f"{one.decision.verdict} for {one.decision.request.stage} ({one.decision.request.moment}) as of "
            f"{one.decision.request.as_of}: {one.kind} {one.run}"
            for one in subject.judgements
        ),
        notes=tuple(dict.fromkeys(notes)),
        chapters=tuple(_chapter(part, subject, evidence) for part in outline.parts),
        obligations=obligations(subject, frameworks),
    )


def _chapter(part: Part, subject: Subject, evidence: Evidence) -> Chapter:
    facts = {pointer: fact for pattern in part.facts for pointer, fact in evidence.each(pattern)}
    tables = [_facts(facts)] if facts else []
    tables += [TABLES[name](subject) for name in part.tables]
    return Chapter(
        part.ref, part.title, COVERS[part.cover], part.about, part.missing, _read(facts.values()), tuple(tables)
    )


def _facts(facts: dict[str, Fact]) -> Table:
    rows = []
    for pointer, fact in list(facts.items())[:MOST_ROWS]:
        said = str(Observation(pointer, fact))
        source = f"{fact.source.api} {fact.source.at or ''}".strip() if fact.source else ""
        rows.append((pointer, said.removeprefix(pointer).removeprefix(" = ").removeprefix(" is "), source))
    more = len(facts) - len(rows)
    return Table(
        "Facts", ("fact", "what was read", "by"), tuple(rows), f"{more} more are in evidence.json" if more else ""
    )


def _read(facts: Iterable[Fact]) -> str:
    counts = Counter(_state(fact) for fact in facts)
    return ", ".join(
        f"{counts[state]} {state}" for state in ("present", "absent", "unknown", "not collected") if counts[state]
    )


def _state(fact: Fact) -> str:
    match fact:
        case Present():
            return "present"
        case Absent():
            return "absent"
        case Unknown():
            return "not collected" if fact == NOT_COLLECTED else "unknown"


def _some(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
