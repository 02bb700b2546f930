"""The report: what one scan says of a scope, counted. How far it looked comes first; a hole is in every part that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from modelwarden.audit.coverage import Coverage, coverage_of
from modelwarden.audit.framework import Framework
from modelwarden.audit.history import History
from modelwarden.audit.source import VERDICTS, Source
from modelwarden.evidence import Unknown
from modelwarden.finding import AppliedWaiver, Ruling
from modelwarden.render.cause import cause_of, help_for
from modelwarden.scan.record import ScanError
from modelwarden.settings.effective import instant
from modelwarden.typed import decoder


class Population(Struct, frozen=True):
    """The packages that the scan knows of in the scope."""

    total: int
    judged: int
    unmapped: int
    """To be judged, and nobody can tell their stage."""
    inventory: int
    gone: int
    verdicts: dict[str, int]
    live: dict[str, int]
    """Verdicts of what is approved or deployed."""


class Row(Struct, frozen=True):
    """Packages by verdict of one account, unit or stage."""

    name: str
    title: str
    """The name of an account; empty elsewhere."""
    unit: str
    verdicts: dict[str, int]
    unread: int = 0
    """Its account-regions that were not read whole."""


class ControlRow(Struct, frozen=True):
    control: str
    title: str
    severity: str
    outcomes: dict[str, int]


class Obligation(Struct, frozen=True):
    """One obligation of a framework, and what the controls that give evidence for it found."""

    ref: str
    about: str
    controls: tuple[str, ...]
    verified: bool
    """Whether a person has checked every mapping of it."""
    outcomes: dict[str, int]
    """Findings of these controls."""
    packages: dict[str, int]
    """`fail`, `unknown`, `pass`: packages, each by its worst finding."""


class ByFramework(Struct, frozen=True):
    framework: str
    title: str
    source: str
    digest: str
    state: str
    """Why it was not in force as of the scan; empty where it was."""
    obligations: tuple[Obligation, ...]


class Waived(Struct, frozen=True):
    """A waiver, and what it covered."""

    waiver: AppliedWaiver
    findings: int
    packages: int
    days_left: int | None
    """To its last day, as of the scan; None where nobody can tell."""


class Cause(Struct, frozen=True):
    """Why findings could not be told."""

    api: str
    reason: str
    findings: int
    controls: tuple[str, ...]
    help: str
    """The next step, as one of the findings has it."""


class Report(Struct, frozen=True):
    """What the formats show. Packages and findings themselves are read from the source."""

    title: str
    generated_at: str
    run: str
    started_at: str
    finished_at: str
    as_of: str
    as_of_asserted: bool
    advisory: bool
    complete: bool
    versions: dict[str, str]
    digests: dict[str, str]
    """`run`, `bundle`, `settings`, `waivers`."""
    scope: str
    """In words; empty for everything."""
    coverage: Coverage
    population: Population
    findings: dict[str, int]
    """Outcome -> findings."""
    accounts: tuple[Row, ...]
    """The worst first."""
    stages: tuple[Row, ...]
    controls: tuple[ControlRow, ...]
    families: tuple[tuple[str, str, int, int], ...]
    """(account, control family, fails, unknowns), for the pairs that have any."""
    exceptions: tuple[Waived, ...]
    """Those that end soonest first."""
    causes: tuple[Cause, ...]
    """Of unknown findings, the most findings first."""
    frameworks: tuple[ByFramework, ...]
    history: History


def report_of(
    source: Source, frameworks: Iterable[Framework], history: History, *, title: str, generated_at: str
) -> Report:
    """The report over one scan.

    Raises:
        TablesError, ScanError: it cannot be read.
    """
    manifest, plan, coverage = source.manifest, source.plan, coverage_of(source)
    population = _population(source)
    _compare(source, population)
    return Report(
        title=title,
        generated_at=generated_at,
        run=manifest.id,
        started_at=manifest.started_at,
        finished_at=manifest.finished_at,
        as_of=manifest.as_of,
        as_of_asserted=manifest.as_of_asserted,
        advisory=manifest.advisory,
        complete=manifest.complete,
        versions=plan.versions,
        digests={
            "run": manifest.digest,
            "bundle": plan.bundle.digest,
            "settings": plan.settings.digest,
            "waivers": plan.settings.waivers_digest,
        },
        scope=source.scope.words(),
        coverage=coverage,
        population=population,
        findings=_counted(source.ask("SELECT outcome, count(*) FROM findings GROUP BY ALL")),
        accounts=_accounts(source, coverage),
        stages=_stages(source),
        controls=_controls(source),
        families=_families(source),
        exceptions=_exceptions(source, instant(manifest.as_of)),
        causes=_causes(source),
        frameworks=tuple(_by_framework(source, one, manifest.as_of) for one in frameworks),
        history=history,
    )


def serves(report: Report) -> dict[str, list[str]]:
    """Control -> obligations for which it gives evidence: `eu-ai-act Art. 12 (unverified)`."""
    found: dict[str, list[str]] = {}
    for one in report.frameworks:
        for obligation in one.obligations:
            mark = "" if obligation.verified else " (unverified)"
            for control in obligation.controls:
                found.setdefault(control, []).append(f"{one.framework} {obligation.ref}{mark}")
    return found


def _population(source: Source) -> Population:
    roles = _counted(source.ask("SELECT role, count(*) FROM packages GROUP BY ALL"))
    live = source.ask("SELECT verdict, count(*) FROM judged WHERE moment = 'serve' GROUP BY ALL")
    return Population(
        total=sum(roles.values()),
        judged=roles.get("judged", 0),
        unmapped=roles.get("unmapped", 0),
        inventory=roles.get("inventory", 0),
        gone=roles.get("gone", 0),
        verdicts=_ordered(_counted(source.ask("SELECT verdict, count(*) FROM judged GROUP BY ALL"))),
        live=_ordered(_counted(live)),
    )


def _compare(source: Source, found: Population) -> None:
    """Raises ScanError where the tables do not hold what the manifest counts; of a part nobody can tell."""
    told = source.manifest
    roles = {role: told.packages.get(role, 0) for role in ("judged", "unmapped", "inventory", "gone")}
    same = found.verdicts == _ordered(told.verdicts) and roles == {role: getattr(found, role) for role in roles}
    if source.whole and not same:
        raise ScanError(f"{source.folder.path}: the records are not those that manifest.json counts", "scan anew")


def _accounts(source: Source, coverage: Coverage) -> tuple[Row, ...]:
    """Those with packages or with a hole."""
    counts: dict[str, Counter[str]] = {}
    for account, kind, count in source.ask(
        "SELECT account, coalesce(verdict, role), count(*) FROM packages GROUP BY ALL"
    ):
        counts.setdefault(account, Counter())[kind] += count
    holes = Counter(
        account
        for account, _ in coverage.places
        if source.accounts is None
        or account in source.accounts
        or account in source.unplaced
        or account not in source.units
    )
    names = {one.id: one for one in source.plan.estate.accounts}
    rows = [
        Row(
            id_,
            names[id_].name if id_ in names else "",
            source.units.get(id_, ""),
            dict(counts.get(id_, {})),
            holes[id_],
        )
        for id_ in {*counts, *holes}
    ]
    return tuple(sorted(rows, key=_worst))


def _stages(source: Source) -> tuple[Row, ...]:
    counts: dict[str, Counter[str]] = {}
    for stage, verdict, count in source.ask("SELECT stage, verdict, count(*) FROM judged GROUP BY ALL"):
        counts.setdefault(stage, Counter())[verdict] += count
    order = ("Development", "Staging", "Production")
    return tuple(Row(stage, "", "", _ordered(counts[stage])) for stage in order if stage in counts)


def _controls(source: Source) -> tuple[ControlRow, ...]:
    counts: dict[str, Counter[str]] = {}
    for control, outcome, count in source.ask("SELECT control, outcome, count(*) FROM findings GROUP BY ALL"):
        counts.setdefault(control, Counter())[outcome] += count
    rows = [
        ControlRow(id_, source.info(id_).title, source.info(id_).severity, dict(sorted(outcomes.items())))
        for id_, outcomes in counts.items()
    ]
    return tuple(
        sorted(rows, key=lambda row: (-row.outcomes.get("fail", 0), -row.outcomes.get("unknown", 0), row.control))
    )


def _families(source: Source) -> tuple[tuple[str, str, int, int], ...]:
    found = source.ask(
        """
        SELECT account, split_part(control, '-', 1) AS family,
               count(*) FILTER (outcome = 'fail'), count(*) FILTER (outcome = 'unknown')
        FROM findings WHERE outcome IN ('fail', 'unknown') GROUP BY ALL ORDER BY account, family
        """
    )
    return tuple((account, family, fails, unknowns) for account, family, fails, unknowns in found)


def _exceptions(source: Source, as_of: datetime | None) -> tuple[Waived, ...]:
    found = []
    for text, findings, packages in source.ask(
        "SELECT waiver, count(*), count(DISTINCT package) FROM findings WHERE waiver IS NOT NULL GROUP BY waiver"
    ):
        waiver = decoder(AppliedWaiver).decode(text)
        ends = instant(waiver.expires)
        left = (ends.date() - as_of.date()).days if ends and as_of else None
        found.append(Waived(waiver, findings, packages, left))
    return tuple(sorted(found, key=lambda one: (not one.waiver.break_glass, one.waiver.expires, one.waiver.id)))


def _causes(source: Source) -> tuple[Cause, ...]:
    """Reads every unknown finding, and keeps a line for each cause."""
    found: dict[tuple[str, str], tuple[int, set[str], str]] = {}
    for one in source.findings("unknown"):
        key = _cause(one.ruling)
        count, controls, help_ = found.get(key, (0, set(), ""))
        found[key] = (count + 1, controls | {one.info.id}, help_ or help_for(one.ruling, one.info))
    causes = [Cause(*key, count, tuple(sorted(controls)), help_) for key, (count, controls, help_) in found.items()]
    return tuple(sorted(causes, key=lambda one: (-one.findings, one.api, one.reason)))


def _cause(ruling: Ruling) -> tuple[str, str]:
    """(API, reason); the reason is the finding's own where no call failed."""
    if ruling.finding.unset_parameters:
        return "", f"nobody set the parameter {', '.join(sorted(ruling.finding.unset_parameters))}"
    cause = cause_of(ruling)
    if cause is not None:
        unread = next(seen.fact for seen in ruling.finding.observed if isinstance(seen.fact, Unknown))
        return cause.api, unread.reason
    return "", ruling.finding.reason or "not told"


