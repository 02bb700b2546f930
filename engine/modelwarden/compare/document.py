"""A comparison as JSON. Schema: reports/schemas/comparison.schema.json."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import asdict

from modelwarden.compare.cells import Cell
from modelwarden.compare.change import Change
from modelwarden.compare.comparison import KINDS, Comparison, ordered
from modelwarden.compare.recorded import Recorded
from modelwarden.tables.pairs import Said

SCHEMA_VERSION: Final = "modelwarden.comparison/1"
_ROW: Final = ("account", "region", "api", "state", "error")


def document(found: Comparison, limit: int) -> dict[str, Any]:
    """The whole comparison, with at most `limit` packages of each kind."""
    return {
        "schema": SCHEMA_VERSION,
        "complete": found.complete,
        "earlier": _scan(found.earlier),
        "later": _scan(found.later),
        "notes": found.notes,
        "coverage": {
            "read_by_both": found.read_by_both,
            "unread": [_cell(cell) for cell in found.unread],
            "read_now": [_cell(cell) for cell in found.read_now],
            "failed": [{name: getattr(row, name) for name in _ROW} for row in found.failed],
        },
        "controls": {
            "added": [_control(found.later, id_) for id_ in found.added],
            "removed": [_control(found.earlier, id_) for id_ in found.removed],
            "edited": found.edited,
        },
        "packages": {kind: found.kinds[kind] for kind in KINDS},
        "unchanged": found.unchanged,
        "newly_blocked": found.newly_blocked,
        "lost": found.lost,
        "causes": dict(found.causes.most_common()),
        "groups": [{**asdict(one), "causes": list(one.causes), "findings": n} for one, n in ordered(found.groups)],
        "changes": [_change(one) for kind in KINDS for one in found.named.get(kind, ())[:limit]],
    }


def _scan(scan: Recorded) -> dict[str, Any]:
    return {
        "id": scan.id,
        "started_at": scan.manifest.started_at,
        "finished_at": scan.manifest.finished_at,
        "as_of": scan.manifest.as_of,
        "as_of_asserted": scan.manifest.as_of_asserted,
        "complete": scan.manifest.complete,
        "expected": scan.manifest.coverage.expected,
        "read": scan.manifest.coverage.read,
        "bundle": scan.plan.bundle.digest,
        "settings": scan.settings_digest("digest"),
        "waivers": scan.settings_digest("waivers_digest"),
        "versions": scan.plan.versions,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "account": cell.account,
        "region": cell.region,
        "earlier": asdict(cell.earlier),
        "later": asdict(cell.later),
    }


def _control(scan: Recorded, id_: str) -> dict[str, Any]:
    info = scan.plan.controls[id_]
    outcomes = dict(scan.manifest.controls.get(id_, {}))
    return {"id": id_, "title": info.title, "severity": info.severity, "outcomes": outcomes}


def _change(change: Change) -> dict[str, Any]:
    before, after = (
        {**asdict(one), "controls": list(one.controls)} if one else None for one in (change.before, change.after)
    )
    return {
        "package": change.package,
        "kind": change.kind,
        "before": before,
        "after": after,
        "findings": [
            {
                "control": one.control,
                "before": _said(one.before),
                "after": _said(one.after),
                "causes": [asdict(cause) for cause in one.causes],
                "hidden": one.hidden,
            }
            for one in change.differences
        ],
    }


def _said(said: Said | None) -> dict[str, str] | None:
    return {name: value for name, value in asdict(said).items() if name != "control"} if said else None
