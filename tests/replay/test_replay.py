"""What was recorded is judged again and must agree; what was changed, forged or brings code of its own is not believed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from modelwarden import gate
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown, digest
from modelwarden.finding import Rollback
from modelwarden.gate import House, Observed
from modelwarden.identity import who
from modelwarden.render.replay import to_json
from modelwarden.replay.performing import Spec, perform
from modelwarden.replay.recorded import recorded_at
from modelwarden.request import STAGES
from modelwarden.run import Run, write
from modelwarden.run import read as read_run
from tests.command import Done
from tests.demo.test_oracle import validator
from tests.user_bundle.conftest import HONEST, cedar, python

from .conftest import Demo
from .records import NOW, bundle, forged, house, run_of, scan_of

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
FACTS: dict[str, Fact] = {
    "/package/arn": Present(PACKAGE, Source("sagemaker:DescribeModelPackage", NOW, "r-1")),
    "/package/status": Present("Completed"),
    "/tag_keys": Present(("owner",)),
    "/tag/owner": Present("risk"),
}
EVIDENCE = Evidence(PACKAGE, FACTS)
Replay = Callable[..., Done]


def test_every_run_in_a_folder_agrees(demo: Demo, tmp_path: Path, run: Replay) -> None:
    for one in demo.runs:
        write(one, tmp_path / "runs")
    done = run("replay", tmp_path / "runs", "--format", "json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    validator("replay").validate(told)
    assert told["decisions"] == {"recorded": len(demo.runs), "agree": len(demo.runs), "differ": 0, "not_judged": 0}
    assert not told["hypothetical"]
    counted = Counter(one.decision.verdict for one in demo.runs)
    assert {(one["recorded"], one["again"]): one["decisions"] for one in told["verdicts"]} == {
        (verdict, verdict): count for verdict, count in counted.items()
    }


def test_a_scan_agrees(demo: Demo, run: Replay) -> None:
    judged = [one for one in pq.read_table(demo.scan / "packages.parquet")["verdict"].to_pylist() if one]
    done = run("replay", demo.scan)
    assert (done.code, done.err) == (0, "")
    assert (
        done.out.splitlines()[-1]
        == f"{len(judged)} decisions: {len(judged)} agree, 0 differ, 0 could not be judged again"
    )
    assert len(judged) == len(demo.runs) > 10


def test_nothing_of_the_demo_fails_by_age_and_that_is_said(demo: Demo, run: Replay) -> None:
    done = run("forecast", demo.scan)
    count = len(demo.runs)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == [
        "note: no control of these rules reads the clock, so nothing fails by age alone",
        f"{count} decisions: 0 turn worse within 90 days, {count} do not, 0 could not be judged",
    ]


def perturbed(runs: list[Run], count: int) -> Iterator[Evidence]:
    """The evidence of the demo over and over, an ARN for each; of some of them some facts are lost, absent or unknown."""
    small = sorted(runs, key=lambda one: len(one.evidence.facts))[:10]
    for number in range(count):
        evidence = small[number % len(small)].evidence
        facts = dict(evidence.facts)
        for at, pointer in enumerate(sorted(facts)) if number % 30 < 3 else ():
            match (at * 7 + number) % 40:
                case 0:
                    del facts[pointer]
                case 1:
                    facts[pointer] = Absent(Source("s3:HeadObject"))
                case 2:
                    facts[pointer] = Unknown("AccessDenied", Source("kms:DescribeKey", NOW, "r-2"), "not for you")
        yield Evidence(f"{evidence.package.rpartition('/')[0]}/{number + 1_000}", facts)


def test_a_thousand_decisions_agree(demo: Demo, tmp_path: Path) -> None:
    folder = scan_of(demo.house, tmp_path / "thousand", perturbed(demo.runs, 1_000), demo.runs[0].reference).path
    tally = perform(recorded_at(folder), Spec(), 0)
    assert (tally.agree, tally.differ, tally.not_judged) == (1_000, 0, 0)
    outcomes = Counter(pq.read_table(folder / "findings.parquet")["outcome"].to_pylist())
    assert set(outcomes) == {"pass", "fail", "unknown", "not-applicable"}
    assert min(outcomes.values()) > 200


def test_processes_say_the_same_in_the_same_order(demo: Demo, tmp_path: Path, run: Replay) -> None:
    new = bundle(tmp_path / "new", framework_cedar=cedar("ACME-01", "resource has package.status", "/package/status"))
    one, two = (
        run("replay", demo.scan, "--judges", judges, "--format", "json", "--bundle", new) for judges in ("0", "2")
    )
    assert one == two
    assert json.loads(one.out)["decisions"]["differ"] > 0


def changed_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


FILES = ["plan.json", "manifest.json", "packages.parquet", "findings.parquet", "evidence.parquet", "cells.jsonl"]


@pytest.mark.parametrize("name", [*FILES, "references"])
def test_one_changed_byte_is_exit_2_and_names_the_file(copied: Path, run: Replay, name: str) -> None:
    (path,) = (copied / name).glob("*") if name == "references" else [copied / name]
    changed_byte(path)
    done = run("replay", copied)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {path}")


def test_one_changed_byte_of_a_run_is_exit_2(demo: Demo, tmp_path: Path, run: Replay) -> None:
    path = write(demo.runs[0], tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"present"', b'"presenT"', 1))
    done = run("replay", path)
    assert (done.code, done.out) == (2, "")
    assert "the checksum does not fit: the run was changed after it was written" in done.err


def test_a_forged_decision_differs_although_its_checksum_fits(demo: Demo, tmp_path: Path, run: Replay) -> None:
    blocked = next(one for one in demo.runs if one.decision.verdict == "block")
    failing = next(one.finding.control for one in blocked.decision.rulings if one.effect == "blocks")

    def forge(document: dict[str, Any]) -> None:
        document["decision"]["verdict"] = "allow"
        for ruling in document["decision"]["rulings"]:
            if ruling["effect"] == "blocks":
                ruling |= {
                    "outcome": "pass",
                    "effect": "none",
                    "observed": {"sources": [], "facts": {}},
                    "expected": "",
                }

    path = forged(write(blocked, tmp_path), forge)
    assert read_run(path).decision.verdict == "allow"
    done = run("replay", path)
    assert done.code == 1
    place = f"differs  {'/'.join(blocked.evidence.package.split(':')[4:2:-1])}/"
    assert done.out.splitlines()[1].startswith(place)
    assert f"{failing} outcome: pass -> fail" in done.out
    assert f"{failing} effect: none -> blocks" in done.out
    assert "verdict: allow -> block" in done.out
    assert done.out.splitlines()[-1] == "1 decision: 0 agree, 1 differs, 0 could not be judged again"


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("why_level", "as I say", "why_level: as I say -> "),
        ("outcome", "pass", "outcome: pass -> "),
        ("reason", "no reason", "reason: no reason -> "),
    ],
)
def test_a_forged_finding_of_a_scan_differs(copied: Path, run: Replay, column: str, value: str, says: str) -> None:
    path = copied / "findings.parquet"
    table = pq.read_table(path)
    values = table[column].to_pylist()
    row = table["outcome"].to_pylist().index("fail")
    values[row] = value
    field = table.schema.field(column)
    pq.write_table(table.set_column(table.schema.names.index(column), field, pa.array(values, field.type)), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    forged(copied / "manifest.json", lambda document: document["tables"].update({path.name: sha256}))
    done = run("replay", copied, "--format", "json")
    assert done.code == 1
    (named,) = json.loads(done.out)["differing"]
    assert named["package"] == table["package"].to_pylist()[row]
    found = [f"{one['what']}: {one['recorded']} -> {one['again']}" for one in named["differences"]]
    assert [one for one in found if one.startswith(says)], found
    assert {one["control"] for one in named["differences"]} == {table["control"].to_pylist()[row]}


MARKER = "import pathlib; pathlib.Path({path!r}).touch()"


def with_rule(folder: Path) -> tuple[House, Path]:
    """A house with a Python control of its own, which leaves a file whenever it is loaded."""
    marker = folder / "loaded"
    return house(folder, rule_py=python("ACME-01", HONEST, above=MARKER.format(path=str(marker)))), marker


def test_recorded_python_runs_only_where_the_user_says_so(tmp_path: Path, run: Replay) -> None:
    rules, marker = with_rule(tmp_path / "house")
    path = write(run_of(rules, EVIDENCE), tmp_path / "runs")
    marker.unlink()
    (tmp_path / "house/house/rule.py").unlink()  # what was recorded counts, not what lies where it lay
    done = run("replay", path)
    assert done.code == 3
    assert "not judged again" in done.out
    assert "it brings Python controls that are not installed here: house/rule.py" in done.out
    assert "add --run-recorded-code if you trust whoever wrote them" in done.out
    assert not marker.exists()
    done = run("replay", path, "--run-recorded-code")
    assert (done.code, done.out.splitlines()[-1]) == (0, "1 decision: 1 agrees, 0 differ, 0 could not be judged again")
    assert marker.exists()


def of_another_version(run: Run, path: str) -> Run:
    """As another version would have recorded it, whose controls had another text."""
    files = [dict(one) for one in run.bundle["files"]]
    for one in files:
        if one["path"] == path:
            one["text"] += "\n# another version\n" if path.endswith(".py") else "\n// another version\n"
            one["sha256"] = "sha256:" + hashlib.sha256(one["text"].encode()).hexdigest()
    bundle = digest([[one["path"], one["sha256"]] for one in files])
    decision = replace(run.decision, digests=replace(run.decision.digests, bundle=bundle))
    versions = {**run.versions, "modelwarden": "0.0.9"}
    return replace(run, bundle={"digest": bundle, "files": files}, decision=decision, versions=versions)


def test_python_of_another_version_needs_consent_and_policies_do_not(demo: Demo, tmp_path: Path, run: Replay) -> None:
    cedar = write(of_another_version(demo.runs[0], "policies/unencrypted_artifact.cedar"), tmp_path / "cedar")
    done = run("replay", cedar)
    assert done.code == 0, done.out
    assert "note: 1 of 1 decisions were recorded by modelwarden 0.0.9, cedarpy" in done.out
    rule = write(of_another_version(demo.runs[0], "rules/excessive_bias.py"), tmp_path / "rule")
    refused = run("replay", rule)
    assert refused.code == 3
    assert "rules/excessive_bias.py" in refused.out
    done = run("replay", rule, "--run-recorded-code")
    assert done.code == 0, done.out


def test_a_scan_with_python_of_its_own_says_why_for_each_decision(tmp_path: Path, run: Replay) -> None:
    rules, _ = with_rule(tmp_path / "house")
    scan = scan_of(rules, tmp_path / "scan", [EVIDENCE, Evidence(PACKAGE[:-1] + "8", FACTS)])
    done = run("replay", scan.path, "--format", "json")
    told = json.loads(done.out)
    assert (done.code, told["decisions"]["not_judged"]) == (3, 2)
    assert [one["package"] for one in told["not_judged"]] == [PACKAGE, PACKAGE[:-1] + "8"]
    assert run("replay", scan.path, "--run-recorded-code").code == 0


def test_the_profile_counts_as_it_was_then(tmp_path: Path, run: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `recommended` stands for changes from release to release; the digest of the settings is over it."""
    from modelwarden import enforcement
    from modelwarden.settings import effective

    today = enforcement.recommended()
    earlier = {**today, "ENC-02": dict.fromkeys(STAGES, enforcement.Setting("flag"))}
    assert today["ENC-02"]["Production"].level == "block"
    with monkeypatch.context() as patch:
        patch.setattr(enforcement, "recommended", lambda: earlier)
        patch.setattr(effective, "recommended", lambda: earlier)
        recorded = run_of(house(tmp_path / "house", 'profile = "recommended"'), EVIDENCE)
    (ruling,) = [one for one in recorded.decision.rulings if one.finding.control == "ENC-02"]
    assert (ruling.level, ruling.why_level) == ("flag", "profile recommended")
    path = write(recorded, tmp_path / "runs")
    assert run("replay", path).code == 0
    # A record of before the profile was kept can be told apart, and is not guessed at.
    forged(path, lambda document: document["settings"].pop("recommended"))
    done = run("replay", path)
    assert done.code == 3
    assert "they were changed, or the profile `recommended` was another one then" in done.out


