"""What earlier releases signed and logged is still verified."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from modelwarden.attest.checking import Wanted, check, opened
from modelwarden.attest.key import read_public
from modelwarden.attest.receipt import proven
from modelwarden.attest.refusal import Refused
from modelwarden.run import read
from tests.cli.conftest import clean_environment
from tests.command import inside

COMPAT = Path(__file__).parents[1] / "compat"
RELEASES = sorted(path / "signed" for path in COMPAT.glob("v*") if path.is_dir())
THEN = datetime(2026, 11, 28, 13, tzinfo=UTC)


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.parent.name)
def test_attestations_of_a_release_are_verified(release: Path) -> None:
    key = read_public(release / "key.pub")
    verdicts = []
    for path in sorted(release.glob("*.intoto.jsonl")):
        recorded = release.parent / "gate" / path.name.replace(".intoto.jsonl", ".json")
        run, sha256 = read(recorded), hashlib.sha256(recorded.read_bytes()).hexdigest()
        found = opened(path.read_bytes(), key, path.name)
        decision = found.decision.predicate
        assert (decision.run, decision.run_sha256, decision.verdict) == (run.id, sha256, run.decision.verdict)
        verdicts.append(decision.verdict)
        wanted = Wanted(THEN, tuple(found.subjects), allow_uncovered=True, stage="Production", run_sha256=sha256)
        check(found, wanted, path.name)
        if decision.verdict == "flag":
            with pytest.raises(Refused, match="a waiver that it rests on ended at 2027-02-01T00:00:00Z"):
                check(found, replace(wanted, now=datetime(2027, 2, 1, tzinfo=UTC)), path.name)
    assert verdicts == ["allow", "flag"]


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.parent.name)
def test_the_log_of_a_release_is_whole(release: Path, tmp_path: Path) -> None:
    run = min(release.parent.glob("gate/*.json"))
    known = ("--key", release / "key.pub", "--checkpoint", release / "log/checkpoints/000000/000000002.txt")
    done = inside("verify", release / "log", *known, "--run", run, folder=tmp_path, environment=clean_environment())
    assert (done.code, done.err) == (0, "")
    told = done.out.splitlines()
    assert told[0] == f"whole     {release / 'log'}: 3 entries, 3 of them under 3 checkpoints"
    assert told[2] == f"run       {run.stem} is entry 1, entered at 2026-11-28T12:00:00Z"
    assert told[3].startswith("signed    3 entries and 3 checkpoints by sha256:")
    manifest = hashlib.sha256((release.parent / "scan/manifest.json").read_bytes()).hexdigest()
    assert manifest in (release / "log/entries/000000/000000003.json").read_text()


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.parent.name)
def test_a_receipt_of_a_release_proves_its_entry(release: Path) -> None:
    found, under = proven((release / "receipt.json").read_bytes(), read_public(release / "key.pub"), "receipt")
    assert (found.number, under.size) == (1, 3)
    assert found.word.sha256["run"] == hashlib.sha256(min(release.parent.glob("gate/*.json")).read_bytes()).hexdigest()
