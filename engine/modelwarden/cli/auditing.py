"""Verifying records: a log, receipts of it, recorded runs and scans."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden.cli.entering import shelf_of
from modelwarden.cli.signing import own_aws
from modelwarden.errors import UserError
from modelwarden.render.text import printable
from modelwarden.settings.log import log_of

if TYPE_CHECKING:
    from modelwarden.attest.audit import Audited
    from modelwarden.attest.entry import Entry
    from modelwarden.attest.key import PublicKey

_READING: Final = "?mode=GOVERNANCE&years=1"
"""Completes the address of a log that is only read; it has no effect on that."""
_CHECKSUM: Final = "note: a checksum is not a signature; compare it with its attestation or the log by --run"


def is_log(target: str) -> bool:
    """Whether a target is a log and no single file."""
    return target.startswith("s3://") or Path(target).is_dir()


def verify_log(target: str, key: PublicKey | None, options: dict[str, Any]) -> None:
    """Audit a log, and say what was found.

    Raises:
        UserError: it is refused, or cannot be read.
    """
    from modelwarden.attest import checkpoint
    from modelwarden.attest.audit import audit
    from modelwarden.attest.receipt import receipt_of

    location = target if "?" in target or not target.startswith("s3://") else target + _READING
    if log_of(location) is None:
        raise UserError(f"`{target}` is no log", "write it as s3://bucket/prefix")
    kept = None
    if options["checkpoint"]:
        name = str(options["checkpoint"])
        kept = checkpoint.read(read_file(options["checkpoint"], checkpoint.MAX_BYTES), name, key)
    found = audit(shelf_of(location, own_aws), key, kept)
    size = len(found.lines)
    click.echo(
        printable(f"whole     {target}: {size} entries, {found.covered} of them under {len(found.notes)} checkpoints")
    )
    click.echo(f"root      {found.tree.root(size).hex()}")
    if options["run"]:
        entry = _entry_of(found, options["run"])
        click.echo(f"run       {entry.word.run} is entry {entry.number}, entered at {entry.word.entered_at}")
        if options["receipt"]:
            write_bytes(options["receipt"], receipt_of(found, entry.number))
    if key is None:
        _warn("no --key: whoever can write there could have made this log, or the end of it, today")
    if kept is None:
        _warn("no --checkpoint: a log that was rolled back to an earlier state would look whole")


def verify_receipt(data: bytes, where: str, key: PublicKey, run: Path | None) -> None:
    """Raises Refused for a receipt that proves nothing, or one of another run."""
    from modelwarden.attest.receipt import proven
    from modelwarden.attest.refusal import Refused

    entry, under = proven(data, key, where)
    if run is not None and sha256_of(run) not in entry.word.sha256.values():
        raise Refused(f"{where}: of another run, or the run was changed: {run} is not what was entered")
    click.echo(printable(f"verified  {where}: run {entry.word.run} is entry {entry.number} of {under.origin}"))
    click.echo(f"under     the checkpoint of {under.size} entries, signed at {under.at}")
    if run is None:
        _warn("no --run: the receipt was compared with no recorded run")


def verify_run(path: Path) -> None:
    """A run's own checksum: it finds an accident, and not somebody who can compute one.

    Raises:
        Refused: it is no run, or was changed.
    """
    from modelwarden.attest.refusal import Refused
    from modelwarden.run import RunError, read

    try:
        run = read(path)
    except RunError as error:
        raise Refused(str(error)) from error
    click.echo(f"intact  {path}: run {run.id}, {run.decision.verdict} for {run.decision.request.stage}")
    click.echo(_CHECKSUM, err=True)


def verify_scan(path: Path) -> None:
    """A scan's plan and manifest by their checksums, and all else by the manifest; it finds no more than that of a run.

    Raises:
        Refused: something is missing, or was changed.
    """
    from modelwarden.attest.refusal import Refused
    from modelwarden.scan.folder import Folder
    from modelwarden.scan.record import ScanError
    from modelwarden.scan.verify import verify

    folder = Folder(path)
    try:
        files = verify(folder)
    except ScanError as error:
        raise Refused(str(error)) from error
    click.echo(f"intact  {path}: scan {folder.id}, its plan, its manifest and {files} files")
    click.echo(_CHECKSUM, err=True)


def _entry_of(found: Audited, run: Path) -> Entry:
    from modelwarden.attest.refusal import Refused

    digest = sha256_of(run)
    for entry in found.entries:
        if digest in entry.word.sha256.values():
            return entry
    raise Refused(f"{run}: is not in the log, or was changed since it was entered")


def sha256_of(path: Path) -> str:
    """Hex, of a file of whatever size. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "name a file") from error


def read_file(path: Path, most: int) -> bytes:
    """At most one byte more than that. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "name a file that modelwarden wrote") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Raises UserError where it cannot be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}", "choose a folder that is writable") from error


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
