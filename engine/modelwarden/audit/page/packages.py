"""The packages of a page with their findings, read some at a time: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from modelwarden.audit.source import Source
from modelwarden.decide import without_waivers
from modelwarden.finding import Finding, Ruling
from modelwarden.render.html import finding, severity
from modelwarden.render.text import shadow_of, short

KINDS: Final = ("block", "undecided", "unmapped", "flag", "allow")
"""Verdicts of packages that are listed, the worst first; `unmapped` ones should have been judged. What is only
inventory is not listed."""
MAX_FACTS: Final = 12
MAX_ENDPOINTS: Final = 20
_AT_ONCE: Final = 2_000
_COLUMNS: Final = (
    *("package", "account", "region", "group", "why", "approval", "claimed", "created", "owner", "stage", "moment"),
    *("endpoints", "notices", "asserted", "evidence_digest", "approval_record", "approval_record_why"),
)
_KIND: Final = "coalesce(verdict, role)"
_RANK: Final = f"list_position([{', '.join(repr(kind) for kind in KINDS)}], {_KIND})"
_LISTED: Final = f"{_RANK} IS NOT NULL"


class Shown(Struct, frozen=True):
    """One package. A text is empty where there is none."""

    kind: str
    """One of `KINDS`."""
    name: str
    anchor: str
    """Names it on a page, today and tomorrow."""
    told: Mapping[str, Any]
    """`_COLUMNS` -> value."""
    findings: tuple[Mapping[str, Any], ...]
    """As `render.html.finding` has them, those that stop it first. What is unknown only because nobody set a parameter is
    said once, in the notices."""
    stopping: tuple[str, ...]
    """Controls that block or leave it undecided."""
    outcomes: Mapping[str, tuple[str, ...]]
    """`pass`, `not-applicable` -> controls."""
    counts: Mapping[str, int]
    """`blocked`, `flagged`, `unknown`, `passed`, `not_applicable`; nothing where it was not judged."""

    @property
    def request(self) -> str:
        return f"{self.told['stage']} ({self.told['moment']})" if self.counts else ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        return tuple(self.told["endpoints"][:MAX_ENDPOINTS])

    @property
    def more_endpoints(self) -> int:
        return len(self.told["endpoints"][MAX_ENDPOINTS:])


def listed(source: Source) -> dict[str, int]:
    """Kind -> packages that are listed, and `findings` -> findings that are spelled out for them."""
    question = f"SELECT {_KIND} AS kind, count(*) FROM packages WHERE {_LISTED} GROUP BY ALL"  # noqa: S608
    counts = dict(source.ask(question))
    ((findings,),) = source.ask("SELECT count(*) FROM findings WHERE effect <> 'none'")
    return {kind: counts.get(kind, 0) for kind in KINDS} | {"findings": findings}


def accounts(source: Source) -> list[tuple[str, int]]:
    """(account, packages that are listed), by account."""
    question = f"SELECT account, count(*) FROM packages WHERE {_LISTED} GROUP BY ALL ORDER BY account"  # noqa: S608
    return [(account, count) for account, count in source.ask(question)]


def worst(source: Source, most: int) -> Iterator[Shown]:
    """The worst first, then by account, region and package."""
    yield from _shown(source, f"WHERE {_LISTED} ORDER BY {_RANK}, account, region, package LIMIT ?", most)


def of_account(source: Source, account: str) -> Iterator[Shown]:
    """Those of an account, the worst first."""
    yield from _shown(source, f"WHERE {_LISTED} AND account = ? ORDER BY {_RANK}, region, package", account)


def _shown(source: Source, which: str, *values: object) -> Iterator[Shown]:
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    rows = source.rows(f"SELECT {_KIND}, {columns} FROM packages {which}", *values)  # noqa: S608 - no text from outside
    while some := list(islice(rows, _AT_ONCE)):
        packages = [dict(zip(("kind", *_COLUMNS), row, strict=True)) for row in some]
        yield from _judged(source, packages)


def _judged(source: Source, packages: list[dict[str, Any]]) -> Iterator[Shown]:
    """These packages with what was found of them."""
    names = [str(one["package"]) for one in packages]
    accounts = sorted(str(one["account"]) for one in packages)
    # Tables are sorted by account: the bounds spare most of them.
    near = "account BETWEEN ? AND ? AND package IN (SELECT unnest(?::VARCHAR[]))"
    outcomes: dict[str, dict[str, tuple[str, ...]]] = {}
    asked = (accounts[0], accounts[-1], names)
    question = f"SELECT package, outcome, list(control ORDER BY control) FROM findings WHERE {near} GROUP BY ALL"  # noqa: S608
    for package, outcome, controls in source.rows(question, *asked):
        outcomes.setdefault(package, {})[outcome] = tuple(controls)
    found: dict[str, list[Any]] = {}
    for one in source.findings_where(f"effect <> 'none' AND {near}", *asked):
        found.setdefault(one.package, []).append(one)
    for package in packages:
        name = str(package["package"])
        yield _one(package, found.get(name, []), outcomes.get(name, {}))


def _one(package: dict[str, Any], found: list[Any], outcomes: dict[str, tuple[str, ...]]) -> Shown:
    rulings = sorted((one.ruling for one in found), key=severity)
    infos = {one.info.id: one.info for one in found}
    kind = str(package.pop("kind"))
    blocked = sum(one.finding.outcome == "fail" and one.effect == "blocks" for one in rulings)
    counts = {
        "blocked": blocked,
        "flagged": len(outcomes.get("fail", ())) - blocked,
        "unknown": len(outcomes.get("unknown", ())),
        "passed": len(outcomes.get("pass", ())),
        "not_applicable": len(outcomes.get("not-applicable", ())),
    }
    lists = {name: package[name] or () for name in ("endpoints", "notices", "asserted")}
    shadow = shadow_of(rulings, kind, _without_waivers(rulings, outcomes))
    lists["notices"] = (*filter(None, [shadow]), *lists["notices"])
    return Shown(
        kind=kind,
        name=short(package["package"]),
        anchor=f"p-{sha256(package['package'].encode()).hexdigest()[:12]}",
        told={name: "" if value is None else value for name, value in package.items()} | lists,
        findings=tuple(
            finding(one, infos[one.finding.control], facts=MAX_FACTS)
            for one in rulings
            if not one.finding.unset_parameters
        ),
        stopping=tuple(sorted(one.finding.control for one in rulings if one.effect in ("blocks", "undecides"))),
        outcomes=outcomes,
        counts=counts if package["stage"] and kind != "unmapped" else {},
    )


def _without_waivers(rulings: list[Ruling], outcomes: Mapping[str, tuple[str, ...]]) -> str:
    """The verdict if no waiver counted: of what passed, and of what did not apply, the outcome is all that matters."""
    others = [
        Ruling(Finding(control, outcome), "off", "none")
        for outcome in ("pass", "not-applicable")
        for control in outcomes.get(outcome, ())
    ]
    return without_waivers([*rulings, *others])
