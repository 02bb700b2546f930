"""`modelwarden verify`: whether a record is genuine and says what is demanded, offline."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from modelwarden.cli.auditing import is_log, verify_log, verify_receipt, verify_run, verify_scan
from modelwarden.cli.files import read_file, sha256_of
from modelwarden.cli.options import stage_of
from modelwarden.cli.pack_checking import is_pack, verify_pack
from modelwarden.cli.signing import need_sign
from modelwarden.errors import UserError
from modelwarden.period import duration

if TYPE_CHECKING:
    from modelwarden.attest.checking import Attested, Wanted
    from modelwarden.attest.key import PublicKey
    from modelwarden.attest.statement import Totals, Uncovered

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_OF_ATTESTATIONS: Final = ("subjects", "any_subject", "allow_uncovered", "max_age", "bundle", "stage", "moment")


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
@click.option("--allow-uncovered", is_flag=True, help="Accept that something it would run is named by no digest.")
@click.option("--max-age", metavar="30d|12h|45m", help="Refuse what was judged longer ago.")
@click.option("--bundle", metavar="sha256:...", help="Refuse what another bundle of controls judged.")
@click.option("--stage", metavar="STAGE", help="Refuse what is for another stage.")
@click.option("--moment", type=click.Choice(["approve", "deploy"]), help="Refuse what is for another moment.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Refuse a log that does not continue this checkpoint, kept elsewhere.",
)
@click.option(
    "--receipt", type=click.Path(path_type=Path), metavar="FILE", help="Write the proof that the log has the --run."
)
@click.option("--run", type=click.Path(path_type=Path), metavar="FILE", help="Refuse what is not of this recorded run.")
@click.option(
    "--allow-unsigned", is_flag=True, help="Accept entries of a log that nobody signed, as those of asserted decisions."
)
@click.option("--digest", metavar="sha256:...", help="Of a pack's manifest, as `evidence-pack` printed it.")
def verify(**options: Any) -> None:
    """Check TARGET: an attestation that `gate --sign` wrote, a log (a folder or s3://bucket/prefix), a receipt, an evidence
    pack, a run, a scan.

    Exit code 0 where it is genuine and meets every demand, 1 where it is refused, 2 for a mistake in the question.
    """
    target, path = options["target"], Path(options["target"])
    if not target:
        raise UserError("nothing is named that could be verified", "name a file, a folder or s3://bucket/prefix")
    if is_pack(path):
        _only(options, target, "an evidence pack", ("digest", "key"))
        _check_digest("--digest", options["digest"])
        if options["key"]:
            need_sign()
        verify_pack(path, options["digest"], _key(options) if options["key"] else None)
        return
    need_sign()
    from modelwarden.attest.checking import MAX_BYTES

    scan, log = _folders(target)
    if scan:
        _only(options, target, "a recorded scan, which nobody signs", ())
        verify_scan(path)
        return
    if log:
        _only(options, target, "a log", ("key", "checkpoint", "run", "receipt", "allow_unsigned"))
        if options["receipt"] and not options["run"]:
            raise UserError("--receipt is of one run", "name it with --run")
        if options["allow_unsigned"] and not options["key"]:
            raise UserError("--allow-unsigned has no effect: without a key no signature is verified", "leave it out")
        verify_log(target, _key(options) if options["key"] else None, options)
        return
    data = read_file(path, MAX_BYTES)
    if data.startswith(b'{"schema":"modelwarden.receipt/'):
        _only(options, target, "a receipt", ("key", "run", "allow_unsigned"))
        verify_receipt(data, target, _key(options), options)
    elif path.suffix == ".json" and not data.startswith(b'{"payloadType"'):
        _only(options, target, "a recorded run, which nobody signs", ())
        verify_run(path)
    else:
        _only(options, target, "an attestation", ("key", "run", *_OF_ATTESTATIONS))
        _verify_attestation(data, target, options)


def _folders(target: str) -> tuple[bool, bool]:
    """(whether it is a scan, whether it is a log). Raises UserError where that cannot be told."""
    try:
        return (Path(target) / "manifest.json").exists(), is_log(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be read: {error.strerror}", "name a file that modelwarden wrote") from error


def _only(options: dict[str, Any], target: str, what: str, known: tuple[str, ...]) -> None:
    """Raises UserError for an option that would be believed to have an effect."""
    for name, value in options.items():
        if value and name not in (*known, "target"):
            option = {"subjects": "subject"}.get(name, name.replace("_", "-"))
            raise UserError(f"--{option} has no effect: {target} is {what}", "leave it out")


def _verify_attestation(data: bytes, target: str, options: dict[str, Any]) -> None:
    from modelwarden.attest import checking

    wanted = _wanted(options)
    found = checking.opened(data, _key(options), target)
    checking.check(found, wanted, target)
    for line in _told(found, target, wanted):
        click.echo(line)
    _warn(found, wanted)


def _key(options: dict[str, Any]) -> PublicKey:
    from modelwarden.attest.key import read_public

    if options["key"] is None:
        raise UserError("a signature proves nothing without the key", "name the public key with --key")
    return read_public(options["key"])


def _wanted(options: dict[str, Any]) -> Wanted:
    """Raises UserError for a demand that is none, and where nobody says what is deployed."""
    from modelwarden.attest.checking import Wanted

    for name, value in (*(("--subject", one) for one in options["subjects"]), ("--bundle", options["bundle"])):
        _check_digest(name, value)
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
        allow_uncovered=options["allow_uncovered"],
        max_age=duration(options["max_age"], "--max-age") if options["max_age"] is not None else None,
        bundle=options["bundle"],
        stage=stage_of(options["stage"]) if options["stage"] is not None else None,
        moment=options["moment"],
        run_sha256=sha256_of(options["run"]) if options["run"] else None,
    )


def _check_digest(option: str, value: str | None) -> None:
    """Raises UserError for what is none."""
    if value is not None and not _DIGEST.fullmatch(value):
        raise UserError(f"{option}: `{value}` is not a digest", "write it as sha256: and 64 hexadecimal digits")


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
        *([f"waived    until {decision.waived_until}"] if decision.waived_until else []),
        *(f"waiver    {one.id} until {one.expires}: {', '.join(one.controls)}" for one in decision.waivers),
    ]
    return [printable(line) for line in lines]


def _compared(digest: str, wanted: Wanted) -> str:
    return "  (as deployed)" if digest in wanted.subjects else ""


def _place(one: Uncovered) -> str:
    return f": {one.uri}{f', VersionId {one.version}' if one.version else ''}" if one.uri else ""


def _left_out(totals: Totals) -> str:
    """How much there is of what an abridged attestation does not list."""
    controls = ((totals.blocks, "block"), (totals.flags, "flag"), (totals.undecides, "undecide"), (totals.off, "off"))
    listed = [f"{count} {what}" for count, what in controls if count]
    waivers = [_count(totals.waivers, "waiver")] if totals.waivers else []
    unread = [f"{_count(totals.unread, 'API')} not read"] if totals.unread else []
    return "; ".join([f"controls: {', '.join(listed) or 'none'}", *waivers, *unread])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _warn(found: Attested, wanted: Wanted) -> None:
    from modelwarden.render.text import printable

    decision = found.decision.predicate
    totals = decision.totals
    told = [
        *(["what is deployed was not compared: --any-subject"] if not wanted.subjects else []),
        *(f"it does not cover {one.name}{_place(one)}" for one in decision.uncovered),
        *([f"not read: {', '.join(decision.coverage.unread)}"] if decision.coverage.unread else []),
        *([f"{_count(totals.break_glass, 'waiver')} broke the glass"] if totals.break_glass else []),
        *([f"abridged: its lists stand in the run alone: {_left_out(totals)}"] if decision.abridged else []),
    ]
    for line in told:
        click.echo(printable(f"warning: {line}"), err=True)