ME = "arn:aws:iam::111122223333:role/Release"
PRECEDENT = Rollback("run-1", "allow", "approve", NOW, ME, "sha256:" + "0" * 64)
NOBODY = Unknown("AccessDenied", Source("sts:GetCallerIdentity", NOW, "r-9"), "not authorised")
PROVEN = replace(who(ME, asserted=False), state="proven")


@pytest.mark.parametrize(
    "observed",
    [
        Observed(EVIDENCE, {}, NOBODY, precedent=PRECEDENT),
        Observed(EVIDENCE, {}, PROVEN, precedent=PRECEDENT),
        Observed(EVIDENCE, {}, PROVEN, precedent=Unknown("AccessDenied", detail="no such key")),
        Observed(EVIDENCE, {}, PROVEN),
    ],
    ids=["nobody", "granted", "unread", "nothing"],
)
def test_a_rollback_is_asked_for_again(observed: Observed, tmp_path: Path, run: Replay) -> None:
    rules = house(tmp_path / "house", f'[parameters]\nrollback_approvers = ["{ME}"]')
    recorded = run_of(rules, EVIDENCE, observed=observed, rollback=True, moment="approve")
    assert (recorded.decision.rollback is not None) == (
        observed.precedent == PRECEDENT and observed.principal == PROVEN
    )
    path = write(recorded, tmp_path / "runs")
    assert read_run(path) == recorded
    validator("run").validate(json.loads(path.read_bytes()))
    assert run("replay", path).code == 0
    # Runs of before it was kept: one that was granted holds all of it, one that was refused does not.
    forged(path, lambda document: document.pop("rollback"))
    done = run("replay", path)
    assert done.code == (0 if recorded.decision.rollback else 3)
    assert ("did not keep what a rollback that was refused" in done.out) == (recorded.decision.rollback is None)


