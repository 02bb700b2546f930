"""How each waiver of the organization layer stands at one moment. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from modelwarden.authz import refused_waiver
from modelwarden.gate import severities_of
from modelwarden.period import utc
from modelwarden.waiver import State, Waiver
from modelwarden.waivers.pack import Pack

SCHEMA_VERSION: Final = "modelwarden.waivers/1"


class Standing(Struct, frozen=True):
    """One waiver."""

    waiver: Waiver
    state: State | Literal["expiring", "refused"]
    """`expiring`: live, and soon no more; `refused`: approved, but not by those who may."""
    days_left: int | None
    """Whole days; None where it has ended."""
    why: str
    """What else is to know of the state."""

    def to_json(self) -> dict[str, Any]:
        return self.waiver.to_json() | {"state": self.state, "days_left": self.days_left, "why": self.why}


def standings(pack: Pack, now: datetime, soon: timedelta) -> tuple[Standing, ...]:
    """Those that end first, first; those that count no more last. `soon`: how long before its end a waiver is expiring."""
    found = [standing_of(pack, one, now, soon) for one in pack.waivers]
    return tuple(sorted(found, key=lambda one: (one.days_left is None, one.waiver.ends, one.waiver.id)))


def standing_of(pack: Pack, waiver: Waiver, now: datetime, soon: timedelta) -> Standing:
    state = waiver.state(now)
    left = (waiver.ends - now).days if state not in ("expired", "revoked") else None
    if state == "requested":
        return Standing(waiver, state, left, f"{len(waiver.approvers)} of {waiver.needed} approvals")
    if state == "revoked":
        assert waiver.revoked is not None
        return Standing(waiver, state, left, f"by {waiver.revoked}: {waiver.revoked.reason}")
    if state != "live":
        return Standing(waiver, state, left, "")
    house = pack.house
    rules = pack.rules(waiver, utc(now))
    refusal = refused_waiver(house.bundle.authorizer, waiver, rules, severities_of(house))
    if refusal:
        return Standing(waiver, "refused", left, refusal)
    return Standing(waiver, "expiring" if waiver.ends - now <= soon else "live", left, "")
