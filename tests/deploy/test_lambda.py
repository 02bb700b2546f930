"""The code of the functions as it is packaged: Lambda's own runtime runs it, with nothing beside it, against a runtime API on loopback."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from modelwarden.collect.operations import NEEDED
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from tests.api.events import event
from tests.aws.test_hook import event as question
from tests.organization import DEMO

from .templates import ROOT, load, resources, translated
from .test_permissions import ENGINE, reached

RUNTIME = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
"""What Lambda itself has, beside the code."""
IDS = {"poison": "1", "irrelevant": "2"}
BATCH = {
    "Records": [
        {"messageId": IDS["poison"], "body": "no event", "eventSource": "aws:sqs"},
        {
            "messageId": IDS["irrelevant"],
            "body": json.dumps({"source": "other", "detail-type": "x", "detail": {}, "time": "2026-11-22T02:10:00Z"}),
            "eventSource": "aws:sqs",
        },
    ]
}
QUESTION = {
    "package": "arn:aws:sagemaker:eu-west-1:111111111111:model-package/churn/1",
    "stage": "Production",
    "moment": "approve",
}
RULE = """from modelwarden.control import Fail, Pass, control
from modelwarden.evidence import Present


@control(
    id="HOUSE-01",
    title="the package has an odd name",
    severity="low",
    rationale="House rule.",
    remediation="mend it",
    reads=("/package/arn",),
    source="house",
    since="1.0",
)
def check(evidence, parameters):
    if isinstance(evidence.get("/package/arn"), Present):
        return Pass()
    return Fail(expected="a name", at=["/package/arn"])
