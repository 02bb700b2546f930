"""What the pages show works: the settings load, the controls judge, the links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modelwarden.catalog import load_bundle
from modelwarden.settings import Settings, read_sources
from tests.cli.conftest import clean_environment

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("modelwarden")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def write_controls(folder: Path) -> None:
    """The controls and cases that docs/writing-controls.md shows."""
    folder.mkdir()
    (folder / "hand_built.cedar").write_text(blocks("docs/writing-controls.md", "cedar")[0])
    (folder / "unrecorded_environment.py").write_text(blocks("docs/writing-controls.md", "python")[0])
    cases = folder / "tests/ACME-01"
    cases.mkdir(parents=True)
    (cases / "cases.json").write_text(blocks("docs/writing-controls.md", "json")[0])


def test_the_settings_that_the_page_shows_are_settings(tmp_path: Path) -> None:
    write_controls(tmp_path / "our-controls")
    settings, waiver, *rest = blocks("docs/settings.md", "toml")
    assert not rest
    (tmp_path / "modelwarden.toml").write_text(settings + waiver)
    read = read_sources(config=tmp_path / "modelwarden.toml", environment={}, flags={})
    bundle = load_bundle(read.bundle_paths)
    loaded = Settings.of(read, bundle.declarations, bundle.controls)
    assert loaded.advisory
    assert [one.id for one in loaded.layers[0].waivers] == ["churn-encryption"]
    assert {"ACME-01", "ACME-02"} < set(bundle.controls)


def test_what_a_scan_expects_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "modelwarden.toml").write_text("".join(blocks("docs/scan.md", "toml")))
    read = read_sources(config=tmp_path / "modelwarden.toml", environment={}, flags={})
    bundle = load_bundle(read.bundle_paths)
    settings = Settings.of(read, bundle.declarations, bundle.controls)
    assert [one.account for one in settings.gaps] == ["121212121212"]
    found = settings.scan
    assert (found.units, found.tags, found.regions) == (
        ("Workloads/Finance",),
        {"ml": "yes"},
        ("eu-west-1", "us-east-1"),
    )


def test_the_controls_that_the_page_shows_pass_their_cases(tmp_path: Path) -> None:
    write_controls(tmp_path / "our-controls")
    done = subprocess.run(
        [SCRIPT, "test", "our-controls"], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    linted = subprocess.run(
        [SCRIPT, "lint", "--bundle", "our-controls"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_every_command_that_the_readme_names_exists() -> None:
    commands = set(re.findall(r"`modelwarden ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True)
    listed = set(re.findall(r"^  ([a-z]+) ", done.stdout, re.MULTILINE))
    assert commands <= listed


def test_published_schemas_are_schemas() -> None:
    import jsonschema

    for path in sorted((ROOT / "reports/schemas").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validators.validator_for(document).check_schema(document)
