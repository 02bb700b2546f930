"""Signing, logging and verifying as a user does it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.attest import log
from modelwarden.attest.key import LocalKey
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.sources import PASSPHRASE
from tests.attest.conftest import FACTS, IMAGE, MODEL, PACKAGE
from tests.attest.test_log import add, filled, word
from tests.cli.conftest import clean_environment
from tests.command import Done, inside, process
from tests.demo.registry import Registry, restored

ALLOWED, BLOCKED = "credit-default/1", "credit-default/4"


@pytest.fixture(scope="module")
def registry(demo_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with restored(demo_sandbox, tmp_path_factory.mktemp("signing")) as found:
        yield found


@pytest.fixture(scope="module")
def gated(registry: Registry) -> tuple[Registry, dict[str, Done]]:
    """A key, and an allowed and a blocked package gated with it, both into one log."""
    (registry.folder / "log").mkdir()
    done = {"key": registry.run("key", "new", "k", "--no-passphrase")}
    pack = registry.pack(top=f'sign = "{registry.folder / "k"}"\nlog = "{registry.folder / "log"}"')
    for name in (ALLOWED, BLOCKED):
        done[name] = registry.gate(registry.arn(f"/{name}"), *pack, enforce=False)
    return registry, done


def attestation(registry: Registry, number: int) -> Path:
    return sorted((registry.folder / "runs").glob("*.intoto.jsonl"))[number]


def test_the_organization_layer_has_every_decision_signed_and_logged(gated: tuple[Registry, dict[str, Done]]) -> None:
    registry, done = gated
    for number, (name, code) in enumerate(((ALLOWED, 0), (BLOCKED, 1))):
        assert done[name].code == code
        signed, entered = done[name].err.splitlines()[-2:]
        path = attestation(registry, number)
        id_ = done["key"].out.split()[-1]
        assert signed == f"signed in {path} by {id_}"
        assert (
            entered == f"run {path.name.partition('.')[0]} is entry {number + 1} of the log {registry.folder / 'log'}"
        )


def test_what_was_signed_is_verified(gated: tuple[Registry, dict[str, Done]]) -> None:
    registry, _ = gated
    path = attestation(registry, 0)
    known = ("--key", "k.pub", "--stage", "Production", "--moment", "approve", "--max-age", "1h")
    done = registry.run("verify", path, *known, "--any-subject", "--run", str(path).replace(".intoto.jsonl", ".json"))
    assert done.code == 0, done.err
    assert done.out.splitlines()[:2] == [f"verified  {path}", done.out.splitlines()[1]]
    assert done.out.splitlines()[1].startswith("verdict   allow for Production (approve) as of ")
    assert done.err.splitlines()[0] == "warning: what is deployed was not compared: --any-subject"
    assert done.err.splitlines()[1].startswith("warning: it does not cover artifact/0: s3://")
    subject = next(line.split()[1] for line in done.out.splitlines() if line.startswith("subject"))
    refused = registry.run("verify", path, *known, "--subject", subject)
    assert (refused.code, refused.err.splitlines()[0]) == (
        1,
        f"error: {path}: it does not cover artifact/0: no sha256 was known when it was judged",
    )
    assert registry.run("verify", path, *known, "--subject", subject, "--allow-uncovered").code == 0
    no = registry.run("verify", attestation(registry, 1), "--key", "k.pub", "--any-subject")
    assert (no.code, "FAILED: the verdict is block for Production" in no.err) == (1, True)


def test_the_log_is_verified_and_gives_a_receipt(gated: tuple[Registry, dict[str, Done]]) -> None:
    registry, _ = gated
    run = sorted((registry.folder / "runs").glob("*.json"))[1]
    kept = registry.folder / "log/checkpoints/000000/000000001.txt"
    done = registry.run("verify", "log", "--key", "k.pub", "--checkpoint", kept, "--run", run, "--receipt", "r.json")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "whole     log: 2 entries, 2 of them under 2 checkpoints"
    assert done.out.splitlines()[2].startswith(f"run       {run.stem} is entry 2, entered at ")
    assert done.out.splitlines()[3].startswith("signed    2 entries and 2 checkpoints by sha256:")
    assert registry.run("verify", "r.json", "--key", "k.pub", "--run", run).code == 0
    for name in ("k", "r.json"):
        before = (registry.folder / name).read_bytes()
        done = registry.run("verify", "log", "--key", "k.pub", "--run", run, "--receipt", name)
        assert (done.code, done.err.splitlines()[:2]) == (
            2,
            [f"error: {name}: is there already", "  help: name a file that is not there"],
        )
        assert (registry.folder / name).read_bytes() == before
    assert registry.run("verify", "r.json", "--key", "k.pub", "--run", kept).code == 1
    spoilt = registry.folder / "spoilt"
    shutil.copytree(registry.folder / "log", spoilt)
    (spoilt / "entries/000000/000000002.json").unlink()
    done = registry.run("verify", "spoilt", "--key", "k.pub")
    assert (done.code, done.err.splitlines()[0]) == (
        1,
        "error: spoilt: cut off: there is a checkpoint of 2 entries, and the log ends at entry 1",
    )


def test_a_run_that_was_changed_is_refused(gated: tuple[Registry, dict[str, Done]]) -> None:
    registry, _ = gated
    run = sorted((registry.folder / "runs").glob("*.json"))[0]
    assert registry.run("verify", run).code == 0
    changed = registry.folder / "changed.json"
    changed.write_bytes(run.read_bytes().replace(b'"passed"', b'"Passed"', 1).replace(b'"allow"', b'"flagg"', 1))
    done = registry.run("verify", changed)
    assert (done.code, "the checksum does not fit" in done.err) == (1, True)


def test_what_is_asserted_is_not_signed_by_a_setting_and_refused_by_a_flag(
    gated: tuple[Registry, dict[str, Done]],
) -> None:
    registry, _ = gated
    pack = registry.pack(top=f'sign = "{registry.folder / "k"}"')
    before = len(list((registry.folder / "runs").glob("*.jsonl")))
    arn = registry.arn(f"/{ALLOWED}")
    done = registry.gate(arn, *pack, "--as-of", "2026-11-20", enforce=False)
    assert "not signed: --as-of is asserted, not proven" in done.err
    for options, said in (
        ((*pack, "--as-of", "2026-11-20"), "error: --sign refuses: --as-of is asserted, not proven"),
        (
            (*pack, "--principal", "arn:aws:iam::111122223333:role/x"),
            "error: --sign refuses: --principal is asserted, not proven",
        ),
        ((), "error: --sign refuses: no pinned organization layer stands behind the settings"),
    ):
        done = registry.run("gate", arn, "--to", "Production", "--sign", str(registry.folder / "k"), *options)
        assert (done.code, done.err.startswith(said)) == (2, True), done.err
    done = registry.gate(arn, *pack, "--sign", "other", enforce=False)
    assert (done.code, "contradicts" in done.err) == (2, True)
    assert len(list((registry.folder / "runs").glob("*.jsonl"))) == before


def test_what_could_not_be_signed_is_not_approved(gated: tuple[Registry, dict[str, Done]]) -> None:
    """A package without any digest; the decision is printed and logged, the registry stays as it is."""
    registry, _ = gated
    arn = registry.arn(f"/{ALLOWED}")
    pack = registry.pack(top=f'sign = "{registry.folder / "k"}"')
    before = registry.describe(arn)["ModelApprovalStatus"]
    registry.fail(op="ecr:DescribeImages", kind="deny")
    registry.fail(op="ecr:BatchGetImage", kind="deny")
    try:
        done = registry.gate(arn, *pack)
    finally:
        registry.sandbox.gateway.faults.clear()
    assert (done.code, registry.describe(arn)["ModelApprovalStatus"]) == (2, before)
    assert "nothing that the package would run has a digest" in done.err
    assert "cannot be decided" in done.out


def test_a_scan_enters_the_log_by_its_manifest_and_tables(gated: tuple[Registry, dict[str, Done]]) -> None:
    registry, _ = gated
    pack = registry.pack(top=f'sign = "{registry.folder / "k"}"')
    log = registry.folder / "scans"
    log.mkdir()
    text = (registry.folder / "pack/modelwarden.toml").read_text()
    head, _, rest = text.partition("[scan]\n")
    (registry.folder / "pack/modelwarden.toml").write_text(
        f'{head}[scan]\naccounts = ["444455556666"]\nregions = ["eu-west-1"]\n\n{rest.partition(chr(10) * 2)[2]}'
    )
    pack[3] = registry.run("config", "digest", registry.folder / "pack").out.strip()
    done = registry.run(
        "scan", *pack, "--judges", "0", "--runs", "scan-runs", "--log", str(log), "--quiet", "-o", "none/s"
    )
    assert (done.code, "none/s: cannot be written" in done.err) == (2, True)
    # What nobody could be told is logged all the same.
    word = json.loads((log / "entries/000000/000000001.json").read_text())["word"]
    (folder,) = (path.parent for path in (registry.folder / "scan-runs").glob("*/manifest.json"))
    assert (word["kind"], word["run"]) == ("scan", folder.name)
    assert {"manifest.json", "findings.parquet", "cells.jsonl"} <= word["sha256"].keys()
    assert word["signature"]
    verified = registry.run("verify", str(log), "--key", "k.pub", "--run", folder / "findings.parquet")
    assert verified.code == 0, verified.err
    done = registry.run("verify", folder)
    assert (done.code, done.out) == (
        0,
        f"intact  {folder}: scan {folder.name}, its plan, its manifest and 5 files\n",
    ), done.err
    table = folder / "findings.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    done = registry.run("verify", folder)
    assert (done.code, done.err.splitlines()[0]) == (1, f"error: {table}: was changed after it was written")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps({"schema": "modelwarden.evidence/1", "package": PACKAGE, "facts": FACTS}))
    return file


def test_no_decision_is_lost_where_the_log_is_away(evidence: Path) -> None:
    folder, known = evidence.parent, ("gate", evidence, "--to", "Production", "--runs", "runs", "--log", "log")
    first = inside(*known, folder=folder, environment=clean_environment())
    assert first.code == 3
    assert "warning: the log: log: No such file or directory: 1 entries wait in runs/spool/" in first.err
    (folder / "log").mkdir()
    second = inside(*known, folder=folder, environment=clean_environment())
    assert "is entry 2 of the log log" in second.err
    done = inside("verify", "log", folder=folder, environment=clean_environment())
    assert (done.code, done.out.splitlines()[0]) == (0, "whole     log: 2 entries, 0 of them under 0 checkpoints")
    assert done.out.splitlines()[-1] == "signed    signatures not verified"
    assert "warning: no --key: signatures not verified" in done.err


def test_what_nobody_was_told_is_logged_all_the_same(evidence: Path) -> None:
    folder = evidence.parent
    (folder / "log").mkdir()
    known = ("gate", evidence, "--to", "Production", "--runs", "runs", "--log", "log", "-o", "json=nowhere/out.json")
    done = inside(*known, folder=folder, environment=clean_environment())
    assert (done.code, "nowhere/out.json: cannot be written" in done.err) == (2, True)
    assert "is entry 1 of the log log" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("none.jsonl", "--key", "k.pub", "--any-subject"),
            2,
            "error: none.jsonl: cannot be read: No such file or directory",
        ),
        (("",), 2, "error: nothing is named that could be verified"),
        (("x" * 300,), 2, f"error: {'x' * 300}: cannot be read: File name too long"),
        (("e.jsonl",), 2, "error: an attestation is about content: nobody says what is deployed"),
        (("e.jsonl", "--any-subject"), 2, "error: a signature proves nothing without the key"),
        (
            ("e.jsonl", "--any-subject", "--subject", f"sha256:{MODEL}"),
            2,
            "error: --subject and --any-subject exclude each other",
        ),
        (("e.jsonl", "--subject", IMAGE), 2, f"error: --subject: `{IMAGE}` is not a digest"),
        (("e.jsonl", "--any-subject", "--max-age", "1y"), 2, "error: --max-age: `1y` is no length of time"),
        (("e.jsonl", "--any-subject", "--stage", "Prod"), 2, "error: unknown stage `Prod`"),
        (
            ("e.jsonl", "--any-subject", "--receipt", "r"),
            2,
            "error: --receipt has no effect: e.jsonl is an attestation",
        ),
        (("e.jsonl", "--any-subject", "--key", "k"), 2, "error: k: is a private key"),
        (
            ("e.jsonl", "--any-subject", "--key", "k.pub"),
            1,
            "error: e.jsonl: not an attestation: exactly two lines are expected",
        ),
        (
            ("run.json", "--any-subject"),
            2,
            "error: --any-subject has no effect: run.json is a recorded run, which nobody signs",
        ),
        (("run.json",), 1, "error: run.json: not a run"),
        (("empty", "--key", "k.pub"), 1, "error: empty: no log: there is no entry"),
        (("s3://logs/gate?mode=none",), 2, "error: `s3://logs/gate?mode=none` is no log"),
    ],
)
def test_each_way_out_has_its_code_and_one_line(
    tmp_path: Path, pair: tuple[Path, Any], arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "e.jsonl").write_text('{"payloadType": 1}\n')
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for name in ("k", "k.pub"):
        shutil.copy(pair[0].with_name(pair[0].name + name.removeprefix("k")), tmp_path / name)
    done = inside("verify", *arguments, folder=tmp_path, environment=clean_environment())
    assert (done.code, done.err.splitlines()[0].startswith(said)) == (code, True), done.err


def test_entries_that_nobody_signed_are_accepted_only_where_that_is_said(
    tmp_path: Path, pair: tuple[Path, LocalKey]
) -> None:
    """Also where a checkpoint of the key covers them: it says that they stood there, and not who wrote them."""
    shelf = filled(tmp_path / "log", pair[1], 2)
    log.append(shelf, word(3, "forged"))
    add(shelf, pair[1], 4)
    (tmp_path / "run.json").write_bytes(b"run")
    digest = hashlib.sha256(b"run").hexdigest()
    log.append(shelf, replace(word(5), sha256={"run": digest}))
    add(shelf, pair[1], 6)

    def run(*arguments: str) -> Done:
        known = ("--key", f"{pair[0]}.pub", "--run", "run.json")
        return inside("verify", *arguments, *known, folder=tmp_path, environment=clean_environment())

    refused = run("log")
    assert (refused.code, refused.out, refused.err.splitlines()) == (
        1,
        "",
        [
            "error: log: 2 entries are signed by nobody, the first is entry 3: whoever can write there could have written them",
            "  help: if they are those of asserted decisions, which nobody signs, say --allow-unsigned",
        ],
    )
    accepted = run("log", "--allow-unsigned", "--receipt", "r.json")
    assert accepted.code == 0
    assert f"signed    4 entries and 4 checkpoints by {pair[1].public_key.id}" in accepted.out.splitlines()
    told = "warning: signed by nobody: entries 3, 5: whoever can write there could have written them"
    assert accepted.err.splitlines()[0] == told
    refused = run("r.json")
    assert (refused.code, refused.err.splitlines()[0]) == (
        1,
        "error: r.json: entry 5 is signed by nobody: whoever can write to the log could have written it",
    )
    accepted = run("r.json", "--allow-unsigned")
    assert (accepted.code, accepted.err.startswith("warning: signed by nobody: entry 5")) == (0, True)
    done = inside("verify", "log", "--allow-unsigned", folder=tmp_path, environment=clean_environment())
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: --allow-unsigned has no effect: without a key no signature is verified",
    )


def test_the_console_script_refuses_with_exit_code_1(tmp_path: Path, pair: tuple[Path, Any]) -> None:
    (tmp_path / "e.jsonl").write_text("{}\n{}\n")
    known = ("--key", str(pair[0]) + ".pub", "--any-subject")
    done = process("verify", "e.jsonl", *known, folder=tmp_path, environment=clean_environment())
    assert (done.code, done.out, done.err.splitlines()[0]) == (
        1,
        "",
        "error: e.jsonl: line 1: not a DSSE envelope: `payloadType`, `payload` and `signatures` are expected",
    )


def test_a_passphrase_comes_from_the_environment_and_is_demanded(tmp_path: Path) -> None:
    def run(*arguments: str, **more: str) -> Done:
        return process(*arguments, folder=tmp_path, environment=clean_environment() | more, stdin=b"")

    done = run("key", "new", "k")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: there is nobody to ask for a passphrase")
    assert run("key", "new", "k", **{PASSPHRASE: "secret"}).code == 0
    assert run("key", "public", "k", **{PASSPHRASE: "secret"}).out == (tmp_path / "k.pub").read_text()
    done = run("key", "public", "k", **{PASSPHRASE: "wrong"})
    assert (done.code, done.err.splitlines()[0]) == (2, "error: k: the passphrase does not open it")
    assert run("config", "show", **{PASSPHRASE: "secret"}).code == 0


def test_keys_that_cannot_be_made_or_read_are_told_in_one_line(tmp_path: Path) -> None:
    def run(*arguments: str, passphrase: bytes = b"s") -> tuple[int, str]:
        given = {PASSPHRASE: passphrase.decode("utf-8", "surrogateescape")}
        done = inside(*arguments, folder=tmp_path, environment=clean_environment() | given)
        return done.code, done.err.partition("\n")[0]

    assert run("key", "new", "") == (2, "error: `.` names no file")
    assert run("key", "new", "./") == (2, "error: `.` names no file")
    assert run("key", "new", "n" * 300) == (
        2,
        f"error: {'n' * 300}: no pair of keys can be written: File name too long",
    )
    assert run("key", "new", "k", passphrase=b"x" * 1_024) == (2, "error: the passphrase is longer than 1023 bytes")
    assert list(tmp_path.iterdir()) == []
    assert run("key", "new", "k", passphrase=b"\xff\xfe") == (0, "")
    assert run("key", "public", "k", "-o", "again.pub", passphrase=b"\xff\xfe") == (0, "")
    assert (tmp_path / "again.pub").read_bytes() == (tmp_path / "k.pub").read_bytes()
    for wrong in (b"\xff", b"x" * 1_024):
        assert run("key", "public", "k", passphrase=wrong) == (2, "error: k: the passphrase does not open it")
    private = (tmp_path / "k").read_bytes()
    for name in ("k", "again.pub"):
        told = f"error: {name}: is there already"
        assert run("key", "public", "k", "-o", name, passphrase=b"\xff\xfe") == (2, told)
    assert (tmp_path / "k").read_bytes() == private
