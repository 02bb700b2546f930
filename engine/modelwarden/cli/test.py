"""`modelwarden test`: the cases of controls, by the same pytest plugin that a project's own tests use."""

from __future__ import annotations

import re
from importlib.resources import as_file, files
from pathlib import Path

import click

from modelwarden.entries import below
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
    """Run the cases below FOLDERS (default: those of the bundles, else those of the built-in controls).

    A folder with `policies/` or `rules/` files is a bundle too, so `modelwarden test my-bundle` needs no option.
    """
    try:
        import pytest
    except ImportError as error:
        raise UserError("running cases needs pytest", "pip install 'modelwarden[test]'") from error
    from modelwarden import pytest_plugin

    targets = folders or bundles
    for folder in targets:
        _check(folder, pytest_plugin.CONTROL)
    named = [*bundles, *(folder for folder in folders if _holds_controls(folder))]
    options = [
        "-q",
        "--no-header",
        # Plugins that happen to be installed have no say in what a case shows, and take longer to load than cases to run.
        "--disable-plugin-autoload",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-c",
        "/dev/null",
        "--rootdir=.",
    ]
    options += ["--modelwarden-complete", *(f"--modelwarden-bundle={folder}" for folder in dict.fromkeys(named))]
    with as_file(files("modelwarden.builtin.cases")) as builtin:
        code = int(pytest.main([*options, *map(str, targets or [builtin])], plugins=[pytest_plugin]))
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise UserError("no case was found", "put them into `<folder>/<CONTROL>/cases.json`")
    context.exit(code if code in (0, 1) else 2)


def _check(folder: Path, named: re.Pattern[str]) -> None:
    """Cases that would silently not be run are a mistake.

    Raises:
        UserError: no such folder, one that cannot be read, or cases in one that is not named after a control.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder", "name a folder that holds `<CONTROL>/cases.json` files")
    found = (path for path in below(folder, lambda _: True) if path.name == "cases.json")
    stray = next((path for path in found if not named.fullmatch(path.parent.name)), None)
    if stray is not None and not any(part.startswith(".") for part in stray.relative_to(folder).parts):
        raise UserError(
            f"{stray}: its folder is not named after a control", "name it like ACME-01, as the control's id"
        )


def _holds_controls(folder: Path) -> bool:
    return any(
        path.suffix == ".cedar" or (path.suffix == ".py" and "tests" not in path.parts) for path in folder.rglob("*")
    )
