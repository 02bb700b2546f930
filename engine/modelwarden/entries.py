"""Entries of folders, by their names and not by a pattern: what cannot be read matches none, and would not be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from modelwarden.errors import UserError


class Unlisted(UserError):
    """A folder of which nobody can tell what lies in it."""

    help = "make it readable, or name another folder"


def entries(folder: Path, ending: str = "") -> list[Path]:
    """What lies in a folder and ends so, sorted; nothing where there is no such folder.

    Raises:
        Unlisted: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(ending))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unlisted(folder, error) from error


def below(folder: Path, enters: Callable[[Path], bool]) -> Iterator[Path]:
    """Everything below a folder, but what lies in folders that nobody `enters`; links to folders are not followed.

    Raises:
        Unlisted: a folder cannot be read.
    """
    for path in entries(folder):
        yield path
        try:
            within = path.is_dir() and not path.is_symlink() and enters(path)
        except OSError as error:
            raise _unlisted(path, error) from error
        if within:
            yield from below(path, enters)


def _unlisted(path: Path, error: OSError) -> Unlisted:
    return Unlisted(f"{path}: cannot be read: {error.strerror}")
