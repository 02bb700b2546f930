"""Baseline: failures of recorded runs become waivers that count only once somebody else has signed them."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import DEMO, Done

Run = Callable[..., Done]

APPROVER = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_ModelRiskOfficer_0123456789abcdef/officer@example.com"
SETTINGS = DEMO / "modelwarden.toml"
UNENCRYPTED = {"/artifact/0/encryption/sse": "AES256"}
UNREAD = {"state": "unknown", "reason": "AccessDeniedException", "api": "kms:DescribeKey"}
WHO = ("--owner", "ml-platform", "--ticket", "MLP-42")


@pytest.fixture
def gate(run: Run, tmp_path: Path, good_evidence: dict[str, Any]) -> Callable[..., Done]:
    """Gate the good evidence, changed by `facts`, under another version of the package where one is given."""

    def call(facts: dict[str, Any], *options: str | Path, version: int = 1, runs: str = "runs") -> Done:
        document = copy.deepcopy(good_evidence)
        group, _, _ = document["package"].rpartition("/")
        document["package"] = document["facts"]["/package/arn"] = f"{group}/{version}"
        document["facts"]["/package/version"] = version
        document["facts"] |= facts
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps(document))
        given = options or ("--config", SETTINGS)
        who = ("--to", "Production", "--principal", APPROVER)
        return run("gate", file, *who, "--runs", tmp_path / runs, *given)

    return call


def only(folder: Path) -> Path:
    """The one run in a folder."""
    (file,) = folder.glob("*.json")
    return file


def pack_of(tmp_path: Path, waivers: str) -> Path:
    """An organization layer: the demo's settings, and a folder of waivers."""
    pack = tmp_path / "pack"
    (pack / "waivers").mkdir(parents=True, exist_ok=True)
    (pack / "modelwarden.toml").write_text(SETTINGS.read_text())
    (pack / "waivers/baseline.toml").write_text(waivers)
    return pack


def test_each_failing_package_gets_one_owned_waiver_that_ends(gate: Run, run: Run, tmp_path: Path) -> None:
    assert gate(UNENCRYPTED).code == 1
    done = run("baseline", tmp_path / "runs", *WHO, "--days", "30")
    assert (done.code, done.err) == (0, "")
    record = json.loads(only(tmp_path / "runs").read_text())
    today = date.fromisoformat(record["started_at"][:10])
    (waiver,) = tomllib.loads(done.out)["waiver"]
    assert waiver == {
        "id": f"baseline-{record['id']}",
        "package": record["decision"]["package"],
        "controls": ["ENC-02"],
        "owner": "ml-platform",
        "ticket": "MLP-42",
        "granted": today,
        "expires": today + timedelta(days=30),
        "reason": "present when the gate was introduced",
    }
    assert '# approver = "somebody other than the owner"' in done.out
    assert "ENC-02: model artifact is not encrypted with a customer managed key" in done.out


def test_the_proposal_counts_only_signed_and_in_the_organization_layer(gate: Run, run: Run, tmp_path: Path) -> None:
    gate(UNENCRYPTED)
    proposal = run("baseline", tmp_path / "runs", *WHO).out
    layer = ("--organization", tmp_path / "pack", "--organization-digest")

    pack = pack_of(tmp_path, proposal)
    refused = gate(UNENCRYPTED, *layer, run("config", "digest", pack).out.strip())
    assert (refused.code, refused.out) == (2, "")
    assert "`approver` is missing" in refused.err

    by_owner = proposal.replace('# approver = "somebody other than the owner"', 'approver = "ml-platform"')
    pack = pack_of(tmp_path, by_owner)
    refused = gate(UNENCRYPTED, *layer, run("config", "digest", pack).out.strip())
    assert (refused.code, "the owner `ml-platform` approved it" in refused.err) == (2, True)

    signed = proposal.replace('# approver = "somebody other than the owner"', 'approver = "model-risk"')
    pack = pack_of(tmp_path, signed)
    unpinned = gate(UNENCRYPTED, "--organization", pack)
    assert (unpinned.code, "not pinned" in unpinned.err) == (2, True)
    allowed = gate(UNENCRYPTED, *layer, run("config", "digest", pack).out.strip())
    assert allowed.code == 0, allowed.out + allowed.err
    assert "waived[ENC-02] model artifact is not encrypted" in allowed.out
    assert "owner ml-platform, approved by model-risk: present when the gate was introduced" in allowed.out
    assert "flag: " in allowed.out.splitlines()[-2]

    other = gate({"/container/0/image/source": "docker.io/library/python"}, *layer, digest_of(run, pack))
    assert other.code == 1, "a waiver covers the controls that it names"


def digest_of(run: Run, pack: Path) -> str:
    return run("config", "digest", pack).out.strip()


def test_what_nobody_read_is_not_covered(gate: Run, run: Run, tmp_path: Path) -> None:
    assert gate({"/artifact/0/kms_key/manager": UNREAD}).code == 3
    done = run("baseline", tmp_path / "runs", *WHO)
    assert (done.code, done.out) == (0, "")
    assert done.err == "no failure that is not waived already: nothing to propose\n"
    gate(UNENCRYPTED | {"/package/kms_key/manager": UNREAD}, runs="both")
    (waiver,) = tomllib.loads(run("baseline", tmp_path / "both", *WHO).out)["waiver"]
    assert waiver["controls"] == ["ENC-02"]
    assert "unknown" not in waiver


