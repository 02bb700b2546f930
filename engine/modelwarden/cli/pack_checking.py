"""What `modelwarden verify` does with an evidence pack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelwarden.render.text import printable

if TYPE_CHECKING:
    from modelwarden.attest.key import PublicKey


def is_pack(path: Path) -> bool:
    """By its name: what is in it is looked at by the check alone."""
    return path.suffix.lower() == ".zip"


def verify_pack(path: Path, digest: str | None, key: PublicKey | None) -> None:
    """Print every file that was changed; with a key, who signed it.

    Raises:
        PackError: the file cannot be read.
        PackRefused: something was changed.
        Refused: nobody signed it with this key.
    """
    from modelwarden.audit.pack.archive import PackRefused
    from modelwarden.audit.pack.check import check

    found = check(path, digest)
    for flaw in found.flaws:
        click.echo(printable(str(flaw)))
    if found.flaws:
        raise PackRefused(f"{path}: refused: {found.flaws[0]}")
    files = len(found.manifest.files) + 1 if found.manifest is not None else 0
    click.echo(f"intact    {printable(str(path))}: {files} files, manifest {found.digest}")
    if key is not None:
        click.echo(printable(_signature(path, found.sha256, key)))
    elif digest is None:
        click.echo(
            "note: a signature beside it, or its digest kept elsewhere, proves who made it: add --key, or --digest",
            err=True,
        )


def _signature(path: Path, sha256: str, key: PublicKey) -> str:
    """Raises Refused where the file beside the pack is none of this key's about these bytes."""
    from modelwarden.attest.packed import MAX_BYTES, beside, verified
    from modelwarden.attest.refusal import Refused

    file = beside(path)
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refused(
            f"{file}: cannot be read: {error.strerror}", "ask whoever made the pack for its signature"
        ) from error
    about = verified(data, key, sha256, str(file))
    return f"signed    {file}: by {key.id} at {about.signed_at}"
