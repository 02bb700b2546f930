"""The rows of the tables that are published, from the record of one scan: an account and region at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from modelwarden.analytics.facts import metrics, package_facts, short
from modelwarden.audit.coverage import Missing, coverage_of
from modelwarden.audit.source import Source
from modelwarden.finding import AppliedWaiver
from modelwarden.render.breakdown import UNKNOWN
from modelwarden.scan.cards import compared
from modelwarden.scan.record import ScanError
from modelwarden.settings.effective import instant
from modelwarden.snapshot import Deployment
from modelwarden.typed import decoder

Row = dict[str, Any]

_PACKAGES: Final = """
    SELECT p.package, p."group" AS package_group, p.version, p.role, p.why, p.stage, p.moment, p.verdict,
           p.approval AS approval_status, p.claimed AS claimed_stage, p.owner, p.origin, p.approval_record,
           p.approval_record_why, p.carried AS carried_from, p.evidence_digest, p.material_digest,
           p.created AS created_at, p.modified AS modified_at,
           coalesce(f.blocking, 0) AS blocking, coalesce(f.undeciding, 0) AS undeciding,
           coalesce(f.flagging, 0) AS flagging, coalesce(f.waived, 0) AS waived
    FROM packages p LEFT JOIN (
        SELECT package, count(*) FILTER (effect = 'blocks') AS blocking,
               count(*) FILTER (effect = 'undecides') AS undeciding, count(*) FILTER (effect = 'flags') AS flagging,
               count(*) FILTER (waiver_id IS NOT NULL) AS waived
        FROM findings WHERE account = ? AND region = ? GROUP BY package
    ) f USING (package)
    WHERE p.account = ? AND p.region = ?