"""


def script() -> Any:
    spec = importlib.util.spec_from_file_location("build_lambda", ROOT / "scripts/build_lambda.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = script()


def installed(name: str) -> Iterator[tuple[str, bytes]]:
    """Files of a distribution as they lie here: those of its wheel, and what the installer added."""
    for one in importlib.metadata.files(name) or []:
        path = Path(str(one.locate()))
        if path.is_file():
            yield str(one), path.read_bytes()


def laid_out(archive: Any, folder: Path) -> Path:
    """What an archive holds, with the wheels that are installed here instead of those of the other architecture."""
    for files in (*(BUILD.kept(archive, installed(name)) for name in archive.wheels), BUILD.ours(archive)):
        for path, data in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return laid_out(BUILD.FUNCTIONS, tmp_path_factory.mktemp("task"))


class RuntimeApi(ThreadingHTTPServer):
    """Hands out events one after the other, and takes what is answered."""

    daemon_threads = True

    def __init__(self, *events: object) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.left = [json.dumps(event).encode() for event in reversed(events)]
        self.told: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.ended = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.server.left:
            self.server.ended.wait(30)
            return
        self._answer(
            200,
            self.server.left.pop(),
            "Lambda-Runtime-Aws-Request-Id: r-1",
            "Lambda-Runtime-Deadline-Ms: 32503680000000",
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.told.put((self.path.rpartition("/2018-06-01/runtime/")[2], json.loads(body)))
        self._answer(202, b"{}")

    def _answer(self, status: int, body: bytes, *headers: str) -> None:
        self.send_response(status)
        for name, value in (one.split(": ") for one in headers):
            self.send_header(name, value)
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111111111111:function:f")
        self.send_header("Content-Type", "application/json")  # the runtime's client dies of an answer without one
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def answered(
    unpacked: Path, folder: Path, environment: dict[str, str], template: str, *events: object
) -> list[tuple[str, Any]]:
    """Which calls to the runtime API came, and their bodies, from the function of a template."""
    runtime = folder / "runtime"
    runtime.mkdir()
    packages = Path(str(importlib.util.find_spec("awslambdaric").origin)).parents[1]  # type: ignore[union-attr]
    for path in packages.iterdir():
        if path.name.partition(".")[0] in RUNTIME:
            (runtime / path.name).symlink_to(path)
    api = RuntimeApi(*events)
    serving = threading.Thread(target=api.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    (function,) = resources(translated(load(template)), "AWS::Lambda::Function").values()
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(runtime),  # as in Lambda, where the runtime itself adds the folder of the code
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        **environment,
    }
    # The interpreter below the environment, without site-packages: what is not packaged is not there, for its children neither.
    process = subprocess.Popen(
        [sys._base_executable, "-S", "-B", "-m", "awslambdaric", function["Handler"]], env=given, cwd=unpacked
    )
    try:
        return [api.told.get(timeout=20) for _ in events]
    finally:
        process.kill()
        process.wait(10)
        api.ended.set()
        api.shutdown()
        api.server_close()


@pytest.fixture
def pinned(tmp_path: Path) -> dict[str, str]:
    """Variables of a pack that has a control in Python and names a log."""
    pytest.importorskip("awslambdaric", reason="Lambda's runtime is there for Linux alone")
    pack = tmp_path / "pack"
    (pack / "house").mkdir(parents=True)
    (pack / "house/odd_name.py").write_text(RULE)
    (pack / "modelwarden.toml").write_text(
        'bundle = ["house"]\nstore = "dynamodb://modelwarden-state?region=eu-west-1"\n'
        'records = "s3://records/records"\nlog = "s3://records/log?mode=GOVERNANCE&years=7"\n'
    )
    return {
        "MODELWARDEN_ORGANIZATION": str(pack),
        "MODELWARDEN_ORGANIZATION_DIGEST": digest_pack(read_pack(str(pack), None)),
    }


def test_the_runtime_runs_what_is_packaged(unpacked: Path, tmp_path: Path, pinned: dict[str, str]) -> None:
    """A message that is no event is reported and comes again; the other one is done. Settings and controls were loaded, among
    them one in Python, which runs in a process of its own, and what the log is made with.
    """
    environment = {
        **pinned,
        "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111111111111/modelwarden-events",
        "ARCHIVE": "s3://records/archive",
    }
    (told,) = answered(unpacked, tmp_path, environment, "hub.yaml", BATCH)
    assert told == ("invocation/r-1/response", {"batchItemFailures": [{"itemIdentifier": IDS["poison"]}]})


CALLS = {
    (200, "openapi.json of the API"): event("GET", "/openapi.json"),
    (200, "controls"): event("GET", "/controls"),
    (503, "a question"): event("POST", "/decisions", json.dumps(QUESTION)),
    (503, "what scans found"): event("GET", "/runs"),
    (401, "nobody signed it"): event("GET", "/controls", who=None),
}
"""Status and what for -> the call. Where nobody answers for AWS, a module that is missing would be a 500 and no 503."""


def test_the_runtime_answers_calls_of_the_api(unpacked: Path, tmp_path: Path, pinned: dict[str, str]) -> None:
    """Every module that a route imports late is there; a question comes as far as AWS."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    environment = {**pinned, **nowhere, "MODELWARDEN_RETRIES": "0", "MODELWARDEN_TIMEOUT_SECONDS": "2"}
    told = answered(unpacked, tmp_path, environment, "api.yaml", *CALLS.values())
    assert {call for call, _ in told} == {"invocation/r-1/response"}
    assert [body["statusCode"] for _, body in told] == [status for status, _ in CALLS]
    assert json.loads(told[0][1]["body"])["openapi"] == "3.1.0"
    assert "HOUSE-01" in told[1][1]["body"]
    assert [json.loads(body["body"])["type"] for _, body in told[2:4]] == ["urn:modelwarden:problem:unavailable"] * 2


