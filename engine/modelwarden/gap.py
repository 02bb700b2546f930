"""Accepted gaps: what an organization knows that it cannot read, and for how long it accepts that.

A gap changes no fact and no finding. It keeps what it names from making every night's scan incomplete, and it stands in
every report as long as it counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from modelwarden import toml
from modelwarden.period import end_of
from modelwarden.scope import ACCOUNT
from modelwarden.toml import SettingsError, quoted

_REQUIRED: Final = ("account", "api", "owner", "reason", "expires")
_OF_ALL: Final = "organizations:"
"""APIs that say which accounts are expected: without them nobody knows what is missing."""
_WILD: Final = "*?["
_EXAMPLE: Final = "every gap has " + ", ".join(_REQUIRED) + ", and may have a region"


class Gap(Struct, frozen=True):
    """One `[[gap]]`."""

    account: str
    api: str
    """As the ledger spells it, `kms:DescribeKey`; a pattern, so `*` stands for the whole account. Which accounts there
    are is of no account: an API of Organizations is accepted only where it is spelled out."""
    owner: str
    reason: str
    expires: str
    """As written: a date, which counts to its end (UTC), or a time."""
    ends: datetime
    region: str = "*"

    def covers(self, account: str, region: str, api: str, as_of: datetime | None) -> bool:
        """Whether it accepts that something was not read; a time that nobody could read finds every gap expired."""
        named = self.api == api if api.startswith(_OF_ALL) else fnmatchcase(api, self.api)
        place = self.account == account and fnmatchcase(region, self.region)
        return named and place and as_of is not None and as_of < self.ends

    def to_json(self) -> dict[str, str]:
        """What reports print of it."""
        return {"owner": self.owner, "reason": self.reason, "expires": self.expires}


def parse_gaps(entries: Iterable[Any], where: str) -> tuple[Gap, ...]:
    """Raises SettingsError for a field that is missing, unknown or mistyped."""
    return tuple(_gap(entry, f"{where}: gap {number}") for number, entry in enumerate(entries, 1))


def _gap(entry: Any, where: str) -> Gap:
    raw = toml.table(entry, where, (*_REQUIRED, "region"))
    for name in _REQUIRED:
        if name not in raw:
            raise SettingsError(f"{where}: `{name}` is missing", _EXAMPLE)
    account = toml.text(raw["account"], f"{where}: `account`")
    if not ACCOUNT.fullmatch(account):
        raise SettingsError(f"{where}: {quoted(account)} is not an account id", "write 12 digits in quotes")
    api = toml.text(raw["api"], f"{where}: `api`")
    if api.startswith(_OF_ALL) and any(char in api for char in _WILD):
        raise SettingsError(
            f"{where}: {quoted(api)} would accept that nobody knows which accounts there are",
            "spell the API out, as in organizations:ListAccounts",
        )
    return Gap(
        account,
        api,
        toml.text(raw["owner"], f"{where}: `owner`"),
        toml.text(raw["reason"], f"{where}: `reason`"),
        str(toml.plain(raw["expires"])),
        end_of(raw["expires"], f"{where}: `expires`"),
        toml.text(raw["region"], f"{where}: `region`") if "region" in raw else "*",
    )
