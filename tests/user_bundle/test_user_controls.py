"""A user's controls: beside the built-in ones, over every fact, with parameters of their own, and with their cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden.attributes import attributes
from modelwarden.catalog import load_bundle
from modelwarden.evaluate import evaluate
from modelwarden.evidence import Evidence, Present, Value
from modelwarden.facts import kinds
from modelwarden.request import Principal, Request
from tests.user_bundle.conftest import HONEST, PACKAGE, Done, cedar, python

PARAMETERS = """[frameworks]
type = "set"
tighten = "subset"
about = "frameworks that may run"

[cost_centers]
type = "set"
tighten = "subset"
about = "cost centres that pay"
"""
FRAMEWORK = cedar(
    "ACME-01",
    "resource has container.framework && context.parameters.frameworks.contains(resource.container.framework)",
    "/container/*/framework parameter:frameworks",
)
COST_CENTER = python(
    "ACME-02",
    'paying = parameters["cost_centers"]\n'
    'match evidence.get("/tag/Cost Center"):\n'
    "    case Present(value) if value in paying:\n"
    "        return Pass()\n"
    'return Fail("a tag `Cost Center` that pays", ["/tag/Cost Center"])',
    reads='"/tag_keys", "/tag/{key}", "parameter:cost_centers"',
)


def with_parameters(frameworks: list[str], cost_centers: list[str], tmp_path: Path) -> str:
    table = f"\n[parameters]\nframeworks = {json.dumps(frameworks)}\ncost_centers = {json.dumps(cost_centers)}\n"
    (tmp_path / "parameters.toml").write_text((tmp_path / "settings.toml").read_text() + table)
    return "parameters.toml"


@pytest.fixture
def house(bundle: Callable[..., Path]) -> Path:
    return bundle({"framework.cedar": FRAMEWORK, "cost_center.py": COST_CENTER, "parameters.toml": PARAMETERS})


@pytest.mark.parametrize(
    ("frameworks", "cost_centers", "code", "outcomes"),
    [
        (["SKLEARN", "XGBOOST"], ["4711"], 0, ["pass", "pass"]),
        (["XGBOOST"], ["4711"], 1, ["fail", "pass"]),
        (["SKLEARN", "XGBOOST"], ["0815"], 1, ["pass", "fail"]),
        ([], [], 1, ["fail", "fail"]),
    ],
)
def test_both_languages_read_parameters_of_their_bundle(
    house: Path,
    gate: Callable[..., Done],
    tmp_path: Path,
    frameworks: list[str],
    cost_centers: list[str],
    code: int,
    outcomes: Any,
) -> None:
    gate()
    config = with_parameters(frameworks, cost_centers, tmp_path)
    done = gate("--config", config, ids=("ACME-01", "ACME-02"))
    findings = done.findings()
    assert (done.code, [findings[id_]["outcome"] for id_ in ("ACME-01", "ACME-02")]) == (code, outcomes), done.out


def test_a_parameter_that_nobody_set_makes_both_unknown(house: Path, gate: Callable[..., Done]) -> None:
    done = gate(ids=("ACME-01", "ACME-02"))
    findings = done.findings()
    assert done.code == 3
    assert [(findings[id_]["outcome"], findings[id_]["reason"]) for id_ in ("ACME-01", "ACME-02")] == [
        ("unknown", "parameter frameworks is not set"),
        ("unknown", "parameter cost_centers is not set"),
    ]


def test_the_finding_shows_what_was_read_and_where_the_control_stands(
    house: Path, gate: Callable[..., Done], tmp_path: Path
) -> None:
    gate()
    config = with_parameters(["XGBOOST"], ["0815"], tmp_path)
    findings = gate("--config", config, ids=("ACME-01", "ACME-02")).findings()
    assert list(findings["ACME-01"]["observed"]["facts"]) == ["/container/1/framework"]
    assert findings["ACME-01"]["policy"] == "house/framework.cedar:9"
    assert findings["ACME-02"]["observed"]["facts"] == {"/tag/Cost Center": {"state": "present", "value": "4711"}}
    assert findings["ACME-02"]["policy"].startswith("house/cost_center.py:")


@pytest.mark.parametrize(
    "files",
    [
        {"a.cedar": cedar("ENC-02", "resource has package.status", "/package/status")},
        {"a.py": python("ENC-02", HONEST)},
        {"a.py": python("ACME-01", HONEST), "b.py": python("ACME-01", HONEST)},
    ],
    ids=["policy", "rule", "its own"],
)
def test_an_id_that_exists_is_exit_2(
    bundle: Callable[..., Path], run: Callable[..., Done], files: dict[str, str]
) -> None:
    bundle(files)
    done = run("gate", "e.json", "--to", "Production", "--bundle", "house")
    assert (done.code, done.out) == (2, "")
    assert "exists already in" in done.err
    assert done.err.splitlines()[1].startswith("  help: choose an id of a family of your own")


def test_a_control_adds_and_the_built_in_ones_stay(house: Path, run: Callable[..., Done]) -> None:
    alone = json.loads(run("controls", "list", "--format", "json").out)
    both = json.loads(run("controls", "list", "--bundle", "house", "--format", "json").out)
    added = [info for info in both["controls"] if info not in alone["controls"]]
    assert [(info["id"], info["engine"], info["origin"]) for info in added] == [
        ("ACME-01", "cedar", "user"),
        ("ACME-02", "python", "user"),
    ]
    assert len(both["controls"]) == len(alone["controls"]) + 2
    assert both["digest"] != alone["digest"]


def test_two_bundles_and_one_named_twice(bundle: Callable[..., Path], run: Callable[..., Done]) -> None:
    bundle({"a.cedar": cedar("ACME-01", "resource has package.status", "/package/status")})
    bundle({"a.cedar": cedar("ACME-02", "resource has package.status", "/package/status")}, folder="more/team")
    done = run(
        "controls", "list", "--bundle", "house", "--bundle", "./house", "--bundle", "more/team", "--format", "json"
    )
    assert done.code == 0, done.err
    assert [info["id"] for info in json.loads(done.out)["controls"] if info["origin"] == "user"] == [
        "ACME-01",
        "ACME-02",
    ]


def test_two_bundles_of_one_name_are_refused(bundle: Callable[..., Path], run: Callable[..., Done]) -> None:
    """A record names a file by its folder, so that it would not say which of the two was meant."""
    bundle({"a.cedar": cedar("ACME-01", "resource has package.status", "/package/status")})
    bundle({"a.cedar": cedar("ACME-02", "resource has package.status", "/package/status")}, folder="more/house")
    done = run("controls", "list", "--bundle", "house", "--bundle", "more/house")
    assert done.code == 2
    assert done.err.splitlines()[0] == "error: more/house: another bundle is called `house` too"


def test_a_file_whose_name_is_no_text_is_refused(bundle: Callable[..., Path], run: Callable[..., Done]) -> None:
    bundle({"\udcff.cedar": cedar("ACME-01", "resource has package.status", "/package/status")})
    for command in (["gate", "e.json", "--to", "Production", "--bundle", "house"], ["lint", "house"]):
        done = run(*command)
        assert done.code == 2
        assert "house/\\u{dcff}.cedar: its name is not UTF-8" in done.out + done.err


VALUES: dict[str, Value] = {
    "string": "x",
    "time": "2026-11-22T00:00:00Z",
    "bool": True,
    "long": 1,
    "number": 0.5,
    "set": ("x",),
    "list": ("x",),
}


def everything() -> dict[str, Any]:
    """Every fact of the dictionary as present; one member in each list."""
    facts = {}
    for kind in kinds().values():
        pointer = kind.pattern.replace("*", "0").replace("{key}", "owner")
        value = ("owner",) if pointer in ("/tag_keys", "/customer_metadata_keys") else VALUES[kind.type]
        facts[pointer] = Present(1 if pointer.endswith("_count") else value)
    return facts


class Everything:
    """Every control blocks."""

    parameters: dict[str, Any] = {}
    parameters_unknown: dict[str, str] = {}

    def level(self, control_id: str) -> Any:
        return "block", "test"


REQUEST = Request("Production", "deploy", "2026-11-22T00:00:00Z", Principal("role", "person", "person", "proven"))


def test_a_policy_may_read_every_fact(bundle: Callable[..., Path]) -> None:
    """No change of the engine is needed for any of them."""
    files, number = {}, 10
    for path, attribute in attributes().items():
        number += 1
        spelled = ".".join(path[1:])
        guard = f"{path[0]} has {spelled} && " if not attribute.required else ""
        proof = {"bool": "{}", "set": '{}.contains("x")', "list": '{}.contains("x")'}.get(attribute.type, "{0} == {1}")
        right = {
            "string": '"x"',
            "time": 'datetime("2026-11-22T00:00:00Z")',
            "long": "1",
            "number": "5000",
        }.get(attribute.type, "")
        condition = proof.format(f"{path[0]}.{spelled}", right)
        if path == ("resource", "effectiveRiskRating"):
            condition = condition.replace('"x"', '"High"')
        if attribute.pattern in ("/tag_keys", "/customer_metadata_keys"):
            condition = condition.replace('"x"', '"owner"')
        if attribute.pattern.startswith("/request/"):
            condition = condition.replace("==", "!=") if "asOf" not in condition else condition
        files[f"{number}.cedar"] = cedar(f"ACME-{number}", guard + condition, attribute.pattern)
    for name, held in (("resource", "/tag/owner"), ("resource.metadata", "/customer_metadata/owner")):
        number += 1
        condition = f'{name}.hasTag("owner") && {name}.getTag("owner") == "x"'
        files[f"{number}.cedar"] = cedar(f"ACME-{number}", condition, held)
    loaded = load_bundle([bundle(files)])
    findings = evaluate(loaded, Everything(), Evidence(PACKAGE, everything()), {}, REQUEST)
    wrong = [finding for finding in findings if finding.control.startswith("ACME") and finding.outcome != "pass"]
    assert wrong == []
    assert len(files) == len(attributes()) + 2 > 150


def test_a_rule_may_read_every_fact(bundle: Callable[..., Path]) -> None:
    patterns = list(kinds())
    body = f"""found = [one for pattern in {patterns!r} for one in (
    [(pattern, evidence.get(pattern.replace("{{key}}", "owner")))] if "{{key}}" in pattern else evidence.each(pattern))]