"""
_PACKAGE_COLUMNS: Final = (
    *("package", "package_group", "version", "role", "why", "stage", "moment", "verdict", "approval_status"),
    *("claimed_stage", "owner", "origin", "approval_record", "approval_record_why", "carried_from"),
    *("evidence_digest", "material_digest", "created_at", "modified_at"),
    *("blocking", "undeciding", "flagging", "waived"),
)
_COUNTED: Final = ("blocking", "undeciding", "flagging", "waived")
_FINDING_COLUMNS: Final = (
    *("package", "account", "region", "stage", "moment", "control", "severity", "outcome", "level", "effect"),
    *("waiver_id", "reason"),
)


class Rows:
    """Of one scan that is open as a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._manifest = source.folder.manifest()
        self._plan = source.folder.plan()
        self._names = {one.id: one.name for one in source.plan.estate.accounts}
        self._coverage = coverage_of(source)
        self._cells = source.plan.estate.cells
        self._expected = frozenset(self._cells)
        self._missing = tuple(self._coverage.missing())

    def run(self) -> Row:
        """The row of `runs`."""
        told, plan = self._source.manifest, self._source.plan
        verdicts = {
            name: told.verdicts.get(verdict, 0)
            for name, verdict in (
                ("blocked", "block"),
                ("undecided", "undecided"),
                ("flagged", "flag"),
                ("allowed", "allow"),
            )
        }
        return {
            **{name: time_of(getattr(told, name)) for name in ("started_at", "finished_at", "as_of")},
            "full_at": time_of(self._plan.get("full_at")),
            **{name: getattr(told, name) for name in ("as_of_asserted", "advisory", "complete")},
            "since": self._manifest.get("since") or None,
            "versions": msgspec.json.encode(plan.versions).decode(),
            "bundle_digest": plan.bundle.digest,
            "settings_digest": plan.settings.digest,
            "waivers_digest": plan.settings.waivers_digest,
            "result_digest": told.digest,
            "cells_expected": self._coverage.cells,
            "cells_read": self._coverage.read,
            "organization_holes": sum(self._everywhere(one) for one in self._missing),
            "packages": sum(told.packages.values()),
            **{name: told.packages.get(name, 0) for name in ("judged", "unmapped", "inventory", "gone")},
            "carried": self._manifest.get("carried", 0),
            **verdicts,
            "blocked_serving": told.blocked.get("serve", 0),
            "cards": sum(told.cards.values()) if told.cards else None,
            "containers": sum(told.endpoints.values()),
            "containers_unjudged": sum(told.endpoints.get(name, 0) for name in ("not told", "not judged")),
        }

    def coverage(self) -> Iterator[Row]:
        """INVARIANT: an account-region is `read` only if nothing of it is missing, accepted or not."""
        worst: dict[tuple[str, str], str] = {}
        holes: Counter[tuple[str, str]] = Counter()
        for one in self._missing:
            if one.kind != "skipped":
                worst.setdefault((one.account, one.region), one.kind)  # the worst kind comes first
                holes[one.account, one.region] += 1
        for cell in self._cells:
            yield {**self._place(*cell), "state": worst.get(cell, "read"), "holes": holes[cell]}

    def holes(self) -> Iterator[Row]:
        for one in self._missing:
            yield {
                **self._place(one.account, one.region),
                "api": one.api or None,
                "kind": one.kind,
                "reason": short(one.why or "nobody said why"),
                "everywhere": self._everywhere(one),
            }

    def packages(self) -> Iterator[tuple[Row, list[Row]]]:
        """Each package, and its metrics.

        Raises:
            ScanError: the tables do not hold what the manifest counts.
            TablesError: one cannot be read.
        """
        roles: Counter[str] = Counter()
        for account, region in self._cells:
            asked = self._source.rows(_PACKAGES, account, region, account, region)
            rows = {row[0]: dict(zip(_PACKAGE_COLUMNS, row, strict=True)) for row in asked}
            place = self._place(account, region)
            for record in self._records(account, region):
                row = rows.pop(record.package)
                roles[row["role"]] += 1
                for name in ("created_at", "modified_at"):
                    row[name] = time_of(row[name])
                told = {name: value if name in _COUNTED else value or None for name, value in row.items()}
                facts = package_facts(record.evidence)
                facts["approved_at"] = time_of(facts["approved_at"])
                found = list(metrics(record.evidence)) if record.evidence is not None else []
                where = {"package": record.package, "account": account, "region": region}
                yield {**told, **place, **facts}, [{**where, **one} for one in found]
        if roles != Counter(self._source.manifest.packages):
            raise ScanError(f"{self._source.folder.path}: the records are not those that manifest.json counts")

    def findings(self) -> Iterator[Row]:
        """Every finding, in the order of the record: by account, region and package."""
        names = ", ".join(_FINDING_COLUMNS)
        for row in self._source.rows(f"SELECT {names} FROM findings"):  # noqa: S608 - columns are ours
            told = dict(zip(_FINDING_COLUMNS, row, strict=True))
            yield {**told, "reason": short(told["reason"]) if told["reason"] else None}

    def controls(self) -> Iterator[Row]:
        for id_, info in sorted(self._source.plan.controls.items()):
            family = id_.partition("-")[0]
            yield {"control": id_, "family": family, "title": info.title, "severity": info.severity}

    def waivers(self) -> Iterator[Row]:
        """Those that cover a finding; one that was renewed under its id is one row for each of its texts."""
        for text, findings, packages in self._source.rows(
            "SELECT waiver, count(*), count(DISTINCT package) FROM findings WHERE waiver IS NOT NULL"
            " GROUP BY waiver ORDER BY waiver"
        ):
            waiver = decoder(AppliedWaiver).decode(text)
            plain = asdict(waiver)
            yield {
                "waiver_id": plain.pop("id"),
                "expires_on": date.fromisoformat(plain.pop("expires")[:10]),
                **{name: short(value) if isinstance(value, str) else value for name, value in plain.items()},
                "ticket": waiver.ticket or None,
                "findings": findings,
                "packages": packages,
            }

    def endpoints(self) -> Iterator[Row]:
        """INVARIANT: a container is in it once, also one of which nobody could tell what it runs."""
        for account, region in self._cells:
            running = self._source.folder.running(account, region)
            for one in running.endpoints if running else ():
                yield {**self._place(account, region), **_endpoint(one), "standing": self._standing(one)}

    def endpoint_metrics(self) -> Iterator[Row]:
        for account, region in self._cells:
            running = self._source.folder.running(account, region)
            if running is None or running.metrics is None:
                continue
            for one in running.metrics.found:
                read = "present" if one.value is not None else "absent"
                yield {
                    **self._place(account, region),
                    **_named(one.endpoint),
                    "variant": one.variant,
                    "metric": one.metric,
                    "measured_on": date.fromisoformat(running.metrics.day),
                    "value": one.value,
                    "value_state": "unknown" if one.problem else read,
                    "problem": short(one.problem) if one.problem else None,
                }

    def cards(self) -> Iterator[Row]:
        for cell, card, loose in compared(self._source.folder, self._cells):
            yield {
                **self._place(*cell),
                "card": card.arn,
                "status": card.status or None,
                "package": card.package or None,
                "standing": loose.kind if loose else "of a package",
                "reason": short(loose.what) if loose else None,
                "created_at": time_of(card.created),
                "changed_at": time_of(card.changed),
            }

    def _records(self, account: str, region: str) -> Iterator[Any]:
        return self._source.folder.records(account, region, with_decision=False)

    def _standing(self, one: Deployment) -> str:
        if one.problem:
            return "not told"
        if one.package is None:
            return "unregistered"
        return "judged" if one.package.casefold() in self._judged else "not judged"

    @cached_property
    def _judged(self) -> frozenset[str]:
        """Judged packages that run; few of all."""
        asked = self._source.rows("SELECT package FROM judged WHERE len(endpoints) > 0")
        return frozenset(row[0].casefold() for row in asked)

    def _everywhere(self, one: Missing) -> bool:
        return one.kind != "skipped" and (one.account, one.region) not in self._expected

    def _place(self, account: str, region: str) -> Row:
        return {
            "account": account,
            "account_name": self._names.get(account) or None,
            "unit": self._source.units.get(account, UNKNOWN),
            "region": region,
        }


def _named(endpoint: str) -> Row:
    return {"endpoint": endpoint, "endpoint_name": endpoint.rpartition("/")[2]}


def _endpoint(one: Deployment) -> Row:
    """What is empty in the record is null."""
    plain: Mapping[str, Any] = asdict(one)
    named = {name: plain[name] or None for name in ("status", "variant", "model", "package", "image", "problem")}
    capture = {"": "unknown", "absent": "absent"}.get(one.capture, "present")
    return {
        **named,
        **_named(one.endpoint),
        "data_capture": one.capture if capture == "present" else None,
        "data_capture_state": capture,
        "capture_percent": one.capture_percent,
    }


def time_of(text: str | None) -> datetime | None:
    """A recorded time, in whole milliseconds; None where there is none, or nobody could read it as a time."""
    found = instant(text) if text else None
    return found.astimezone(UTC).replace(microsecond=found.microsecond // 1000 * 1000) if found else None
