"""The spool: where a word waits on the local disk until the log has it. Nothing is dropped, whatever happens to the log.

A process that is killed between entering a word and forgetting it leaves it here, and it is entered once more: a run may
stand twice in the log, and never not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from modelwarden.attest.entry import Word
from modelwarden.attest.log import append
from modelwarden.attest.shelf import Shelf
from modelwarden.errors import UserError
from modelwarden.run import write_new


class SpoolProblem(UserError):
    """A word that could not even be kept for later."""

    help = "name a writable folder with --runs"


class Spool(Struct, frozen=True):
    """Words that wait for one log."""

    path: Path

    def put(self, word: Word) -> None:
        """Keep a word until it was delivered.

        Raises:
            SpoolProblem: the disk refuses.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(self.path / f"{word.run}.json", msgspec.json.encode(word))
        except OSError as error:
            raise SpoolProblem(f"{self.path}: the entry of the log cannot be kept: {error.strerror}") from error

    def deliver(self, shelf: Shelf) -> dict[str, int]:
        """Enter every word that waits, the oldest first: run -> number.

        Raises:
            UserError: one could not be entered; it and those behind it wait on.
        """
        found: dict[str, int] = {}
        with self._alone():
            for path in self._waiting():
                word = _read(path)
                found[word.run] = append(shelf, word)
                path.unlink()
        return found

    def waiting(self) -> int:
        """How many words wait."""
        return len(self._waiting())

    def _waiting(self) -> list[Path]:
        return sorted(self.path.glob("[!.]*.json"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time, so that none delivers what another one has under way. Whoever ends lets go of it."""
        with (self.path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def spool_of(runs: Path, location: str) -> Spool:
    """The spool of a log, beside the runs."""
    return Spool(runs / "spool" / hashlib.sha256(location.encode()).hexdigest()[:16])


def _read(path: Path) -> Word:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Word)
    except (OSError, msgspec.DecodeError) as error:
        raise SpoolProblem(
            f"{path}: not an entry of the log: {error}", "move it away, and find out what it was"
        ) from error
