"""What changed from one scan to another, as text: first what was not read, then what broke, then the rest.

The words here stand for the records; nothing is judged again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from modelwarden.compare import Cause, Change, Comparison, Difference, Standing
from modelwarden.compare.cells import Cell
from modelwarden.compare.change import Kind, phrase
from modelwarden.compare.comparison import KINDS, ordered
from modelwarden.compare.recorded import Recorded
from modelwarden.compare.why import apart
from modelwarden.render.text import cut, printable, short

SHOWN: Final = 20
"""Packages of one kind, and groups of findings, that are spelled out unless somebody asks for more."""
_HOLES: Final = 5
"""Lines about what was not read, of one kind."""
_FINDINGS: Final = 4
"""Of one package."""
_CAUSES: Final = 3
"""Of one kind and finding."""
_WIDTH: Final = 150
_WIDER: Final = 200
"""Of a line with two values."""
_VALUE: Final = 80
_SHA256: Final = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
_TITLES: Final[dict[Kind, str]] = {
    "broken": "broken: blocked or undecided now, and were not",
    "new": "new: not there before",
    "now judged": "now judged, and were not",
    "changed": "changed: another verdict, or other findings",
    "not read": "not read by the later scan: nothing is known of them now",
    "no longer judged": "no longer judged",
    "not in scope": "not in scope of the later scan",
    "not read before": "not read by the earlier scan: nobody can say whether they are new",
    "not in scope before": "not in scope of the earlier scan",
    "fixed": "fixed: allowed or flagged now, and were not",
    "gone": "gone: the later scan read the list, and they are not on it",
}
_BARE: Final = ("not read", "not in scope", "gone")
"""Kinds of which the earlier scan alone tells."""


def text(found: Comparison, limit: int = SHOWN) -> str:
    """The comparison; at most `limit` packages of each kind are spelled out."""
    lines = [*_head(found), "", *_coverage(found), "", *_controls(found), *_groups(found, limit)]
    for kind in KINDS:
        lines += _kind(found, kind, limit)
    return "\n".join([*lines, summary_line(found)]) + "\n"


def summary_line(found: Comparison) -> str:
    """One line: coverage, what changed, and what did not."""
    share = f"{found.read_by_both} of {len(found.cells)} cells read by both scans"
    share += "" if found.complete else ", NOT COMPLETE"
    counts = ", ".join(f"{found.kinds[kind]} {kind}" for kind in KINDS if found.kinds[kind]) or "nothing changed"
    return f"{share}; {found.newly_blocked} newly blocked; {counts}; {found.unchanged} unchanged"


def _head(found: Comparison) -> Iterator[str]:
    for title, scan in (("earlier", found.earlier), ("later", found.later)):
        yield f"{title:<8} {_scan(scan)}"
    yield from (f"note     {cut(printable(note), _WIDTH)}" for note in found.notes)


def _scan(scan: Recorded) -> str:
    coverage = scan.manifest.coverage
    whole = "" if scan.manifest.complete else ", NOT COMPLETE"
    as_of = f"{printable(scan.manifest.as_of)}{' (asserted)' if scan.manifest.as_of_asserted else ''}"
    return f"{printable(scan.id)}  as of {as_of}  {coverage.read} of {coverage.expected} cells read whole{whole}"


def _coverage(found: Comparison) -> Iterator[str]:
    less = "" if found.complete and not found.unread else "; what follows is less than the whole"
    yield f"coverage: {found.read_by_both} of {len(found.cells)} account-regions were read by both scans{less}"
    unread = [cell for cell in found.unread if cell.later.reach == "not read"]
    narrower = [cell for cell in found.unread if cell.later.reach == "not in scope"]
    yield from _listed("not read", [f"{_place(cell)}  {cell.later.why}" for cell in unread])
    yield from _listed("left out", [f"{_place(cell)}  {cell.later.why}" for cell in narrower])
    holes = {(cell.account, cell.region) for cell in unread}
    rows = [row for row in found.failed if (row.account, row.region) not in holes]
    failed = [f"{row.account}/{row.region}  {row.api}: {row.state}: {row.error}" for row in rows]
    yield from _listed("failed", failed)
    yield from _listed("read now", [f"{_place(cell)}  before: {cell.earlier.why}" for cell in found.read_now])


def _place(cell: Cell) -> str:
    return f"{cell.account}/{cell.region}"


def _listed(title: str, rows: Sequence[str]) -> Iterator[str]:
    yield from (f"  {title:<9} {cut(printable(row), _WIDTH)}" for row in rows[:_HOLES])
    if len(rows) > _HOLES:
        yield f"  {title:<9} and {len(rows) - _HOLES} more"


def _controls(found: Comparison) -> list[str]:
    """Controls that only one scan has, once for all packages, and those whose files differ."""
    lines = []
    for title, ids, scan in (("added", found.added, found.later), ("removed", found.removed, found.earlier)):
        for id_ in ids:
            info, outcomes = scan.plan.controls[id_], scan.manifest.controls.get(id_, {})
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "not judged"
            lines.append(f"  {title:<9} {cut(printable(f'{id_}  {info.title}: {counts}'), _WIDTH)}")
    edited = [f"{id_}  {found.later.plan.controls[id_].path}" for id_ in found.edited]
    lines += [f"  {'edited':<9} {cut(printable(row), _WIDTH)}" for row in edited]
    return ["controls:", *lines, ""] if lines else []


def _groups(found: Comparison, limit: int) -> list[str]:
    """Findings that changed alike and for the same kinds of causes."""
    if not found.groups:
        return []
    rows = [
        (
            one.control,
            f"{one.before or 'not judged'} -> {one.after or 'not judged'}",
            f"{count:>8}",
            ", ".join(one.causes),
        )
        for one, count in ordered(found.groups)
    ]
    width = max(len("finding"), *(len(row[1]) for row in rows[:limit]))
    lines = [f"{'control':<8}  {'finding':<{width}}  {'packages':>8}  why"]
    lines += [printable(f"{one:<8}  {two:<{width}}  {three}  {four}") for one, two, three, four in rows[:limit]]
    return [*lines, *([f"and {len(rows) - limit} more"] if len(rows) > limit else []), ""]


def _kind(found: Comparison, kind: Kind, limit: int) -> list[str]:
    count = found.kinds[kind]
    if not count:
        return []
    shown = found.named.get(kind, [])[:limit]
    lines = [line for change in shown for line in _change(change)]
    more = [f"  and {count - len(shown)} more (--limit)"] if count > len(shown) else []
    return [f"{count} {_TITLES[kind]}", *lines, *more, ""]


def _change(change: Change) -> Iterator[str]:
    yield f"  {cut(printable(f'{short(change.package)}  {_became(change)}'), _WIDTH)}"
    for one in change.differences[:_FINDINGS]:
        yield from _difference(one)
    if len(change.differences) > _FINDINGS:
        yield f"    and {len(change.differences) - _FINDINGS} more findings (--format json)"


def _became(change: Change) -> str:
    before, after = change.before, change.after
    if change.kind in _BARE or after is None:
        return f"was {_standing(before)}" if before else ""
    if before is None or before.role == "gone":
        return _standing(after)
    if _word(before) == _word(after) and _asked(before) == _asked(after):
        return _standing(after)
    asked = f" {_asked(before)}" if _asked(before) != _asked(after) else ""
    return f"{_word(before)}{asked} -> {_standing(after)}"


def _standing(one: Standing) -> str:
    controls = f"  {', '.join(one.controls)}" if one.controls else ""
    return f"{_word(one)} {_asked(one)}{controls}"


def _word(one: Standing) -> str:
    return one.verdict or one.role


def _asked(one: Standing) -> str:
    return f"for {one.stage} ({one.moment})" if one.verdict else f"({one.why})"


def _difference(one: Difference) -> Iterator[str]:
    said = f"{phrase(one.before) or 'not judged'} -> {phrase(one.after) or 'not judged'}"
    yield f"    {one.control:<8} {said}"
    by_kind: dict[str, list[Cause]] = {}
    for cause in one.causes:
        by_kind.setdefault(cause.kind, []).append(cause)
    for kind, causes in by_kind.items():
        yield from (f"      {kind:<11} {cut(printable(_cause(cause)), _WIDER)}" for cause in causes[:_CAUSES])
        hidden = len(causes[_CAUSES:]) + (one.hidden if kind == "evidence" else 0)
        if hidden:
            yield f"      {kind:<11} and {hidden} more (--format json)"


def _cause(cause: Cause) -> str:
    if not cause.name:
        return "nothing that was recorded differs" if cause.kind == "not told" else "differs; which is not recorded"
    before, after = apart(_SHA256.sub(r"\1…", cause.before), _SHA256.sub(r"\1…", cause.after), _VALUE)
    return f"{cause.name}  {before} -> {after}"
