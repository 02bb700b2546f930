"""The work of a scan: read and judge one cell after the other, each as a file of its own. What is told goes to `Told`.

One account is one worker: its session, clients and lookups are made for it and dropped with it. Whatever happens in a
cell stays in it: the others go on, and the cell says why it was not read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from typing import Final

from msgspec import Struct, structs

from modelwarden import gate
from modelwarden.collect import Collector, NoSuchPackage
from modelwarden.collect.deployment import deployments
from modelwarden.collect.inventory import inventory
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Fact, Unknown, facts_to_json
from modelwarden.gate import House, Observed, Question
from modelwarden.request import Stage
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import CellEnd, Record, Reference, Running
from modelwarden.scan.select import Choice, select
from modelwarden.snapshot import Deployment

ACCOUNTS_AT_ONCE: Final = 8
PACKAGES_AT_ONCE: Final = 4
"""In one cell, beside each other."""
_AHEAD: Final = 64
"""Packages that are read before the first of them is written: memory does not grow with the cell."""

Told = Callable[[CellEnd], None]
"""Called when a cell has ended, from any thread."""


class Order(Struct, frozen=True):
    """What is to be done, the same for each cell."""

    house: House
    folder: Folder
    as_of: str
    as_of_asserted: bool
    stages: Mapping[str, Stage]
    """Account -> the stage of packages that claim none."""


class Worker:
    """Reads and judges cells with one caller's credentials."""

    def __init__(self, order: Order, collector: Collector, told: Told) -> None:
        self._order = order
        self._collector = collector
        self._told = told
        self._references: dict[tuple[str, ...], Mapping[str, Fact]] = {}
        self._reads: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._lists: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Each list of reads once: there are few, however many groups."""
        self._deployed: Mapping[str, tuple[str, ...]] = {}
        """ARN of a package, in small letters -> ARNs of the endpoints that run it, in whichever account."""
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        """Set from outside: cells that are not yet at their end are dropped."""
        self.broken: list[BaseException] = []
        """Defects of ours, and a disk that refuses: the cell says so, and so does the exit code."""

    def work(self, expected: Iterable[tuple[str, str]], left: Iterable[tuple[str, str]]) -> None:
        """What runs in the cells that are expected first, since it says what to judge in any other; then the cells left."""
        expected = list(expected)
        self._by_account(expected, self._what_runs)
        if self.stopped.is_set():
            return
        self._deployed = _deployed(self._order.folder, expected)
        self._by_account(left, self._cell)

    def _by_account(self, cells: Iterable[tuple[str, str]], task: Callable[[Collector, str, str], None]) -> None:
        accounts = [(account, [region for _, region in some]) for account, some in groupby(cells, lambda cell: cell[0])]
        with ThreadPoolExecutor(ACCOUNTS_AT_ONCE) as pool:
            for done in [pool.submit(self._account, account, regions, task) for account, regions in accounts]:
                done.result()

    def _account(self, account: str, regions: Collection[str], task: Callable[[Collector, str, str], None]) -> None:
        collector = self._collector.member(account)
        for region in regions:
            if self.stopped.is_set():
                return
            task(collector, account, region)
        self._collector.aws.adopt(collector.aws, account)

    def _what_runs(self, collector: Collector, account: str, region: str) -> None:
        """What the endpoints of a cell run, unless it is known."""
        folder = self._order.folder
        known = folder.running(account, region)
        if known is not None and not known.unread:
            return
        try:
            unread, endpoints = _entered(collector, account, region), tuple[Deployment, ...]()
            if not unread:
                answer = deployments(collector.aws, account, region)
                endpoints, unread = answer.found, _why("sagemaker:ListEndpoints", answer.unread)
            said, apis = _told(unread)
            folder.write_running(account, region, Running(endpoints, said, collector.aws.take_ledger(), apis))
        except Exception as error:  # noqa: BLE001 - see _cell
            self._broke(error)

    def _broke(self, error: Exception) -> str:
        """Note a defect, or what the user must mend first; why the cell was not read."""
        self.broken.append(error)
        if isinstance(error, UserError):
            self.stopped.set()
        return f"internal error: {type(error).__name__}: {error}"

    def _cell(self, collector: Collector, account: str, region: str) -> None:
        """One cell, whatever happens in it."""
        writer = self._order.folder.cell(account, region)
        try:
            said, apis = _told(self._read(collector, account, region, writer.add))
        except _Stopped:
            writer.drop()
            return
        except Exception as error:  # noqa: BLE001 - a defect in one cell must not cost the others
            said, apis = self._broke(error), ()
            if self.stopped.is_set():
                writer.drop()
                return
        self._told(writer.close(said, collector.aws.take_ledger(), apis))

    def _read(self, collector: Collector, account: str, region: str, add: Callable[[Record], None]) -> _Unread:
        """The packages of a cell, judged; why they may not be all."""
        barred = _entered(collector, account, region)
        if barred:
            return barred
        found = inventory(collector.aws, account, region)
        stages = self._order.house.settings.stages
        choices = select(found.packages, self._deployed, stages, self._order.stages.get(account))
        with ThreadPoolExecutor(PACKAGES_AT_ONCE) as pool:
            todo = iter(choices)
            while some := list(islice(todo, _AHEAD)):
                for record in pool.map(lambda choice: self._record(collector, choice), some):
                    add(record)
        running = self._order.folder.running(account, region)
        if running is None:
            raise RuntimeError("nobody read what runs here")
        unread = _why("sagemaker:ListModelPackages", found.unread)
        return unread | dict.fromkeys(running.unread_by, running.unread)

    def _record(self, collector: Collector, choice: Choice) -> Record:
        """One package; a defect of ours in it costs the others of the cell nothing, and is exit code 4."""
        if self.stopped.is_set():
            raise _Stopped
        try:
            return self._judged(collector, choice)
        except Exception as error:
            why = self._broke(error)
            if self.stopped.is_set():
                raise _Stopped from error
            listed = choice.listed
            return Record(listed.arn, "unmapped", why, listed.approval, listed.claimed, listed.created)

    def _judged(self, collector: Collector, choice: Choice) -> Record:
        listed = choice.listed
        record = Record(
            listed.arn,
            choice.role,
            choice.why,
            listed.approval,
            listed.claimed,
            listed.created,
            self._deployed.get(listed.arn.casefold(), ()),
        )
        if choice.stage is None:
            return record
        order = self._order
        question = Question(
            listed.arn, choice.stage, choice.moment, as_of=order.as_of if order.as_of_asserted else None
        )
        needed = self._needed(question)
        try:
            evidence = collector.package(listed.arn, needed)
        except NoSuchPackage:
            return structs.replace(record, role="gone", why="deleted after it was listed")
        approval = gate.newest_approval(collector, order.house, question, needed)
        evidence = gate.with_approver(evidence, approval, question)
        observed = Observed(evidence, self._reference(evidence, question), None)
        decision = gate.decision_on(order.house, question, observed, now=order.as_of)
        return structs.replace(record, decision=decision, evidence=evidence)

    def _needed(self, question: Question) -> tuple[str, ...]:
        """Patterns of the facts that the controls of this package read; they depend on its group and no more."""
        key = (question.target.rpartition("/")[0], question.stage, question.moment)
        found = self._reads.get(key)
        if found is None:
            reads = gate.needed_facts(self._order.house, question)
            wanted = tuple(one for one in reads if not one.startswith(("/request/", "/reference/")))
            self._reads[key] = found = self._lists.setdefault(wanted, wanted)
        return found

    def _reference(self, evidence: Evidence, question: Question) -> Mapping[str, Fact]:
        """Facts of the base images that count for the package, read once for each list of them."""
        images = gate.base_images(self._order.house, evidence, question)
        with self._lock:
            if images not in self._references:
                facts = self._collector.reference(images)
                self._references[images] = facts
                reference = Reference(facts_to_json(facts), self._collector.aws.take_ledger())
                self._order.folder.write_reference(Evidence("reference", facts).digest(), reference)
            return self._references[images]


_Unread = dict[str, str]
"""API -> why packages or endpoints may be missing for want of it."""


def _told(unread: _Unread) -> tuple[str, tuple[str, ...]]:
    """(in words, the APIs)."""
    return "; ".join(dict.fromkeys(unread.values())), tuple(unread)


def _entered(collector: Collector, account: str, region: str) -> _Unread:
    """Why nobody can act for the account; empty where the credentials are its own.

    INVARIANT: the caller's own packages must never pass for those of an account that it cannot enter.
    """
    failure = collector.aws.enter(account, region)
    if failure is not None:
        return {failure.source.api: f"{failure.source.api}: {failure.code}: {failure.message}"}
    if not collector.aws.acts_as(account):
        why = "no role to assume: the credentials are of another account; name it as `role` under [collect]"
        return {"sts:AssumeRole": why}
    return {}


def _why(api: str, unread: Unknown | None) -> _Unread:
    if unread is None:
        return {}
    api = unread.source.api if unread.source else api
    return {api: ": ".join(filter(None, (api, unread.reason, unread.detail)))}


def _deployed(folder: Folder, cells: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """ARN, in small letters, of each package that runs somewhere -> ARNs of the endpoints."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        running = folder.running(*cell)
        for one in running.endpoints if running else ():
            if one.package:
                found.setdefault(one.package.casefold(), set()).add(one.endpoint)
    return {package: tuple(sorted(endpoints)) for package, endpoints in found.items()}


class _Stopped(Exception):
    """Somebody stopped the scan."""