def _by_framework(source: Source, framework: Framework, as_of: str) -> ByFramework:
    obligations = []
    for ref, mappings in framework.obligations().items():
        controls = tuple(sorted({one.control for one in mappings}))
        marks = ", ".join("?" * len(controls))
        outcomes = source.ask(
            f"SELECT outcome, count(*) FROM findings WHERE control IN ({marks}) GROUP BY ALL",  # noqa: S608
            *controls,
        )
        worst = source.ask(
            f"""
            SELECT worst, count(*) FROM (
                SELECT CASE max(CASE outcome WHEN 'fail' THEN 3 WHEN 'unknown' THEN 2 WHEN 'pass' THEN 1 ELSE 0 END)
                       WHEN 3 THEN 'fail' WHEN 2 THEN 'unknown' WHEN 1 THEN 'pass' ELSE 'not-applicable' END AS worst
                FROM findings WHERE control IN ({marks}) GROUP BY package
            ) GROUP BY ALL
            """,  # noqa: S608
            *controls,
        )
        obligations.append(
            Obligation(
                ref,
                framework.refs.get(ref, ""),
                controls,
                all(one.verified for one in mappings),
                _counted(outcomes),
                _counted(worst),
            )
        )
    return ByFramework(
        framework.framework,
        framework.title,
        framework.source,
        framework.digest(),
        framework.state(as_of),
        tuple(obligations),
    )


def _counted(rows: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    return {key: count for key, count in sorted(rows) if key}


def _ordered(counts: dict[str, int]) -> dict[str, int]:
    """Every verdict, the worst first, also those of which there is none."""
    return {verdict: counts.get(verdict, 0) for verdict in VERDICTS}


def _worst(row: Row) -> tuple[Any, ...]:
    return (
        *(-row.verdicts.get(kind, 0) for kind in ("block", "undecided")),
        -row.unread,
        -row.verdicts.get("flag", 0),
        row.name,
    )
