"""Where a log is: a folder, or a bucket with Object Lock. What each is built on is loaded only where it is used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.attest.shelf import Folder, Shelf
from modelwarden.settings.log import LockedBucket, log_of

if TYPE_CHECKING:
    from modelwarden.collect.aws import Aws


def shelf_at(location: str, aws: Callable[[], Aws]) -> Shelf:
    """The place of a log that `settings.log.log_of` knows."""
    place = log_of(location)
    if isinstance(place, LockedBucket):
        from modelwarden.attest.bucket import LockedShelf

        return LockedShelf(aws(), place, lambda: datetime.now(UTC))
    return Folder(Path(location))
