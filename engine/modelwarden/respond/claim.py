"""Claims: which decisions were begun and what of each is done, so that events that come twice are answered once. Pure.

A claim is made before anything is written elsewhere. It fixes the id and the clock of the run, so that whoever goes on
after a crash makes the very same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from msgspec import Struct

from modelwarden.evidence import digest
from modelwarden.finding import Decision
from modelwarden.request import Principal

RECORDED: Final = "recorded"
KEPT: Final = "kept"
LOGGED: Final = "logged"
OVERTAKEN: Final = "overtaken"
REVERTED: Final = "reverted"
LEFT: Final = "left"
WAITS: Final = "told that it waits"
TOLD: Final = "told"
LISTED: Final = "listed"
"""Steps; those of waiting are `again 0`, `again 1` ... `overtaken` is what was never recorded, and is no longer asked."""


class Claim(Struct, frozen=True):
    """One decision about one state of one package."""

    package: str
    """ARN."""
    key: str
    """`sha256:<hex>` of everything that the decision rests on but the clock."""
    run: str
    """Id of the run that records it."""
    at: str
    """UTC: the time as of which it is judged."""
    verdict: str = ""
    """Empty until it is recorded."""
    done: tuple[str, ...] = ()
    """Steps that are behind it, in their order."""
    said: tuple[str, ...] = ()
    """What was done, in words."""
    lists: bool = False
    """Whether Security Hub shall hold its findings, as the settings said when it was claimed."""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done; one that waits is gone on with by the message that it waits for."""
        told = self.verdict == "allow" or TOLD in self.done or WAITS in self.done
        listed = not self.lists or LISTED in self.done
        return OVERTAKEN in self.done or (LOGGED in self.done and told and listed)


class Claims(Protocol):
    """The claims of an organization. Many may claim at once."""

    def claim(self, wanted: Claim) -> Claim:
        """The claim of this package and key: the given one, or the one that somebody made before."""
        ...

    def note(self, claim: Claim, step: str, *, verdict: str = "", said: str = "") -> Claim:
        """Note a step, with the verdict or what was done; the claim as it is now. A step may be noted twice."""
        ...

    def of(self, package: str) -> Iterator[Claim]:
        """Every claim of a package, in no order."""
        ...


def key_of(decision: Decision, modified: str) -> str:
    """Equal for equal questions about an equal state; `modified` is when the package was last changed.

    Setting a status again changes that time, so that an approval that was taken back and given again is another one.
    """
    request, digests = decision.request, decision.digests
    who = request.principal
    named = [who.principal, who.identity, who.kind, who.state] if isinstance(who, Principal) else who is not None
    rules = [digests.bundle, digests.settings, digests.waivers]
    return digest(
        [decision.package, request.stage, request.moment, named, modified, digests.evidence, digests.reference, rules]
    )
