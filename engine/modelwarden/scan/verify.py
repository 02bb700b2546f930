"""Verify: whether the folder of a scan holds all that the scan sealed, as it was written.

Plan and manifest carry checksums of their own, and the manifest names all else. That finds an accident, and not somebody
who can compute a checksum.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError
from modelwarden.tables.schema import COLUMNS

SEALED: Final = frozenset({"cells.jsonl", *(f"{table}.parquet" for table in COLUMNS)})
"""Files that every scan has."""
_REFERENCE: Final = re.compile(r"references/[0-9a-f]{64}\.json")


def verify(folder: Folder) -> int:
    """How many files are as the manifest names them.

    Raises:
        ScanError: something is missing, was changed, or is of another scan.
    """
    manifest, plan = folder.manifest(), folder.plan()
    if (folder.path / "entries").exists():
        raise ScanError(f"{folder.path}: is a scan, and holds `entries` like a log", "keep each in a folder of its own")
    for name in ("started_at", "as_of"):
        if plan.get(name) != manifest.get(name):
            raise ScanError(f"{folder.path}: plan.json is of another scan than manifest.json: `{name}` differs")
    files = _sealed(folder, manifest)
    folder.check(files)
    return len(files)


def _sealed(folder: Folder, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Name -> SHA-256 of each file; raises ScanError where these are not the files of a scan."""
    where, files = folder.path / "manifest.json", manifest.get("tables")
    if not isinstance(files, dict) or not all(isinstance(one, str) for one in files.values()):
        raise ScanError(f"{where}: does not name the files of the scan")
    missing = sorted(SEALED - files.keys())
    if missing:
        raise ScanError(f"{where}: does not name `{missing[0]}`, which every scan has")
    strange = sorted(name for name in files if name not in SEALED and not _REFERENCE.fullmatch(name))
    if strange:
        raise ScanError(f"{where}: names `{strange[0]}`, which no scan has")
    return files
