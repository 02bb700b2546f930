"""One self-contained HTML page over recorded runs: no script, no network, every value escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict

from modelwarden.render.html import MAX_VALUE, ORDER, fill, finding, severity
from modelwarden.render.text import cut, printable, shadow, short
from modelwarden.run import Run


def page(runs: Sequence[Run], *, title: str, generated_at: str) -> str:
    """The page; packages stand worst first, then by account, region and name."""
    ordered = sorted(runs, key=lambda run: (ORDER.index(run.decision.verdict), _by_version(run), run.id))
    counts = Counter(run.decision.verdict for run in runs)
    return fill(
        "decisions.html.j2",
        title=printable(title),
        generated_at=generated_at,
        verdicts=[(verdict, counts[verdict]) for verdict in ORDER],
        total=len(runs),
        packages=[_package(run, number) for number, run in enumerate(ordered)],
        controls=_controls(ordered),
        unread=_unread(ordered),
    )


def _by_version(run: Run) -> tuple[str, int]:
    """Version 9 of a group comes before version 10."""
    group, _, version = short(run.decision.package).rpartition("/")
    return (group, int(version)) if version.isdecimal() else (f"{group}/{version}", 0)


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
        "findings": [finding(ruling, run.controls[ruling.finding.control]) for ruling in sorted(shown, key=severity)],
        "passed": [r.finding.control for r in decision.rulings if r.finding.outcome == "pass"],
        "not_applicable": [r.finding.control for r in decision.rulings if r.finding.outcome == "not-applicable"],
        "notices": [*filter(None, [shadow(decision)]), *map(printable, decision.notices)],
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
        {
            "account": account,
            "region": region,
            "api": api,
            "state": cut(printable(state), MAX_VALUE + 1),
            "packages": count,
        }
        for (account, region, api, state), count in sorted(found.items())
    ]
