"""Joining: the slices of a cell become the cell, as one task would have left it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from modelwarden.scan.folder import Folder
from modelwarden.scan.record import CellEnd, ScanError
from modelwarden.scan.slices import Slice
from modelwarden.snapshot import folded


def join(folder: Folder, account: str, region: str, parts: Sequence[Slice], unread: str = "") -> CellEnd:
    """Write the cell from its slices, in the order of the packages' ARNs. `unread`: why packages may be missing.

    Raises:
        ScanError: a slice is not there, or its file was changed; or the disk refuses.
    """
    ends = [end for end in (folder.slice_end(account, region, part) for part in parts) if end is not None]
    if len(ends) < len(parts):
        raise ScanError(f"{folder.path}: {account}/{region}: a slice was not collected to its end")
    writer = folder.cell(account, region)
    try:
        files = (folder.slice_records(account, region, part) for part in parts)
        for record in heapq.merge(*files, key=lambda record: record.package):
            writer.add(record)
    except BaseException:
        writer.drop()
        raise
    why = dict.fromkeys(filter(None, [unread, *(end.unread for end in ends)]))
    # A defect of ours in one slice, or one that is missing, is accepted by no gap; see `CellEnd.unread_by`.
    ours = unread or any(end.unread and not end.unread_by for end in ends)
    apis = () if ours else tuple(dict.fromkeys(api for end in ends for api in end.unread_by))
    return writer.close("; ".join(why), folded(row for end in ends for row in end.ledger), apis)
