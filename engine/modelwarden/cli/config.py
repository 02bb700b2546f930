"""`modelwarden config`: the settings that hold, and the digest that pins a policy pack."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from modelwarden.catalog import load_bundle
from modelwarden.cli.options import house_options
from modelwarden.render.json import dump
from modelwarden.render.text import printable
from modelwarden.settings import Settings, read_sources
from modelwarden.settings.show import Row, rows


@click.group()
def config() -> None:
    """Show the settings in force, and which layer said so."""


@config.command()
@house_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(
    config: Path | None,
    organization: str | None,
    organization_digest: str | None,
    bundles: tuple[Path, ...],
    profile: str | None,
    levels: tuple[str, ...],
    format_: str,
) -> None:
    """Print each value, the layer it comes from and what it overrode."""
    sources = read_sources(
        config=config,
        organization=organization,
        organization_digest=organization_digest,
        environment=os.environ,
        flags={"profile": profile, "level": levels, "bundle": bundles},
        fetch=_fetch,
    )
    bundle = load_bundle(sources.bundle_paths)
    settings = Settings.of(sources, bundle.declarations, bundle.controls)
    if format_ == "json":
        click.echo(dump(_document(settings)), nl=False)
        return
    for layer in settings.layers:
        click.echo(f"layer     {layer.label}: {layer.path}  {layer.digest}")
    click.echo(f"digest    {settings.digest}")
    click.echo(f"waivers   {settings.waivers_digest}")
    click.echo(f"advisory  {'yes: no pinned organization layer' if settings.advisory else 'no'}\n")
    for row in rows(settings):
        click.echo(_line(row))


@config.command()
@click.argument("pack", metavar="PACK")
def digest(pack: str) -> None:
    """Print the digest that pins PACK: a folder, an archive or an s3:// object."""
    from modelwarden.settings.pack import digest_pack, read_pack

    click.echo(digest_pack(read_pack(pack, _fetch)))


def _fetch(uri: str) -> bytes:
    """Imported only for a pack in S3: it loads botocore."""
    from modelwarden.collect.pack import fetch_pack

    return fetch_pack(uri)


def _document(settings: Settings) -> dict[str, Any]:
    head = settings.to_json()
    head["layers"] = [{key: layer[key] for key in ("name", "path", "digest")} for layer in head["layers"]]
    return head | {"settings": [row.to_json() for row in rows(settings)]}


def _line(row: Row) -> str:
    value = (
        "not set"
        if row.value is None
        else row.value
        if isinstance(row.value, str)
        else json.dumps(row.value, ensure_ascii=False)
    )
    overrode = "".join(f", overrode {_short(value)} ({layer})" for value, layer in row.overrode)
    return printable(f"{row.setting} = {value}  ({row.layer}{overrode})")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
