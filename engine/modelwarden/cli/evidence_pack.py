"""`modelwarden evidence-pack`: what was recorded of model packages, in one archive for somebody outside. Nothing is judged again."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelwarden import __version__
from modelwarden import gate as gating
from modelwarden.arn import parse_arn
from modelwarden.cli.gate import sources_from
from modelwarden.cli.signing import signer_of
from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.run import RUNS

if TYPE_CHECKING:
    from modelwarden.attest.signer import Signer
    from modelwarden.audit.pack.build import Built
    from modelwarden.audit.pack.subject import Dossier


@click.command("evidence-pack")
@click.argument("target")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["mrm", "eu-annex-iv"]),
    required=True,
    help="Whose questions the index answers: model risk management, or the nine points of Annex IV of the EU AI Act.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The archive.")
@click.option("--package", "packages", multiple=True, metavar="ARN", help="Of a scan only this package; repeatable.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="KIND=VALUE",
    help="Of a scan only this account, unit, group, owner or stage; repeatable.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the runs of an ARN lie (default: those of the settings, else .modelwarden/runs).",
)
@click.option(
    "--raw",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Add the raw responses that `--record` kept.",
)
@click.option(
    "--redact",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Take out these facts or raw values, besides those of the settings: `/customer_metadata/*`; repeatable.",
)
@click.option("--sign", metavar="FILE|awskms:ARN", help="Sign the pack with this key, in a file beside it.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (default: ./modelwarden.toml).")
@click.option("--organization", metavar="PACK", help="Policy pack of the organization, whose redactions hold.")
@click.option("--organization-digest", metavar="SHA256", help="Digest that pins the pack.")
def evidence_pack(target: str, purpose: str, output: Path, patterns: tuple[str, ...], **options: Any) -> None:
    """Build an archive of what was recorded of TARGET: the file of a gate's run, the folder of a scan, or the ARN of a package.

    Of an ARN the newest scan and the newest gates that hold it are taken. Below 100 % of what was expected the pack says so.
    """
    from modelwarden.audit.pack.build import build

    if output.is_dir():
        raise UserError(f"{output}: is a folder", "name the file of the archive: -o pack.zip")
    house = gating.load_house(sources_from(options), os.environ)
    signer = signer_of(house, options["sign"]) if options["sign"] else None
    settings = house.settings
    built = build(_dossier(target, options, settings.runs), purpose, (*settings.redact, *patterns), options["raw"])
    signature = _signature(built, output, purpose, signer) if signer else None
    _write(output, built.data)
    _tell(built, output)
    if signer and signature:
        _write(*signature)
        print(f"signed in {signature[0]} by {signer.public_key.id}", file=sys.stderr)


def _signature(built: Built, output: Path, purpose: str, signer: Signer) -> tuple[Path, bytes]:
    """The file beside a pack, made before anything is written.

    Raises:
        UserError: its name is taken, or the signer refuses.
    """
    from modelwarden.attest.packed import PackOf, beside, signed

    file = beside(output)
    if file.exists():
        raise UserError(f"{file}: is there already", "choose another name: a pack is never written over")
    about = PackOf(built.digest, purpose, __version__, now())
    return file, signed(output.name, hashlib.sha256(built.data).hexdigest(), about, signer)


def _dossier(target: str, options: dict[str, Any], runs: Path | None) -> Dossier:
    """`runs` of the settings. Raises UserError for an option that would be believed to have an effect, and for what is no record."""
    from modelwarden.audit.pack import subject
    from modelwarden.audit.scope import scope_of
    from modelwarden.scan.folder import Folder

    path = Path(target)
    if gating.is_arn(target):
        parse_arn(target)
        _refuse(options, "an ARN", "packages", "scopes")
        return subject.of_package(target, runs or RUNS)
    _refuse(options, "a run", "runs")
    if path.is_dir():
        if not (path / "plan.json").exists():
            raise UserError(f"{path}: is no scan", "name the folder of one scan, or the ARN of a package with --runs")
        return subject.of_scan(Folder(path), scope_of(options["scopes"]), options["packages"])
    if not path.exists():
        raise UserError(
            f"`{target}`: no such run", "name a file or folder below .modelwarden/runs, or the ARN of a package"
        )
    _refuse(options, "the run of a gate", "packages", "scopes")
    return subject.of_gate(path)


def _refuse(options: dict[str, Any], what: str, *names: str) -> None:
    for name in names:
        if options[name]:
            raise UserError(
                f"--{name.removesuffix('s') if name != 'runs' else name} has no effect on {what}", "leave it out"
            )


def _write(output: Path, data: bytes) -> None:
    """Aside, then under its name, and never over another file. Raises UserError where it cannot be written."""
    from modelwarden.run import write_new

    try:
        write_new(output, data)
    except FileExistsError as error:
        raise UserError(f"{output}: is there already", "choose another name: a pack is never written over") from error
    except OSError as error:
        raise UserError(
            f"{output}: cannot be written: {error.strerror}", "choose a folder that exists and is writable"
        ) from error


def _tell(built: Built, output: Path) -> None:
    """The digest on stdout, since somebody keeps it; the rest on stderr."""
    from modelwarden.render.text import printable

    click.echo(built.digest)
    lines = [
        f"{built.packages} packages, {built.files} files: {output}",
        *(f"redacted {one.pattern}: {one.facts} facts, {one.raw} places in raw responses" for one in built.redactions),
        "keep the digest elsewhere: it is that of MANIFEST.json, and proves that nothing was changed",
    ]
    lines += [f"not read: {one}" for one in built.skipped]
    if not built.complete:
        lines.append("the runs are NOT COMPLETE: something that was expected was not read, and the index lists it")
    for line in lines:
        print(printable(line), file=sys.stderr)
