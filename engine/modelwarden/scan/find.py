"""Which scan somebody means: `last`, `previous`, the id of one below a folder of runs, or its folder."""

from __future__ import annotations

import os
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


_OF_A_SCAN: Final = {"plan.json", "manifest.json"}
_WHOLE: Final = {"manifest.json", "cells.jsonl"}
LAST: Final = "last"
PREVIOUS: Final = "previous"


def latest(runs: Path, back: int = 0) -> Folder | None:
    """The newest scan that came to its end, or the one so many before it; ids sort by time.

    Raises:
        ScanError: the folder cannot be read, or one in it that may be a newer scan.
    """
    found, unread = sealed(runs)
    if len(found) <= back:
        return None
    chosen = found[-1 - back]
    later = [why for id_, why in unread if id_ > chosen.id]
    if later:
        raise ScanError(f"{later[-1]}; it may be the newest", f"make it readable, or name a scan: {chosen.path}")
    return chosen


def all_ended(runs: Path) -> tuple[list[Ended], list[tuple[str, str]]]:
    """Scans below a folder that came to their end, and (id, why) of what may be one and cannot be read; both by id.

    Raises:
        ScanError: the folder cannot be read.
    """
    found = []
    folders, broken = sealed(runs)
    for folder in folders:
        try:
            found.append(Ended(folder, folder.manifest()))
        except ScanError as error:
            broken.append((folder.id, str(error)))
    return found, sorted(broken)


def may_hold_scans(runs: Path) -> bool:
    """Whether a folder holds scans, whole or not, or something that cannot be looked into.

    Raises:
        ScanError: the folder cannot be read.
    """
    return any(isinstance(names, str) or names & _OF_A_SCAN for _, names in _looked(runs))


def sealed(runs: Path) -> tuple[list[Folder], list[tuple[str, str]]]:
    """Folders that hold a whole scan by their names, and (id, why) of those that cannot be looked into; both by id.

    Raises:
        ScanError: the folder above cannot be read.
    """
    looked = _looked(runs)
    unread = [(path.name, f"{path}: cannot be read: {names}") for path, names in looked if isinstance(names, str)]
    return [Folder(path) for path, names in looked if not isinstance(names, str) and names >= _WHOLE], unread


def _looked(runs: Path) -> list[tuple[Path, set[str] | str]]:
    """(folder, the names in it or why it cannot be read) of each folder below one, by name.

    Not by a pattern: what cannot be read matches none, and would not be there.

    Raises:
        ScanError: the folder above cannot be read.
    """
    found: list[tuple[Path, set[str] | str]] = []
    try:
        with os.scandir(runs) as entries:
            paths = sorted(runs / one.name for one in entries if not one.is_file(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ScanError(
            f"{runs}: cannot be read: {error.strerror}", "make it readable, or name another folder"
        ) from error
    for path in paths:
        try:
            found.append((path, {one.name for one in path.iterdir()}))
        except NotADirectoryError:
            continue
        except OSError as error:
            found.append((path, error.strerror or "no reason given"))
    return found


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
