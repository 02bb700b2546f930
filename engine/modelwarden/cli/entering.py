"""Entering what was decided into the log, for the commands that decide."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.cli.options import now
from modelwarden.cli.signing import agreed, need_sign
from modelwarden.errors import UserError
from modelwarden.settings.log import LockedBucket, log_of

if TYPE_CHECKING:
    from modelwarden.attest.entry import Word
    from modelwarden.attest.shelf import Shelf
    from modelwarden.attest.signer import Signer
    from modelwarden.collect.aws import Aws
    from modelwarden.run import Run
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


def shelf_of(location: str, aws: Callable[[], Aws]) -> Shelf:
    """The place of a log that `log_for` named."""
    from modelwarden.attest.shelf import Folder

    place = log_of(location)
    if isinstance(place, LockedBucket):
        from modelwarden.attest.bucket import LockedShelf

        return LockedShelf(aws(), place, lambda: datetime.now(UTC))
    return Folder(Path(location))


def word_of(run: Run, recorded: Path, attestation: Path | None) -> Word:
    """What the log says of a gate's run."""
    from modelwarden.attest.entry import Word

    files = {"run": recorded, **({"attestation": attestation} if attestation else {})}
    return Word(run.id, "gate", now(), run.decision.package, run.decision.verdict, digests(files))


def word_of_scan(folder: Path) -> Word:
    """What the log says of a scan: its manifest, and its tables."""
    from modelwarden.attest.entry import Word

    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in (".parquet", ".json", ".jsonl")}
    return Word(folder.name, "scan", now(), "", "", digests(files))


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Name -> hex sha256 of a file's bytes."""
    found = {}
    for name, path in files.items():
        with path.open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def enter(word: Word, location: str, runs: Path, signer: Signer | None, aws: Callable[[], Aws]) -> None:
    """Spool a word, then deliver what waits and sign a checkpoint. Where that fails, it waits, and stderr says why.

    Raises:
        SpoolProblem: it could not even be kept.
    """
    from modelwarden.attest import log
    from modelwarden.attest.spool import spool_of

    spool = spool_of(runs, location)
    spool.put(word)
    try:
        shelf = shelf_of(location, aws)
        numbers = spool.deliver(shelf)
        if word.run in numbers:
            print(f"run {word.run} is entry {numbers[word.run]} of the log {shelf.where}", file=sys.stderr)
        if signer is not None:
            log.sign(shelf, signer, now)
    except UserError as error:
        waiting = spool.waiting()
        kept = (
            f"{waiting} entries wait in {spool.path}, and the next command delivers them"
            if waiting
            else "no checkpoint was signed"
        )
        print(f"warning: the log: {error}: {kept}\n  help: {error.help}", file=sys.stderr)
