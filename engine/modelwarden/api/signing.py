"""Signing: decisions are signed by the key that the organization layer names, as the gate signs its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelwarden.errors import UserError
from modelwarden.render.log import Event

if TYPE_CHECKING:
    from modelwarden.attest.signer import Signer
    from modelwarden.collect import Collector
    from modelwarden.gate import House
    from modelwarden.run import Run


def signer_of(house: House, collector: Callable[[], Collector]) -> Signer | None:
    """The signer of a house; None where its organization layer names no key.

    Raises:
        UserError: the key cannot be used, or `[sign]` is not installed.
    """
    location = house.settings.sign
    if location is None:
        return None
    try:
        from modelwarden.attest.signer import signer_at
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed", "pip install 'modelwarden[sign]'") from error

    def passphrase() -> bytes:
        raise UserError(f"{location}: is encrypted, and nobody is there to open it", "name a key in KMS")

    return signer_at(location, lambda: collector().aws, passphrase)


def attested(signer: Signer | None, run: Run, data: bytes, log: Callable[[Event], None]) -> bytes | None:
    """The attestation of a run that is recorded as `data`; None where no key is named, or there is nothing to sign for.

    Raises:
        UserError: it should be signed and could not be.
    """
    if signer is None:
        return None
    from modelwarden.attest.attestation import attest, subjects_of

    if not subjects_of(run.evidence)[0]:
        why = "nothing that the package would run has a digest"
        log(Event("unsigned", level="warning", fields={"run": run.id, "why": why}))
        return None
    return attest(run, hashlib.sha256(data).hexdigest(), signer)
