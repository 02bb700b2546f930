"""One self-contained HTML page over a scan: what was read comes first, since everything below it is less than the whole.

The records are read one by one, and no more packages are kept than are spelled out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, field

from modelwarden.estate import Account
from modelwarden.finding import ControlInfo
from modelwarden.render.approved import approvals, live
from modelwarden.render.breakdown import Unit, by_severity, by_unit, folded, units_of
from modelwarden.render.cards import section
from modelwarden.render.html import ORDER, fill, finding, severity
from modelwarden.render.relations import sections
from modelwarden.render.scan_shape import Manifest, Plan
from modelwarden.render.text import cut, printable, shadow, short
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Record, ScanError

MAX_PACKAGES: Final = 500
"""Packages that are spelled out, the worst first."""
MAX_FACTS: Final = 12
MAX_ENDPOINTS: Final = 20
MAX_NEW: Final = 50
MAX_UNITS: Final = 20
"""Units that are shown at once; the others are there when somebody opens them."""
_MAX_ERROR: Final = 400
_SPELLED: Final = ("block", "undecided", "unmapped", "flag")
_OTHERS: Final = ("unmapped", "inventory", "gone")
_SHADES: Final = 4

T = TypeVar("T")


class _Seen(Struct):
    """What one pass over the records leaves behind."""

    roles: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(account, control family) -> failed findings."""
    waived: Counter[tuple[str, str, str, bool]] = field(default_factory=Counter)
    """(waiver, expires, owner, break-glass) -> findings."""
    shadow: Counter[str] = field(default_factory=Counter)
    """Verdict without waivers -> packages for which it is another one."""
    packages: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in _SPELLED})


def page(folder: Folder, *, title: str, generated_at: str) -> str:
    """The page.

    Raises:
        ScanError: the folder is no whole scan of this version, or was changed.
    """
    document, told = folder.plan(), folder.manifest()
    plan, manifest = _as(Plan, document, folder), _as(Manifest, told, folder)
    folder.check(manifest.tables)
    seen = _read(folder, plan)
    # As counters: a kind of which there is none may be left out.
    if (seen.roles, seen.verdicts) != (Counter(manifest.packages), Counter(manifest.verdicts)):
        raise ScanError(f"{folder.path}: the records are not those that manifest.json counts", "scan anew")
    accounts = {one.id: one for one in plan.estate.accounts}
    totals = {**manifest.verdicts, **{kind: manifest.packages.get(kind, 0) for kind in _OTHERS}}
    rows, empty = _accounts(manifest, plan, accounts)
    return fill(
        "scan.html.j2",
        title=printable(title),
        tab=printable(title if manifest.complete else f"NOT COMPLETE · {title}"),
        generated_at=generated_at,
        manifest=manifest,
        plan=plan,
        coverage=_coverage(manifest, accounts),
        verdicts=[(kind, totals.get(kind, 0)) for kind in (*ORDER, *_OTHERS) if totals.get(kind) or kind != "gone"],
        columns=[kind for kind in (*ORDER, *_OTHERS) if totals.get(kind) or kind != "gone"],
        accounts=rows,
        empty=empty,
        units=_units(by_unit(told, units_of(document["estate"]))),
        severities=by_severity(manifest.controls, {id_: info.severity for id_, info in plan.controls.items()}),
        new=[short(one) for one in manifest.new[:MAX_NEW]],
        since=printable(manifest.previous or ""),
        controls=_controls(manifest, plan, folder),
        live=live(manifest),
        approvals=approvals(manifest),
        relations=sections(manifest.copies, manifest.hub),
        heat=_heat(seen.failed, accounts),
        strays=[
            {
                "kind": one.kind,
                "name": short(one.endpoint),
                "variant": printable(one.variant),
                "what": printable(one.what),
            }
            for one in manifest.strays[:MAX_PACKAGES]
        ],
        more_strays=sum(manifest.endpoints.values())
        - manifest.endpoints.get("judged", 0)
        - len(manifest.strays[:MAX_PACKAGES]),
        cards=section(manifest),
        packages=_packages(seen, rows),
        hidden=_hidden(seen, totals),
        shadow=[(kind, seen.shadow[kind]) for kind in ORDER if seen.shadow[kind]],
        waivers=[
            {"id": printable(id_), "expires": expires, "owner": printable(owner), "glass": glass, "count": count}
            for (id_, expires, owner, glass), count in sorted(seen.waived.items(), key=lambda one: (not one[0][3], one))
        ],
    )


