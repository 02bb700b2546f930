"""Scan: which accounts and regions the nightly scan is to read. Only the first layer says it: scanning less hides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from modelwarden import toml
from modelwarden.estate import ACCOUNT, RECONCILE_DAYS, REGION, Scan
from modelwarden.settings.layer import SCAN, Layer
from modelwarden.toml import SettingsError, Table, quoted

_MOST_DAYS: Final = 90


def scan_of(layers: Sequence[Layer]) -> Scan:
    """What the first layer says; the layers below it have no say.

    Raises:
        SettingsError: a mistyped value, or one without an effect beside another.
    """
    first = layers[0]
    said = toml.table(first.source.document.get("scan", {}), f"{first.path}: `scan`", SCAN)
    where = {key: f"{first.path}: `scan.{key}`" for key in SCAN}
    accounts = _names(said, "accounts", where, ACCOUNT, "an account id", "write 12 digits in quotes")
    excluded = _names(said, "exclude_accounts", where, ACCOUNT, "an account id", "write 12 digits in quotes")
    _check_effect(said, accounts, excluded, where)
    return Scan(
        accounts,
        excluded,
        _units(said, where["units"]),
        _tags(said.get("tags", {}), where["tags"]),
        _names(said, "regions", where, REGION, "the name of a region", 'write it as "eu-west-1"'),
        _days(said.get("reconcile_days", RECONCILE_DAYS), where["reconcile_days"]),
        _hub(said, accounts, excluded, where["hub"]),
        _flag(said.get("cards", True), where["cards"]),
        _flag(said.get("endpoint_metrics", False), where["endpoint_metrics"]),
    )


def _days(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_DAYS:
        raise SettingsError(f"{where}: a whole number from 1 to {_MOST_DAYS} is expected, not {quoted(value)}")
    return value


def _hub(said: Table, accounts: tuple[str, ...], excluded: tuple[str, ...], where: str) -> str:
    """Its packages are what the others use: a scan that leaves it out cannot be meant."""
    if "hub" not in said:
        return ""
    hub = toml.text(said["hub"], where)
    if not ACCOUNT.fullmatch(hub):
        raise SettingsError(f"{where}: {quoted(hub)} is not an account id", "write 12 digits in quotes")
    if hub in excluded:
        raise SettingsError(f"{where}: {quoted(hub)} is listed under `scan.exclude_accounts`", "take it out there")
    if accounts and hub not in accounts:
        raise SettingsError(f"{where}: {quoted(hub)} is not listed under `scan.accounts`", "add it there")
    return hub


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: true or false is expected, not {quoted(value)}")
    return value


def _names(
    said: Table, key: str, where: dict[str, str], pattern: re.Pattern[str], what: str, step: str
) -> tuple[str, ...]:
    names = _distinct(toml.texts(said[key], where[key]), where[key]) if key in said else ()
    for name in names:
        if not pattern.fullmatch(name):
            raise SettingsError(f"{where[key]}: {quoted(name)} is not {what}", step)
    return names


def _units(said: Table, where: str) -> tuple[str, ...]:
    units = toml.texts(said["units"], where) if "units" in said else ()
    for unit in units:
        if not all(part.strip() for part in unit.strip("/").split("/")):
            raise SettingsError(f"{where}: {quoted(unit)} is not a path of units", 'write it as "Workloads/Finance"')
    return _distinct(tuple(unit.strip("/") for unit in units), where)


def _tags(value: Any, where: str) -> dict[str, str]:
    entries = toml.table(value, where)
    if "" in entries:
        raise SettingsError(f"{where}: a tag without a key", 'write it as { stage = "live" }')
    return {key: toml.text(entry, toml.inside(where, key)) for key, entry in entries.items()}


def _distinct(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise SettingsError(f"{where}: {quoted(name)} stands twice", "name it once")
    return names


def _check_effect(said: Table, accounts: tuple[str, ...], excluded: tuple[str, ...], where: dict[str, str]) -> None:
    """A setting that another one leaves without an effect would be believed to have one."""
    for account in accounts:
        if account in excluded:
            raise SettingsError(
                f"{where['exclude_accounts']}: {quoted(account)} is listed under `scan.accounts` too",
                "take it out of one of them",
            )
    for key in ("units", "tags"):
        if accounts and said.get(key):
            raise SettingsError(
                f"{where[key]}: has no effect beside `scan.accounts`, since Organizations is not asked then",
                "leave out one of them",
            )
