"""The exit-code matrix: what happened decides the code, whatever the format; by real processes."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden.render import FORMATS
from tests.cli.conftest import CLOCK, DEMO, SCRIPT, Done, clean_environment

Run = Callable[..., Done]

APPROVER = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_ModelRiskOfficer_0123456789abcdef/officer@example.com"
SETTINGS = DEMO / "modelwarden.toml"

RULE = """
import os, sys, time
from modelwarden.control import Pass, Verdict, control

@control(id="ACME-01", title="a rule of the house is broken", severity="high", rationale="House rule.",
         remediation="mend it", reads=("/package/arn",), source="house rule 1", since="1.0.0")
def check(evidence, parameters) -> Verdict:
    {body}
    evidence.get("/package/arn")
    return Pass()
"""

POLICY = """
@id("ACME-02")
@title("a count overflows")
@severity("high")
@rationale("House rule.")
@remediation("mend it")
@reads("/package/version")
@source("house rule 2")
@since("1.0.0")
forbid (
  principal,
  action in Modelwarden::Action::"promote",
  resource
)
unless
{
  resource has package.version &&
  resource.package.version * 9223372036854775807 * 3 < 9223372036854775806
};
"""


@pytest.fixture
def gate(run: Run, tmp_path: Path, good_evidence: dict[str, Any]) -> Callable[..., Done]:
    """Gate the good evidence, changed by `facts`, with the demo's settings unless told otherwise."""

    def call(
        *options: str | Path,
        facts: dict[str, Any] | None = None,
        settings: str | Path | None = SETTINGS,
        fmt: str = "text",
        **rest: Any,
    ) -> Done:
        document = copy.deepcopy(good_evidence)
        for pointer, value in (facts or {}).items():
            document["facts"][pointer] = value
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps(document))
        if isinstance(settings, str):
            (tmp_path / "settings.toml").write_text(settings)
            settings = tmp_path / "settings.toml"
        config = ["--config", settings] if settings else []
        return run(
            "gate",
            file,
            "--to",
            "Production",
            "--principal",
            APPROVER,
            "--as-of",
            CLOCK,
            *config,
            "--format",
            fmt,
            *options,
            **rest,
        )

    return call


def no_traceback(done: Done) -> None:
    assert "Traceback" not in done.out + done.err


DENIED = {"state": "unknown", "reason": "AccessDeniedException", "api": "kms:DescribeKey"}
JUDGED: dict[str, tuple[dict[str, Any], int]] = {
    "compliant": ({}, 0),
    "flags only": ({"/container/0/image/tag_mutability": "MUTABLE", "/artifact/0/encryption/sse": "AES256"}, 0),
    "blocked": ({"/artifact/0/encryption/sse": "AES256"}, 1),
    "unread": ({"/artifact/0/kms_key/manager": DENIED}, 3),
    "blocked and unread": ({"/artifact/0/kms_key/manager": DENIED, "/package/kms_key/manager": "AWS"}, 1),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("situation", JUDGED)
def test_what_was_judged(gate: Callable[..., Done], situation: str, fmt: str) -> None:
    facts, code = JUDGED[situation]
    settings: Any = (
        'profile = "observe"\n' + SETTINGS.read_text().replace('profile = "recommended"', "")
        if situation == "flags only"
        else SETTINGS
    )
    done = gate(facts=facts, settings=settings, fmt=fmt)
    assert done.code == code, done.out + done.err
    no_traceback(done)
    assert done.out.strip() or fmt in ("gitlab", "github")


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    "body",
    ["sys.exit(0)", "os._exit(0)", "os.kill(os.getpid(), 9)", "raise RuntimeError('no')"],
    ids=["exits", "exits hard", "kills itself", "raises"],
)
def test_a_rule_of_the_user_never_decides_the_exit_code(
    gate: Callable[..., Done], tmp_path: Path, body: str, fmt: str
) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/rule.py").write_text(RULE.format(body=body))
    done = gate("--bundle", tmp_path / "house", "--level", "ACME-01=block", fmt=fmt)
    assert done.code == 3, done.out + done.err
    no_traceback(done)


