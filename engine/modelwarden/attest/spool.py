"""The spool: where a word waits on the local disk until the log has it. Nothing is dropped, whatever happens to the log.

A process that is killed between entering a word and forgetting it leaves it here, and it is entered once more: a run may
stand twice in the log, and never not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from modelwarden.attest import checkpoint, log
from modelwarden.attest.checkpoint import Checkpoint
from modelwarden.attest.entry import Word
from modelwarden.attest.shelf import Shelf
from modelwarden.attest.signer import Signer
from modelwarden.errors import UserError
from modelwarden.json_bytes import NotJson, decoded
from modelwarden.run import write_new
from modelwarden.settings.log import LockedBucket, log_of
from modelwarden.typed import decoder
from modelwarden.whole_file import whole

_WORD: Final = decoder(Word)
_LOG: Final = ".log"
"""File that names the log."""
_KEPT: Final = ".checkpoint"
"""File that holds the last checkpoint that was seen from here."""


class SpoolProblem(UserError):
    """A word that could not even be kept for later."""

    help = "name a writable folder with --runs"


class Spool(Struct, frozen=True):
    """Words that wait for one log."""

    path: Path
    location: str
    """Of the log, in one spelling."""

    def put(self, word: Word) -> None:
        """Keep a word until it was delivered.

        Raises:
            SpoolProblem: the disk refuses.
        """
        with self._told("the entry of the log cannot be kept"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (self.path / _LOG).exists():
                with whole(self.path / _LOG) as file:
                    file.write(os.fsencode(self.location))
            write_new(self.path / f"{word.run}.json", msgspec.json.encode(word))

    def deliver(self, shelf: Shelf) -> dict[str, int]:
        """Enter every word that waits, the oldest first: run -> number.

        Raises:
            UserError: one could not be entered; it and those behind it wait on.
        """
        found: dict[str, int] = {}
        with self._alone():
            for name in self.waiting():
                word = _read(self.path / name)
                found[word.run] = log.append(shelf, word)
                with self._told(f"{name} was entered and cannot be taken away"):
                    (self.path / name).unlink()
        return found

    def sign(self, shelf: Shelf, signer: Signer, now: Callable[[], str], entered: Collection[int]) -> None:
        """Have a checkpoint of the log, one that continues the last that was seen from here; and keep it.

        Raises:
            UserError: as `log.sign`, or the disk refuses.
        """
        with self._alone():
            kept = self._kept(signer)
            last = log.sign(shelf, signer, now, kept, entered)
            if kept is None or last.size > kept.size:
                with self._told("the checkpoint cannot be kept"), whole(self.path / _KEPT) as file:
                    file.write(last.note)

    def waiting(self) -> list[str]:
        """Names of the files of what waits, the oldest first.

        Raises:
            SpoolProblem: it cannot be told.
        """
        with self._told("what waits for the log cannot be told"):
            names = [one.name for one in self.path.iterdir()] if self.path.exists() else []
        return sorted(one for one in names if one.endswith(".json") and not one.startswith("."))

    def _kept(self, signer: Signer) -> Checkpoint | None:
        path = self.path / _KEPT
        with self._told("the checkpoint that was kept cannot be read"):
            data = path.read_bytes() if path.exists() else None
        return checkpoint.read(data, str(path), signer.public_key) if data is not None else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time, so that none delivers what another one has under way. Whoever ends lets go of it."""
        with self._told("cannot be locked"):
            file = (self.path / ".lock").open("w")
        with file:
            with self._told("cannot be locked"):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _told(self, problem: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SpoolProblem(f"{self.path}: {problem}: {error.strerror}") from error


def spool_of(runs: Path, location: str) -> Spool:
    """The spool of a log, beside the runs. However the log is named, it is the same; a name that means another log is not."""
    place = log_of(location)
    one = f"s3://{place.bucket}/{place.prefix}" if isinstance(place, LockedBucket) else os.path.realpath(location)
    return Spool(runs / "spool" / hashlib.sha256(os.fsencode(one)).hexdigest()[:16], one)


def others(spool: Spool) -> list[Spool]:
    """Spools beside one, of other logs, in which something waits.

    Raises:
        SpoolProblem: that cannot be told.
    """
    beside = spool.path.parent
    try:
        paths = sorted(one for one in beside.iterdir() if one.is_dir() and one != spool.path)
        found = [Spool(one, os.fsdecode((one / _LOG).read_bytes())) for one in paths if (one / _LOG).exists()]
    except OSError as error:
        raise SpoolProblem(f"{beside}: what waits for other logs cannot be told: {error.strerror}") from error
    return [one for one in found if one.waiting()]


def _read(path: Path) -> Word:
    try:
        word: Word = decoded(path.read_bytes(), _WORD)
    except (OSError, NotJson) as error:
        raise SpoolProblem(
            f"{path}: not an entry of the log: {' '.join(str(error).split())}", "move it away, and find out what it was"
        ) from error
    return word