bad = [pointer for pointer, fact in found if not isinstance(fact, Present)]
return Fail("all of them", bad) if bad or len(found) < {len(patterns)} else Pass()"""
    folder = bundle({"rule.py": python("ACME-01", body, reads=", ".join(map(repr, patterns)))})
    findings = evaluate(load_bundle([folder]), Everything(), Evidence(PACKAGE, everything()), {}, REQUEST)
    (mine,) = [finding for finding in findings if finding.control == "ACME-01"]
    assert mine.outcome == "pass", mine


GOOD = '{"name": "good", "outcome": "pass", "facts": {"/package/status": "Completed"}}'
BAD = '{"name": "bad", "outcome": "fail", "facts": {"/package/status": "Failed"}, "says": ["/package/status = \\"Failed\\""]}'
UNREAD = '{"name": "unread", "outcome": "unknown", "facts": {"/package/status": {"state": "unknown", "reason": "AccessDenied"}}}'
STATUS = cedar("ACME-01", 'resource has package.status && resource.package.status == "Completed"', "/package/status")


class TestCases:
    """`modelwarden test`."""

    def test_a_complete_set_is_exit_0_and_lacks_nothing(
        self, bundle: Callable[..., Path], run: Callable[..., Done]
    ) -> None:
        cases = f"[{GOOD}, {BAD}, {UNREAD}]"
        bundle({"a.cedar": STATUS, "b.py": python("ACME-02", HONEST)})
        bundle({f"tests/{id_}/cases.json": cases for id_ in ("ACME-01", "ACME-02")})
        for named in (["house"], ["--bundle", "house"], ["house/tests", "--bundle", "house"]):
            done = run("test", *named)
            assert done.code == 0, done.out
            assert "6 passed" in done.out
            assert "outcomes without a case" not in done.out

    def test_what_the_cases_lack_is_said(self, bundle: Callable[..., Path], run: Callable[..., Done]) -> None:
        bundle({"a.cedar": STATUS, "b.py": python("ACME-02", HONEST), "tests/ACME-01/cases.json": f"[{GOOD}]"})
        done = run("test", "house")
        assert done.code == 0
        assert "ACME-01: fail, unknown\nACME-02: pass, fail, unknown\n" in done.out

    def test_a_failing_case_is_exit_1_and_shows_the_finding(
        self, bundle: Callable[..., Path], run: Callable[..., Done]
    ) -> None:
        wrong = BAD.replace('"fail"', '"pass"').replace("Failed\\", "Broken\\")
        bundle({"a.cedar": STATUS, "tests/ACME-01/cases.json": f"[{wrong}]"})
        done = run("test", "house")
        assert done.code == 1
        assert "ACME-01: bad" in done.out
        assert "outcome is fail, expected pass; the finding says:\nfail[ACME-01]\n" in done.out
        assert 'does not say `/package/status = "Broken"`' in done.out
        assert "Traceback" not in done.out + done.err

    @pytest.mark.parametrize(
        ("files", "says"),
        [
            ({}, "no case was found"),
            ({"tests/ACME-01/cases.json": "[]"}, "holds no case"),
            ({"tests/ACME-01/cases.json": "{"}, "not a list of cases"),
            ({"tests/ACME-01/cases.json": '[{"name": "x", "facts": {}}]'}, "`outcome` must be one of"),
            ({"tests/ACME-01/cases.json": f"[{GOOD.replace('status', 'colour')}]"}, "`/package/colour` is not a fact"),
            ({"tests/ACME-01/cases.json": f"[{GOOD.replace('outcome', 'outcom')}]"}, "unknown key `outcom`"),
            ({"tests/ACME-01/cases.json": f'[{GOOD[:-1]}, "says": "x"}}]'}, "`says` must be a list of texts"),
            ({"tests/ACME-01/cases.json": f'[{GOOD[:-1]}, "parameters": []}}]'}, "`parameters` must be an object"),
            ({"tests/acme/cases.json": f"[{GOOD}]"}, "its folder is not named after a control"),
            ({"b.cedar": STATUS, "tests/ACME-01/cases.json": f"[{GOOD}]"}, "exists already in house/a.cedar"),
        ],
    )
    def test_mistakes_are_exit_2(
        self, bundle: Callable[..., Path], run: Callable[..., Done], files: dict[str, str], says: str
    ) -> None:
        bundle({"a.cedar": STATUS, **files})
        done = run("test", "house")
        assert done.code == 2, done.out + done.err
        assert says in done.out + done.err
        assert "Traceback" not in done.out + done.err

    def test_cases_of_no_control_fail(self, bundle: Callable[..., Path], run: Callable[..., Done]) -> None:
        bundle({"a.cedar": STATUS, "tests/ACME-99/cases.json": f"[{GOOD}]"})
        done = run("test", "house")
        assert (done.code, "cases for `ACME-99`, which is not a control of the bundle" in done.out) == (1, True)

    def test_plugins_that_happen_to_be_installed_have_no_say(
        self, bundle: Callable[..., Path], run: Callable[..., Done], tmp_path: Path
    ) -> None:
        bundle({"a.cedar": STATUS, "tests/ACME-01/cases.json": f"[{GOOD}]"})
        installed = tmp_path / "installed"
        (installed / "loud-1.dist-info").mkdir(parents=True)
        (installed / "loud-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1\n")
        (installed / "loud-1.dist-info/entry_points.txt").write_text("[pytest11]\nloud = loud\n")
        (installed / "loud.py").write_text("raise RuntimeError('loud')\n")
        done = run("test", "house", env={"PYTHONPATH": str(installed)})
        assert (done.code, "1 passed" in done.out) == (0, True), done.out + done.err

    def test_no_such_folder(self, run: Callable[..., Done]) -> None:
        done = run("test", "nowhere")
        assert (done.code, done.err.splitlines()[0]) == (2, "error: nowhere: no such folder")
