"""How far the scan looked, as the page tells it, and its accounts and units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from modelwarden.audit.page.packages import KINDS
from modelwarden.audit.report import Report, Row
from modelwarden.audit.source import VERDICTS, Source
from modelwarden.estate import Account
from modelwarden.render.breakdown import Unit, by_unit, folded
from modelwarden.render.text import cut

MAX_ROWS: Final = 1_000
"""Of a table; the others are counted."""
MAX_UNITS: Final = 20
"""Units that are shown at once; the others are there when somebody opens them."""
OTHERS: Final = ("unmapped", "inventory", "gone")
_MAX_ERROR: Final = 400


def columns(report: Report) -> list[str]:
    """Kinds of packages, each a column of every table of verdicts."""
    return [*VERDICTS, *(kind for kind in OTHERS if kind != "gone" or report.population.gone)]


def tiles(report: Report) -> list[tuple[str, int]]:
    people = report.population
    totals = {**people.verdicts, **{kind: getattr(people, kind) for kind in OTHERS}}
    return [(kind, totals[kind]) for kind in columns(report)]


def coverage(report: Report, accounts: Mapping[str, Account]) -> dict[str, Any]:
    """What was not read: the regions of one account and reason together, and no API that is the reason said before."""
    told = report.coverage
    regions: dict[tuple[str, str], list[str]] = {}
    for hole in told.unread:
        regions.setdefault((hole.account, hole.why), []).append(hole.region)
    reasons = {(hole.account, hole.region, hole.why.partition(": ")[0]) for hole in told.unread}
    failed = [row for row in told.failed if (row.account, row.region, row.api) not in reasons]
    return {
        "unread": [
            {"account": account, "name": _name(account, accounts), "regions": some, "why": cut(why, _MAX_ERROR)}
            for (account, why), some in sorted(regions.items())
        ],
        "failed": [
            {"account": row.account, "name": _name(row.account, accounts), "region": row.region, "api": row.api}
            | {"state": row.state, "error": cut(row.error, _MAX_ERROR)}
            for row in failed
        ],
        "accepted": [
            {"account": row.account, "name": _name(row.account, accounts), "region": row.region, "api": row.api}
            | {"why": f"until {row.expires}, {row.owner}: {row.reason}"}
            for row in told.accepted
        ],
        "skipped": [
            {"account": row.account, "name": _name(row.account, accounts), "why": cut(row.error, _MAX_ERROR)}
            for row in told.skipped
        ],
    }


def _name(id_: str, accounts: Mapping[str, Account]) -> str:
    return accounts[id_].name if id_ in accounts else ""


def by_account(source: Source, report: Report) -> dict[str, Any]:
    """A row for each account with packages or with a hole, the worst first; and the others, which have neither."""
    named = source.accounts
    expected = Counter(
        account
        for account, _ in source.plan.estate.cells
        if named is None or account in named or account in source.unplaced
    )
    rows = [
        {"id": row.name, "name": row.title, "unit": row.unit, "counts": row.verdicts, "bar": bar(row.verdicts)}
        | {"expected": expected[row.name], "read": expected[row.name] - min(row.unread, expected[row.name])}
        | {"whole": not row.unread, "listed": any(row.verdicts.get(kind) for kind in KINDS)}
        for row in report.accounts
    ]
    told = {row.name for row in report.accounts}
    accounts = {one.id: one for one in source.plan.estate.accounts}
    empty = [f"{id_} {_name(id_, accounts)}".rstrip() for id_ in sorted(expected.keys() - told)]
    return {"rows": rows, "empty": empty}


def by_units(source: Source, report: Report) -> dict[str, Any]:
    """The worst units, the others, and their sum."""
    named = source.accounts
    units = {account: unit for account, unit in source.units.items() if named is None or account in named}
    counted = {
        "accounts": {row.name: row.verdicts for row in report.accounts if _is_account(row)},
        "coverage": {"unread": [{"account": one.account} for one in report.coverage.unread if one.account in units]},
    }
    found = by_unit(counted, units)
    rows = [_unit(one) for one in found]
    return {"worst": rows[:MAX_UNITS], "others": rows[MAX_UNITS:], "sum": folded(found, MAX_UNITS)[1]}


def _is_account(row: Row) -> bool:
    """The hole of a list that belongs to nobody is no account's."""
    return bool(row.verdicts or row.unit)


def _unit(one: Unit) -> dict[str, Any]:
    return {"name": one.name, "accounts": one.accounts, "unread": one.unread, "counts": one.counts} | {
        "bar": bar(one.counts)
    }


def bar(counts: Mapping[str, int]) -> Sequence[Mapping[str, Any]]:
    """The stretches of a stacked bar over what is judged or should be, in percent."""
    kinds = [(kind, counts.get(kind, 0)) for kind in (*VERDICTS, "unmapped") if counts.get(kind)]
    total, at, stretches = sum(count for _, count in kinds), 0, []
    for kind, count in kinds:
        stretches.append({"kind": kind, "x": 100 * at / total, "width": 100 * count / total})
        at += count
    return stretches
