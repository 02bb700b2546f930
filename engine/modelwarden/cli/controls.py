"""`modelwarden controls`: what is judged, and where it stands."""

from __future__ import annotations

import json
from pathlib import Path

import click
from msgspec.structs import asdict

from modelwarden.catalog import Bundle, load_bundle
from modelwarden.errors import UserError
from modelwarden.finding import ControlInfo

_bundle = click.option(
    "--bundle", "bundles", multiple=True, type=click.Path(path_type=Path), help="Folder with further controls."
)
_format = click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group()
def controls() -> None:
    """List the controls, or show one."""


@controls.command("list")
@_bundle
@_format
def list_(bundles: tuple[Path, ...], format_: str) -> None:
    """Print id, severity, engine and title of every control."""
    bundle = load_bundle(bundles)
    if format_ == "json":
        click.echo(json.dumps(bundle.listing(), indent=2))
        return
    for info in (control.info for control in bundle.controls.values()):
        click.echo(f"{info.id:<8} {info.severity:<8} {info.engine:<6} {info.title}")


@controls.command()
@click.argument("control")
@_bundle
@_format
def show(control: str, bundles: tuple[Path, ...], format_: str) -> None:
    """Print everything about CONTROL: why it exists, what it reads, how to mend a failure, its source text."""
    bundle = load_bundle(bundles)
    info = find(bundle, control)
    text = next(file.text for file in bundle.files if file.path == info.path)
    if format_ == "json":
        click.echo(json.dumps(asdict(info) | {"text": text}, indent=2))
        return
    click.echo(f"{info.id}  {info.title}\n")
    rows = {
        "severity": info.severity,
        "moments": ", ".join(info.moments),
        "why": info.rationale,
        "expected": info.expected,
        "remedy": info.remediation,
        "source": info.source,
        "since": info.since,
        "file": f"{info.path}:{info.line}",
    }
    for name, value in rows.items():
        if value:
            click.echo(f"  {name:<12}{value}")
    for name, values in (("facts", info.reads), ("parameters", info.parameters)):
        for index, value in enumerate(values):
            click.echo(f"  {name if index == 0 else '':<12}{value}")
    click.echo(f"\n{text.rstrip()}")


def find(bundle: Bundle, control: str) -> ControlInfo:
    """The control's metadata.

    Raises:
        UserError: no such control; the message names near ones.
    """
    if control in bundle.controls:
        return bundle.controls[control].info
    from difflib import get_close_matches

    near = get_close_matches(control.upper(), bundle.controls, n=3, cutoff=0.5)
    help_ = f"did you mean {' or '.join(near)}?" if near else "`modelwarden controls list` shows all"
    raise UserError(f"unknown control `{control}`", help_)
