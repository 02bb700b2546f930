"""What the log says of a scan: its manifest, and its tables."""

from __future__ import annotations

import hashlib
from pathlib import Path

from modelwarden.attest.entry import Word
from modelwarden.clock import now
from modelwarden.scan.folder import Folder

_KINDS = (".parquet", ".json", ".jsonl")


def word_of(folder: Folder) -> Word:
    """Of a scan that has ended."""
    paths = [path for path in sorted(folder.path.iterdir()) if path.suffix in _KINDS]
    return Word(folder.id, "scan", now(), "", "", {path.name: _sha256(path) for path in paths})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
