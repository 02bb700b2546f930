"""What functions need beside their handler: variables that must be set, and the log of the organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelwarden.attest.entering import Enter, entrance
from modelwarden.collect.aws import Aws
from modelwarden.errors import UserError
from modelwarden.gate import House

if TYPE_CHECKING:
    from modelwarden.attest.signer import Signer


class NotSetUp(UserError):
    """A function whose environment does not say what it needs."""

    help = "deploy it with the template in deploy/"


def given(environment: Mapping[str, str], name: str) -> str:
    """Raises NotSetUp where a variable is missing, or says nothing."""
    value = environment.get(name, "")
    if not value:
        raise NotSetUp(f"{name} is not set")
    return value


def signer_of(house: House, aws: Aws) -> Signer | None:
    """Who signs what a function enters into the log; nobody where no pinned layer names a key."""
    key = house.settings.sign
    if not key or house.settings.advisory:
        return None
    from modelwarden.attest.signer import signer_at

    return signer_at(key, lambda: aws, lambda: b"")


def log_of(house: House, aws: Aws) -> Enter:
    """What enters a run into the log; nothing where the organization layer names none."""
    return entrance(house.settings, lambda: aws, signer_of(house, aws))
