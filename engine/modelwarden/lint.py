"""Lint: every problem of the built-in controls and of the folders, each with its place and the next step.

What `survey` finds in a user's files keeps a bundle from being evaluated. Here the files that ship are checked as
strictly, and the layout of policies is looked at, which changes no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from modelwarden import cedar
from modelwarden.bundle_file import BundleFile
from modelwarden.catalog import survey
from modelwarden.problem import Problem


class Report(Struct, frozen=True):
    """What lint found."""

    controls: int
    problems: tuple[Problem, ...]
    """In the order of files and lines."""

    @property
    def errors(self) -> int:
        return sum(not problem.warning for problem in self.problems)


def lint(folders: Sequence[Path] = ()) -> Report:
    """Check the built-in controls and those of the folders."""
    bundle, problems = survey(folders, thorough=True)
    bundle.workers.close()
    places = {file.path: number for number, file in enumerate(bundle.files)}
    problems += [problem for file in bundle.files for problem in _layout(file)]
    problems.sort(key=lambda problem: (places.get(problem.path, -1), problem.line))
    return Report(len(bundle.controls), tuple(problems))


def _layout(file: BundleFile) -> list[Problem]:
    """A difference is an error only in what ships: Cedar's layout is a habit and no matter of safety."""
    if file.kind not in ("policy", "authz"):
        return []
    try:
        laid_out = cedar.format_text(file.text)
        if cedar.is_laid_out(file.text):
            return []
    except cedar.CedarError:
        return []  # the syntax error is among the problems already
    lines = zip(file.text.splitlines(), laid_out.splitlines(), strict=False)
    line = next((number for number, (is_, ought) in enumerate(lines, 1) if is_ != ought), 1)
    help_ = "`modelwarden lint --fix` lays out the files of your folders"
    return [
        Problem("layout", file.path, line, "is not laid out as Cedar's formatter does", help_, file.origin == "user")
    ]


def fix(folders: Sequence[Path]) -> list[str]:
    """Lay out the policies of the folders; the files that changed. One with a syntax error stays as it is."""
    from modelwarden.bundle_file import user_files

    changed = []
    for file in user_files(folders, []):
        if _layout(file):
            Path(file.location).write_text(cedar.format_text(file.text, cedar.WIDTHS[1]), encoding="utf-8")
            changed.append(file.path)
    return changed
