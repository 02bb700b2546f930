"""`modelwarden test`: the cases of controls, by the same pytest plugin that a project's own tests use."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import click

from modelwarden.errors import UserError


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder with controls to judge beside the built-in ones.",
)
@click.pass_context
def test(context: click.Context, folders: tuple[Path, ...], bundles: tuple[Path, ...]) -> None:
    """Run the cases below FOLDERS (default: the cases of the built-in controls).

    A folder with `policies/` or `rules/` files is a bundle too, so `modelwarden test my-bundle` needs no option.
    """
    try:
        import pytest
    except ImportError as error:
        raise UserError("running cases needs pytest", "pip install 'modelwarden[test]'") from error
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder", "name a folder that holds `<CONTROL>/cases.json` files")
    named = [*bundles, *(folder for folder in folders if _holds_controls(folder))]
    options = [
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-c",
        "/dev/null",
        "--rootdir=.",
    ]
    options += [f"--modelwarden-bundle={folder}" for folder in dict.fromkeys(named)]
    with as_file(files("modelwarden.builtin.cases")) as builtin:
        code = int(pytest.main([*options, *map(str, folders or [builtin])]))
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise UserError("no case was found", "put them into `<folder>/<CONTROL>/cases.json`")
    context.exit(code if code in (0, 1) else 2)


def _holds_controls(folder: Path) -> bool:
    return any(
        path.suffix == ".cedar" or (path.suffix == ".py" and "tests" not in path.parts) for path in folder.rglob("*")
    )
