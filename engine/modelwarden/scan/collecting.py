"""Collecting: the packages of one account, cell by cell, each cell a file of its own.

An account has a session, clients and lookups of its own, which are dropped with it. Whatever happens in a cell stays
in it: the others go on, and the cell says why it was not read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Final

from msgspec import structs

from modelwarden import gate, precedent
from modelwarden.collect import NoSuchPackage
from modelwarden.collect.cards import model_cards
from modelwarden.collect.deployment import Deployments, deployments
from modelwarden.collect.endpoint_metrics import API as METRICS
from modelwarden.collect.endpoint_metrics import Variant, endpoint_metrics, last_day
from modelwarden.collect.inventory import Inventory, inventory, searched
from modelwarden.collect.sharing import shared_groups
from modelwarden.errors import UserError
from modelwarden.evidence import Evidence, Present, Unknown
from modelwarden.gate import Question
from modelwarden.run import Run
from modelwarden.scan.cards import LIST
from modelwarden.scan.carry import Before, Old, before
from modelwarden.scan.record import Cards, CellEnd, Metrics, Record, Running
from modelwarden.scan.select import Choice, select
from modelwarden.scan.slices import WHOLE, Slice
from modelwarden.scan.station import Station
from modelwarden.snapshot import Deployment, ModelCard

PACKAGES_AT_ONCE: Final = 4
"""In one cell, beside each other."""
_AHEAD: Final = 16
"""Packages that are read before the first of them is written: memory does not grow with the cell."""


class Outgrown(Exception):
    """More packages are to be read than one task may."""

    def __init__(self, packages: int) -> None:
        super().__init__(packages)
        self.packages = packages


class Account:
    """The cells of one account, read with its own credentials."""

    def __init__(self, station: Station, account: str) -> None:
        self._station = station
        self._account = account
        self._collector = station.collector.member(account)
        self._broken: list[str] = []
        self._barred: dict[str, _Unread] = {}
        """Region -> why the account cannot be entered there, asked once."""

    def close(self) -> tuple[str, ...]:
        """Keep what was assumed for the next one, and say what of ours broke."""
        self._station.collector.aws.adopt(self._collector.aws, self._account)
        return tuple(self._broken)

    def what_runs(self, region: str) -> None:
        """What the endpoints of a cell run, what CloudWatch holds of them where that is asked for, and, where there is a hub,
        what it sees of other accounts; unless it is known.

        Raises:
            UserError: there is nobody to call AWS as, or the disk refuses.
        """
        folder = self._station.folder
        known = folder.running(self._account, region)
        if self._station.stopped.is_set() or (known is not None and not self._lacks(known)):
            return
        endpoints, sees = tuple[Deployment, ...](), tuple[str, ...]()
        measured: Metrics | None = None
        try:
            unread = blind = self._entered(region)
            if not unread:
                answer = deployments(self._collector.aws, self._account, region)
                endpoints, unread = answer.found, _why("sagemaker:ListEndpoints", answer.unread)
                sees, blind = self._sees(region)
                measured = self._measured(region, answer)
        except Exception as error:  # noqa: BLE001 - see cell
            unread = blind = {_OURS: self._broke(error)}
        said, apis = _told(unread)
        why, by = _told(blind if self._station.hub else {})
        ledger = self._collector.aws.take_ledger()
        folder.write_running(self._account, region, Running(endpoints, said, ledger, apis, sees, why, by, measured))

    def _lacks(self, known: Running) -> bool:
        """Whether something of it was not read."""
        asked = self._station.house.settings.scan.endpoint_metrics
        measured = known.metrics is not None and not known.metrics.unread
        return bool(known.unread or known.sees_unread) or (asked and not measured)

    def _measured(self, region: str, running: Deployments) -> Metrics | None:
        """What CloudWatch holds of the variants that run; nothing where nobody asks for it."""
        if not self._station.house.settings.scan.endpoint_metrics:
            return None
        variants = {
            Variant(one.endpoint, running.names[one.endpoint], one.variant) for one in running.found if one.variant
        }
        day = last_day(self._station.as_of)
        found, unread = endpoint_metrics(self._collector.aws, self._account, region, variants, day)
        return Metrics(day.isoformat(), found, *_told(_why(METRICS, unread)))

    def _sees(self, region: str) -> tuple[tuple[str, ...], _Unread]:
        """(groups of other accounts that the account sees, why there may be more); nobody asks where there is no hub."""
        if not self._station.hub:
            return (), {}
        shared = shared_groups(self._collector.aws, self._account, region)
        return shared.groups, _why("sagemaker:ListModelPackageGroups", shared.unread)

    def cards(self, region: str) -> None:
        """The standalone model cards of a cell, unless they are known or the organization does not ask for them.

        Raises:
            UserError: there is nobody to call AWS as, or the disk refuses.
        """
        folder = self._station.folder
        known = folder.cards(self._account, region)
        wanted = self._station.house.settings.scan.cards and (known is None or known.unread != "")
        if self._station.stopped.is_set() or not wanted:
            return
        try:
            unread, found = self._entered(region), tuple[ModelCard, ...]()
            if not unread:
                answer = model_cards(self._collector.aws, self._account, region)
                found, unread = answer.cards, _why(LIST, answer.unread)
        except Exception as error:  # noqa: BLE001 - see cell
            found, unread = (), {_OURS: self._broke(error)}
        said, apis = _told(unread)
        folder.write_cards(self._account, region, Cards(found, said, self._collector.aws.take_ledger(), apis))

    def cell(self, region: str, part: Slice = WHOLE, most: int | None = None) -> CellEnd | None:
        """One cell or a slice of it, whatever happens in it; None where somebody stopped the scan.

        Raises:
            Outgrown: more than `most` packages are to be read.
            UserError: there is nobody to call AWS as, or the disk refuses.
        """
        folder = self._station.folder
        writer = folder.cell(self._account, region) if part == WHOLE else folder.slice(self._account, region, part)
        try:
            said, apis = _told(self._read(region, writer.add, part, most))
        except (_Stopped, Outgrown, UserError) as error:
            writer.drop()
            if not isinstance(error, _Stopped):
                raise
            return None
        except Exception as error:  # noqa: BLE001 - a defect in one cell must not cost the others
            said, apis = self._broke(error), ()
        return writer.close(said, self._collector.aws.take_ledger(), apis)

    def _broke(self, error: Exception) -> str:
        """Note a defect; why the cell or package was not read. What the user must mend first ends the scan."""
        if isinstance(error, UserError):
            raise error
        said = f"internal error: {type(error).__name__}: {error}"
        self._broken.append(said)
        return said

    def _read(self, region: str, add: Callable[[Record], None], part: Slice, most: int | None) -> _Unread:
        """The packages of a slice; why they may not be all."""
        station = self._station
        if station.stopped.is_set():
            raise _Stopped
        barred = self._entered(region)
        if barred:
            return barred
        earlier = before(station.since, self._account, region)
        found = self._listed(region, earlier)
        packages = [one for one in found.packages if part.holds(one.arn)]
        station.watcher.listed(self._account, region, len(packages))
        settings = station.house.settings
        choices = select(
            packages,
            station.running(),
            settings.stages,
            settings.account_stages.get(self._account),
            all_told=region not in station.untold(),
        )
        to_read = sum(choice.stage is not None for choice in choices)
        if most is not None and to_read > most:
            raise Outgrown(to_read)
        with closing(self._each(choices, earlier)) as records:
            for record in records:
                add(record)
                station.watcher.read(self._account, region)
        running = station.folder.running(self._account, region)
        if running is None:
            raise RuntimeError("nobody read what runs here")
        unread = _why("sagemaker:ListModelPackages", found.unread)
        beside = running.unread_by or ((_OURS,) if running.unread else ())
        return unread | dict.fromkeys(beside, running.unread)

    def _each(self, choices: Iterable[Choice], earlier: Before | None) -> Generator[Record]:
        """The packages in their order, of which some are read beside each other."""
        begun: deque[Future[Record]] = deque()
        with ThreadPoolExecutor(PACKAGES_AT_ONCE) as pool:
            try:
                for choice in choices:
                    if len(begun) == _AHEAD:
                        yield begun.popleft().result()
                    old = earlier.record(choice.listed.arn) if earlier else None
                    begun.append(pool.submit(self._record, choice, old))
                while begun:
                    yield begun.popleft().result()
            finally:
                for one in begun:
                    one.cancel()

    def _listed(self, region: str, earlier: Before | None) -> Inventory:
        """The search alone where an earlier scan has counted the cell, and the list where it cannot tell."""
        found = searched(self._collector.aws, self._account, region, earlier.packages) if earlier else None
        return found or inventory(self._collector.aws, self._account, region)

    def _record(self, choice: Choice, old: Old | None) -> Record:
        """One package; a defect of ours in it costs the others of the cell nothing, and is exit code 4."""
        if self._station.stopped.is_set():
            raise _Stopped
        listed = choice.listed
        record = Record(
            listed.arn,
            choice.role,
            choice.why,
            listed.approval,
            listed.claimed,
            listed.created,
            modified=listed.modified,
            endpoints=self._station.running().get(listed.arn.casefold(), ()),
        )
        asked = record.approval == "Approved" and bool(self._station.house.settings.records)
        if asked:
            # Until it was: a defect on the way must not make it fine.
            record = structs.replace(record, approval_record="not told", approval_record_why="it was not looked up")
        try:
            if choice.stage is not None:
                return self._with_evidence(record, Question(listed.arn, choice.stage, choice.moment), old)
            return self._unstaged(record) if asked else record
        except NoSuchPackage:
            gone = structs.replace(record, role="gone", why="deleted after it was listed")
            return structs.replace(gone, approval_record="", approval_record_why="")
        except Exception as error:  # noqa: BLE001 - see above
            return structs.replace(record, role="unmapped", why=self._broke(error))

    def _with_evidence(self, record: Record, question: Question, old: Old | None) -> Record:
        """The record with its evidence, read or carried over.

        Raises:
            NoSuchPackage: it was deleted.
        """
        station, collector = self._station, self._collector
        needed, reads = station.asked.needed(question)
        asks = gate.asks_approver(needed)
        look = asks or record.approval_record != ""
        approval = gate.recorded_approval(collector, station.house, record.package) if look else None
        kept = old.evidence_for(record.modified, reads, approval) if old else None
        if old and kept:
            evidence, carried = collector.refreshed(kept, needed), old.read_by
        else:
            evidence, carried = collector.package(record.package, needed), ""
        record = _standing(record, approval, evidence, question)
        if asks:
            evidence = gate.with_approver(evidence, approval, question)
        modified = evidence.get("/package/modified_at")
        return structs.replace(
            record,
            stage=question.stage,
            moment=question.moment,
            modified=str(modified.value) if isinstance(modified, Present) else "",
            reads=reads,
            reference=station.asked.reference(evidence, question),
            carried=carried,
            evidence=evidence,
        )

    def _unstaged(self, record: Record) -> Record:
        """An approved package that is not judged, since nobody can tell its stage."""
        approval = gate.recorded_approval(self._collector, self._station.house, record.package)
        found = precedent.standing(approval, None, None)
        return structs.replace(record, approval_record=found.state, approval_record_why=found.why)

    def _entered(self, region: str) -> _Unread:
        """Why nobody can act for the account; empty where the credentials are its own.

        INVARIANT: the caller's own packages must never pass for those of an account that it cannot enter.
        """
        if region not in self._barred:
            self._barred[region] = self._bar(region)
        return self._barred[region]

    def _bar(self, region: str) -> _Unread:
        failure = self._collector.aws.enter(self._account, region)
        if failure is not None:
            return {failure.source.api: f"{failure.source.api}: {failure.code}: {failure.message}"}
        if not self._collector.aws.acts_as(self._account):
            why = "no role to assume: the credentials are of another account; name it as `role` under [collect]"
            return {"sts:AssumeRole": why}
        return {}


def _standing(record: Record, approval: Run | Unknown | None, evidence: Evidence, question: Question) -> Record:
    """The record with what the organization's records say of the approval, where that is asked."""
    if not record.approval_record:
        return record
    status = evidence.get("/approval/status")
    if isinstance(status, Present) and status.value != "Approved":
        # It was approved when it was listed, and is no more.
        return structs.replace(record, approval_record="", approval_record_why="")
    found = precedent.standing(approval, evidence, question.stage)
    return structs.replace(record, approval_record=found.state, approval_record_why=found.why)


_Unread = dict[str, str]
"""API -> why packages or endpoints may be missing for want of it; no API where the defect is ours."""
_OURS: Final = ""


def _told(unread: _Unread) -> tuple[str, tuple[str, ...]]:
    """(in words, the APIs); none where it is a defect of ours, too, which no gap accepts."""
    return "; ".join(dict.fromkeys(unread.values())), () if _OURS in unread else tuple(unread)


def _why(api: str, unread: Unknown | None) -> _Unread:
    if unread is None:
        return {}
    api = unread.source.api if unread.source else api
    return {api: ": ".join(filter(None, (api, unread.reason, unread.detail)))}


class _Stopped(Exception):
    """Somebody stopped the scan."""
