"""`modelwarden lint`: all that is wrong with policies and rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from msgspec.structs import asdict

from modelwarden.errors import UserError
from modelwarden.lint import Report
from modelwarden.lint import fix as lay_out
from modelwarden.lint import lint as check
from modelwarden.problem import Problem
from modelwarden.render.json import dump
from modelwarden.render.text import printable

SCHEMA = "modelwarden.lint/1"


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder with controls; the same as FOLDERS.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--fix", is_flag=True, help="First lay out the policies of FOLDERS as Cedar's formatter does.")
@click.pass_context
def lint(context: click.Context, folders: tuple[Path, ...], bundles: tuple[Path, ...], format_: str, fix: bool) -> None:
    """Check the built-in controls and those of FOLDERS for mistakes that would open the gate.

    A bundle with an error is not evaluated. Exit codes: 0 no errors, 2 errors; warnings change nothing.
    """
    named = tuple(dict.fromkeys([*bundles, *folders]))
    if fix:
        _fix(named)
    report = check(named)
    click.echo(_json(report) if format_ == "json" else _text(report))
    context.exit(2 if report.errors else 0)


def _fix(folders: tuple[Path, ...]) -> None:
    if not folders:
        raise UserError("--fix: no folder is named", "name the folders whose policies shall be laid out")
    try:
        for path in lay_out(folders):
            print(f"laid out {printable(path)}", file=sys.stderr)
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot be written: {error.strerror}", "check the file's permissions"
        ) from error


def _text(report: Report) -> str:
    blocks = [_block(problem) for problem in report.problems]
    warnings = len(report.problems) - report.errors
    found = [_counted(report.errors, "error"), _counted(warnings, "warning")]
    said = ", ".join(filter(None, found)) or "no problems"
    return "\n".join([*blocks, f"{_counted(report.controls, 'control') or '0 controls'}, {said}"])


def _block(problem: Problem) -> str:
    kind = "warning" if problem.warning else "error"
    lines = [f"{kind}[{problem.rule}] {printable(str(problem))}"]
    return "\n".join([*lines, f"  help: {printable(problem.help)}"] if problem.help else lines)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""


def _json(report: Report) -> str:
    problems = [
        {"severity": "warning" if problem.warning else "error"}
        | {name: value for name, value in asdict(problem).items() if name != "warning"}
        for problem in report.problems
    ]
    document = {"schema": SCHEMA, "controls": report.controls, "errors": report.errors, "problems": problems}
    return dump(document).rstrip("\n")
