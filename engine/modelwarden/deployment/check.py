"""The whole hub, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelwarden.checkup import CANNOT_TELL, WRONG, Part
from modelwarden.deployment import events, function
from modelwarden.deployment.hub import Hub, judge
from modelwarden.deployment.keeping import keeping
from modelwarden.deployment.roles import roles
from modelwarden.deployment.telling import telling

_SETTLED: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")


def check(hub: Hub, account: str | None) -> tuple[Part, ...]:
    """Every part of a hub; of one account that it reads, too, where that is named."""
    return tuple(_parts(hub, account))


def exit_code(parts: tuple[Part, ...]) -> int:
    """0: all is as it should be. 1: something is wrong. 3: nothing is known to be wrong, and something could not be read."""
    states = {part.state for part in parts}
    return 1 if WRONG in states else 3 if CANNOT_TELL in states else 0


def _parts(hub: Hub, account: str | None) -> Iterator[Part]:
    yield judge("stack", "see why in its events, and deploy it again", _settled, hub.stack)
    made, told = function.configuration(hub), events.queue(hub)
    yield from function.function(hub, made, told)
    pack, house = function.pack(hub, made)
    yield pack
    yield function.places(hub, house)
    yield from events.intake(hub, made, told)
    yield from keeping(hub)
    yield from telling(hub)
    if account is not None:
        yield from roles(hub, house, account)


def _settled(told: Mapping[str, Any]) -> Iterator[str]:
    status = told["Stacks"][0]["StackStatus"]
    if status not in _SETTLED:
        yield f"it is {status}"
