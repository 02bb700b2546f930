"""Clients of many accounts come from one session: each signs as its own account, and knows no more than is called."""

from __future__ import annotations

import ast
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

import modelwarden
from modelwarden.collect import Collector
from modelwarden.collect.client import Clients, _is_object, timestamp
from modelwarden.collect.operations import NEEDED

from .wire import Wire, of_json


def clients() -> Clients:
    return Clients(Session())


def make(made: Clients, key: str | None, service: str = "kms") -> Any:
    return made.make(key and Credentials(key, "secret"), service, "eu-west-1", Config())


def signed_as(client: Any) -> str:
    seen: list[str] = []

    def send(request: Any, **_: Any) -> None:
        seen.append(str(request.headers["Authorization"]))
        raise ConnectionError

    client.meta.events.register("before-send", send)
    with pytest.raises(ConnectionError):
        client.describe_key(KeyId="k")
    return str(re.findall(r"Credential=(\w+)/", seen[0])[0])


def test_each_client_signs_with_the_credentials_it_was_made_with() -> None:
    """However many threads make clients at once."""
    made = clients()
    keys = [f"AKIA{number:012d}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda key: make(made, key), keys))
    assert [signed_as(client) for client in found] == keys


def test_without_credentials_nobody_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the environment are the caller's, and no account's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    made = clients()
    make(made, "AKIA000000000001")
    with pytest.raises(Exception, match="Unable to locate credentials"):
        make(made, None).describe_key(KeyId="k")


def test_what_is_registered_with_one_client_is_told_to_no_other() -> None:
    made = clients()
    first, second = make(made, "AKIA000000000001"), make(made, "AKIA000000000002")
    told: list[str] = []
    first.meta.events.register("before-send", lambda **_: told.append("first"))
    signed_as(second)
    assert told == []


@pytest.mark.parametrize(("app", "expected"), [("", ""), ("ml platform", " app/ml-platform")])
def test_cloudtrail_can_tell_our_calls_by_their_user_agent(
    app: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", app)
    seen: list[str] = []
    wire = Wire({"sts:GetCallerIdentity": (403, {}, b"<ErrorResponse/>")})
    wire.session.register("request-created", lambda request, **_: seen.append(str(request.headers["User-Agent"])))
    wire.collector().caller()
    assert seen == [f"modelwarden/{modelwarden.__version__} Botocore/{botocore.__version__}{expected}"]


def test_a_client_has_the_operations_of_the_table_and_no_other() -> None:
    made = clients()
    sagemaker = make(made, "AKIA000000000001", "sagemaker")
    listed = {api.partition(":")[2] for api in NEEDED if api.startswith("sagemaker:")}
    assert set(sagemaker.meta.service_model.operation_names) == listed
    assert not hasattr(sagemaker, "delete_model_package")


@pytest.mark.parametrize(
    "name", ["endpoints", "partitions", "s3/2006-03-01/service-2", "s3/2006-03-01/endpoint-rule-set-1"]
)
def test_models_are_read_as_botocore_reads_them(name: str) -> None:
    own, loader, other = Session(), Loader(), Loader()
    own.register_component("data_loader", loader)
    Clients(own)
    assert type(loader.file_loader) is not type(other.file_loader)
    assert loader.load_data_with_path(name) == other.load_data_with_path(name)


def test_what_is_no_model_is_still_told_by_botocore() -> None:
    own, loader = Session(), Loader()
    own.register_component("data_loader", loader)
    Clients(own)
    with pytest.raises(UnknownServiceError):
        loader.load_service_model("nothing", "service-2")


def test_every_operation_that_the_engine_names_is_in_the_table() -> None:
    """`call(..., "service", "Operation")`, wherever the two stand next to each other."""
    services = {api.partition(":")[0] for api in NEEDED}
    named = set()
    root = Path(modelwarden.__file__).parent
    for path in (one for one in root.rglob("*.py") if "sandbox" not in one.parts):
        for node in ast.walk(ast.parse(path.read_text())):
            texts = (
                [one.value for one in getattr(node, "args", ()) or () if isinstance(one, ast.Constant)]
                if isinstance(node, ast.Call)
                else []
            )
            named |= {
                f"{service}:{name}"
                for service, name in pairwise(texts)
                if service in services and isinstance(name, str) and name[:1].isupper()
            }
    assert "sagemaker:ListEndpoints" in named
    assert named <= set(NEEDED)


def test_an_operation_that_is_not_in_the_table_is_a_defect_of_ours() -> None:
    collector: Collector = Wire({}).collector()
    with pytest.raises(KeyError, match="sagemaker:DeleteModelPackage"):
        collector.aws.call("111122223333", "eu-west-1", "sagemaker", "DeleteModelPackage")


TIMES = (
    *(0, 1, -1, 1795910400, 1795910400.123, 1e10, 253402300799, 1e12, 1e300, float("nan"), float("inf")),
    *("Sun, 29 Nov 2026 07:00:00 GMT", "Mon, 29 Nov 2026 07:00:00 GMT", "Sun, 29 Nov 2026 07:00:61 GMT"),
    *("Sun, 31 Feb 2026 07:00:00 GMT", "Sun, 29 Xxx 2026 07:00:00 GMT", "Sun, 29 Nov 2026 07:00:00 +0200"),
    *("2026-11-29T07:00:00Z", "2026-11-29T07:00:00.5+02:00", "1795910400", "1795910400.5", "nan", "", "no time"),
    *(True, None, [], {}),
)


@pytest.mark.parametrize("value", TIMES, ids=repr)
def test_a_time_is_the_moment_that_botocore_reads(value: Any) -> None:
    try:
        expected = parse_timestamp(value)
    except Exception as error:  # noqa: BLE001 - whatever it is
        with pytest.raises(type(error)):
            timestamp(value)
    else:
        assert timestamp(value) == expected
        assert timestamp(value).tzinfo is not None


def test_answers_are_read_so() -> None:
    key = {"KeyId": "k", "Arn": "arn:aws:kms:eu-west-1:111122223333:key/k", "CreationDate": 1795910400.5}
    key |= {"KeyManager": "CUSTOMER", "KeyState": "Enabled"}
    client = make(Clients(Wire({"kms:DescribeKey": of_json({"KeyMetadata": key})}).session), "AKIAEXAMPLE")
    found = client.describe_key(KeyId="k")["KeyMetadata"]["CreationDate"]
    assert (found.timestamp(), found.tzinfo) == (1795910400.5, UTC)


BODIES = (
    *(b"{}", b'{"a": [1, null, "x"]}', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a": 1, "a": 2}'),
    *(b"", b"[]", b"null", b'"{}"', b'{"a": ', b"{'a': 1}", b'{"a": 01}', b'{"a": "\n"}', b"<html/>", b"\xff\xfe{"),
    *(b'{"a": ' + b"9" * 5_000 + b"}", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'\xef\xbb\xbf{"a": 1}'),
    *('{"a": 1}'.encode("utf-16"), b'{"a": "\xff"}', b"{} {}"),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
def test_an_object_is_what_botocore_takes_for_one(body: bytes) -> None:
    try:
        expected = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        expected = False
    assert _is_object(body) is expected
