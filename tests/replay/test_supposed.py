"""What would be said as of another day or under other rules: told, marked, and recorded nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden.evidence import Evidence
from modelwarden.run import write
from tests.command import Done
from tests.demo.test_oracle import validator
from tests.user_bundle.conftest import HONEST, cedar, python

from .records import bundle, house, run_of, scan_of
from .test_replay import EVIDENCE, FACTS, PACKAGE

Replay = Callable[..., Done]
BANNER = "HYPOTHETICAL: what would be said, not what was said. It is no decision and no record."

ENCRYPTED = cedar(
    "ACME-01",
    'resource has package.kmsKey.manager && resource.package.kmsKey.manager == "CUSTOMER"',
    "/package/kms_key/manager",
)
OWNED = cedar("ACME-02", 'resource.hasTag("owner") && resource.getTag("owner") == "risk"', "/tag/owner")
STRICT = cedar("ACME-03", 'resource.hasTag("owner") && resource.getTag("owner") == "nobody"', "/tag/owner")
WAIVER = f"""
[[waiver]]
id = "w-1"
package = "{PACKAGE}"
controls = ["ACME-03"]
owner = "ana"
approver = "bo"
reason = "until it moves"
ticket = "T-1"
expires = 2026-12-31
"""
ONLY = 'profile = "observe"\n[enforcement]\nACME-03 = "block"\n'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of two packages; one of them has a waiver for what fails."""
    folder = tmp_path_factory.mktemp("supposed")
    rules = house(folder / "house", ONLY + WAIVER, strict_cedar=STRICT, owned_cedar=OWNED)
    return scan_of(rules, folder / "scan", [EVIDENCE, Evidence(PACKAGE[:-1] + "8", FACTS)]).path


def told(done: Done) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.out)
    validator("replay").validate(document)
    return document


def test_another_day_is_marked_in_text_and_json(recorded: Path, run: Replay) -> None:
    before = {path: path.read_bytes() for path in recorded.parent.rglob("*") if path.is_file()}
    done = run("replay", recorded, "--as-of", "2027-01-01")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert (lines[0], lines[-1]) == (BANNER, BANNER)
    assert lines[1] == "supposed: as of 2027-01-01T00:00:00Z"
    assert "now block: 1 (1 that were flag)" in lines
    place = "111122223333/eu-west-1/churn/7 -> Production (serve), run scan"
    assert f"would differ  {place}: verdict: flag -> block; ACME-03 effect: flags -> blocks" in lines
    assert lines[-2] == "2 decisions: 1 agrees, 1 differs, 0 could not be judged again"
    document = told(run("replay", recorded, "--as-of", "2027-01-01", "--format", "json"))
    assert document["hypothetical"] is True
    assert document["supposed"] == {"as_of": "2027-01-01T00:00:00Z", "bundle": [], "config": None, "organization": None}
    assert (
        run("replay", recorded, "--as-of", "2026-12-31T23:59:59Z")
        .out.splitlines()[-2]
        .startswith("2 decisions: 2 agree")
    )
    assert {path: path.read_bytes() for path in recorded.parent.rglob("*") if path.is_file()} == before


def test_the_exit_code_tells_only_where_it_is_asked_to(recorded: Path, run: Replay) -> None:
    assert run("replay", recorded, "--as-of", "2027-01-01", "--exit-code").code == 1
    assert run("replay", recorded, "--as-of", "2026-12-01", "--exit-code").code == 0


def test_facts_that_nobody_collected_are_unknown_and_named(tmp_path: Path, run: Replay) -> None:
    rules = house(tmp_path / "house", 'profile = "strict"')
    scan = scan_of(rules, tmp_path / "scan", [EVIDENCE]).path
    new = bundle(tmp_path / "new", encrypted_cedar=ENCRYPTED, owned_cedar=OWNED)
    document = told(run("replay", scan, "--bundle", new, "--format", "json"))
    found = {(one["control"], one["what"]): one["again"] for one in document["differing"][0]["differences"]}
    assert found == {
        ("ACME-01", "outcome"): "unknown",
        ("ACME-01", "effect"): "undecides",
        ("ACME-02", "outcome"): "pass",
    }
    assert {"control": "ACME-01", "fact": "/package/kms_key/manager", "decisions": 1} in document["uncollected"]
    text = run("replay", scan, "--bundle", new).out.splitlines()
    assert "ACME-01  none -> unknown: 1" in text
    assert "ACME-01  unknown in 1 decisions: /package/kms_key/manager was not collected" in text


def test_python_of_a_bundle_that_the_user_names_runs(recorded: Path, tmp_path: Path, run: Replay) -> None:
    scan = scan_of(house(tmp_path / "house"), tmp_path / "scan", [EVIDENCE]).path
    done = run("replay", scan, "--bundle", bundle(tmp_path / "new", rule_py=python("ACME-09", HONEST)))
    assert done.code == 0
    assert "ACME-09  none -> pass: 1" in done.out.splitlines()


def test_recorded_settings_that_do_not_fit_new_controls_are_exit_2(recorded: Path, tmp_path: Path, run: Replay) -> None:
    done = run("replay", recorded, "--bundle", bundle(tmp_path / "new", owned_cedar=OWNED))
    assert (done.code, done.out) == (2, "")
    assert "its settings do not fit the controls that are supposed" in done.err
    assert "unknown control `ACME-03`" in done.err
    assert "help: name settings that do, by --config or --organization" in done.err


def test_other_settings_bring_their_own_controls(recorded: Path, tmp_path: Path, run: Replay) -> None:
    bundle(tmp_path / "new", owned_cedar=OWNED)
    (tmp_path / "modelwarden.toml").write_text('bundle = ["new"]\nprofile = "observe"\n')
    done = run("replay", recorded, "--config", tmp_path / "modelwarden.toml")
    lines = done.out.splitlines()
    assert (done.code, lines[0], lines[-1]) == (0, BANNER, BANNER)
    assert "now flag: 1 (1 that were block)" in lines
    assert "ACME-03  fail -> none: 2" in lines


def test_what_is_supposed_never_lies_among_records(recorded: Path, tmp_path: Path, run: Replay) -> None:
    for arguments in (("replay", recorded, "--as-of", "2027-01-01"), ("forecast", recorded)):
        done = run(*arguments, "-o", f"json={recorded}/out.json")
        assert (done.code, done.out) == (2, "")
        assert "lies where records are" in done.err
    path = write(run_of(house(tmp_path / "house"), EVIDENCE), tmp_path / "runs")
    assert run("replay", path, "--as-of", "2027-01-01", "-o", f"text={tmp_path}/runs/out.txt").code == 2
    done = run("replay", path, "--as-of", "2027-01-01", "-o", f"text={tmp_path}/out.txt")
    assert (tmp_path / "out.txt").read_text() == done.out
    assert [one.name for one in (tmp_path / "runs").iterdir()] == [path.name]


def test_mistakes_are_one_line(recorded: Path, run: Replay) -> None:
    for options, says in {
        ("--as-of", "tomorrow"): "--as-of: `tomorrow` is not a UTC time",
        ("--organization-digest", "sha256:0"): "--organization-digest pins nothing",
        ("--bundle", "/missing"): "no such folder",
    }.items():
        done = run("replay", recorded, *options)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 2), options
        assert says in done.err
    done = run("forecast", recorded, "--from", "tomorrow")
    assert (done.code, done.out) == (2, "")
    assert "--from: `tomorrow` is not a UTC time" in done.err