def test_what_is_no_run_is_exit_2(demo: Demo, copied: Path, tmp_path: Path, run: Replay) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/some.json").write_text("{}")
    (copied / "manifest.json").unlink()
    for path, says in {
        tmp_path / "missing": "does not exist",
        tmp_path / "none": "holds no run",
        tmp_path / "other": "not a run: `schema` is not `modelwarden.run/1`",
        copied: "the scan did not come to its end",
    }.items():
        done = run("replay", path)
        assert (done.code, done.out) == (2, ""), path
        assert says in done.err, done.err
        assert done.err.splitlines()[1].startswith("  help: ")


def test_controls_that_do_not_fit_their_digest_are_exit_2(tmp_path: Path, run: Replay) -> None:
    def forge(document: dict[str, Any]) -> None:
        document["bundle"]["files"][0]["text"] += "\n"

    path = forged(write(run_of(house(tmp_path / "house"), EVIDENCE), tmp_path / "runs"), forge)
    done = run("replay", path)
    assert (done.code, done.out) == (2, "")
    assert "its controls are not those that its digests name" in done.err


def test_a_scan_that_judged_nothing_agrees_with_nothing(tmp_path: Path, run: Replay) -> None:
    done = run("replay", scan_of(house(tmp_path / "house"), tmp_path / "scan", []).path)
    assert (done.code, done.out.splitlines()[-1]) == (3, "no decision is recorded there, so nothing was compared")


def test_what_differs_is_counted_beyond_what_is_named(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelwarden.replay import tally

    monkeypatch.setattr(tally, "NAMED", 3)
    rules, _ = with_rule(tmp_path / "house")
    evidence = [Evidence(f"{PACKAGE[:-1]}{number}", FACTS) for number in range(10, 20)]
    found = perform(recorded_at(scan_of(rules, tmp_path / "scan", evidence).path), Spec(), 0)
    assert (found.not_judged, len(found.lost)) == (10, 3)
    from modelwarden.render.replay import Heading

    assert to_json(Heading("scan", "scan", gate.versions()), found)["not_named"] == 7
