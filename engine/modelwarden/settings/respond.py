"""Respond: what is done about an approval that events tell of. Only the first layer says it: whoever is judged must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

from msgspec import Struct, field

from modelwarden import toml
from modelwarden.request import STAGES, Stage
from modelwarden.settings.layer import RESPOND, Layer
from modelwarden.toml import SettingsError, Table, quoted

Mode = Literal["observe", "flag", "enforce"]
Reverted = Literal["Rejected", "PendingManualApproval"]
Undecided = Literal["revert", "leave"]

MODES: Final[tuple[str, ...]] = get_args(Mode)
REVERTED: Final[tuple[str, ...]] = get_args(Reverted)
UNDECIDED: Final[tuple[str, ...]] = get_args(Undecided)
_LONGEST_WAIT: Final = 7 * 24 * 60
"""Minutes: what is undecided for a week is nobody's hold-up, but an approval that nobody judged."""


class Respond(Struct, frozen=True):
    """What is done about a decision."""

    mode: Mode = "observe"
    """`observe` records it; `flag` also tells of it; `enforce` also takes back an approval that breaks policy."""
    revert_to: Reverted = "Rejected"
    """Approval status of what was taken back."""
    wait_minutes: int = 60
    """How long what is undecided is judged again before `undecided` says what becomes of it."""
    undecided: Mapping[Stage, Undecided] = field(default_factory=lambda: {"Production": "revert"})
    """Stage -> what becomes of an approval that stays undecided; `leave` where nothing is said."""
    security_hub: bool = False
    """Whether Security Hub of the function's account and region is shown the findings."""

    def leaves(self, stage: Stage) -> bool:
        """Whether an approval for this stage that stays undecided is left as it is."""
        return self.undecided.get(stage, "leave") == "leave"


def respond_of(layers: Sequence[Layer]) -> Respond:
    """What the first layer says; the layers below it have no say.

    Raises:
        SettingsError: a mistyped value, or one that has no effect.
    """
    first = layers[0]
    said = toml.table(first.source.document.get("respond", {}), f"{first.path}: `respond`", RESPOND)
    where = {key: f"{first.path}: `respond.{key}`" for key in RESPOND}
    default = Respond()
    found = Respond(
        toml.one_of(said.get("mode", default.mode), MODES, where["mode"], "mode"),  # type: ignore[arg-type]
        toml.one_of(said.get("revert_to", default.revert_to), REVERTED, where["revert_to"], "approval status"),  # type: ignore[arg-type]
        _minutes(said.get("wait_minutes", default.wait_minutes), where["wait_minutes"]),
        {**default.undecided, **_by_stage(said.get("undecided", {}), where["undecided"])},
        toml.flag(said.get("security_hub", default.security_hub), where["security_hub"]),
    )
    if found.security_hub and found.mode == "observe":
        raise SettingsError(
            f"{where['security_hub']}: nobody is told where `respond.mode` is observe",
            "set the mode to flag or enforce",
        )
    return found


def _minutes(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LONGEST_WAIT:
        raise SettingsError(f"{where}: a whole number from 1 to {_LONGEST_WAIT} is expected, not {quoted(value)}")
    return value


def _by_stage(value: object, where: str) -> dict[Stage, Undecided]:
    entries: Table = toml.table(value, where, STAGES)
    return {
        stage: toml.one_of(entry, UNDECIDED, toml.inside(where, stage), "answer")  # type: ignore[misc]
        for stage, entry in entries.items()
    }
