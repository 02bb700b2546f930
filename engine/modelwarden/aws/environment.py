"""What functions need beside their handler: variables that must be set, and the log of the organization."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from modelwarden import clock
from modelwarden.collect.aws import Aws
from modelwarden.errors import UserError
from modelwarden.gate import House
from modelwarden.run import Run


class NotSetUp(UserError):
    """A function whose environment does not say what it needs."""

    help = "deploy it with the template in deploy/"


def log_of(house: House, aws: Aws) -> Callable[[Run], None]:
    """What enters a run into the log that the organization layer names; nothing where it names none.

    Nothing waits on a disk that ends with the function: where the log refuses, it is all done again.
    """
    location = house.settings.log
    if location is None:
        return lambda run: None
    from modelwarden.attest import entry, log
    from modelwarden.attest.location import shelf_at
    from modelwarden.attest.signer import signer_at

    shelf = shelf_at(location, lambda: aws)
    key = house.settings.sign
    signer = signer_at(key, lambda: aws, lambda: b"") if key and not house.settings.advisory else None

    def enter(run: Run) -> None:
        sha256 = {"run": hashlib.sha256(msgspec.json.encode(run.to_json())).hexdigest()}
        word = entry.Word(run.id, "gate", clock.now(), run.decision.package, run.decision.verdict, sha256)
        number = log.append(shelf, entry.signed(word, signer) if signer else word)
        if signer:
            log.sign(shelf, signer, clock.now, entered=(number,))

    return enter


def given(environment: Mapping[str, str], name: str) -> str:
    """A variable that must be set. Raises NotSetUp where it is not."""
    value = environment.get(name, "")
    if not value:
        raise NotSetUp(f"{name} is not set")
    return value
