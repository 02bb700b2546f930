"""What runs: where a scan could not tell all of it. There a package that looks like mere inventory may be live.

An endpoint runs packages of its own region, whichever account they are of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from modelwarden.audit.source import Source
from modelwarden.snapshot import LedgerRow

ASKED: Final = frozenset(
    f"sagemaker:{name}" for name in ("ListEndpoints", "DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel")
)
"""APIs that tell what runs."""
_LISTS: Final = frozenset({"sagemaker:ListModelPackages", "sagemaker:Search"})
"""APIs for want of which packages may be missing from a cell, and no endpoint."""


class Unseen:
    """Where nobody can tell all that runs."""

    def __init__(self, source: Source) -> None:
        """Raises ScanError where the scan cannot be read."""
        self._why = {cell: _unread_by(source, cell) for cell in source.plan.estate.cells}
        named = [one for one in source.manifest.strays if one.kind == "not told"]
        self._everywhere = bool(source.plan.estate.unread) or len(named) < source.manifest.endpoints.get("not told", 0)
        self._regions = {region for (_, region), why in self._why.items() if why is not None}
        self._regions |= {_region(one.endpoint) for one in named}

    def in_region(self, region: str) -> bool:
        """Whether a package of the region may be live without the scan knowing it."""
        return self._everywhere or region in self._regions

    def in_cell(self, account: str, region: str) -> bool:
        """Whether its endpoints are not all known."""
        return self._why.get((account, region)) is not None

    def is_for(self, row: LedgerRow) -> bool:
        """Whether it is for want of this that nobody can tell what runs in its cell."""
        return row.api in ASKED or row.api in (self._why.get((row.account, row.region)) or ())


def _unread_by(source: Source, cell: tuple[str, str]) -> Collection[str] | None:
    """The APIs for want of which endpoints may be missing, none where it is for a defect; None where none can be."""
    end = source.folder.end(*cell)
    if end is None or (end.unread and not end.unread_by):
        return ()
    return frozenset(end.unread_by) - _LISTS or None


def _region(endpoint: str) -> str:
    return endpoint.split(":")[3] if endpoint.count(":") >= 4 else ""
