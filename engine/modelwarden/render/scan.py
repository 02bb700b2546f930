"""The summary of a scan as text: what was not read comes first, since everything below it is less than the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from modelwarden.render.text import cut, printable, short

SHOWN: Final = 20
"""Packages, and rows of one kind, that are spelled out."""
_WIDTH: Final = 150
_VERDICTS: Final = ("block", "undecided", "flag", "allow")
_OTHERS: Final = ("unmapped", "inventory", "gone")


def text(manifest: Mapping[str, Any], controls: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """`manifest` as the scan wrote it, `controls` as the plan holds them, `names` account -> name."""
    coverage = manifest["coverage"]
    lines = [_headline(manifest), ""]
    lines += _coverage(coverage, manifest["complete"])
    lines += _table("account", [(f"{id_} {names.get(id_, '')}".rstrip(), row) for id_, row in _rows(manifest)])
    lines += _controls(manifest["controls"], controls)
    for verdict, title in (("block", "blocked"), ("undecided", "undecided"), ("unmapped", "unmapped")):
        lines += _named(
            title, [one for one in manifest["named"] if one["verdict"] == verdict], _count(manifest, verdict)
        )
    lines += _strays(manifest)
    return "\n".join([*lines, summary_line(manifest)]) + "\n"


def summary_line(manifest: Mapping[str, Any]) -> str:
    """One line: coverage, verdicts, and what is not judged."""
    coverage, verdicts, roles = manifest["coverage"], manifest["verdicts"], manifest["packages"]
    read = f"{coverage['read']} of {coverage['expected']} cells read whole{'' if manifest['complete'] else ', NOT COMPLETE'}"
    judged = ", ".join(f"{verdicts.get(verdict, 0)} {verdict}" for verdict in _VERDICTS)
    others = ", ".join(f"{roles.get(role, 0)} {role}" for role in _OTHERS if roles.get(role))
    return f"{read}; {judged}" + (f"; {others}" if others else "")


def _headline(manifest: Mapping[str, Any]) -> str:
    asserted = " (asserted)" if manifest["as_of_asserted"] else ""
    advisory = "; advisory: no pinned organization layer stands behind these settings" if manifest["advisory"] else ""
    return f"scan {manifest['id']} as of {manifest['as_of']}{asserted}{advisory}"


def _coverage(coverage: Mapping[str, Any], complete: bool) -> list[str]:
    expected, read = coverage["expected"], coverage["read"]
    share = f"{100 * read // expected} %" if expected else "nothing was expected"
    head = f"coverage {share}: {read} of {expected} account-regions were read whole"
    lines = [head if complete else f"{head}; what follows is less than the whole"]
    unread = [f"{one['account']}/{one['region']}  {one['why']}" for one in coverage["unread"]]
    failed = [
        f"{row['account']}/{row['region']}  {row['api']}: {row['state']}: {row['error']}"
        for row in coverage["failed"]
        if not any((row["account"], row["region"]) == (one["account"], one["region"]) for one in coverage["unread"])
    ]
    accepted = [
        f"{row['account']}/{row['region']}  {row['api']}: {row['state']}: until {row['expires']}, {row['owner']}: {row['reason']}"
        for row in coverage["accepted"]
    ]
    skipped = [f"{row['account']}  {row['error']}" for row in coverage["skipped"]]
    for title, rows in (("not read", unread), ("partly", failed), ("accepted", accepted), ("skipped", skipped)):
        lines += _listed(title, rows)
    return [*lines, ""]


def _listed(title: str, rows: Sequence[str]) -> list[str]:
    shown = [f"  {title:<9} {cut(printable(row), _WIDTH)}" for row in rows[:SHOWN]]
    return [*shown, *([f"  {title:<9} and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])]


def _rows(manifest: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, int]]]:
    return sorted(manifest["accounts"].items(), key=lambda item: (-item[1].get("block", 0), item[0]))


def _table(title: str, rows: Sequence[tuple[str, Mapping[str, int]]]) -> list[str]:
    if not rows:
        return []
    columns = (*_VERDICTS, *_OTHERS)
    used = [name for name in columns if any(row.get(name) for _, row in rows)]
    width = max(len(title), *(len(printable(name)) for name, _ in rows))
    head = f"{title:<{width}}  " + "  ".join(f"{name:>9}" for name in used)
    body = [
        f"{printable(name):<{width}}  " + "  ".join(f"{row.get(column, 0) or '-':>9}" for column in used)
        for name, row in rows[: 2 * SHOWN]
    ]
    more = [f"and {len(rows) - 2 * SHOWN} more {title}s"] if len(rows) > 2 * SHOWN else []
    return [head, *body, *more, ""]


def _controls(outcomes: Mapping[str, Mapping[str, int]], controls: Mapping[str, Any]) -> list[str]:
    """Controls that failed or could not tell, those that failed most first."""
    rows = [(id_, row) for id_, row in outcomes.items() if row.get("fail") or row.get("unknown")]
    rows.sort(key=lambda item: (-item[1].get("fail", 0), -item[1].get("unknown", 0), item[0]))
    if not rows:
        return []
    lines = [f"{'control':<8}  {'severity':<8}  {'fail':>6}  {'unknown':>7}  {'pass':>6}  title"]
    for id_, row in rows:
        counts = f"{row.get('fail', 0):>6}  {row.get('unknown', 0):>7}  {row.get('pass', 0):>6}"
        lines.append(f"{id_:<8}  {controls[id_]['severity']:<8}  {counts}  {printable(controls[id_]['title'])}")
    return [*lines, ""]


def _strays(manifest: Mapping[str, Any]) -> list[str]:
    """Endpoints that run what no judged package stands behind."""
    rows = [f"{one['kind']}: {short(one['endpoint'])} {one['variant']}  {one['what']}" for one in manifest["strays"]]
    lines = [f"  endpoint  {cut(printable(row), _WIDTH)}" for row in rows[:SHOWN]]
    more = sum(manifest["endpoints"].values()) - manifest["endpoints"].get("judged", 0) - len(lines)
    lines += [f"  endpoint  and {more} more; all are in the records"] if more else []
    return [*lines, ""] if lines else []


def _count(manifest: Mapping[str, Any], verdict: str) -> int:
    return int(manifest["packages" if verdict == "unmapped" else "verdicts"].get(verdict, 0))


def _named(title: str, packages: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    lines = []
    for one in packages[:SHOWN]:
        what = f"-> {one['stage']} ({one['moment']})  {', '.join(one['controls'])}" if one["stage"] else one["why"]
        lines.append(f"  {title:<9} {cut(printable(' '.join((short(one['package']), '', what))), _WIDTH)}")
    if count > len(lines) and lines:
        lines.append(f"  {title:<9} and {count - len(lines)} more; all are in the records")
    return [*lines, ""] if lines else []
