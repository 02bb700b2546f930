"""One self-contained HTML page over recorded runs: no script, no network, every value escaped."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import asdict

from modelwarden import builtin
from modelwarden.finding import Observation, Ruling
from modelwarden.render.cause import help_for
from modelwarden.render.text import kind_of, printable, short
from modelwarden.run import Run

ORDER: Final = ("block", "undecided", "flag", "allow")
MAX_VALUE: Final = 300


def page(runs: Sequence[Run], *, title: str, generated_at: str) -> str:
    """The page; packages stand worst first, then by account, region and name."""
    import jinja2

    style = builtin.read("reports.templates", "page.css").decode()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(builtin.read("reports.templates", "decisions.html").decode())
    ordered = sorted(runs, key=lambda run: (ORDER.index(run.decision.verdict), _by_version(run), run.id))
    counts = Counter(run.decision.verdict for run in runs)
    text: str = template.render(
        title=printable(title),
        generated_at=generated_at,
        # A browser compares the hash with the very text between the tags.
        style=_Raw(f"\n{style}"),
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(f"\n{style}".encode()).digest()).decode(),
        verdicts=[(verdict, counts[verdict]) for verdict in ORDER],
        total=len(runs),
        packages=[_package(run, number) for number, run in enumerate(ordered)],
        controls=_controls(ordered),
        unread=_unread(ordered),
    )
    return text


def _by_version(run: Run) -> tuple[str, int]:
    """Version 9 of a group comes before version 10."""
    group, _, version = short(run.decision.package).rpartition("/")
    return (group, int(version)) if version.isdecimal() else (f"{group}/{version}", 0)


class _Raw(str):
    """Our own style sheet, which must reach the page unchanged."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _package(run: Run, number: int) -> dict[str, Any]:
    decision, request = run.decision, run.decision.request
    shown = [ruling for ruling in decision.rulings if ruling.effect != "none"]
    principal = request.principal
    return {
        "anchor": f"package-{number}",
        "verdict": decision.verdict,
        "name": short(decision.package),
        "arn": printable(decision.package),
        "stage": request.stage,
        "moment": request.moment,
        "as_of": request.as_of,
        "principal": printable(getattr(principal, "identity", "") or "nobody was named"),
        "findings": [_finding(run, ruling) for ruling in sorted(shown, key=_severity)],
        "passed": [r.finding.control for r in decision.rulings if r.finding.outcome == "pass"],
        "not_applicable": [r.finding.control for r in decision.rulings if r.finding.outcome == "not-applicable"],
        "notices": [printable(notice) for notice in decision.notices],
        "advisory": decision.advisory,
        "asserted": ", ".join(decision.asserted),
        "digests": list(asdict(decision.digests).items()),
        "ledger": [
            {"api": row.api, "where": f"{row.account} {row.region}", "state": row.state, "error": printable(row.error)}
            for row in run.ledger
        ],
        "run": run.id,
        "counts": dict(decision.count()),
    }


def _severity(ruling: Ruling) -> tuple[int, str]:
    return ({"blocks": 0, "undecides": 1, "flags": 2}[ruling.effect], ruling.finding.control)


def _finding(run: Run, ruling: Ruling) -> dict[str, Any]:
    info = run.controls[ruling.finding.control]
    waiver = ruling.waiver
    return {
        "control": info.id,
        "kind": kind_of(ruling),
        "effect": ruling.effect,
        "outcome": ruling.finding.outcome,
        "title": printable(info.title),
        "severity": info.severity,
        "observed": [_observed(seen) for seen in ruling.finding.observed],
        "expected": printable(" ".join((ruling.finding.expected or info.expected).split())),
        "reason": printable(ruling.finding.reason),
        "level": f"{ruling.level} ({printable(ruling.why_level)})",
        "help": printable(help_for(ruling, info)),
        "rationale": printable(info.rationale),
        "policy": printable(f"{info.path}:{info.line}"),
        "waiver": printable(f"{waiver.id} until {waiver.expires}, owner {waiver.owner}: {waiver.reason}")
        if waiver
        else "",
    }


def _observed(seen: Observation) -> dict[str, str]:
    said, source = printable(str(seen)), seen.fact.source
    return {
        "fact": _cut(said),
        "source": printable(f"{source.api} {source.at or ''}".strip()) if source else "",
    }


def _controls(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each control how often it came out how, most failures first."""
    outcomes: dict[str, Counter[str]] = {}
    infos = {}
    for run in runs:
        for ruling in run.decision.rulings:
            outcomes.setdefault(ruling.finding.control, Counter())[ruling.finding.outcome] += 1
            infos[ruling.finding.control] = run.controls[ruling.finding.control]
    rows = [
        {"id": id_, "title": printable(infos[id_].title), "severity": infos[id_].severity, "outcomes": outcomes[id_]}
        for id_ in outcomes
    ]
    return sorted(rows, key=lambda row: (-row["outcomes"]["fail"], -row["outcomes"]["unknown"], row["id"]))


def _unread(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What could not be read, by account, region and API, with the number of packages."""
    found: dict[tuple[str, str, str, str], int] = Counter()
    for run in runs:
        for row in run.ledger:
            if row.state != "read":
                found[(row.account, row.region, row.api, f"{row.state}: {row.error}")] += 1
    return [
        {"account": account, "region": region, "api": api, "state": _cut(printable(state)), "packages": count}
        for (account, region, api, state), count in sorted(found.items())
    ]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"
