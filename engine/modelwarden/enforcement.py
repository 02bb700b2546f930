"""Enforcement: at which level a control acts, by stage and moment, and from which day on it blocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from functools import cache
from typing import Any, Final, Literal, get_args

from msgspec import Struct, field

from modelwarden import builtin, toml
from modelwarden.finding import Level
from modelwarden.request import MOMENTS, STAGES
from modelwarden.toml import SettingsError, quoted

Profile = Literal["observe", "recommended", "strict"]

LEVELS: Final[tuple[str, ...]] = get_args(Level)
PROFILES: Final[tuple[str, ...]] = get_args(Profile)
"""From the weakest to the strictest."""

_RANK: Final = {"off": 0, "flag": 1, "block": 2}


class Setting(Struct, frozen=True):
    """A level, and for `block` the day from which on it blocks; until then it flags."""

    level: Level
    block_from: date | None = None

    def strictness(self) -> tuple[int, int]:
        """A total order that agrees with the levels on every day: the earlier a block begins, the stricter it is."""
        return _RANK[self.level], -self.block_from.toordinal() if self.block_from else 0

    def at(self, day: date | None) -> Level:
        """The level that holds on a day; None is a day that nobody could read, and then it blocks."""
        waits = self.level == "block" and self.block_from and day and day < self.block_from
        return "flag" if waits else self.level

    def __str__(self) -> str:
        return f"{self.level} from {self.block_from}" if self.block_from else self.level


def stricter(one: Setting, other: Setting) -> Setting:
    """The first where both are equal."""
    return other if other.strictness() > one.strictness() else one


class Enforcement(Struct, frozen=True):
    """What one entry of `[enforcement]` says of one control."""

    everywhere: Level | None = None
    by_cell: Mapping[tuple[str, str], Level] = field(default_factory=dict)
    """(stage, moment) -> level; cells that the entry leaves out keep what they had."""
    block_from: date | None = None

    def apply(self, inherited: Setting, stage: str, moment: str) -> Setting:
        """The setting that holds after this entry."""
        level = self.by_cell.get((stage, moment), self.everywhere)
        if level is None:
            alone = self.block_from is not None and not self.by_cell and inherited.level == "block"
            return Setting("block", self.block_from) if alone else inherited
        return Setting(level, self.block_from if level == "block" else None)


def of_profile(
    profile: str, control_id: str, stage: str, table: Mapping[str, Mapping[str, Setting]] | None = None
) -> Setting:
    """The level that a profile gives; a control outside of the table flags in `recommended`.

    `table` is what `recommended` stands for: control id -> stage -> level; None for what ships.
    """
    match profile:
        case "strict":
            return Setting("block")
        case "recommended":
            known = recommended() if table is None else table
            return known.get(control_id, {}).get(stage, Setting("flag"))
        case _:
            return Setting("flag")


@cache
def recommended() -> dict[str, dict[str, Setting]]:
    """Control id -> stage -> level of the profile `recommended`."""
    levels = toml.parse(builtin.read("policies", "levels.toml"), "policies/levels.toml")["recommended"]
    return {id_: {stage: Setting(row[stage]) for stage in STAGES} for id_, row in levels.items()}


def parse_enforcement(entry: Any, where: str, control_ids: Collection[str]) -> dict[str, Enforcement]:
    """Control id -> entry of an `[enforcement]` table.

    Raises:
        SettingsError: a control, stage, moment or level that does not exist.
    """
    found = {}
    for id_, value in toml.table(entry, f"{where}: `enforcement`").items():
        if id_ not in control_ids:
            raise SettingsError(f"{where}: unknown control {quoted(id_)}", toml.suggest(id_, control_ids))
        found[id_] = _entry(value, f"{where}: `enforcement.{id_}`")
    return found


def _entry(value: Any, where: str) -> Enforcement:
    if not isinstance(value, dict):
        return Enforcement(everywhere=_level(value, where))
    toml.table(value, where, (*STAGES, "moments", "block_from"))
    if not value:
        raise SettingsError(f"{where}: says nothing", 'write it like { Staging = "flag", Production = "block" }')
    cells: dict[tuple[str, str], Level] = {}
    for stage in STAGES:
        if stage in value:
            cells |= {
                (stage, moment): level for moment, level in _moments(value[stage], toml.inside(where, stage)).items()
            }
    # A moment is named to be an exception, so it goes before what a stage says of all its moments.
    for moment, level in _moments(value.get("moments", {}), toml.inside(where, "moments")).items():
        cells |= {(stage, moment): level for stage in STAGES}
    block_from = toml.day(value["block_from"], toml.inside(where, "block_from")) if "block_from" in value else None
    return Enforcement(None, cells, block_from)


def _moments(value: Any, where: str) -> dict[str, Level]:
    """Moment -> level, of a level for all moments or a table of them."""
    if not isinstance(value, dict):
        return dict.fromkeys(MOMENTS, _level(value, where))
    toml.table(value, where, MOMENTS)
    return {moment: _level(level, toml.inside(where, moment)) for moment, level in value.items()}


def _level(value: Any, where: str) -> Level:
    return toml.one_of(value, LEVELS, where, "level")  # type: ignore[return-value]
