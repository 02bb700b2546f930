"""`modelwarden verify`: whether a record is genuine and says what is demanded, offline."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden.cli.options import stage_of
from modelwarden.cli.signing import missing
from modelwarden.errors import UserError

if TYPE_CHECKING:
    from modelwarden.attest.checking import Attested, Wanted

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_AGE: Final = re.compile(r"([1-9]\d{0,4})([dhm])")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}
_OF_ATTESTATIONS: Final = ("subjects", "any_subject", "max_age", "bundle", "stage", "moment", "run")


@click.command()
@click.argument("target")
@click.option(
    "--key", "key", type=click.Path(path_type=Path), metavar="PUB", help="Public key of whoever signed (PEM)."
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="sha256:...",
    help="Digest of an artifact or image that is about to be deployed; repeatable.",
)
@click.option("--any-subject", is_flag=True, help="Do not compare with what is deployed.")
@click.option("--max-age", metavar="30d|12h|45m", help="Refuse what was judged longer ago.")
@click.option("--bundle", metavar="sha256:...", help="Refuse what another bundle of controls judged.")
@click.option("--stage", metavar="STAGE", help="Refuse what is for another stage.")
@click.option("--moment", type=click.Choice(["approve", "deploy"]), help="Refuse what is for another moment.")
@click.option("--run", type=click.Path(path_type=Path), metavar="FILE", help="Refuse what is of another recorded run.")
def verify(target: str, /, **options: Any) -> None:
    """Check TARGET: an attestation that `gate --sign` wrote, or a recorded run.

    Exit code 0 where it is genuine and meets every demand, 1 where it is refused, 2 for a mistake in the question.
    """
    try:
        from modelwarden.attest import checking
    except ModuleNotFoundError as error:
        raise missing(error) from error
    path = Path(target)
    data = _read(path, checking.MAX_BYTES)
    if not data.startswith(b'{"payloadType"') and path.suffix == ".json":
        _verify_run(path, options)
        return
    wanted = _wanted(options)
    found = checking.opened(data, _key(options), target)
    checking.check(found, wanted, target)
    for line in _told(found, target, wanted):
        click.echo(line)
    _warn(found, wanted)


def _read(path: Path, most: int) -> bytes:
    """Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror}", "name a file that `modelwarden gate` wrote"
        ) from error


def _key(options: dict[str, Any]) -> Any:
    from modelwarden.attest.key import read_public

    if options["key"] is None:
        raise UserError("an attestation proves nothing without the key", "name the public key with --key")
    return read_public(options["key"])


def _wanted(options: dict[str, Any]) -> Wanted:
    """Raises UserError for a demand that is none, and where nobody says what is deployed."""
    from modelwarden.attest.checking import Wanted

    for name, value in (*(("--subject", one) for one in options["subjects"]), ("--bundle", options["bundle"])):
        if value is not None and not _DIGEST.fullmatch(value):
            raise UserError(f"{name}: `{value}` is not a digest", "write it as sha256: and 64 hexadecimal digits")
    if bool(options["subjects"]) == options["any_subject"]:
        raise UserError(
            "an attestation is about content: nobody says what is deployed"
            if not options["subjects"]
            else "--subject and --any-subject exclude each other",
            "name each digest with --subject, or say --any-subject to leave that open",
        )
    return Wanted(
        now=datetime.now(UTC),
        subjects=options["subjects"],
        max_age=_age(options["max_age"]),
        bundle=options["bundle"],
        stage=stage_of(options["stage"]) if options["stage"] is not None else None,
        moment=options["moment"],
        run_sha256=_sha256(options["run"]) if options["run"] else None,
    )


def _age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = _AGE.fullmatch(text)
    if not found:
        raise UserError(f"--max-age: `{text}` is not an age", "write it as 30d, 12h or 45m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _sha256(path: Path) -> str:
    from modelwarden.run import MAX_BYTES

    return hashlib.sha256(_read(path, MAX_BYTES)).hexdigest()


def _verify_run(path: Path, options: dict[str, Any]) -> None:
    """A run's own checksum: it finds an accident, and not somebody who can compute one."""
    from modelwarden.attest.refusal import Refused
    from modelwarden.run import RunError, read

    given = [name for name in _OF_ATTESTATIONS if options[name]]
    if given or options["key"]:
        raise UserError(
            f"{path}: is no attestation, and a run is signed by nobody",
            "verify its attestation, FILE.intoto.jsonl, with --run",
        )
    try:
        run = read(path)
    except RunError as error:
        raise Refused(str(error)) from error
    click.echo(f"intact  {path}: run {run.id}, {run.decision.verdict} for {run.decision.request.stage}")
    click.echo(
        "note: the checksum of a run is not a signature; its attestation and the log are what it is compared with",
        err=True,
    )


def _told(found: Attested, target: str, wanted: Wanted) -> list[str]:
    from modelwarden.render.text import printable

    decision = found.decision.predicate
    request = decision.request
    lines = [
        f"verified  {target}",
        f"verdict   {decision.verdict} for {request.stage} ({request.moment}) as of {request.as_of}",
        f"package   {decision.package}",
        *(f"subject   {digest}  {name}{_compared(digest, wanted)}" for digest, name in found.subjects.items()),
        f"bundle    {decision.digests['bundle']}",
        f"run       {decision.run}  sha256:{decision.run_sha256}",
        *(f"waiver    {one.id} until {one.expires}: {', '.join(one.controls)}" for one in decision.waivers),
    ]
    return [printable(line) for line in lines]


def _compared(digest: str, wanted: Wanted) -> str:
    return "  (as deployed)" if digest in wanted.subjects else ""


def _warn(found: Attested, wanted: Wanted) -> None:
    from modelwarden.render.text import printable

    decision = found.decision.predicate
    told = [
        *(["what is deployed was not compared: --any-subject"] if not wanted.subjects else []),
        *(
            [f"it does not speak of {', '.join(decision.without_digest)}: no digest was known"]
            if decision.without_digest
            else []
        ),
        *([f"not read: {', '.join(decision.coverage.unread)}"] if decision.coverage.unread else []),
    ]
    for line in told:
        click.echo(printable(f"warning: {line}"), err=True)
