"""`modelwarden key`: pairs of keys for signing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from modelwarden.cli.output import write_apart
from modelwarden.cli.signing import need_sign, own_aws, passphrase_of, secret
from modelwarden.errors import UserError
from modelwarden.settings.sources import PASSPHRASE


@click.group()
def key() -> None:
    """Make the keys that sign decisions, or print their public part."""


@key.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--no-passphrase", is_flag=True, help="Do not encrypt the private key.")
def new(file: Path, *, no_passphrase: bool) -> None:
    """Make a pair of keys: the private one in FILE, the public one in FILE.pub.

    The private key is encrypted under the passphrase in MODELWARDEN_KEY_PASSPHRASE, or one that is asked for.
    """
    need_sign()
    from modelwarden.attest.key import new_pair

    public = new_pair(file, None if no_passphrase else _new_passphrase())
    click.echo(f"{file}.pub  {public.id}")


@key.command()
@click.argument("signer", metavar="KEY")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it to a file.")
def public(signer: str, output: Path | None) -> None:
    """Print the public part of KEY, a file or awskms:ARN, for those who verify."""
    need_sign()
    from modelwarden.attest.signer import signer_at

    pem = signer_at(signer, own_aws, lambda: passphrase_of(signer)).public_key.pem()
    if output:
        write_apart(output, pem)
    else:
        click.echo(pem, nl=False)


def _new_passphrase() -> bytes:
    given = os.environ.get(PASSPHRASE)
    if given:
        return secret(given)
    if not sys.stdin.isatty():
        raise UserError(
            "there is nobody to ask for a passphrase", f"set {PASSPHRASE}, or say --no-passphrase for a key without one"
        )
    asked: str = click.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return secret(asked)
