"""What `modelwarden verify` does with an evidence pack."""

from __future__ import annotations

from pathlib import Path

import click

from modelwarden.render.text import printable


def is_pack(path: Path) -> bool:
    """By its name: what is in it is looked at by the check alone."""
    return path.suffix.lower() == ".zip"


def verify_pack(path: Path, digest: str | None) -> None:
    """Print every file that was changed.

    Raises:
        PackError: the file cannot be read.
        PackRefused: something was changed.
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
    if digest is None:
        click.echo(
            "note: nothing but the digest kept elsewhere proves who made it: compare it, or add --digest", err=True
        )
