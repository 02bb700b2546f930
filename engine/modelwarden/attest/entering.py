"""Entering: what was decided comes to the log that the organization layer names. What waits on a disk is the spool's concern."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.run import encoded

if TYPE_CHECKING:
    from modelwarden.attest.entry import Word
    from modelwarden.attest.signer import Signer
    from modelwarden.collect.aws import Aws
    from modelwarden.run import Run
    from modelwarden.settings import Settings


class Enter(Protocol):
    """Enters a run with its attestation, where it has one. Raises UserError where the log did not take it."""

    def __call__(self, run: Run, attestation: bytes | None = None) -> None: ...


def word_of(run: Run, recorded: bytes, attestation: bytes | None) -> Word:
    """What the log says of a gate's run; of the bytes of its files, which need not be written yet."""
    from modelwarden.attest.entry import Word

    files = {"run": recorded, **({"attestation": attestation} if attestation else {})}
    sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return Word(run.id, "gate", now(), run.decision.package, run.decision.verdict, sha256)


def door(settings: Settings, aws: Callable[[], Aws], signer: Signer | None) -> Callable[[Word], None] | None:
    """What enters words at once; None where the organization layer names no log.

    Nothing waits on a disk that ends with a function: where the log refuses, whoever decided answers nobody. Without a
    pinned layer nobody vouches for a decision, so that nothing is signed.

    Raises:
        UserError: the log cannot be used, or `[sign]` is not installed.
    """
    location = settings.log
    if location is None:
        return None
    try:
        from modelwarden.attest import entry, log
        from modelwarden.attest.location import shelf_at
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed", "pip install 'modelwarden[sign]'") from error

    shelf = shelf_at(location, aws)
    vouching = None if settings.advisory else signer

    def enter(word: Word) -> None:
        number = log.append(shelf, entry.signed(word, vouching) if vouching else word)
        if vouching:
            log.sign(shelf, vouching, now, entered=(number,))

    return enter


def entrance(settings: Settings, aws: Callable[[], Aws], signer: Signer | None) -> Enter:
    """The same for runs of a gate; nothing is done with them where there is no log."""
    enter = door(settings, aws, signer)
    if enter is None:
        return _nowhere

    def of_run(run: Run, attestation: bytes | None = None) -> None:
        enter(word_of(run, encoded(run), attestation))

    return of_run


def _nowhere(run: Run, attestation: bytes | None = None) -> None:
    """The organization keeps no log."""
