"""The summary of a scan as text.

What was not read comes first, since everything below it is less than the whole, but in a few lines: what must not go
live stands directly below it, however much is missing elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from modelwarden.render import cards
from modelwarden.render.breakdown import Unit, by_severity, by_unit, folded, units_of
from modelwarden.render.relations import sections
from modelwarden.render.text import cut, printable, short
from modelwarden.scan.cards import Loose
from modelwarden.scan.relations import Copies, Hub
from modelwarden.scan.summary import share
from modelwarden.typed import converted

SHOWN: Final = 20
"""Packages and endpoints of one kind, and units, that are spelled out."""
HOLES: Final = 5
"""Lines about what was not read, of one kind."""
_ACCOUNTS: Final = 40
_WIDTH: Final = 150
_UNIT_WIDTH: Final = 50
_VERDICTS: Final = ("block", "undecided", "flag", "allow")
_OTHERS: Final = ("unmapped", "inventory", "gone")
_BLOCKED: Final = (
    ("serve", "approved or deployed, and blocked now"),
    ("approve", "newest of their group, and blocked"),
)
"""Moment -> what is blocked at it; what is live comes first."""


def text(manifest: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """`manifest` and `plan` as the scan wrote them. `new` and `previous` of the manifest are shown where they are there."""
    controls, names = plan["controls"], {one["id"]: one["name"] for one in plan["estate"]["accounts"]}
    lines = [_headline(manifest), ""]
    lines += _coverage(manifest["coverage"], manifest["complete"])
    lines += _new(manifest)
    lines += _without_waivers(manifest.get("without_waivers", {}))
    for moment, title in _BLOCKED:
        blocked = [one for one in manifest["named"] if one["verdict"] == "block" and one["moment"] == moment]
        lines += _named(manifest, "blocked", manifest["blocked"].get(moment, 0), blocked, title)
    lines += _approvals(manifest)
    lines += _relations(manifest)
    lines += _units(by_unit(manifest, units_of(plan["estate"])))
    lines += _table("account", [(f"{id_} {names.get(id_, '')}".rstrip(), row) for id_, row in _rows(manifest)])
    lines += _severities(manifest["controls"], controls)
    lines += _controls(manifest["controls"], controls)
    for kind, counts in (("undecided", manifest["verdicts"]), ("unmapped", manifest["packages"])):
        packages = [one for one in manifest["named"] if one["verdict"] == kind]
        lines += _named(manifest, kind, counts.get(kind, 0), packages, kind)
    lines += _strays(manifest)
    lines += _cards(manifest)
    return "\n".join([*lines, summary_line(manifest)]) + "\n"


def summary_line(manifest: Mapping[str, Any]) -> str:
    """One line: coverage, verdicts, and what is not judged."""
    coverage, verdicts, roles = manifest["coverage"], manifest["verdicts"], manifest["packages"]
    read = f"{coverage['read']} of {coverage['expected']} cells read whole{'' if manifest['complete'] else ', NOT COMPLETE'}"
    judged = ", ".join(f"{verdicts.get(verdict, 0)} {verdict}" for verdict in _VERDICTS)
    others = ", ".join(f"{roles.get(role, 0)} {role}" for role in _OTHERS if roles.get(role))
    return f"{read}; {judged}" + (f"; {others}" if others else "")


def _without_waivers(counts: Mapping[str, int]) -> list[str]:
    """What waived packages would be; nothing where no waiver acted."""
    if not counts:
        return []
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if counts.get(verdict))
    return [f"waivers act on {sum(counts.values())} packages, which would be without them: {told}"]


def _headline(manifest: Mapping[str, Any]) -> str:
    asserted = " (asserted)" if manifest["as_of_asserted"] else ""
    advisory = "; advisory: no pinned organization layer stands behind these settings" if manifest["advisory"] else ""
    return f"scan {manifest['id']} as of {manifest['as_of']}{asserted}{advisory}"


def _coverage(coverage: Mapping[str, Any], complete: bool) -> list[str]:
    expected, read = coverage["expected"], coverage["read"]
    percent = share(read, expected, whole=complete and read == expected and not coverage["accepted"])
    head = f"coverage {percent} %: {read} of {expected} account-regions were read whole"
    lines = [head if complete else f"{head}; what follows is less than the whole"]
    holes = {(one["account"], one["region"]) for one in coverage["unread"]}
    failed = [
        f"{row['account']}/{row['region']}  {row['api']}: {row['state']}: {row['error']}"
        for row in coverage["failed"]
        if (row["account"], row["region"]) not in holes
    ]
    accepted = [
        f"{row['account']}/{row['region']}  {row['api']}: {row['state']}: until {row['expires']}, {row['owner']}: {row['reason']}"
        for row in coverage["accepted"]
    ]
    skipped = [f"{row['account']}  {row['error']}" for row in coverage["skipped"]]
    kinds = (
        ("not read", _unread(coverage["unread"])),
        ("partly", failed),
        ("accepted", accepted),
        ("skipped", skipped),
    )
    for title, rows in kinds:
        lines += _listed(title, rows)
    return [*lines, ""]


def _unread(holes: Iterable[Mapping[str, str]]) -> list[str]:
    """A line for each account and reason, with its regions."""
    regions: dict[tuple[str, str], list[str]] = {}
    for hole in holes:
        regions.setdefault((hole["account"], hole["why"]), []).append(hole["region"])
    return [
        f"{account}/{some[0] if len(some) == 1 else f'{len(some)} regions'}  {why}"
        for (account, why), some in regions.items()
    ]


def _listed(title: str, rows: Sequence[str]) -> list[str]:
    shown = [f"  {title:<9} {cut(printable(row), _WIDTH)}" for row in rows[:HOLES]]
    return [*shown, *([f"  {title:<9} and {len(rows) - HOLES} more"] if len(rows) > HOLES else [])]


def _new(manifest: Mapping[str, Any]) -> list[str]:
    """What must be looked at and was not there in the run before; nothing where the manifest does not compare."""
    if "new" not in manifest:
        return []
    since = f"since {printable(manifest['previous'])}" if manifest.get("previous") else "since the last run"
    named = {one["package"]: one for one in manifest["named"]}
    lines = [f"{len(manifest['new'])} new {since}" + (":" if manifest["new"] else "")]
    for package in manifest["new"][:SHOWN]:
        one = named.get(package)
        what = f"{one['verdict']}  {_what(one)}" if one else "all about it is in the records"
        lines.append(f"  {'new':<9} {_package(package, what)}")
    lines += [f"  {'new':<9} and {len(manifest['new']) - SHOWN} more"] if len(manifest["new"]) > SHOWN else []
    return [*lines, ""]


def _rows(manifest: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, int]]]:
    return sorted(manifest["accounts"].items(), key=lambda item: (-item[1].get("block", 0), item[0]))


def _units(units: Sequence[Unit]) -> list[str]:
    shown, others = folded(units, SHOWN)
    rows = [*shown, *([others] if others else [])]
    return _table(
        "unit",
        [
            (cut(one.name, _UNIT_WIDTH), {"accounts": one.accounts, "not read": one.unread, **one.counts})
            for one in rows
        ],
        ("accounts", "not read", *_VERDICTS, *_OTHERS),
    )


def _table(
    title: str,
    rows: Sequence[tuple[str, Mapping[str, int]]],
    columns: Sequence[str] = (*_VERDICTS, *_OTHERS),
) -> list[str]:
    """Columns without a count are left out."""
    if not rows:
        return []
    used = [name for name in columns if any(row.get(name) for _, row in rows)]
    width = max(len(title), *(len(printable(name)) for name, _ in rows[:_ACCOUNTS]))
    head = f"{title:<{width}}  " + "  ".join(f"{name:>9}" for name in used)
    body = [
        f"{printable(name):<{width}}  " + "  ".join(f"{row.get(column, 0) or '-':>9}" for column in used)
        for name, row in rows[:_ACCOUNTS]
    ]
    more = [f"and {len(rows) - _ACCOUNTS} more {title}s"] if len(rows) > _ACCOUNTS else []
    return [head, *body, *more, ""]


def _severities(outcomes: Mapping[str, Mapping[str, int]], controls: Mapping[str, Any]) -> list[str]:
    rows = by_severity(outcomes, {id_: info["severity"] for id_, info in controls.items()})
    if not rows:
        return []
    lines = [f"{'severity':<8}  {'fail':>6}  {'unknown':>7}  {'pass':>6}  controls that fail"]
    lines += [f"{row.name:<8}  {_counts(row.outcomes)}  {row.failing} of {row.controls}" for row in rows]
    return [*lines, ""]


def _controls(outcomes: Mapping[str, Mapping[str, int]], controls: Mapping[str, Any]) -> list[str]:
    """Controls that failed or could not tell, those that failed most first."""
    rows = [(id_, row) for id_, row in outcomes.items() if row.get("fail") or row.get("unknown")]
    rows.sort(key=lambda item: (-item[1].get("fail", 0), -item[1].get("unknown", 0), item[0]))
    if not rows:
        return []
    lines = [f"{'control':<8}  {'severity':<8}  {'fail':>6}  {'unknown':>7}  {'pass':>6}  title"]
    for id_, row in rows:
        severity, title = controls[id_]["severity"], printable(controls[id_]["title"])
        lines.append(f"{id_:<8}  {severity:<8}  {_counts(row)}  {title}")
    return [*lines, ""]


def _counts(outcomes: Mapping[str, int]) -> str:
    return f"{outcomes.get('fail', 0):>6}  {outcomes.get('unknown', 0):>7}  {outcomes.get('pass', 0):>6}"


def _strays(manifest: Mapping[str, Any]) -> list[str]:
    """Endpoints that run what no judged package stands behind."""
    rows = [f"{one['kind']}: {short(one['endpoint'])} {one['variant']}  {one['what']}" for one in manifest["strays"]]
    lines = [f"  endpoint  {cut(printable(row), _WIDTH)}" for row in rows[:SHOWN]]
    more = sum(manifest["endpoints"].values()) - manifest["endpoints"].get("judged", 0) - len(lines)
    lines += [f"  endpoint  and {more} more; all are in the records"] if more else []
    return [*lines, ""] if lines else []


def _cards(manifest: Mapping[str, Any]) -> list[str]:
    """Model cards that belong to no package, and how many account-regions nobody knows the cards of."""
    head = cards.headline(manifest["cards"], len(manifest["cards_unread"]))
    loose = cards.rows(converted(manifest["loose_cards"], list[Loose]), manifest["as_of"])
    told = [f"{one['name']}  {one['status']}, {one['age']}  {one['what']}" for one in loose[:SHOWN]]
    lines = [f"  {'card':<9} {cut(row, _WIDTH)}" for row in told]
    hidden = manifest["cards"].get("standalone", 0) + manifest["cards"].get("not told", 0) - len(lines)
    lines += [f"  {'card':<9} and {hidden} more; all are in the records"] if hidden > 0 else []
    return [head + (":" if lines else ""), *lines, ""] if head else []


def _approvals(manifest: Mapping[str, Any]) -> list[str]:
    """Approved packages that no recorded decision is known to approve; nothing where no records are kept."""
    lines: list[str] = []
    for state, title in (("out of band", "approved out of band"), ("not told", "approved, nobody can tell by whom")):
        count = manifest["approvals"].get(state, 0)
        rows = [one for one in manifest["unrecorded"] if one["state"] == state][:SHOWN]
        lines += [f"{count} {title}:"] if count else []
        lines += [f"  {'approval':<9} {_package(one['package'], one['why'])}" for one in rows]
        lines += (
            [f"  {'approval':<9} and {count - len(rows)} more; all are in the records"] if count > len(rows) else []
        )
    return [*lines, ""] if lines else []


def _relations(manifest: Mapping[str, Any]) -> list[str]:
    """Copies, and what there is to say of a hub."""
    copies = converted(manifest.get("copies"), Copies | None)
    hub = converted(manifest.get("hub"), Hub | None)
    lines: list[str] = []
    for one in sections(copies, hub):
        lines.append(f"{one.title}:" if one.rows else one.title)
        lines += [f"  {one.word:<9} {cut(f'{name}  {what}', _WIDTH)}" for name, what in one.rows]
        lines += [f"  {one.word:<9} and {one.more} more; all are in the records"] if one.more else []
    return [*lines, ""] if lines else []


def _named(
    manifest: Mapping[str, Any], word: str, count: int, packages: Sequence[Mapping[str, Any]], title: str
) -> list[str]:
    """A section of the packages of one kind, `count` in all; those spelled out as new are counted and not repeated."""
    if not count:
        return []
    told = set(manifest.get("new", ())[:SHOWN])
    others = [one for one in packages if one["package"] not in told][:SHOWN]
    above = sum(one["package"] in told for one in packages)
    lines = [f"  {word:<9} {_package(one['package'], _what(one))}" for one in others]
    hidden = count - above - len(others)
    lines += [f"  {word:<9} and {hidden} more; all are in the records"] if hidden else []
    head = f"{count} {title}" + (f", {above} of them new and named above" if above else "")
    return [f"{head}:" if lines else head, *lines, ""]


def _what(one: Mapping[str, Any]) -> str:
    return f"-> {one['stage']} ({one['moment']})  {', '.join(one['controls'])}" if one["stage"] else str(one["why"])


def _package(package: str, what: str) -> str:
    return cut(printable(f"{short(package)}  {what}"), _WIDTH)