def test_without_failures_there_is_nothing_to_propose(gate: Run, run: Run, tmp_path: Path) -> None:
    assert gate({}).code == 0
    done = run("baseline", tmp_path / "runs", *WHO, "-o", "waivers.toml")
    assert (done.code, done.out, "nothing to propose" in done.err) == (0, "", True)
    assert not (tmp_path / "waivers.toml").exists()


def test_the_newest_run_of_each_package_counts(gate: Run, run: Run, tmp_path: Path) -> None:
    gate(UNENCRYPTED, version=1)
    gate(UNENCRYPTED | {"/container/0/image/source": "docker.io/library/python"}, version=2)
    gate({}, version=1, runs="later")
    later = only(tmp_path / "later")
    waivers = tomllib.loads(run("baseline", tmp_path / "runs", *WHO).out)["waiver"]
    assert [(one["package"][-2:], one["controls"]) for one in waivers] == [
        ("/1", ["ENC-02"]),
        ("/2", ["ENC-02", "IMG-01"]),
    ]
    shifted = dated(later, "2099-01-01T00:00:00Z")
    waivers = tomllib.loads(run("baseline", tmp_path / "runs", shifted, *WHO).out)["waiver"]
    assert [one["package"][-2:] for one in waivers] == ["/2"], "the package of version 1 was mended since"


def dated(file: Path, at: str) -> Path:
    """The same run as if it had been started at another time: runs carry whole seconds, too few to wait for."""
    from modelwarden.evidence import digest

    document = json.loads(file.read_text())
    document.pop("checksum")
    document["started_at"] = at
    file.write_bytes(msgspec.json.encode(document | {"checksum": digest(document)}))
    return file


HOSTILE = 'x"\n[[waiver]]\nid = "forged" # \x1b[2J\u202e 🙂\\'


def test_hostile_names_stay_inside_their_value(gate: Run, run: Run, tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "rule.py").write_text(
        "from modelwarden.control import Fail, control\n"
        f"@control(id='ACME-01', title={HOSTILE!r}, severity='high', rationale='r', remediation='m',\n"
        "         reads=('/package/arn',), source='s', since='1.0.0')\n"
        "def check(evidence, parameters):\n"
        "    return Fail(expected='better', at=('/package/arn',))\n"
    )
    done = gate({}, "--config", SETTINGS, "--bundle", house, "--level", "ACME-01=block")
    assert done.code == 1, done.out + done.err
    done = run("baseline", tmp_path / "runs", "--owner", HOSTILE, "--ticket", HOSTILE)
    (waiver,) = tomllib.loads(done.out)["waiver"]
    assert (waiver["owner"], waiver["ticket"], waiver["controls"]) == (HOSTILE, HOSTILE, ["ACME-01"])
    assert not {"\x1b", "\u202e"} & set(done.out)


def test_a_file_is_never_overwritten(gate: Run, run: Run, tmp_path: Path) -> None:
    gate(UNENCRYPTED)
    done = run("baseline", tmp_path / "runs", *WHO, "-o", "waivers.toml")
    assert (done.code, done.err) == (0, "waivers proposed for 1 packages in waivers.toml: fill in the approvers\n")
    written = (tmp_path / "waivers.toml").read_text()
    done = run("baseline", tmp_path / "runs", *WHO, "-o", "waivers.toml")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: waivers.toml: exists already")
    assert (tmp_path / "waivers.toml").read_text() == written


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no such file": (["nowhere.json", *WHO], "nowhere.json: cannot be read"),
    "not a run": (["evidence.json", *WHO], "evidence.json: not a run"),
    "not JSON": (["broken.json", *WHO], "broken.json: not JSON"),
    "folder without runs": (["empty", *WHO], "empty: holds no run"),
    "folder with something else": ([".", *WHO], "not JSON"),
    "no owner": (["runs", "--ticket", "T"], "owner"),
    "empty owner": (["runs", "--owner", " ", "--ticket", "T"], "--owner is empty"),
    "too long": (["runs", *WHO, "--days", "400"], "400"),
    "unwritable": (["runs", *WHO, "-o", "/nonexistent/x.toml"], "/nonexistent/x.toml: cannot be written"),
}


@pytest.mark.parametrize("situation", MISTAKES)
def test_mistakes_are_told_in_one_line(situation: str, gate: Run, run: Run, tmp_path: Path) -> None:
    gate(UNENCRYPTED)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    arguments, says = MISTAKES[situation]
    done = run("baseline", *arguments)
    assert (done.code, done.out) == (2, "")
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ")
    assert says in first
    assert [line[:8] for line in rest] == ["  help: "]


def test_a_run_that_was_changed_is_refused(gate: Run, run: Run, tmp_path: Path) -> None:
    gate(UNENCRYPTED)
    file = only(tmp_path / "runs")
    file.write_text(file.read_text().replace("ENC-02", "ENC-01"))
    done = run("baseline", file, *WHO)
    assert (done.code, "the run was changed" in done.err) == (2, True)
