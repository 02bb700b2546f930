"""The log that the organization layer names, for functions.

Nothing waits on a disk that ends with the function: where the log refuses, whoever called tries again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from modelwarden import clock
from modelwarden.collect.aws import Aws
from modelwarden.gate import House
from modelwarden.run import Run

if TYPE_CHECKING:
    from modelwarden.attest.entry import Word


def log_of(house: House, aws: Aws) -> Callable[[Word], None] | None:
    """What enters a word into the log and has it signed; None where the organization layer names no log."""
    location = house.settings.log
    if location is None:
        return None
    from modelwarden.attest import entry, log
    from modelwarden.attest.location import shelf_at
    from modelwarden.attest.signer import signer_at

    shelf = shelf_at(location, lambda: aws)
    key = house.settings.sign
    signer = signer_at(key, lambda: aws, lambda: b"") if key and not house.settings.advisory else None

    def enter(word: Word) -> None:
        number = log.append(shelf, entry.signed(word, signer) if signer else word)
        if signer:
            log.sign(shelf, signer, clock.now, entered=(number,))

    return enter


def word_of(run: Run) -> Word:
    """What the log says of a gate's run."""
    from modelwarden.attest.entry import Word

    sha256 = {"run": hashlib.sha256(msgspec.json.encode(run.to_json())).hexdigest()}
    return Word(run.id, "gate", clock.now(), run.decision.package, run.decision.verdict, sha256)
