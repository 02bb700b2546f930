"""Store: where the state of packages is kept, as `store` in the organization layer names it. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

_TABLE: Final = re.compile(
    r"dynamodb://(?P<table>[A-Za-z0-9_.-]{3,255})\?region=(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)"
    r"(?:&keep_days=(?P<keep_days>[1-9]\d{0,4}))?"
)


class Table(Struct, frozen=True):
    """A table of DynamoDB, in the caller's own account."""

    name: str
    region: str
    keep_days: int | None
    """How long history and runs are kept; None: for ever."""


def store_of(location: str) -> Table | Path | None:
    """A table, or a file by its whole path; None for anything else."""
    found = _TABLE.fullmatch(location)
    if found:
        return Table(found["table"], found["region"], int(found["keep_days"]) if found["keep_days"] else None)
    return Path(location) if Path(location).is_absolute() else None