def test_the_runtime_answers_a_hook(unpacked: Path, tmp_path: Path, pinned: dict[str, str]) -> None:
    """A container without a package is refused as soon as AWS says whose credentials these are; here nobody does."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    environment = {**pinned, **nowhere, "MODELWARDEN_RETRIES": "0", "MODELWARDEN_TIMEOUT_SECONDS": "2"}
    model = question("Model", {"PrimaryContainer": {"Image": "x"}})
    gone = question("Model", {}, action="DELETE")
    told = answered(unpacked, tmp_path, environment, "deploy-check.yaml", model, gone)
    assert [(call, body["hookStatus"]) for call, body in told] == [
        ("invocation/r-1/response", "FAILED"),
        ("invocation/r-1/response", "SUCCESS"),
    ]
    assert "sts:GetCallerIdentity" in told[0][1]["message"]


SCANS = """
import sys
from pathlib import Path
from modelwarden.aws import scan
from modelwarden.analytics import publish
from modelwarden.tables.schema import library
lib, path = library(), Path(sys.argv[1])
table = lib.arrow.table({"package": lib.arrow.array(["a", "b", "a"]).dictionary_encode(), "at": [1, 2, 3]})
lib.parquet.write_table(table, path, compression="zstd")
print(lib.parquet.read_table(path, filters=[("package", "==", "a")]).num_rows, "pyarrow.dataset" in sys.modules)
"""


def test_what_scans_is_packaged_with_what_writes_tables(tmp_path: Path) -> None:
    """Arrow without what it can do besides, which is most of it."""
    folder = laid_out(BUILD.SCAN, tmp_path / "task")
    # As Lambda starts it: nothing but the folder, and the interpreter's own library.
    done = subprocess.run(
        [sys._base_executable, "-S", "-B", "-c", SCANS, tmp_path / "x.parquet"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "AWS_LAMBDA_FUNCTION_NAME": "f"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "2"
    inside = {name for name, _ in BUILD.ours(BUILD.SCAN)}
    assert {f"modelwarden/{path.relative_to(ENGINE)}" for path in reached(ENGINE / "aws/scan.py")} <= inside


ASKED = {
    "act": "gate",
    "package": "arn:aws:sagemaker:eu-west-1:444455556666:model-package/credit-default/1",
    "stage": "Development",
    "moment": "approve",
    "execution": "arn:aws:sagemaker:eu-west-1:444455556666:pipeline/promotion/execution/4xk2m8q0zt1p",
}


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    """The environment of a function in the demo's management account."""
    with Sandbox("demo") as sandbox:
        given = sandbox.environment()
        made = {"region_name": "eu-west-1", "endpoint_url": sandbox.endpoint}
        keys = {name.lower(): given[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        s3 = botocore.session.Session().create_client("s3", **made, **keys)
        s3.create_bucket(Bucket="gated", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield {**given, "AWS_CONFIG_FILE": "/nonexistent"}


@pytest.mark.parametrize(
    ("asked", "call", "says"),
    [
        (ASKED, "response", {"verdict": "allow", "may_promote": "true", "reasons": "18 passed"}),
        ({**ASKED, "stage": "Staging"}, "response", {"verdict": "undecided", "may_promote": "false"}),
        ({**ASKED, "package": "x"}, "error", {"errorType": "NotAsked"}),
        ({**ASKED, "act": "approve", "package": f"{ASKED['package']}99"}, "error", {"errorType": "NoSuchPackage"}),
    ],
)
def test_the_runtime_answers_a_step(
    unpacked: Path, tmp_path: Path, account: dict[str, str], asked: object, call: str, says: dict[str, str]
) -> None:
    """By what is packaged, against the simulated organization; what goes wrong is an error of the function, and no answer."""
    pytest.importorskip("awslambdaric", reason="Lambda's runtime is there for Linux alone")
    environment = {
        **account,
        "MODELWARDEN_ORGANIZATION": str(DEMO),
        "MODELWARDEN_ORGANIZATION_DIGEST": digest_pack(read_pack(str(DEMO), None)),
        "ARCHIVE": "s3://gated/archive",
    }
    ((told, body),) = answered(unpacked, tmp_path, environment, "pipeline.yaml", asked)
    assert told == f"invocation/r-1/{call}"
    assert {name: body[name] for name in says} == says


def shape(model: Any, above: tuple[str, ...] = ()) -> Any:
    """A shape with everything below it, as far as it does not repeat."""
    if model is None or model.name in above:
        return None
    inner = getattr(model, "members", {}) if model.type_name == "structure" else {}
    of = [
        getattr(model, name)
        for name in ("member", "key", "value")
        if model.type_name in ("list", "map") and hasattr(model, name)
    ]
    below = {name: shape(one, (*above, model.name)) for name, one in inner.items()}
    return model.name, model.type_name, model.serialization, below, [shape(one, (*above, model.name)) for one in of]


def test_clients_of_every_service_that_a_function_calls_are_made_of_what_is_packaged(unpacked: Path) -> None:
    def cut() -> Loader:
        return Loader(extra_search_paths=[str(unpacked / "botocore/data")], include_default_search_paths=False)

    session = botocore.session.Session()
    session.register_component("data_loader", cut())
    for service in BUILD.SERVICES:
        made = session.create_client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
        called = {api.partition(":")[2] for api in NEEDED if api.startswith(f"{service}:")}
        assert set(made.meta.method_to_api_mapping.values()) == called
        # By loaders of their own: a client writes into what it was loaded.
        lean, whole = (ServiceModel(one.load_service_model(service, "service-2")) for one in (cut(), Loader()))
        for name in called:
            mine, theirs = (one.operation_model(name) for one in (lean, whole))
            for side in ("input_shape", "output_shape"):
                assert shape(getattr(mine, side)) == shape(getattr(theirs, side))
    assert {api.partition(":")[0] for api in NEEDED} > BUILD.SERVICES
    with pytest.raises(UnknownServiceError):
        session.create_client("lambda", region_name="eu-west-1")


def test_the_same_files_make_the_same_archive() -> None:
    files = [("b.py", b"b = 1\n"), ("a/c.json", b"{}")]
    assert BUILD.zipped(files) == BUILD.zipped(reversed(files))
    assert BUILD.zipped(files) != BUILD.zipped([("b.py", b"b = 2\n"), files[1]])


def test_bytecode_goes_with_the_source() -> None:
    """Twice the same, and found by an interpreter that may write none."""
    files = {
        "b.py": b'"""A set."""\n\nSET = frozenset({"x", "y", "z"})\nFOUND = "x" in {"x", "y", "z"}\n',
        "c.json": b"{}",
    }
    once, twice = (dict(BUILD.compiled(files, sys.executable)) for _ in range(2))
    assert once == twice
    assert list(once) == [f"__pycache__/b.{sys.implementation.cache_tag}.pyc"]
    assert b"/var/task/b.py" in next(iter(once.values()))


def test_what_only_tests_and_installers_need_stays_behind() -> None:
    files = [
        *(("modelwarden/gate.py", b""), ("x-1.dist-info/METADATA", b""), ("x-1.dist-info/licenses/LICENSE", b"")),
        *(("x-1.dist-info/RECORD", b""), ("x/__pycache__/y.pyc", b""), ("x/tests/z.py", b""), ("../../bin/x", b"")),
        *(("botocore/data/sqs/1/endpoint-rule-set-1.json.gz", b""), ("botocore/data/sqs/1/examples-1.json", b"")),
        *(("botocore/data/iot/1/endpoint-rule-set-1.json.gz", b""), ("botocore/data/endpoints.json", b"")),
    ]
    assert [name for name, _ in BUILD.kept(BUILD.FUNCTIONS, files)] == [
        "modelwarden/gate.py",
        "x-1.dist-info/METADATA",
        "x-1.dist-info/licenses/LICENSE",
        "botocore/data/sqs/1/endpoint-rule-set-1.json.gz",
        "botocore/data/endpoints.json",
    ]
    inside = {name for name, _ in BUILD.ours(BUILD.FUNCTIONS)}
    assert not any(name.startswith(("modelwarden/cli/", "modelwarden/sandbox/")) for name in inside)
    for handler in ("events", "api", "hook", "pipeline"):
        assert {f"modelwarden/{path.relative_to(ENGINE)}" for path in reached(ENGINE / f"aws/{handler}.py")} <= inside


def test_the_requirements_are_the_versions_that_the_tests_ran_with() -> None:
    """Each with a hash; `scripts/build_lambda.py --lock` writes them."""
    for archive in BUILD.ARCHIVES:
        text = archive.requirements.read_text()
        pinned = dict(re.findall(r"^(\w+)==(\S+) \\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE))
        assert pinned == {name: importlib.metadata.version(name) for name in archive.wheels}
    for name in ("hub.yaml", "api.yaml", "deploy-check.yaml", "pipeline.yaml", "scan.yaml"):
        archive = BUILD.SCAN if name == "scan.yaml" else BUILD.FUNCTIONS
        for function in resources(load(name), "AWS::Serverless::Function").values():
            assert (function["Runtime"], function["CodeUri"]) == (
                f"python{BUILD.PYTHON}",
                f"../dist/{archive.name}-arm64.zip",
            )


def test_another_python_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"`nothing-here` is no Python 3\.13"):
        BUILD.interpreter("nothing-here")
