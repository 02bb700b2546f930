"""Scope: which packages a report is about. What is left out is said in the report's head, never only left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from modelwarden.errors import UserError
from modelwarden.estate import ACCOUNT
from modelwarden.request import STAGES

Kind = Literal["account", "unit", "group", "owner", "stage"]
KINDS: Final[tuple[Kind, ...]] = ("account", "unit", "group", "owner", "stage")
_PART: Final = re.compile(r"(?P<kind>[a-z]+)=(?P<value>.+)", re.DOTALL)


class Scope(Struct, frozen=True):
    """Values of one kind are alternatives, kinds are joint conditions; nothing given is everything."""

    account: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    """Paths of organizational units; a unit stands for everything below it."""
    group: tuple[str, ...] = ()
    """Patterns of model package groups: `churn-*`."""
    owner: tuple[str, ...] = ()
    """As the tag `owner` of the group or the model card names them."""
    stage: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not any(getattr(self, kind) for kind in KINDS)

    def words(self) -> str:
        """`account=111122223333, stage=Production`; empty for everything."""
        return ", ".join(f"{kind}={value}" for kind in KINDS for value in getattr(self, kind))

    def accounts(self, units: dict[str, str]) -> tuple[str, ...] | None:
        """Accounts that it names by id or by unit, from account -> unit; None where it names neither."""
        if not self.account and not self.unit:
            return None
        below = {account for account, unit in units.items() if any(_below(unit, one) for one in self.unit)}
        named = set(self.account) if not self.unit else below & set(self.account) if self.account else below
        return tuple(sorted(named))


def scope_of(parts: Iterable[str]) -> Scope:
    """From `kind=value` texts.

    Raises:
        UserError: another kind, a text without a value, no account id, or no stage.
    """
    found: dict[str, list[str]] = {}
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or match["kind"] not in KINDS:
            raise UserError(f"--scope: `{part}` is no scope", f"write it as KIND=VALUE, with one of {', '.join(KINDS)}")
        if match["kind"] == "account" and not ACCOUNT.fullmatch(match["value"]):
            raise UserError(f"--scope: `{match['value']}` is not an account id", "write its 12 digits")
        if match["kind"] == "stage" and match["value"] not in STAGES:
            raise UserError(f"--scope: unknown stage `{match['value']}`", f"use one of {', '.join(STAGES)}")
        found.setdefault(match["kind"], []).append(
            match["value"].strip("/") if match["kind"] == "unit" else match["value"]
        )
    return Scope(**{kind: tuple(dict.fromkeys(values)) for kind, values in found.items()})


def _below(unit: str, ancestor: str) -> bool:
    return unit == ancestor or unit.startswith(f"{ancestor}/")
