"""Which key signs and which log is written, for the commands that decide; and what `[sign]` has to be there for."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from modelwarden import gate as gating
from modelwarden.errors import UserError
from modelwarden.run import Run, write_new
from modelwarden.settings.sources import PASSPHRASE

if TYPE_CHECKING:
    from modelwarden.attest.signer import Signer
    from modelwarden.collect.aws import Aws
    from modelwarden.gate import House, Question


def agreed(flag: str | None, setting: str | None, option: str) -> str | None:
    """Raises UserError where the command line names another place than the organization layer."""
    if flag is not None and setting is not None and flag != setting:
        raise UserError(
            f"{option}: `{flag}` contradicts `{setting}` of the organization layer",
            "leave it out, or have it changed there",
        )
    return flag if flag is not None else setting


def signer_of(house: House, location: str) -> Signer:
    """Raises UserError where there is no such key, or it cannot be used."""
    need_sign()
    from modelwarden.attest.signer import signer_at

    return signer_at(location, lambda: gating.collector_of(house).aws, lambda: passphrase_of(location))


def need_sign() -> None:
    """Raises UserError where the extra `[sign]` is not installed."""
    try:
        import cryptography  # noqa: F401 - only to tell
        import pymerkle  # noqa: F401 - only to tell
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed", "pip install 'modelwarden[sign]'") from error


def passphrase_of(location: str) -> bytes:
    """Of an encrypted key file: from the environment, else asked for."""
    given = os.environ.get(PASSPHRASE)
    if given:
        return secret(given)
    if not sys.stdin.isatty():
        raise UserError(f"{location}: is encrypted, and there is nobody to ask for its passphrase", f"set {PASSPHRASE}")
    asked: str = click.prompt(f"passphrase of {Path(location).name}", hide_input=True, err=True)
    return secret(asked)


def secret(passphrase: str) -> bytes:
    """As it was set or typed, byte for byte, also where that is no UTF-8."""
    return passphrase.encode("utf-8", "surrogateescape")


def own_aws() -> Aws:
    """Calls with the caller's own credentials."""
    from modelwarden.collect.aws import Access, Aws, Tape

    return Aws(Access(), Tape())


def asserted_in(question: Question) -> str | None:
    """What of a question is asserted: it may inform a person, and must neither be signed nor change or loosen anything."""
    named = {
        "an evidence file": not gating.is_arn(question.target),
        "--principal": question.principal is not None,
        "--as-of": question.as_of is not None,
        "--replay": question.replay is not None,
    }
    return next((name for name, given in named.items() if given), None)


class Desk(Struct, frozen=True):
    """What becomes of a run once it was recorded, made ready before anything is judged."""

    signer: Signer | None = None
    unsigned: str = ""
    """Why a key that the organization layer names signs nothing here."""


def desk_of(house: House, sign: str | None, asserted: str | None) -> Desk:
    """The desk of a gate; `sign`: the key that the command line names, `asserted`: what of the question proves nothing.

    Raises:
        UserError: the key cannot be used; or the command line asks to sign what must not be signed.
    """
    location = agreed(sign, house.settings.sign, "--sign")
    if location is None:
        return Desk()
    why = f"{asserted} is asserted, not proven" if asserted else ""
    why = why or ("no pinned organization layer stands behind the settings" if house.settings.advisory else "")
    if why and sign is not None:
        raise UserError(f"--sign refuses: {why}", "leave it out, or leave out --sign")
    return Desk(unsigned=why) if why else Desk(signer_of(house, location))


class Sealed(Struct, frozen=True):
    """What became of signing a run; the file is not written yet."""

    attestation: bytes | None = None
    problem: UserError | None = None
    """Why it should be signed and could not be."""


def sealed(desk: Desk, run: Run, recorded: bytes) -> Sealed:
    """Sign the bytes of a run; nothing where no key is named, or nothing is signed."""
    if desk.signer is None:
        return Sealed()
    from modelwarden.attest.attestation import attest

    try:
        return Sealed(attest(run, hashlib.sha256(recorded).hexdigest(), desk.signer))
    except UserError as error:
        return Sealed(problem=error)


def attested(desk: Desk, seal: Sealed, recorded: Path) -> None:
    """Write an attestation beside the recorded run, and say what was signed.

    Raises:
        UserError: it should be signed, or written, and could not be.
    """
    if desk.unsigned:
        print(f"not signed: {desk.unsigned}", file=sys.stderr)
    if seal.problem is not None:
        raise seal.problem
    if desk.signer is None or seal.attestation is None:
        return
    path = recorded.with_suffix(".intoto.jsonl")
    try:
        write_new(path, seal.attestation)
    except OSError as error:
        raise UserError(
            f"{path}: the attestation cannot be written: {error.strerror}", "name another folder with --runs"
        ) from error
    print(f"signed in {path} by {desk.signer.public_key.id}", file=sys.stderr)
