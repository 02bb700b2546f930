"""Reading: how evidence is collected, written back and handed on, as the layers say. It judges nothing, so it has no strictness."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from modelwarden import toml
from modelwarden.settings.layer import REDACTED, SECRET, Layer
from modelwarden.toml import SettingsError, quoted

_BOUNDS: Final = {
    "retries": (0, 20),
    "timeout_seconds": (1, 900),
    "searches_per_second": (1, 100),
    "reads_per_second": (1, 100),
}
"""Key -> (least, most); whole numbers."""


_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_AS_ROLE: Final = "write it as arn:PARTITION:iam::ACCOUNT:role/NAME"


class Collect(Struct, frozen=True):
    """How evidence is read; None leaves it to the collector."""

    role: str | None = None
    """Role to assume in the package's account; `{account}` is replaced."""
    external_id: str | None = None
    via: tuple[str, ...] = ()
    """ARNs of the roles to assume before that one, each with the credentials of the one before it."""
    retries: int | None = None
    """Attempts of one call."""
    timeout_seconds: int | None = None
    searches_per_second: int | None = None
    """Calls of sagemaker:Search in each account and region."""
    reads_per_second: int | None = None
    """Calls of any other operation of the registry, in each account and region."""


class Enforce(Struct, frozen=True):
    """How a decision is written back; None: like evidence is read."""

    role: str | None = None
    """Role to assume in the package's account, since the one that reads cannot write; `{account}` is replaced."""
    external_id: str | None = None


def collect_of(layers: Sequence[Layer]) -> Collect:
    """The organization layer's values stand; below it the later layer wins.

    Raises:
        SettingsError: a mistyped value, or one that contradicts the organization layer.
    """
    return Collect(**_said(layers, "collect"))


def enforce_of(layers: Sequence[Layer]) -> Enforce:
    """As `collect_of`."""
    return Enforce(**_said(layers, "enforce"))


def redact_of(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Patterns of what every layer has taken out of evidence packs: each may add to those above, and take away none.

    Raises:
        SettingsError: a pattern that is none.
    """
    found: list[str] = []
    for layer in layers:
        said = layer.source.document.get("pack", {})
        where = f"{layer.path}: `pack.redact`"
        patterns = toml.texts(said["redact"], where) if "redact" in said else ()
        for pattern in patterns:
            if not pattern.startswith("/"):
                raise SettingsError(f"{where}: {quoted(pattern)} is no pointer", 'write it as "/customer_metadata/*"')
        found += patterns
    return tuple(dict.fromkeys(found))


def _said(layers: Sequence[Layer], table: str) -> dict[str, Any]:
    found: dict[str, tuple[Any, Layer]] = {}
    for layer in layers:
        for key, raw in layer.source.document.get(table, {}).items():
            where = f"{layer.path}: `{table}.{key}`"
            value = _collect_value(key, raw, where)
            if key in found and found[key][1].name == "organization" and found[key][0] != value:
                mine, theirs = (REDACTED if key == SECRET else quoted(said) for said in (value, found[key][0]))
                raise SettingsError(
                    f"{where}: {mine} contradicts {theirs} of the organization layer",
                    "leave it out, or have it changed there",
                )
            found[key] = value, layer
    return {key: value for key, (value, _) in found.items()}


def _collect_value(key: str, value: Any, where: str) -> str | int | tuple[str, ...]:
    if key in ("role", "external_id"):
        return toml.text(value, where)
    if key == "via":
        return _way(value, where)
    lowest, highest = _BOUNDS[key]
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise SettingsError(f"{where}: a whole number from {lowest} to {highest} is expected, not {quoted(value)}")
    return value


def _way(value: Any, where: str) -> tuple[str, ...]:
    found = toml.texts(value, where)
    for number, arn in enumerate(found):
        if not _ROLE.fullmatch(arn):
            raise SettingsError(f"{where}: {quoted(arn)} is not the ARN of a role", _AS_ROLE)
        if arn in found[:number]:
            raise SettingsError(f"{where}: {quoted(arn)} stands twice", "name each role of the way once")
    return found
