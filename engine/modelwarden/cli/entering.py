"""Entering what was decided into the log, for the commands that decide."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.cli.signing import agreed, need_sign
from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.render.text import printable
from modelwarden.settings.log import log_of

if TYPE_CHECKING:
    from modelwarden.attest.entry import Word
    from modelwarden.attest.signer import Signer
    from modelwarden.attest.spool import Spool
    from modelwarden.collect.aws import Aws
    from modelwarden.settings import Settings


def log_for(flag: str | None, settings: Settings) -> str | None:
    """The log that the command line or the organization layer names.

    Raises:
        UserError: they contradict each other, it is no place for a log, or `[sign]` is not installed.
    """
    location = agreed(flag, settings.log, "--log")
    if location is None:
        return None
    if log_of(location) is None:
        raise UserError(
            f"--log: `{location}` is neither a bucket with Object Lock nor a folder",
            "write it as s3://bucket/prefix?mode=COMPLIANCE&years=7",
        )
    need_sign()
    return location


def spooled(word: Word, location: str, runs: Path, signer: Signer | None) -> Spool:
    """Sign a word where there is a key, and spool it. From then on it comes to the log, whatever becomes of this process.

    Raises:
        SpoolProblem: it could not be kept.
    """
    from modelwarden.attest import entry
    from modelwarden.attest.spool import spool_of

    try:
        word = entry.signed(word, signer) if signer is not None else word
    except UserError as error:
        _warn(f"the entry of the log is not signed: {error}", error.help)
    spool = spool_of(runs, location)
    spool.put(word)
    return spool


def deliver(spool: Spool, run: str, location: str, signer: Signer | None, aws: Callable[[], Aws]) -> None:
    """Enter what waits and have it signed. Where that fails, it waits on, and stderr says why; `run`: the one just kept."""
    from modelwarden.attest.location import shelf_at

    try:
        shelf = shelf_at(location, aws)
        numbers = spool.deliver(shelf)
        if run in numbers:
            print(f"run {run} is entry {numbers[run]} of the log {shelf.where}", file=sys.stderr)
        if signer is not None:
            spool.sign(shelf, signer, now, numbers.values())
    except UserError as error:
        _warn(f"the log: {error}: {_left(spool)}", error.help)
    _tell_others(spool)


def _left(spool: Spool) -> str:
    try:
        waiting = len(spool.waiting())
    except UserError as error:
        return str(error)
    if waiting:
        return f"{waiting} entries wait in {spool.path}, and the next command delivers them"
    return "no checkpoint was signed"


def _tell_others(spool: Spool) -> None:
    """What waits for a log that nobody names any more is delivered by nobody."""
    from modelwarden.attest.spool import others

    try:
        for other in others(spool):
            _warn(
                f"{len(other.waiting())} entries wait in {other.path} for another log: {other.location}",
                "name that log with --log once more, and they are delivered",
            )
    except UserError as error:
        _warn(str(error), error.help)


def _warn(text: str, help_: str) -> None:
    print(f"warning: {printable(text)}\n  help: {printable(help_)}", file=sys.stderr)
