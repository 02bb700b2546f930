"""`modelwarden verify`: whether a record is what was written, offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from modelwarden.cli.pack_checking import is_pack, verify_pack
from modelwarden.errors import UserError

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--digest", metavar="sha256:...", help="Of a pack's manifest, as `evidence-pack` printed it.")
def verify(target: Path, digest: str | None) -> None:
    """Check TARGET, an evidence pack: every file that was changed, is missing or was added is named.

    Exit code 0 where it is intact, 1 where it is refused, 2 for a mistake in the question.
    """
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise UserError(f"--digest: `{digest}` is not a digest", "write it as sha256: and 64 hexadecimal digits")
    if not is_pack(target):
        raise UserError(f"{target}: is no evidence pack", "name a .zip that `modelwarden evidence-pack` wrote")
    verify_pack(target, digest)
