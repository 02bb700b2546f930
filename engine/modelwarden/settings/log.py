"""Log and signing key, as `log` and `sign` in the organization layer name them. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

KMS: Final = "awskms:"
KEY_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}")
_LOCKED: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9!_.*'()/-]*))?"
    r"\?mode=(?P<mode>GOVERNANCE|COMPLIANCE)&years=(?P<years>[1-9]\d?)"
)

Mode = Literal["GOVERNANCE", "COMPLIANCE"]


class LockedBucket(Struct, frozen=True):
    """A log in S3, each object of it under Object Lock."""

    bucket: str
    prefix: str
    """Ends with a slash, or is empty."""
    mode: Mode
    """GOVERNANCE can be lifted by whoever may; COMPLIANCE by nobody, not even the account's root."""
    years: int
    """How long each object is kept, from when it was written."""


def log_of(location: str) -> LockedBucket | Path | None:
    """A bucket, or a folder; None for anything else that begins like a bucket."""
    found = _LOCKED.fullmatch(location)
    if found:
        prefix = (found["prefix"] or "").strip("/")
        mode: Mode = "COMPLIANCE" if found["mode"] == "COMPLIANCE" else "GOVERNANCE"
        return LockedBucket(found["bucket"], f"{prefix}/" if prefix else "", mode, int(found["years"]))
    return None if location.startswith("s3:") else Path(location)


def names_key(location: str) -> bool:
    """Whether it is a key in KMS, or a file by its whole path."""
    if location.startswith(KMS):
        return KEY_ARN.fullmatch(location.removeprefix(KMS)) is not None
    return Path(location).is_absolute()
