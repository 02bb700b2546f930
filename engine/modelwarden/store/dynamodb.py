"""State in one table of DynamoDB: writers on many machines may write at once.

Every write is conditional on the version of the item that it replaces, and whoever was second reads again. BatchWriteItem
takes no condition, so that an older run could overwrite a newer one by it: it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from modelwarden.collect.aws import Aws
from modelwarden.settings.store import Table
from modelwarden.store import items, transition
from modelwarden.store.items import Item
from modelwarden.store.state import (
    Change,
    Hearsay,
    RunRow,
    Seen,
    Standing,
    check_heard,
    check_run,
    check_seen,
    check_time,
    unknown_run,
)
from modelwarden.store.table import ATTEMPTS, KEYS, Calls, NotWritten, pause
from modelwarden.store.transition import Step

T = TypeVar("T")
Held = tuple[Standing, int]
"""A state, and the version of its item."""

THREADS: Final = 16
"""Writes at once; one takes some milliseconds, most of them on the way."""


class DynamodbState:
    """One table; `state.State` says what its operations are for."""

    def __init__(self, aws: Aws, table: Table) -> None:
        """`aws` is of the store alone: its calls belong into nobody's ledger."""
        self._calls = Calls(aws, table.name, table.region)
        self._keep_days = table.keep_days
        self._threads = ThreadPoolExecutor(THREADS, "state")

    def begin(self, run: RunRow) -> None:
        check_run(run)
        self._write_run(
            run.id,
            lambda before: replace(run, finished_at="", started_at=before.started_at if before else run.started_at),
        )

    def put(self, run_id: str, seen: Iterable[Seen]) -> None:
        if self.run(run_id) is None:
            raise unknown_run(run_id)
        left = iter(seen)
        while batch := list(islice(left, KEYS)):
            for one in batch:
                check_seen(one, run_id)
            self._put(batch)

    def put_heard(self, run_id: str, heard: Iterable[Hearsay], at: str) -> int:
        if self.run(run_id) is None:
            raise unknown_run(run_id)

        def settled(one: Hearsay) -> bool:
            return self._settle(
                one.package, self._held(one.package), lambda now: transition.heard(now, one, run_id, at)
            )

        left, news = iter(heard), 0
        while batch := list(islice(left, KEYS)):
            for one in batch:
                check_heard(one, at)
            news += sum(self._each(settled, batch))
        return news

    def close_missing(self, run_id: str, account: str, region: str, at: str) -> None:
        check_time(at)
        if self.run(run_id) is None:
            raise unknown_run(run_id)

        def ruled(now: Standing | None) -> Step | None:
            return transition.unlisted(now, run_id, at) if now else None

        for page in self._pages(account, region):
            self._each(lambda held: self._settle(held[0].seen.package, held, ruled), page)

    def finish(self, run: RunRow) -> None:
        check_run(run)

        def ended(before: RunRow | None) -> RunRow:
            if before is None:
                raise unknown_run(run.id)
            return replace(run, started_at=before.started_at)

        self._write_run(run.id, ended)

    def run(self, run_id: str) -> RunRow | None:
        found = self._calls.get(items.run_key(run_id))
        return items.read(found, RunRow) if found else None

    def runs(self, limit: int, before: str = "") -> list[RunRow]:
        return list(islice(self._runs(min(limit, 100), before), limit))

    def standing(self, package: str) -> Standing | None:
        held = self._held(package)
        return held[0] if held else None

    def standings(self, account: str, region: str) -> Iterator[Standing]:
        for page in self._pages(account, region):
            yield from (standing for standing, _ in page)

    def history(self, package: str) -> Iterator[Change]:
        key = items.package_key(package)["pk"]
        found = self._calls.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :change)",
            ExpressionAttributeValues={":pk": key, ":change": {"S": items.CHANGE}},
            ConsistentRead=True,
        )
        yield from (items.read(item, Change) for item in found)

    def close(self) -> None:
        self._threads.shutdown()

    def _put(self, batch: list[Seen]) -> None:
        known = self._known(dict.fromkeys(one.package for one in batch))
        by_package: dict[str, list[Seen]] = {}
        for one in batch:
            by_package.setdefault(one.package, []).append(one)

        def settled(package: str) -> None:
            held = known.get(package)
            for number, seen in enumerate(by_package[package]):
                start = held if number == 0 else self._held(package)
                self._settle(package, start, partial(_sighted, seen))

        self._each(settled, by_package)

    def _settle(self, package: str, held: Held | None, ruled: Callable[[Standing | None], Step | None]) -> bool:
        """Write what a rule makes of a package, from what is there in that moment; whether anything was to be written.

        An answer that was lost on its way back is met again as a condition that does not hold, and then nothing is left to do.

        Raises:
            StateError: others were first again and again.
        """
        detail = ""
        for attempt in range(ATTEMPTS):
            step = ruled(held[0] if held else None)
            if step is None:
                return False
            try:
                self._write(step, held[1] if held else None)
            except NotWritten as lost:
                detail = lost.detail
                pause(attempt)
                held = self._held(package)
            else:
                return True
        raise self._calls.gave_up(detail)

    def _write(self, step: Step, version: int | None) -> None:
        item = items.of_standing(step.standing, 1 if version is None else version + 1)
        if step.change is None:
            self._calls.put(item, version)
        else:
            self._calls.put_both(item, version, items.of_change(step.change, self._keep_days))

    def _held(self, package: str) -> Held | None:
        found = self._calls.get(items.package_key(package))
        return (items.read(found, Standing), items.version_of(found)) if found else None

    def _known(self, packages: Iterable[str]) -> dict[str, Held]:
        found = self._calls.get_all([items.package_key(package) for package in packages])
        read = ((items.read(item, Standing), items.version_of(item)) for item in found)
        return {held[0].seen.package: held for held in read}

    def _pages(self, account: str, region: str) -> Iterator[list[Held]]:
        """The packages of a cell by ARN. The index lags by moments, so what it names is read from the table itself."""
        names = (
            item["package"]["S"]
            for item in self._calls.query(
                IndexName=items.CELLS,
                KeyConditionExpression="cell = :cell",
                ExpressionAttributeValues={":cell": {"S": items.cell(account, region)}},
            )
        )
        while page := list(islice(names, KEYS)):
            known = self._known(page)
            yield [known[name] for name in page if name in known]

    def _runs(self, page: int, before: str = "") -> Iterator[RunRow]:
        earlier = {":before": {"S": before}} if before else {}
        found = self._calls.query(
            KeyConditionExpression="pk = :pk AND sk < :before" if before else "pk = :pk",
            ExpressionAttributeValues={":pk": {"S": items.RUNS}} | earlier,
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=max(page, 1),
        )
        return (items.read(item, RunRow) for item in found)

    def _write_run(self, run_id: str, made: Callable[[RunRow | None], RunRow]) -> None:
        detail = ""
        for attempt in range(ATTEMPTS):
            found: Item | None = self._calls.get(items.run_key(run_id))
            version = items.version_of(found) if found else None
            after = made(items.read(found, RunRow) if found else None)
            try:
                self._calls.put(items.of_run(after, (version or 0) + 1, self._keep_days), version)
            except NotWritten as lost:
                detail = lost.detail
                pause(attempt)
            else:
                return
        raise self._calls.gave_up(detail)

    def _each(self, work: Callable[[Any], T], over: Iterable[Any]) -> list[T]:
        """Do it for each, several at once. The first error is raised when all have come to their end."""
        futures = [self._threads.submit(work, one) for one in over]
        errors = [error for future in futures if (error := future.exception())]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]


def _sighted(seen: Seen, now: Standing | None) -> Step | None:
    return transition.sighted(now, seen)
