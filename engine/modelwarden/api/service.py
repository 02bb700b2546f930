"""The service: what every route needs, from whichever server runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from modelwarden.api.signing import signer_of
from modelwarden.attest.entering import Enter, entrance
from modelwarden.clock import now, run_id
from modelwarden.render.log import Event
from modelwarden.run import RUNS, RunError

if TYPE_CHECKING:
    from modelwarden.attest.signer import Signer
    from modelwarden.collect import Collector
    from modelwarden.gate import House
    from modelwarden.store.decisions import Decisions
    from modelwarden.store.state import State


class Service(Struct, frozen=True):
    """The rules of the house, and how to get at what was and is."""

    house: House
    collector: Callable[[], Collector]
    """A new one: what it has read is not shared among decisions."""
    decisions: Decisions
    """Where each decision is kept, and the keys beside them."""
    enter: Enter
    """Enters a decision into the log of the organization, where there is one."""
    log: Callable[[Event], None]
    signer: Signer | None = None
    """Of decisions; None where the organization layer names no key."""
    now: Callable[[], str] = now
    new_id: Callable[[], str] = run_id

    def state(self) -> State:
        """The state that scans leave, opened for reading.

        Raises:
            NoState: there is none.
            StateError: it cannot be opened.
        """
        from modelwarden.store.location import location_of, state_at

        settings = self.house.settings
        return state_at(location_of(settings.store, settings.runs), lambda: self.collector().aws, create=False)


def service_of(house: House, collector: Callable[[], Collector], log: Callable[[Event], None]) -> Service:
    """The service of a house.

    Raises:
        UserError: the folder of runs cannot be made, or the key that signs or the log cannot be used.
    """
    signer = signer_of(house, collector)
    enter = entrance(house.settings, lambda: collector().aws, signer)
    return Service(house, collector, _decisions_of(house, collector), enter, log, signer)


def _decisions_of(house: House, collector: Callable[[], Collector]) -> Decisions:
    """Decisions lie beside the organization's records, where all who judge under its pack find them; where it names no
    place for these, in the folder of runs, as those of a gate do.

    Raises:
        RunError: the folder of runs cannot be made.
    """
    from modelwarden.store.decisions import Decisions
    from modelwarden.store.place import Folder, place_at

    if house.settings.records:
        return Decisions(place_at(house.settings.records, collector().aws), "decisions/")
    runs = house.settings.runs or RUNS
    try:
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{runs}: cannot be made: {error.strerror}", "name a writable folder with --runs") from error
    return Decisions(Folder(runs))
