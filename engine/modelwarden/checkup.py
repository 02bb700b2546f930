"""Values of a checkup: what was probed, and what follows from it for permissions and controls; and parts of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from modelwarden.evidence import Evidence, Fact, Unknown
from modelwarden.request import Principal
from modelwarden.snapshot import LedgerRow

OK: Final = "ok"
NOT_PROBED: Final = "not probed"
WRONG: Final = "wrong"
CANNOT_TELL: Final = "cannot tell"


class Probed(Struct, frozen=True):
    """What was tried."""

    own: str
    """The caller's account; empty where AWS did not tell."""
    account: str
    """The account that was read."""
    region: str
    package: str
    """ARN of the package; empty where none was found."""
    role: str | None
    principal: Principal | Unknown
    evidence: Evidence | None
    """None: no package was found."""
    reference: Mapping[str, Fact]
    ledger: tuple[LedgerRow, ...]
    undecrypted: Mapping[str, str]
    """Prefix of facts of an object that can be seen and not be opened -> its KMS key."""
    nameless: tuple[str, ...] = ()
    """APIs that were tried with names that do not exist."""

    @property
    def caller(self) -> str:
        """ARN of whoever asks; empty where AWS did not tell."""
        return self.principal.principal if isinstance(self.principal, Principal) else ""


class Permission(Struct, frozen=True):
    """One IAM action in one account, and what hangs on it."""

    action: str
    account: str
    """Whose credentials asked; empty where nobody did."""
    state: str
    """`ok`, `not probed`, or a state of the coverage ledger: `denied`, `throttled` ..."""
    why: str = ""
    """The service's words, or why it was not probed."""
    where: tuple[str, ...] = ()
    """What could not be read, as the package names it."""
    unknown: tuple[str, ...] = ()
    """Controls that cannot be decided for this package without it."""
    reads: tuple[str, ...] = ()
    """Further enabled controls that read facts of it."""

    @property
    def missing(self) -> bool:
        """Whether an enabled control needs it and it is not there."""
        return self.state not in (OK, NOT_PROBED) and bool(self.unknown or self.reads)


class ScanPermission(Struct, frozen=True):
    """One IAM action that only a scan needs."""

    action: str
    account: str
    """Whose credentials asked; empty where nobody did."""
    state: str
    """As in `Permission`."""
    why: str
    without: str
    """What nobody knows without it."""
    needed: bool
    """Whether a scan is incomplete without it."""

    @property
    def missing(self) -> bool:
        return self.needed and self.state not in (OK, NOT_PROBED)


class Checkup(Struct, frozen=True):
    """What doctor says."""

    permissions: tuple[Permission, ...]
    controls: tuple[str, ...]
    """Enabled at some stage and moment."""
    unset: Mapping[str, tuple[str, ...]]
    """Parameter that nobody set -> the enabled controls that read it."""
    untold: Mapping[str, str]
    """Parameter whose value depends on what was not read -> why."""
    advisory: bool
    unproven: tuple[str, ...] = ()
    """Actions that enabled controls need and that nobody could try, for want of a package."""
    scan: tuple[ScanPermission, ...] = ()
    """Empty where nobody asked."""

    @property
    def exit_code(self) -> int:
        """0: all that the enabled controls need can be read. 3: some permission is missing, or could not be tried."""
        missing = any(one.missing for one in self.permissions) or any(one.missing for one in self.scan)
        return 3 if self.unproven or missing else 0


class Part(Struct, frozen=True):
    """One part of a deployed hub, and what is said of it."""

    name: str
    state: str
    """`ok`, `wrong` or `cannot tell`."""
    said: str = ""
    """What is wrong, or why nobody can tell; empty where it is ok."""
    help: str = ""
    """The next step; empty where it is ok."""
