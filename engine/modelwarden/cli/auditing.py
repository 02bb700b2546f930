"""Verifying records: a log, receipts of it, recorded runs and scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden.cli.files import read_file, sha256_of
from modelwarden.cli.output import write_apart
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
_SHOWN: Final = 10
"""Numbers of entries in one warning."""
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
    from modelwarden.attest.location import shelf_at
    from modelwarden.attest.receipt import receipt_of

    location = target if "?" in target or not target.startswith("s3://") else target + _READING
    if log_of(location) is None:
        raise UserError(f"`{target}` is no log", "write it as s3://bucket/prefix")
    kept = None
    if options["checkpoint"]:
        name = str(options["checkpoint"])
        kept = checkpoint.read(read_file(options["checkpoint"], checkpoint.MAX_BYTES), name, key)
    found = audit(shelf_at(location, own_aws), key, kept, allow_unsigned=options["allow_unsigned"])
    size = len(found.lines)
    click.echo(
        printable(f"whole     {target}: {size} entries, {found.covered} of them under {len(found.notes)} checkpoints")
    )
    click.echo(f"root      {found.tree.root(size).hex()}")
    if options["run"]:
        entry = _entry_of(found, options["run"])
        click.echo(f"run       {entry.word.run} is entry {entry.number}, entered at {entry.word.entered_at}")
        if options["receipt"]:
            write_apart(options["receipt"], receipt_of(found, entry.number))
    if key is None:
        click.echo("signed    signatures not verified")
        _warn(
            "no --key: signatures not verified: whoever can write there could have made this log, or any of it, today"
        )
    else:
        click.echo(f"signed    {size - len(found.unsigned)} entries and {len(found.notes)} checkpoints by {key.id}")
    if found.unsigned:
        _warn(f"signed by nobody: {_numbers(found.unsigned)}: whoever can write there could have written them")
    if kept is None:
        _warn("no --checkpoint: a log that was rolled back to an earlier state would look whole")


def verify_receipt(data: bytes, where: str, key: PublicKey, options: dict[str, Any]) -> None:
    """Raises Refused for a receipt that proves nothing, or one of another run."""
    from modelwarden.attest.receipt import proven
    from modelwarden.attest.refusal import Refused

    run: Path | None = options["run"]
    entry, under = proven(data, key, where, allow_unsigned=options["allow_unsigned"])
    if run is not None and sha256_of(run) not in entry.word.sha256.values():
        raise Refused(f"{where}: of another run, or the run was changed: {run} is not what was entered")
    click.echo(printable(f"verified  {where}: run {entry.word.run} is entry {entry.number} of {under.origin}"))
    click.echo(f"under     the checkpoint of {under.size} entries, signed at {under.at}")
    if not entry.word.signature:
        _warn(f"signed by nobody: entry {entry.number}: whoever can write to the log could have written it")
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


def _numbers(found: Sequence[int]) -> str:
    """`entries 3, 7, 8`; the first ones of many."""
    shown = ", ".join(map(str, found[:_SHOWN]))
    return f"entr{'y' if len(found) == 1 else 'ies'} {shown}{f' and {len(found) - _SHOWN} more' if len(found) > _SHOWN else ''}"


def _entry_of(found: Audited, run: Path) -> Entry:
    from modelwarden.attest.refusal import Refused

    digest = sha256_of(run)
    for entry in found.entries:
        if digest in entry.word.sha256.values():
            return entry
    raise Refused(f"{run}: is not in the log, or was changed since it was entered")


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
