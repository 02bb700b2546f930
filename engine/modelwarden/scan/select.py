"""Which packages of a cell are judged, at which moment and for which stage. Pure.

Approved and deployed packages are judged at `serve`, the newest version of each group that is neither at `approve`; the
rest is inventory. The stage is the one that a package claims in its life cycle, else that of its account; a package that
would be judged and whose stage nobody can tell is unmapped, and never left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from modelwarden.arn import parse_arn
from modelwarden.collect.inventory import Listed
from modelwarden.request import STAGES, Moment, Stage

Role = Literal["judged", "unmapped", "inventory"]

_IDLE: Final = "an older version that is neither approved nor deployed"
_UNTOLD: Final = (
    "an older version that is not approved; what runs in its region was not all read, and it may be deployed"
)


class Choice(Struct, frozen=True):
    """What becomes of one package."""

    listed: Listed
    role: Role
    why: str
    """`deployed`, `approved`, `newest of its group`, or why it is not judged."""
    moment: Moment = "approve"
    stage: Stage | None = None
    """None unless it is judged."""


def select(
    packages: Iterable[Listed],
    deployed: Collection[str],
    stages: Mapping[str, str],
    otherwise: Stage | None,
    *,
    all_told: bool,
) -> list[Choice]:
    """A choice for each package, in their order; `deployed` are ARNs in small letters, `stages` maps what packages
    claim, `otherwise` is the account's stage, `all_told`: whether what is not among the deployed is known not to run."""
    listed = list(packages)
    newest = _newest(listed)
    idle = _IDLE if all_told else _UNTOLD
    return [
        _choice(one, one.arn.casefold() in deployed, stages, otherwise)
        if one.arn in newest or one.approval == "Approved" or one.arn.casefold() in deployed
        else Choice(one, "inventory", idle)
        for one in listed
    ]


def _choice(listed: Listed, deployed: bool, stages: Mapping[str, str], otherwise: Stage | None) -> Choice:
    why = "deployed" if deployed else "approved" if listed.approval == "Approved" else "newest of its group"
    moment: Moment = "approve" if why == "newest of its group" else "serve"
    stage = stage_for(listed.claimed, stages, otherwise)
    if stage is None:
        claims = (
            f"claims stage `{listed.claimed}`, which `stages` does not map" if listed.claimed else "claims no stage"
        )
        return Choice(listed, "unmapped", f"{why}; {claims}", moment)
    return Choice(listed, "judged", why, moment, stage)


def stage_for(claimed: str, stages: Mapping[str, str], otherwise: Stage | None) -> Stage | None:
    """The stage for which a package is judged; `claimed` is empty where it claims none."""
    named = stages.get(claimed)
    return next((one for one in STAGES if one == named), None) if claimed else otherwise


def _newest(packages: Iterable[Listed]) -> set[str]:
    """ARNs of the highest version of each group; a package without a group is one by itself."""
    found: dict[str, tuple[int, str]] = {}
    alone: set[str] = set()
    for one in packages:
        arn = parse_arn(one.arn)
        if arn.version is None:
            alone.add(one.arn)
        else:
            found[arn.name] = max(found.get(arn.name, (0, "")), (arn.version, one.arn))
    return alone | {arn for _, arn in found.values()}