def _as(kind: type[T], document: Mapping[str, Any], folder: Folder) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise ScanError(f"{folder.path}: not a scan of this version: {error}") from error


def _read(folder: Folder, plan: Plan) -> _Seen:
    """One pass over the records of the expected cells."""
    seen, whole = _Seen(), set(folder.cells())
    for account, region in plan.estate.cells:
        if (account, region) in whole:
            for record in folder.records(account, region, with_evidence=False):
                _count(seen, account, record)
                _keep(seen, account, record, plan.controls, folder)
    return seen


def _count(seen: _Seen, account: str, record: Record) -> None:
    seen.roles[record.role] += 1
    if record.decision is None:
        return
    seen.verdicts[record.decision.verdict] += 1
    without = record.decision.without_waivers
    if without is not None and without != record.decision.verdict:
        seen.shadow[without] += 1
    for ruling in record.decision.rulings:
        if ruling.finding.outcome == "fail":
            seen.failed[account, ruling.finding.control.partition("-")[0]] += 1
        if waiver := ruling.waiver:
            seen.waived[waiver.id, waiver.expires, waiver.owner, waiver.break_glass] += 1


def _keep(seen: _Seen, account: str, record: Record, controls: Mapping[str, ControlInfo], folder: Folder) -> None:
    """The row of a package that somebody must look at, as long as there is room for its kind."""
    kind = record.decision.verdict if record.decision else record.role
    kept = seen.packages.get(kind)
    if kept is None or len(kept) == MAX_PACKAGES:
        return
    decision = record.decision
    rulings = [one for one in decision.rulings if one.effect != "none"] if decision else []
    # What is unknown only because nobody set a parameter is said once, in the notices.
    shown = sorted((one for one in rulings if not one.finding.unset_parameters), key=severity)
    kept.append(
        {
            "account": account,
            "verdict": kind,
            "name": short(record.package),
            "arn": printable(record.package),
            "why": printable(record.why),
            "endpoints": [printable(one) for one in record.endpoints[:MAX_ENDPOINTS]],
            "more_endpoints": len(record.endpoints[MAX_ENDPOINTS:]),
            "request": f"{decision.request.stage} ({decision.request.moment})" if decision else "",
            "approval": printable(record.approval),
            "claimed": printable(record.claimed),
            "created": printable(record.created),
            "stopping": sorted(one.finding.control for one in rulings if one.effect in ("blocks", "undecides")),
            "findings": [
                finding(one, _control(one.finding.control, controls, folder), facts=MAX_FACTS) for one in shown
            ],
            "notices": [*filter(None, [shadow(decision)]), *map(printable, decision.notices)] if decision else [],
            "asserted": ", ".join(decision.asserted) if decision else "",
            "counts": dict(decision.count()) if decision else {},
        }
    )


def _control(id_: str, controls: Mapping[str, ControlInfo], folder: Folder) -> ControlInfo:
    try:
        return controls[id_]
    except KeyError as error:
        raise ScanError(f"{folder.path}: control `{id_}` is not in plan.json") from error


def _coverage(manifest: Manifest, accounts: Mapping[str, Account]) -> dict[str, Any]:
    """What was not read: the regions of one account and reason together, and no API that is the reason said before."""
    told = manifest.coverage
    regions: dict[tuple[str, str], list[str]] = {}
    for hole in told.unread:
        regions.setdefault((hole.account, hole.why), []).append(hole.region)
    reasons = {(hole.account, hole.region, hole.why.partition(": ")[0]) for hole in told.unread}
    failed = [row for row in told.failed if (row.account, row.region, row.api) not in reasons]
    return {
        "expected": told.expected,
        "read": told.read,
        "missing": told.expected - told.read,
        "percent": 100 * told.read // told.expected if told.expected else 0,
        "unread": [
            {"account": account, **_who(account, accounts), "regions": some, "why": cut(printable(why), _MAX_ERROR)}
            for (account, why), some in sorted(regions.items())
        ],
        "failed": [
            {"account": row.account, **_who(row.account, accounts), "region": row.region, "api": printable(row.api)}
            | {"state": row.state, "error": cut(printable(row.error), _MAX_ERROR)}
            for row in failed
        ],
        "accepted": [
            {
                "account": row.account,
                **_who(row.account, accounts),
                "region": printable(row.region),
                "api": printable(row.api),
                "why": printable(f"until {row.expires}, {row.owner}: {row.reason}"),
            }
            for row in told.accepted
        ],
        "skipped": [
            {"account": row.account, **_who(row.account, accounts), "why": cut(printable(row.error), _MAX_ERROR)}
            for row in told.skipped
        ],
    }


