"""A station: where one process works on a scan. It is made once in each process, from what fits into a message.

INVARIANT: a station judges by the very rules with which the scan was begun, or not at all.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from msgspec import Struct, field

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.evidence import Fact
from modelwarden.finding import ControlInfo
from modelwarden.gate import House, Recipe
from modelwarden.scan.asked import Asked
from modelwarden.scan.events import Nobody, Watcher
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError


class Spec(Struct, frozen=True):
    """What another process needs to know of a scan. Its files must lie at the same places there."""

    folder: Path
    recipe: Recipe
    session: str = field(default_factory=lambda: uuid4().hex)
    """Differs each time that a scan is begun or gone on with: a process that outlives the one forgets what it knew."""
    versions: Mapping[str, str] = field(default_factory=lambda: versions_here())
    """Of the process that made this: any other works with the same ones, or not at all."""


class Station:
    """The rules, the folder and, where AWS is asked, the caller of one scan in one process."""

    def __init__(
        self, spec: Spec, house: House, *, collector: Collector | None = None, watcher: Watcher | None = None
    ) -> None:
        self.spec = spec
        self.house = house
        self.folder = Folder(spec.folder)
        self.watcher = watcher or Nobody()
        self.stopped = threading.Event()
        """Set from outside: cells that are not yet at their end are dropped."""
        self._collector = collector
        self._lock = threading.RLock()
        plan = self.folder.plan()
        check_rules(self.folder.path, plan, house)
        self.as_of: str = plan["as_of"]
        self.as_of_asserted: bool = plan["as_of_asserted"]
        self.since = Folder(Path(plan["since"])) if plan["since"] else None
        """The scan whose evidence still counts where nothing changed."""
        self.hub: str = plan["estate"].get("hub", "")
        """The account that owns the groups that others use; empty where the settings name none."""
        self.expected = [(account, region) for account, region in plan["estate"]["cells"]]
        self._accounts_unread = bool(plan["estate"]["unread"])
        self._asked: Asked | None = None
        self._references: dict[str, Mapping[str, Fact]] = {}
        self._running: tuple[Mapping[str, tuple[str, ...]], frozenset[str]] | None = None

    @property
    def collector(self) -> Collector:
        """Whoever asks AWS, made when it is first needed."""
        with self._lock:
            if self._collector is None:
                self._collector = gate.collector_of(self.house)
            return self._collector

    @property
    def asked(self) -> Asked:
        """What is asked of packages; made when it is first needed."""
        with self._lock:
            if self._asked is None:
                self._asked = Asked(self.house, self.collector, self.folder)
            return self._asked

    def reference(self, name: str) -> Mapping[str, Fact]:
        """Reference facts by their digest, read once."""
        with self._lock:
            if name not in self._references:
                self._references[name] = self.folder.reference(name)
            return self._references[name]

    @cached_property
    def controls(self) -> dict[str, ControlInfo]:
        """By id."""
        return gate.controls_of(self.house)

    def running(self) -> Mapping[str, tuple[str, ...]]:
        """ARN, in small letters, of each package that runs somewhere -> ARNs of the endpoints, in whichever account.

        Asked for only when every cell has told what runs there.
        """
        return self._all_running()[0]

    def untold(self) -> frozenset[str]:
        """Regions in which more may run than `running` says."""
        return self._all_running()[1]

    def _all_running(self) -> tuple[Mapping[str, tuple[str, ...]], frozenset[str]]:
        with self._lock:
            if self._running is None:
                self._running = self._read_running()
            return self._running

    def _read_running(self) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        found: dict[str, set[str]] = {}
        untold = {region for _, region in self.expected if self._accounts_unread}
        for account, region in self.expected:
            running = self.folder.running(account, region)
            if running is None or running.unread or any(one.problem for one in running.endpoints):
                untold.add(region)
            for one in running.endpoints if running else ():
                if one.package:
                    found.setdefault(one.package.casefold(), set()).add(one.endpoint)
        return {package: tuple(sorted(endpoints)) for package, endpoints in found.items()}, frozenset(untold)


def check_rules(path: Path, plan: Mapping[str, Any], house: House) -> None:
    """Raises ScanError where a scan was begun by other controls, settings or waivers."""
    then = (plan["bundle"]["digest"], plan["settings"]["digest"], plan["settings"]["waivers_digest"])
    if then != house.digests:
        raise ScanError(
            f"{path}: was begun with other controls or settings", "name those with which it was begun, or scan anew"
        )


def versions_here() -> dict[str, str]:
    """Of everything here that a verdict depends on; of Python without the last number, which changes none."""
    found = gate.versions()
    return {**found, "python": found["python"].rpartition(".")[0]}


def check_versions(asked: Mapping[str, str]) -> None:
    """Raises ScanError where this process runs others."""
    here = versions_here()
    for name, version in asked.items():
        if here.get(name) != version:
            raise ScanError(
                f"{name} {here.get(name)} runs here, and {version} where the scan was started",
                "install the same versions in both places",
            )


_stations: dict[Path, Station] = {}
_lock = threading.Lock()


def open_station(station: Station) -> None:
    """Let the tasks of this process work at it."""
    with _lock:
        _stations[station.spec.folder] = station


def stop_station(spec: Spec) -> None:
    """Let the tasks of this process drop what is not yet at its end; nothing where none has begun."""
    with _lock:
        found = _stations.get(spec.folder)
        if found is not None and found.spec.session == spec.session:
            found.stopped.set()


def close_station(spec: Spec) -> None:
    """Forget it, with all that it holds."""
    with _lock:
        found = _stations.get(spec.folder)
        if found is not None and found.spec.session == spec.session:
            del _stations[spec.folder]


def station_of(spec: Spec) -> Station:
    """The station of this process for a scan, made where there is none.

    Raises:
        UserError: the rules cannot be loaded here, or are others than those of the scan; or versions differ.
    """
    with _lock:
        found = _stations.get(spec.folder)
        if found is not None and found.spec.session != spec.session:
            found.stopped.set()  # the process that began it is gone
            found = None
        if found is None:
            check_versions(spec.versions)
            house = gate.load_house(spec.recipe.sources, spec.recipe.environment)
            found = _stations[spec.folder] = Station(spec, house)
        return found
