"""`modelwarden report`: a page over recorded runs, or over one scan. Nothing is judged again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from modelwarden.cli.options import now
from modelwarden.cli.output import write_text
from modelwarden.errors import UserError
from modelwarden.run import read

_OF_A_SCAN: Final = ("plan.json", "manifest.json")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--title", help="Title of the page.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The page to write."
)
def report(runs: tuple[Path, ...], title: str | None, output: Path) -> None:
    """Write one self-contained HTML page over RUNS: files of recorded runs, folders of them, or the folder of one scan."""
    scans = [path for path in runs if _is_scan(path)]
    if scans:
        _refuse_mixture(runs, scans[0])
        text = _scan(scans[0], title or "Scan of model packages")
        said = f"scan {scans[0].resolve().name} on one page: {output}"
    else:
        files = _files(runs)
        text = _gates(files, title or "Promotion decisions")
        said = f"{len(files)} runs on one page: {output}"
    write_text(output, text)
    print(said, file=sys.stderr)


def _is_scan(path: Path) -> bool:
    return any((path / name).exists() for name in _OF_A_SCAN)


def _refuse_mixture(runs: tuple[Path, ...], scan: Path) -> None:
    """Raises UserError unless the scan stands alone."""
    if len(runs) > 1 or [file for file in scan.glob("*.json") if file.name not in _OF_A_SCAN]:
        raise UserError(f"{scan}: is a scan, and a page shows one scan or gate runs", "write a page for each")


def _files(runs: tuple[Path, ...]) -> list[Path]:
    """Files of gate runs; raises UserError where there are none."""
    files = [file for path in runs for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if files:
        return files
    found = sorted((inner for path in runs for inner in path.glob("*") if _is_scan(inner)), key=lambda one: one.name)
    raise UserError(
        f"{', '.join(map(str, runs))}: holds no run of a gate",
        f"name the folder of one scan: {found[-1]}"
        if found
        else "`modelwarden gate` and `modelwarden scan` record each run in .modelwarden/runs",
    )


def _gates(files: list[Path], title: str) -> str:
    from modelwarden.render.page import page

    return page([read(file) for file in files], title=title, generated_at=now())


def _scan(path: Path, title: str) -> str:
    from modelwarden.render import scan_page
    from modelwarden.scan.folder import Folder

    if not (path / "manifest.json").exists():
        raise UserError(
            f"{path}: the scan did not come to its end: it has no manifest.json",
            f"go on with it: modelwarden scan --resume {path}",
        )
    return scan_page.page(Folder(path), title=title, generated_at=now())