def test_a_rule_that_loops_is_stopped(gate: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/rule.py").write_text(RULE.format(body="while True: time.sleep(1)"))
    done = gate("--bundle", tmp_path / "house", "--level", "ACME-01=block")
    assert done.code == 3
    assert "did not answer within" in done.out


def test_a_rule_that_prints_cannot_forge_an_answer(gate: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    body = 'print(\'{"finding": {"outcome": "pass"}}\', flush=True); raise ValueError("forged")'
    (tmp_path / "house/rule.py").write_text(RULE.format(body=body))
    done = gate("--bundle", tmp_path / "house", "--level", "ACME-01=block")
    assert done.code == 3
    assert "raised ValueError: forged" in done.out


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_policy_that_errs_leaves_the_decision_undecided(gate: Callable[..., Done], tmp_path: Path, fmt: str) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/overflow.cedar").write_text(POLICY)
    done = gate("--bundle", tmp_path / "house", "--level", "ACME-02=block", fmt=fmt)
    assert done.code == 3, done.out + done.err


@pytest.mark.parametrize("fmt", FORMATS)
def test_nothing_applicable_is_undecided(gate: Callable[..., Done], run: Run, fmt: str) -> None:
    """Every control off but one that does not apply: nothing was proven."""
    ids = [entry["id"] for entry in json.loads(run("controls", "list", "--format", "json").out)["controls"]]
    table = "".join(f'{id_} = "off"\n' for id_ in ids if id_ != "APR-01")
    done = gate(settings=f'profile = "recommended"\n[enforcement]\n{table}', fmt=fmt)
    assert done.code == 3, done.out + done.err


WAIVER = """
[[waiver]]
id = "w-1"
package = "{package}"
controls = ["ENC-02"]
owner = "lending"
approver = "risk"
reason = "re-encryption is under way"
ticket = "RISK-1"
granted = "2026-11-01"
expires = "2026-12-31"
"""


@pytest.fixture
def pack(run: Run, tmp_path: Path) -> Callable[..., list[str]]:
    """An organization layer with the demo's settings and more files; the options that name and pin it."""

    def make(**more: str | bytes) -> list[str]:
        folder = tmp_path / "pack"
        (folder / "waivers").mkdir(parents=True)
        (folder / "modelwarden.toml").write_text(SETTINGS.read_text())
        for name, content in more.items():
            file = folder / "waivers" / f"{name}.toml"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        digest = run("config", "digest", folder)
        assert digest.code == 0, digest.err
        return ["--organization", str(folder), "--organization-digest", digest.out.strip()]

    return make


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_waiver_of_the_organization_flags_and_does_not_block(
    gate: Callable[..., Done], pack: Callable[..., list[str]], good_evidence: dict[str, Any], fmt: str
) -> None:
    options = pack(w=WAIVER.format(package=good_evidence["package"]))
    unencrypted = {"/artifact/0/encryption/sse": "AES256"}
    done = gate(*options, settings=None, facts=unencrypted, fmt=fmt)
    assert done.code == 0, done.out + done.err
    assert "w-1" in done.out, "the waiver is hidden"
    both = gate(*options, settings=None, facts={**unencrypted, "/package/kms_key/manager": "AWS"}, fmt=fmt)
    assert both.code == 1, "the waiver covers one control only"


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_repository_cannot_switch_its_judge_off(
    gate: Callable[..., Done], pack: Callable[..., list[str]], fmt: str
) -> None:
    done = gate(*pack(), settings='[enforcement]\nENC-02 = "off"\n', fmt=fmt)
    assert done.code == 2, done.out + done.err
    assert done.err.splitlines()[0].startswith("error: ")
    assert "`enforcement.ENC-02`" in done.err.splitlines()[0]
    assert "loosens" in done.err.splitlines()[0]


@pytest.mark.parametrize("fmt", FORMATS)
def test_waivers_that_cannot_be_read_stop_everything(
    gate: Callable[..., Done], pack: Callable[..., list[str]], fmt: str
) -> None:
    done = gate(*pack(broken=b"\xff\xfe"), settings=None, fmt=fmt)
    assert done.code == 2, done.out + done.err
    assert "waivers/broken.toml" in done.err.splitlines()[0]


def test_an_unpinned_organization_layer_is_refused(gate: Callable[..., Done], pack: Callable[..., list[str]]) -> None:
    done = gate(*pack()[:2], settings=None)
    assert (done.code, "is not pinned" in done.err.splitlines()[0]) == (2, True)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_changed_organization_layer_is_refused(
    gate: Callable[..., Done], pack: Callable[..., list[str]], tmp_path: Path, fmt: str
) -> None:
    options = pack()
    with (tmp_path / "pack/modelwarden.toml").open("a") as file:
        file.write("# changed after it was pinned\n")
    done = gate(*options, settings=None, fmt=fmt)
    assert (done.code, "is pinned" in done.err.splitlines()[0]) == (2, True)


MISTAKES: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "unknown stage": (["--to", "Prod"], {}, "unknown stage `Prod`"),
    "unknown control in a flag": (["--level", "ENC-99=block"], {}, "ENC-99"),
    "unknown control in the settings": ([], {"settings": '[enforcement]\nENC-99 = "block"\n'}, "ENC-99"),
    "loosening by a flag": (["--level", "ENC-02=flag"], {}, "ENC-02"),
    "loosening by a profile": (["--profile", "observe"], {}, "profile"),
    "no such bundle": (["--bundle", "nowhere"], {}, "nowhere"),
    "no such settings": (["--config", "nowhere.toml"], {"settings": None}, "nowhere.toml"),
    "settings that are no TOML": ([], {"settings": "profile = = 3"}, "settings.toml"),
    "unknown setting": ([], {"settings": "profil = 'strict'"}, "profil"),
    "broken waiver": ([], {"settings": "[[waiver]]\nid = 'w'\n"}, "waiver"),
    "no such organization layer": (["--organization", "pack"], {}, "pack: does not exist"),
    "bad output": (["-o", "pdf=x.pdf"], {}, "pdf=x.pdf"),
    "unwritable output": (["-o", "json=/nonexistent/x.json"], {}, "/nonexistent/x.json"),
    "unwritable runs": (["--runs", "/proc/nowhere"], {}, "/proc/nowhere"),
    "enforcing what was asserted": (["--enforce"], {}, "asserted"),
    "as of no time": (["--as-of", "yesterday"], {}, "yesterday"),
    "principal that is none": (["--principal", "alice"], {}, "alice"),
    "variable that is no text": ([], {"env": {"MODELWARDEN_RUNS": "\udcff"}}, "`MODELWARDEN_RUNS` is not UTF-8"),
    "unknown variable": ([], {"env": {"MODELWARDEN_PROFIL": "strict"}}, "MODELWARDEN_PROFIL"),
    "unknown option": (["--frobnicate"], {}, "--frobnicate"),
    "unset parameter in the wrong type": ([], {"settings": '[parameters]\nrequired_tags = "owner"\n'}, "required_tags"),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("situation", MISTAKES)
def test_mistakes_are_told_in_one_line(gate: Callable[..., Done], situation: str, fmt: str) -> None:
    options, rest, says = MISTAKES[situation]
    done = gate(*options, fmt=fmt, **rest)
    assert done.code == 2, done.out + done.err
    lines = [line for line in done.err.splitlines() if line]
    assert lines[0].startswith("error: ")
    assert says in lines[0]
    assert len(lines) <= 2
    no_traceback(done)


def test_an_empty_bundle_is_refused(gate: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = gate("--bundle", tmp_path / "empty")
    assert (done.code, "holds no control" in done.err) == (2, True)


def document_with(fact: str) -> bytes:
    """An evidence document with one fact, as text, so that it may be a wrong one."""
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/a/1"
    return f'{{"schema": "modelwarden.evidence/1", "package": "{arn}", "facts": {{{fact}}}}}'.encode()


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not JSON"),
    "not JSON": (b"{", "not JSON"),
    "a list": (b"[]", "not an evidence document"),
    "NaN": (b'{"schema": NaN}', "`NaN` is not a JSON number"),
    "duplicate keys": (b'{"schema": 1, "schema": 2}', "key `schema` stands twice"),
    "nested too deeply": (b"[" * 200_000, "nested too deeply"),
    "huge integer": (b'{"schema": ' + b"9" * 10_000 + b"}", "not JSON"),
    "not UTF-8": (b"\xff\xfe{}", "not UTF-8"),
    "number without end": (document_with('"/evaluation/metric/0/value": 1e999'), "must be a number"),
    "another schema": (b'{"schema": "other/1"}', "not an evidence document"),
    "hostile name": (b'{"schema": "modelwarden.evidence/1", "package": "\\u001b[2Jx", "facts": {}}', "is not the ARN"),
    "unknown fact": (
        document_with('"/package/colour": "red"'),
        "`/package/colour`",
    ),
    "fact of the request": (
        document_with('"/request/principal/identity": "alice"'),
        "`/request/principal/identity` does not belong here",
    ),
    "inflated count": (
        document_with('"/artifact_count": 999999999'),
        "the lists claim",
    ),
}


@pytest.mark.parametrize("situation", BROKEN)
def test_broken_evidence_is_refused(run: Run, situation: str) -> None:
    data, says = BROKEN[situation]
    done = run("gate", "-", "--to", "Production", stdin=data)
    assert done.code == 2, done.out + done.err
    assert says in done.err
    assert "\x1b" not in done.err
    no_traceback(done)


def test_a_closed_input_is_told_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, sys; os.close(0); os.execv(sys.argv[1], sys.argv[1:])", SCRIPT]
    done = subprocess.run(
        [*command, "gate", "-", "--to", "Production"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: standard input: is closed")


@pytest.mark.parametrize("option", ["--runs", "--principal", "--to", "--config", "--bundle", "-o"])
def test_bytes_that_are_no_text_are_refused(
    run: Run, tmp_path: Path, good_evidence: dict[str, Any], option: str
) -> None:
    (tmp_path / "e.json").write_text(json.dumps(good_evidence))
    done = run("gate", "e.json", "--to", "Production", option, "x\udcff")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: `x\\u{dcff}` is not UTF-8")
    assert not (tmp_path / ".modelwarden").exists()


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_answer_that_cannot_be_written_is_exit_4_and_recorded(
    tmp_path: Path, good_evidence: dict[str, Any], fmt: str
) -> None:
    """A full disk: one line, the code of the table, and the decision is in the record."""
    (tmp_path / "e.json").write_text(json.dumps(good_evidence))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SCRIPT, "gate", "e.json", "--to", "Production", "--format", fmt],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[0] == "error: the output could not be written: No space left on device"
    assert len(done.stderr.splitlines()) == 2
    assert len(list((tmp_path / ".modelwarden/runs").glob("*.json"))) == 1


def test_a_file_that_cannot_be_written_does_not_hide_the_answer(gate: Callable[..., Done]) -> None:
    done = gate("-o", "json=/nonexistent/x.json")
    assert done.code == 2
    assert "may be promoted to Production" in done.out


def test_what_is_shared_with_accounts_only_is_neither_shown_nor_recorded(
    run: Run, tmp_path: Path, good_evidence: dict[str, Any]
) -> None:
    (tmp_path / "e.json").write_text(json.dumps(good_evidence))
    (tmp_path / "modelwarden.toml").write_text(
        'profile = "observe"\n[collect]\nexternal_id = "hush-1"\n[enforce]\nrole = "W"\nexternal_id = "hush-2"\n'
    )
    env = {"MODELWARDEN_EXTERNAL_ID": "hush-3"}
    done = run("gate", "e.json", "--to", "Production", env=env)
    shown = run("config", "show", env=env)
    assert (done.code, shown.code) == (0, 0), done.err + shown.err
    (record,) = (tmp_path / ".modelwarden/runs").glob("*.json")
    for text in (record.read_text(), done.out, done.err, shown.out, run("config", "show", "--format", "json").out):
        assert "hush-" not in text
    assert "collect.external_id = (not shown)" in shown.out


def test_a_file_of_a_hundred_megabytes_is_refused_unread(run: Run, tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(100_000_000)
    done = run("gate", big, "--to", "Production")
    assert (done.code, "larger than" in done.err) == (2, True)


def test_changed_evidence_is_noticed(run: Run, tmp_path: Path, good_evidence: dict[str, Any]) -> None:
    document = {**good_evidence, "digest": "sha256:" + "0" * 64}
    (tmp_path / "e.json").write_text(json.dumps(document))
    done = run("gate", tmp_path / "e.json", "--to", "Production")
    assert (done.code, "it was changed" in done.err) == (2, True)


def test_no_such_file(run: Run) -> None:
    done = run("gate", "nowhere.json", "--to", "Production")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: nowhere.json: cannot be read: No such file or directory",
    )


@pytest.mark.parametrize("fmt", FORMATS)
def test_no_credentials(run: Run, fmt: str) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/1"
    done = run("gate", arn, "--to", "Production", "--format", fmt, env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert done.code == 2, done.err
    assert "credentials" in done.err.splitlines()[0]


@pytest.mark.parametrize("arn", ["arn:aws:s3:::bucket", "arn:aws:sagemaker:eu-west-1:1:model-package/x/1", "arn:"])
def test_a_wrong_arn(run: Run, arn: str) -> None:
    done = run("gate", arn, "--to", "Production")
    assert (done.code, "is not the ARN of a model package" in done.err) == (2, True)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_package_that_does_not_exist(run: Run, sandbox: Any, good: dict[str, Any], fmt: str) -> None:
    arn = good["describe"]["ModelPackageArn"].rsplit("/", 1)[0] + "/999"
    options = ["--config", SETTINGS, "--format", fmt]
    done = run("gate", arn, "--to", "Production", *options, env=sandbox.environment())
    assert done.code == 2, done.out + done.err
    assert arn in done.err.splitlines()[0]


@pytest.mark.parametrize("kind", ["deny", "throttle", "cut", "html", "empty", "500"])
def test_a_package_that_cannot_be_read_is_undecided(run: Run, sandbox: Any, good: dict[str, Any], kind: str) -> None:
    rules = [{"op": "sagemaker:DescribeModelPackage", "kind": kind, "rate": 1}]
    request = urllib.request.Request(
        f"{sandbox.endpoint}/_sandbox/faults", json.dumps(rules).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    try:
        arn = good["describe"]["ModelPackageArn"]
        done = run("gate", arn, "--to", "Production", "--config", SETTINGS, "--retries", "0", env=sandbox.environment())
    finally:
        urllib.request.urlopen(urllib.request.Request(f"{sandbox.endpoint}/_sandbox/faults", method="DELETE")).close()
    assert done.code == 3, done.out + done.err
    assert "cannot tell" in done.out
    no_traceback(done)


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_uncaught_exception_is_exit_4(tmp_path: Path, good_evidence: dict[str, Any], fmt: str) -> None:
    (tmp_path / "e.json").write_text(json.dumps(good_evidence))
    code = "import modelwarden.gate as g\ndef boom(*a, **k): raise RuntimeError('boom')\ng.judge = boom\nfrom modelwarden.cli import entry\nentry()"
    done = subprocess.run(
        [sys.executable, "-c", code, "gate", "e.json", "--to", "Production", "--format", fmt],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: internal error: RuntimeError: boom\n  help: please report this with ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_package_that_nobody_could_read_is_undecided_even_where_everything_only_flags(
    run: Run, tmp_path: Path, good_evidence: dict[str, Any], fmt: str
) -> None:
    facts = {pointer: DENIED for pointer in good_evidence["facts"] if not pointer.startswith("/package/")}
    (tmp_path / "e.json").write_text(json.dumps({**good_evidence, "facts": facts, "sources": []}))
    done = run("gate", "e.json", "--to", "Production", "--format", fmt)
    assert done.code == 3, done.out + done.err
    assert "nothing was proven" in done.out


def test_without_settings_the_first_gate_observes(run: Run, tmp_path: Path, good_evidence: dict[str, Any]) -> None:
    """Profile observe, one grouped notice for everything nobody set, and no blocking."""
    (tmp_path / "e.json").write_text(json.dumps(good_evidence))
    done = run("gate", "e.json", "--to", "Production")
    assert done.code == 0, done.out + done.err
    assert done.out.count("parameters that nobody set") == 1
    assert "advisory" in done.out.lower()
