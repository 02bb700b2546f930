"""The one-way flow, held over the imports; and a light start-up, held over the modules that a process loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine" / "modelwarden"

ALLOWED = {
    "boto3": ("collect/", "enforce.py", "store/", "aws/", "sandbox/"),
    "botocore": ("collect/", "enforce.py", "store/", "aws/", "sandbox/", "pipelines/sdk.py"),
    "moto": ("sandbox/",),
    "cedarpy": ("cedar.py",),
    "click": ("cli/",),
    "aws_lambda_powertools": ("aws/",),
    "jsonschema": ("collect/",),
    "sagemaker": ("pipelines/sdk.py",),
    "rich": ("cli/display.py",),
    "distributed": ("scan/cluster.py",),
    "cryptography": ("attest/", "cli/signing.py"),
    "pymerkle": ("attest/", "cli/signing.py"),
    "pytest": ("pytest_plugin.py", "cli/test.py"),
}
"""Third-party package -> where it may be imported."""

PURE = (
    "evaluate.py",
    "decide.py",
    "judge.py",
    "rule.py",
    "projection.py",
    "policy.py",
    "evidence.py",
    "facts.py",
    "control.py",
    "material.py",
    "finding.py",
    "request.py",
    "identity.py",
    "attributes.py",
    "syntax.py",
    "idiom.py",
    "truth.py",
    "spelling.py",
    "statement.py",
    "purity.py",
    "problem.py",
    "card_text.py",
    "bias_report.py",
    "cedar.py",
)
IMPURE = {
    "time",
    "datetime",
    "os",
    "socket",
    "subprocess",
    "urllib",
    "requests",
    "random",
    "modelwarden.collect",
    "modelwarden.cli",
    "modelwarden.sandbox",
    "modelwarden.render",
}


@cache
def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _files() -> list[Path]:
    return sorted(path for path in ENGINE.rglob("*.py") if "sandbox/demo" not in path.as_posix())


@pytest.mark.parametrize("package", ALLOWED)
def test_third_party_packages_stay_where_they_belong(package: str) -> None:
    strays = [
        path.relative_to(ENGINE).as_posix()
        for path in _files()
        if any(name == package or name.startswith(package + ".") for name in _imports(path))
        and not path.relative_to(ENGINE).as_posix().startswith(ALLOWED[package])
    ]
    assert strays == []


def test_evaluation_touches_neither_clock_nor_environment_nor_network() -> None:
    impure = {
        name: sorted(found)
        for name in PURE
        if (found := {one for one in _imports(ENGINE / name) if one in IMPURE or one.split(".")[0] in IMPURE})
    }
    assert impure == {}


def test_collection_knows_nothing_of_judging_and_judging_nothing_of_rendering() -> None:
    later = {
        "collect/": ("evaluate", "decide", "judge", "rule", "catalog", "settings", "run", "render", "cli"),
        "render/": ("evaluate", "decide", "judge", "collect", "cli", "catalog", "settings"),
    }
    strays = [
        f"{path.relative_to(ENGINE).as_posix()} imports {name}"
        for path in _files()
        for prefix, names in later.items()
        if path.relative_to(ENGINE).as_posix().startswith(prefix)
        for name in _imports(path)
        if name.split(".")[:2] in [["modelwarden", one] for one in names]
    ]
    assert strays == []


def _loaded(*arguments: str, stdin: bytes = b"") -> set[str]:
    """Modules of a process that ran one command line."""
    code = (
        "import sys, json; from modelwarden.cli import run; code = run(sys.argv[1:]);"
        "print(json.dumps({'code': code, 'modules': sorted(sys.modules)}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], input=stdin, capture_output=True, timeout=60)
    told = json.loads(done.stderr.decode().splitlines()[-1])
    assert told["code"] in (0, 1, 3), done.stderr.decode()
    return {name.split(".")[0] for name in told["modules"]}


HEAVY = {
    "boto3",
    "botocore",
    "jsonschema",
    "moto",
    "sagemaker",
    "pandas",
    "pytest",
    "jinja2",
    "rich",
    "cryptography",
    "pymerkle",
}


def test_help_loads_nothing_heavy() -> None:
    assert _loaded("--help") & (HEAVY | {"cedarpy"}) == set()


@pytest.mark.parametrize(
    "command", ["scan", "report", "compare", "publish", "verify", "replay", "forecast", "evidence-pack"]
)
def test_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    assert _loaded(command, "--help") & HEAVY == set()


def test_gating_an_evidence_file_loads_nothing_heavy(tmp_path: Path) -> None:
    package = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/1"
    file = tmp_path / "evidence.json"
    file.write_text(
        json.dumps({"schema": "modelwarden.evidence/1", "package": package, "facts": {"/package/arn": package}})
    )
    assert _loaded("gate", str(file), "--to", "Production", "--runs", str(tmp_path / "runs")) & HEAVY == set()


def test_the_api_starts_light(record_property: Callable[[str, object], None]) -> None:
    """The routes load nothing of AWS, and the function nothing beside botocore: its first call waits for all of it."""
    code = (
        "import json, sys, time; import modelwarden.api.answer; routes = sorted(sys.modules); import modelwarden.aws.api;"
        "print(json.dumps([routes, sorted(sys.modules), time.process_time()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    routes, function, seconds = json.loads(done.stdout)
    heavy = HEAVY | {"click", "sqlite3", "http"}
    assert {name.split(".")[0] for name in routes} & heavy == set()
    assert {name.split(".")[0] for name in function} & heavy == {"botocore", "http"}
    record_property("measured", f"importing the function of the API takes {seconds:.2f} s of the processor")


def test_the_wheel_lists_every_package() -> None:
    """A folder that pyproject.toml does not name is missing in the wheel alone."""
    document = tomllib.loads((ENGINE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    there = {".".join(("modelwarden", *file.parent.relative_to(ENGINE).parts)) for file in ENGINE.rglob("__init__.py")}
    assert there <= set(document["tool"]["setuptools"]["packages"])
