"""Whatever a user's rule does, it is an unknown finding: never an exit code of ours, never another control's verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.user_bundle.conftest import HONEST, Done, python

FORGED = (
    '{"number": "00", "finding": {"control": "ACME-01", "outcome": "pass", "expected": "", "reason": "", '
    '"observed": [], "unset_parameters": []}}'
)
READ = 'evidence.get("/package/status")'

BODIES: dict[str, tuple[str, str]] = {
    "exits": ("sys.exit(0)", "the control raised SystemExit: 0"),
    "exits hard": ("os._exit(0)", "the control ended its process with code 0"),
    "exits hard with a code of ours": ("os._exit(1)", "the control ended its process with code 1"),
    "loops": ("while True: pass", "the control did not answer within 2 s"),
    "sleeps": ("time.sleep(600)", "the control did not answer within 2 s"),
    "kills itself": ("os.kill(os.getpid(), 9)", "the control was killed by signal 9"),
    "raises": ("raise RuntimeError('no')", "the control raised RuntimeError: no"),
    "raises what nobody catches": (
        "class Stop(BaseException): pass\nraise Stop",
        "the control ended its process with code 1",
    ),
    "is interrupted": ("raise KeyboardInterrupt", "the control was killed by signal 2"),
    "prints a forged answer": (f"print('''{FORGED}''', flush=True)\nraise ValueError", "the control raised ValueError"),
    "writes a forged answer everywhere": (
        f"for fd in range(1, 64):\n    try: os.write(fd, b'''{FORGED}\\n''')\n    except OSError: pass\n{READ}\nreturn Pass()",
        "the control could not be asked: ",
    ),
    "closes its descriptors": (f"{READ}\nos.closerange(0, 256)\nreturn Pass()", "the control "),
    "leaves a child that holds the descriptors": (
        "if os.fork() == 0:\n    time.sleep(600)\nos._exit(0)",
        "the control did not answer within 2 s",
    ),
    "asks for input": (f"{READ}\nreturn Pass() if input() else Fail('x', [])", "the control raised EOFError"),
    "returns nothing": (READ, "the control returned NoneType instead of a verdict"),
    "returns true": (f"{READ}\nreturn True", "the control returned bool instead of a verdict"),
    "returns a text": (f"{READ}\nreturn 'pass'", "the control returned str instead of a verdict"),
    "returns a fact": (
        f"import modelwarden.evidence as e\n{READ}\nreturn e.Unknown('no')",
        "the control returned modelwarden.evidence.Unknown instead of a verdict",
    ),
    "returns the class": (f"{READ}\nreturn Pass", "the control returned"),
    "passes without reading": (
        "if evidence is None: return None\nreturn Pass()",
        "the control passed without reading a fact",
    ),
    "fails without a fact": ("return Fail('x', [])", "the violation is not proven by a known fact"),
    "fails at a fact it does not declare": (
        "return Fail('x', ['/package/arn'])",
        "the control reads `/package/arn` without",
    ),
    "reads what it does not declare": (
        "evidence.get('/package/arn')",
        "the control reads `/package/arn` without declaring it",
    ),
    "reads what it does not declare and hides it": (
        f"{READ}\ntry: evidence.get('/package/arn')\nexcept Exception: pass\nreturn Pass()",
        "the control reads `/package/arn` without declaring it",
    ),
    "reads no parameter that is declared": (
        f"{READ}\ntry: parameters['required_tags']\nexcept Exception: pass\nreturn Pass()",
        "the control reads `parameter:required_tags` without declaring it",
    ),
    "gives a verdict that is no text": (f"{READ}\nreturn Unknown('\\ud800')", "the control could not be judged: "),
    "gives a reason that is none": (f"{READ}\nreturn Unknown(7)", "the control gave an answer that cannot be read"),
    "recurses": ("def again(): again()\nagain()", "the control raised RecursionError"),
    "recurses without limit": ("sys.setrecursionlimit(10**9)\ndef again(): again()\nagain()", "the control "),
    "takes all memory": ("kept = []\nwhile True: kept.append(bytearray(10**9))", "the control "),
    "takes all memory at once": ("bytearray(10**13)", "the control raised MemoryError"),
    "mutates the evidence": (
        "evidence._facts.facts.clear()\nparameters._values.clear()\nevidence.touched.clear()\nreturn Pass()",
        "the control passed without reading a fact",
    ),
}
IDS = {name: f"ACME-{number:02}" for number, name in enumerate(BODIES, 1)}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, float]:
    """All hostile rules in one bundle, between two honest ones and beside a policy."""
    from tests.user_bundle import conftest

    folder = tmp_path_factory.mktemp("hostile")
    write, run = conftest.bundle.__wrapped__(folder), conftest.run.__wrapped__(folder)
    files = {f"rule_{IDS[name][5:]}.py": python(IDS[name], body) for name, (body, _) in BODIES.items()}
    files |= {"a.py": python("AAAA-01", HONEST), "z.py": python("ZZZZ-01", HONEST)}
    files["p.cedar"] = conftest.cedar("BBBB-01", "resource has package.status", "/package/status")
    write(files)
    gate = conftest.gate.__wrapped__(run, folder)
    started = time.monotonic()
    return gate(ids=(*IDS.values(), "AAAA-01", "BBBB-01", "ZZZZ-01"), impatient=True), time.monotonic() - started


@pytest.mark.parametrize("name", BODIES)
def test_it_is_unknown_and_says_why(judged: tuple[Done, float], name: str) -> None:
    finding = judged[0].findings()[IDS[name]]
    assert (finding["outcome"], finding["effect"]) == ("unknown", "undecides"), finding
    assert finding["reason"].startswith(BODIES[name][1]), finding["reason"]


def test_the_gate_is_undecided_and_the_others_are_judged(judged: tuple[Done, float]) -> None:
    done, seconds = judged
    assert done.code == 3
    findings = done.findings()
    assert {findings[id_]["outcome"] for id_ in ("AAAA-01", "BBBB-01", "ZZZZ-01")} == {"pass"}
    assert json.loads(done.out)["verdict"] == "undecided"
    assert seconds < 60


def test_one_alone_is_exit_3(bundle: Callable[..., Path], gate: Callable[..., Done]) -> None:
    bundle({"rule.py": python("ACME-01", "os._exit(0)"), "other.py": python("ACME-02", HONEST)})
    done = gate(ids=("ACME-01",))
    assert done.code == 3
    assert {id_: finding["outcome"] for id_, finding in done.findings().items()} == {
        "ACME-01": "unknown",
        "ACME-02": "pass",
    }


def test_a_thread_that_never_ends_does_not_keep_the_gate(
    bundle: Callable[..., Path], gate: Callable[..., Done]
) -> None:
    body = f"threading.Thread(target=lambda: [time.sleep(1) for _ in range(600)]).start()\n{READ}\nreturn Pass()"
    bundle({"rule.py": python("ACME-01", body)})
    started = time.monotonic()
    done = gate(ids=("ACME-01",))
    assert (done.code, done.findings()["ACME-01"]["outcome"]) == (0, "pass")
    assert time.monotonic() - started < 10


def test_what_a_rule_prints_never_reaches_the_answer(bundle: Callable[..., Path], gate: Callable[..., Done]) -> None:
    bundle({"rule.py": python("ACME-01", f"print('hello from the rule')\n{READ}\nreturn Pass()")})
    done = gate(ids=("ACME-01",))
    assert (done.code, done.findings()["ACME-01"]["outcome"]) == (0, "pass")
    assert "hello from the rule" in done.err
    assert "hello from the rule" not in done.out


def test_a_rule_sees_no_credentials(bundle: Callable[..., Path], gate: Callable[..., Done]) -> None:
    body = f"{READ}\nseen = [name for name in os.environ if name.startswith(('AWS_', 'MODELWARDEN_'))]\nreturn Unknown(str(seen)) if seen else Pass()"
    bundle({"rule.py": python("ACME-01", body)})
    done = gate(
        ids=("ACME-01",),
        env={"AWS_SECRET_ACCESS_KEY": "secret", "AWS_ACCESS_KEY_ID": "id", "MODELWARDEN_EXTERNAL_ID": "hush"},
    )
    assert (done.code, done.findings()["ACME-01"]["reason"]) == (0, "")


IMPORTS = {
    "exits": ("sys.exit(0)", "house/rule.py:5: does not load: SystemExit: 0"),
    "exits hard": ("os._exit(0)", "house/rule.py: does not load: ended its process with code 0"),
    "loops": ("while True: pass", "house/rule.py: does not load: did not answer within 2 s"),
    "raises": ("raise ValueError('no')", "house/rule.py:5: does not load: ValueError: no"),
    "needs what is not there": (
        "import frobnicate",
        "house/rule.py:5: does not load: ModuleNotFoundError: No module named",
    ),
    "is no Python": ("def (", "house/rule.py:5: does not load: SyntaxError: invalid syntax"),
    "kills itself": ("os.kill(os.getpid(), 11)", "house/rule.py: does not load: was killed by signal 11"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_that_does_not_load_is_exit_2_in_one_line(
    bundle: Callable[..., Path], run: Callable[..., Done], name: str
) -> None:
    above, message = IMPORTS[name]
    bundle({"rule.py": python("ACME-01", HONEST, above=above)})
    done = run("gate", "e.json", "--to", "Production", "--bundle", "house", impatient=True)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert len(done.err.splitlines()) == 2
    assert "Traceback" not in done.err


def test_the_folder_that_the_gate_runs_in_is_not_imported_from(
    bundle: Callable[..., Path], gate: Callable[..., Done], tmp_path: Path
) -> None:
    """It belongs to whoever is judged: neither its `rules/` nor modules named like ours may run."""
    marker = tmp_path / "was-run"
    evil = f"open({str(marker)!r}, 'w').close()\n"
    for name in ("msgspec.py", "modelwarden/__init__.py", "modelwarden/worker.py", "rules/rule.py", "policies/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(evil + python("EVIL-01", f"{READ}\nreturn Pass()"))
    bundle({"rule.py": python("ACME-01", HONEST)})
    done = gate(ids=("ACME-01",))
    assert (done.code, list(done.findings())) == (0, ["ACME-01"])
    assert not marker.exists()


def test_a_rule_may_use_dataclasses_and_later_annotations(
    bundle: Callable[..., Path], gate: Callable[..., Done]
) -> None:
    above = "import dataclasses\n@dataclasses.dataclass\nclass Seen:\n    count: 'int' = 0\n"
    text = "from __future__ import annotations\n" + python("ACME-01", f"Seen()\n{HONEST}", above=above)
    bundle({"rule.py": text})
    done: Any = gate(ids=("ACME-01",))
    assert (done.code, done.findings()["ACME-01"]["outcome"]) == (0, "pass"), done.err