def _who(id_: str, accounts: Mapping[str, Account]) -> dict[str, str]:
    one = accounts.get(id_, Account(id_))
    return {"name": printable(one.name), "unit": printable(one.unit)}


def _accounts(
    manifest: Manifest, plan: Plan, accounts: Mapping[str, Account]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each account with packages or with a hole, most blocked first; and the others, which have neither."""
    told = manifest.coverage
    holes = {(one.account, one.region) for one in told.unread} | {(one.account, one.region) for one in told.failed}
    expected = Counter(account for account, _ in plan.estate.cells)
    missing = Counter(account for account, region in plan.estate.cells if (account, region) in holes)
    rows: list[dict[str, Any]] = []
    empty: list[str] = []
    for id_ in sorted(expected.keys() | manifest.accounts.keys() | {account for account, _ in holes}):
        counts = manifest.accounts.get(id_, {})
        touched = missing[id_] or any(account == id_ for account, _ in holes)
        if counts or touched:
            read = expected[id_] - missing[id_]
            rows.append(
                {"id": id_, **_who(id_, accounts), "counts": counts, "bar": _bar(counts)}
                | {"expected": expected[id_], "read": read, "whole": not touched}
            )
        else:
            empty.append(f"{id_} {_who(id_, accounts)['name']}".rstrip())
    rows.sort(key=lambda row: (*(-row["counts"].get(kind, 0) for kind in _SPELLED[:3]), row["id"]))
    return rows, empty


def _units(units: list[Unit]) -> dict[str, Any]:
    """The worst units, the others, and their sum."""
    rows = [
        {"name": printable(one.name), "accounts": one.accounts, "unread": one.unread, "counts": one.counts}
        | {"bar": _bar(one.counts)}
        for one in units
    ]
    return {"worst": rows[:MAX_UNITS], "others": rows[MAX_UNITS:], "sum": folded(units, MAX_UNITS)[1]}


def _bar(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The stretches of a stacked bar over what is judged or should be, in percent."""
    kinds = [(kind, counts.get(kind, 0)) for kind in (*ORDER, "unmapped") if counts.get(kind)]
    total, at, stretches = sum(count for _, count in kinds), 0, []
    for kind, count in kinds:
        stretches.append({"kind": kind, "x": f"{100 * at / total:.2f}", "width": f"{100 * count / total:.2f}"})
        at += count
    return stretches


def _controls(manifest: Manifest, plan: Plan, folder: Folder) -> list[dict[str, Any]]:
    rows = []
    for id_, outcomes in manifest.controls.items():
        info = _control(id_, plan.controls, folder)
        rows.append({"id": id_, "title": printable(info.title), "severity": info.severity, "outcomes": outcomes})
    return sorted(
        rows, key=lambda row: (-row["outcomes"].get("fail", 0), -row["outcomes"].get("unknown", 0), row["id"])
    )


def _heat(failed: Mapping[tuple[str, str], int], accounts: Mapping[str, Account]) -> dict[str, Any]:
    """Failed findings by account and family, each with a shade from 0 (none) to 4 (the most there is)."""
    most = max(failed.values(), default=0)
    families = sorted({family for _, family in failed})
    total: Counter[str] = Counter()
    for (account, _), count in failed.items():
        total[account] += count
    rows = []
    for account, sum_ in sorted(total.items(), key=lambda one: (-one[1], one[0])):
        counts = [failed.get((account, family), 0) for family in families]
        cells = [(count, -(-_SHADES * count // most)) for count in counts]
        rows.append({"id": account, **_who(account, accounts), "cells": cells, "total": sum_})
    return {"families": families, "rows": rows}


def _shown(seen: _Seen) -> list[dict[str, Any]]:
    """The worst `MAX_PACKAGES`."""
    return [row for kind in _SPELLED for row in seen.packages[kind]][:MAX_PACKAGES]


def _packages(seen: _Seen, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The packages by account, in the order of the table of accounts, the worst first in each."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in _shown(seen):
        groups.setdefault(one["account"], []).append(one)
    return [{**row, "packages": groups[row["id"]]} for row in rows if row["id"] in groups]


def _hidden(seen: _Seen, totals: Mapping[str, int]) -> list[tuple[str, int]]:
    """How many of each kind are not spelled out."""
    shown = Counter(row["verdict"] for row in _shown(seen))
    return [(kind, totals.get(kind, 0) - shown[kind]) for kind in _SPELLED if totals.get(kind, 0) > shown[kind]]
