"""The hooks by pre-commit itself, in a repository with controls of its own; the environment is the one that is here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pre_commit.main import main

from tests.examples.checkout import ROOT

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
CONTROLS = "our-controls"
POLICY = f"{CONTROLS}/manual_package.cedar"


def hooks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(MANIFEST.read_text())
    return found


def documented(page: str, language: str, which: int = 0) -> str:
    """An example of a page, in this language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return found[which]


@dataclass(frozen=True)
class Repository:
    """A git repository with one control, its case, and the hooks of the manifest."""

    folder: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder.parent),
            "PRE_COMMIT_HOME": str(self.folder.parent / "pre-commit"),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            arguments,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def run(self, *changed: str, expected: tuple[str, ...] = ("lint", "test")) -> dict[str, str]:
        """What becomes of each hook when these files are committed: `Passed`, `Failed` or `Skipped`, then its output."""
        self.command("git", "add", "--all")
        only = [f"modelwarden-{name}" for name in expected if len(expected) == 1]
        done = self.command("pre-commit", "run", *only, "--files", *changed)
        blocks = re.findall(
            r"^modelwarden (\w+)\.+(?:\(no files to check\))?(\w+\n(?:(?!modelwarden ).*\n?)*)",
            done.stdout,
            re.MULTILINE,
        )
        assert tuple(name for name, _ in blocks) == expected, done.stdout + done.stderr
        assert done.returncode == any(said.startswith("Failed") for _, said in blocks)
        return dict(blocks)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("hooks") / "repository"
    cases = folder / CONTROLS / "tests/ACME-01/cases.json"
    cases.parent.mkdir(parents=True)
    cases.write_text(documented("docs/writing-controls.md", "json"))
    (folder / POLICY).write_text(documented("docs/writing-controls.md", "cedar"))
    (folder / "README.md").write_text("our controls\n")
    here = [{name: value for name, value in hook.items() if name != "additional_dependencies"} for hook in hooks()]
    local = [hook | {"language": "system"} for hook in here]
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": local}]}))
    made = Repository(folder)
    assert made.command("git", "init", "--quiet").returncode == 0
    return made


def test_pre_commit_takes_the_manifest_and_the_documented_configuration(tmp_path: Path) -> None:
    configuration = tmp_path / ".pre-commit-config.yaml"
    configuration.write_text(documented("docs/ci.md", "yaml", -1))
    assert main(["validate-manifest", str(MANIFEST)]) == 0
    assert main(["validate-config", str(configuration)]) == 0
    (repository,) = yaml.safe_load(configuration.read_text())["repos"]
    assert {hook["id"] for hook in repository["hooks"]} == {hook["id"] for hook in hooks()}


def test_hooks_share_one_environment_that_can_run_cases() -> None:
    """pre-commit installs this repository and then what is named, and makes one environment for the same names."""
    assert {(hook["language"], *hook["additional_dependencies"]) for hook in hooks()} == {("python", ".[test]")}


def test_hooks_pass_on_good_controls(repository: Repository) -> None:
    assert repository.run(POLICY) == {"lint": "Passed\n", "test": "Passed\n"}


def test_hooks_stop_a_policy_that_would_open_the_gate(repository: Repository) -> None:
    """With the arguments of the manifest, too: without any, lint would look at the built-in controls alone."""
    policy = repository.folder / POLICY
    good = policy.read_text()
    policy.write_text(good.replace("unless\n{", "when\n{"))
    opened = repository.run("README.md", POLICY, expected=("lint",))["lint"]
    policy.write_text(good.replace("*:pipeline/*", "*:execution/*"))
    wrong = repository.run(f"{CONTROLS}/tests/ACME-01/cases.json", POLICY)
    policy.write_text(good)
    assert opened.startswith("Failed\n")
    assert "error[" in opened
    assert (wrong["lint"], wrong["test"].split("\n")[0]) == ("Passed\n", "Failed")
    assert "from a pipeline" in wrong["test"]


def test_hooks_run_on_what_makes_up_a_pack() -> None:
    lint, test = (re.compile(hook["files"]) for hook in hooks())
    for name in ("a/b.cedar", "rules/x.py", "modelwarden.toml", "p/parameters.toml", "p/own.cedarschema"):
        assert lint.search(name), name
        assert test.search(name), name
    assert test.search("our-controls/tests/ACME-01/cases.json")
    for name in ("README.md", "cedar", "a.python", "data.json"):
        assert not lint.search(name), name
        assert not test.search(name), name
