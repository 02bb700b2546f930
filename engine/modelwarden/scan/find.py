"""Which scan somebody means: `last`, `previous`, the id of one below a folder of runs, or its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from modelwarden.scan.folder import Folder
from modelwarden.scan.record import ScanError


class Ended(Struct, frozen=True):
    """A scan that came to its end, and its manifest."""

    folder: Folder
    manifest: Mapping[str, Any]


LAST: Final = "last"
PREVIOUS: Final = "previous"


def latest(runs: Path, back: int = 0) -> Folder | None:
    """The newest scan that came to its end, or the one so many before it; ids sort by time."""
    found = sorted(path.parent for path in runs.glob("*/manifest.json") if Folder(path.parent).sealed)
    return Folder(found[-1 - back]) if len(found) > back else None


def all_ended(runs: Path) -> tuple[list[Ended], list[tuple[str, str]]]:
    """Scans below a folder that came to their end, and (id, why) of those whose manifest cannot be read; both by id."""
    found, broken = [], []
    for path in sorted(runs.glob("*/manifest.json")):
        folder = Folder(path.parent)
        if not folder.sealed:
            continue
        try:
            found.append(Ended(folder, folder.manifest()))
        except ScanError as error:
            broken.append((folder.id, str(error)))
    return found, broken


def ended(text: str, runs: Path) -> Folder:
    """The scan of an id below `runs`, or of a folder.

    Raises:
        ScanError: there is none, or it did not come to its end.
    """
    folder = Folder(Path(text) if Path(text).is_dir() else runs / text)
    if not folder.sealed:
        raise ScanError(f"{folder.path}: is no scan that came to its end", f"name one below {runs}, or `{LAST}`")
    return folder


def named(text: str, runs: Path) -> Folder:
    """The scan that somebody means.

    Raises:
        ScanError: there is none, it did not come to its end, or it is the run of a gate.
    """
    if text in (LAST, PREVIOUS):
        folder = latest(runs, back=text == PREVIOUS)
        if folder is None:
            which = "no scan that came to its end" if text == LAST else "no two scans that came to their end"
            raise ScanError(f"{runs}: holds {which}", "name a folder of runs with --runs, or run `modelwarden scan`")
        return folder
    for path in (Path(text), runs / text, runs / f"{text}.json"):
        if path.is_file():
            raise ScanError(f"{path}: is no scan", "name two scans; `modelwarden report` shows the runs of a gate")
    return ended(text, runs)
