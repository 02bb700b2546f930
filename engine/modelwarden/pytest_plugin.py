"""Pytest plugin: a `cases.json` in a folder named after a control becomes one test for each case.

For our controls and for users'. The folders whose controls are judged beside the built-in ones are named by
`--modelwarden-bundle DIR` or the ini option `modelwarden_bundles`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from modelwarden.cases import Case
    from modelwarden.catalog import Bundle

CONTROL = re.compile(r"[A-Z][A-Z0-9]{1,15}-\d{2,3}")
"""Name of a folder of cases."""
_BUNDLE = pytest.StashKey["Bundle"]()
_CASES = pytest.StashKey[dict[str, list["Case"]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "folder with controls to judge beside the built-in ones"
    parser.getgroup("modelwarden").addoption(
        "--modelwarden-bundle", action="append", default=[], metavar="DIR", help=about
    )
    parser.getgroup("modelwarden").addoption(
        "--modelwarden-complete", action="store_true", help="name the controls that have no case at all, too"
    )
    parser.addini("modelwarden_bundles", about, type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CASES] = {}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name == "cases.json" and CONTROL.fullmatch(file_path.parent.name):
        return CasesFile.from_parent(parent, path=file_path)
    return None


def bundle_of(config: pytest.Config) -> Bundle:
    """The bundle of this run, loaded when the first case needs it."""
    from modelwarden.catalog import load_bundle

    if _BUNDLE not in config.stash:
        named = [*config.getoption("--modelwarden-bundle"), *config.getini("modelwarden_bundles")]
        config.stash[_BUNDLE] = load_bundle([Path(folder) for folder in named])
    return config.stash[_BUNDLE]


class CasesFile(pytest.File):
    """One `cases.json`."""

    def collect(self) -> Iterator[pytest.Item]:
        from modelwarden.cases import load_cases
        from modelwarden.errors import UserError

        try:
            cases = load_cases(self.path)
        except UserError as error:
            raise self.CollectError(str(error)) from error
        self.config.stash[_CASES][self.path.parent.name] = cases
        for case in cases:
            yield CaseItem.from_parent(self, name=case.name, case=case)


class CaseItem(pytest.Item):
    """One case: the control must give the outcome and say the texts."""

    def __init__(self, *, case: Case, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def runtest(self) -> None:
        from modelwarden.cases import problems_of

        problems = problems_of(bundle_of(self.config), self.case)
        if problems:
            raise CaseFailure("\n".join(problems))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from modelwarden.errors import UserError

        if isinstance(excinfo.value, CaseFailure | UserError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.case.control}: {self.case.name}"


class CaseFailure(Exception):
    """The finding differs from the case."""


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Which outcomes the cases of a control do not show."""
    lacking = lacking_outcomes(config)
    if lacking:
        terminalreporter.section("outcomes without a case")
        for control, outcomes in lacking.items():
            terminalreporter.line(f"{control}: {', '.join(outcomes)}")


def lacking_outcomes(config: pytest.Config) -> dict[str, list[str]]:
    """Control -> outcomes that none of the collected cases shows."""
    from modelwarden.cases import has_scope, missing_outcomes

    collected = config.stash[_CASES]
    if not collected:
        return {}
    bundle = bundle_of(config)
    wanted = [control for control in bundle.controls if control in collected or _is_due(config, control)]
    found = {control: missing_outcomes(has_scope(bundle, control), collected.get(control, ())) for control in wanted}
    return {control: outcomes for control, outcomes in found.items() if outcomes}


def _is_due(config: pytest.Config, control: str) -> bool:
    """Whether cases are expected here: a user's controls where a bundle is named, else all."""
    named = config.getoption("--modelwarden-bundle") or config.getini("modelwarden_bundles")
    origin = bundle_of(config).controls[control].info.origin
    return bool(config.getoption("--modelwarden-complete")) and (origin == "user" or not named)
