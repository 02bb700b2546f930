"""One call: what comes back is an answer, or a failure with its reason, and never an empty success."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from modelwarden.collect.answer import Answer, Failure, MalformedBody, NoCredentials, ask
from modelwarden.collect.blob import Route, fetch, is_trusted
from modelwarden.evidence import Absent, Present, Unknown

from .conftest import ARN, KEY, REGION
from .wire import Wire, identity, of_json

OWN = {"sts:GetCallerIdentity": identity("111122223333", "arn:aws:iam::111122223333:user/ada")}


def error(code: str, status: int = 400, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X"
    )


@pytest.mark.parametrize(
    ("api", "raised", "state"),
    [
        ("s3:HeadObject", error("403", 403), "denied"),
        ("s3:HeadObject", error("404", 404), "read"),
        ("s3:HeadObject", error("301", 301), "malformed"),
        ("s3:GetObject", error("SlowDown", 503), "throttled"),
        ("s3:GetObject", error("KMS.DisabledException"), "malformed"),
        ("kms:DescribeKey", error("NotFoundException"), "read"),
        ("kms:DescribeKey", error("ValidationException", message="key not found"), "malformed"),
        ("sagemaker:DescribeModelPackage", error("ValidationException", message="x does not exist."), "read"),
        ("sagemaker:DescribeModelPackage", error("ValidationException", message="1 validation error"), "malformed"),
        ("sagemaker:ListTags", error("ExpiredTokenException"), "expired"),
        ("sagemaker:ListTags", error("OptInRequired", 403), "disabled"),
        ("sagemaker:ListTags", error("InternalFailure", 500), "unreachable"),
        ("sagemaker:ListTags", error("SomethingNew"), "malformed"),
        ("sagemaker:ListTags", EndpointConnectionError(endpoint_url="x"), "unreachable"),
        ("sagemaker:ListTags", ReadTimeoutError(endpoint_url="x"), "unreachable"),
        ("sagemaker:ListTags", OSError("broken pipe"), "unreachable"),
        ("sagemaker:ListTags", MalformedBody(what="x"), "malformed"),
        ("sagemaker:ListTags", ValueError("a bad time"), "malformed"),
        ("sagemaker:ListTags", RecursionError(), "malformed"),
    ],
)
def test_every_error_has_a_state_and_only_awss_word_makes_a_fact_absent(
    api: str, raised: Exception, state: str
) -> None:
    def send() -> Mapping[str, Any]:
        raise raised

    failed = ask(api, send)
    assert isinstance(failed, Failure)
    assert failed.state == state
    assert isinstance(failed.fact(), Absent if state == "read" else Unknown)
    assert isinstance(failed.unknown(), Unknown)
    assert failed.source.at is not None


def test_nobody_to_call_as_is_no_failure_of_a_call() -> None:
    def send() -> Mapping[str, Any]:
        raise NoCredentialsError

    with pytest.raises(NoCredentials):
        ask("sts:GetCallerIdentity", send)


@pytest.mark.parametrize(
    ("api", "said", "calls"),
    [
        ("sagemaker:ListTags", [ValueError(), {"Tags": []}], 2),
        ("sagemaker:ListTags", [ValueError(), ValueError(), {"Tags": []}], 2),
        ("sagemaker:ListTags", [error("SomethingNew"), {"Tags": []}], 1),
        ("s3:HeadObject", [{"ETag": "e"}, {"ETag": "e", "ServerSideEncryption": "AES256"}], 2),
        ("s3:HeadObject", [{"ETag": "e"}, {"ETag": "e"}, {}], 2),
        ("s3:HeadObject", [{"ETag": "e", "ServerSideEncryption": "AES256"}, {}], 1),
    ],
)
def test_only_what_came_back_spoilt_is_asked_for_again(api: str, said: list[Any], calls: int) -> None:
    """An answer that is cut within its headers says that an object is not encrypted; so that is believed when said twice."""
    rest = list(said)

    def send() -> Mapping[str, Any]:
        one = rest.pop(0)
        if isinstance(one, Exception):
            raise one
        return dict(one)

    ask(api, send)
    assert len(said) - len(rest) == calls


BODIES = {
    "empty": b"",
    "blank": b"  ",
    "cut": b'{"Tags": [{"Key": "own',
    "a page": b"<html><body>It works!</body></html>",
    "no object": b"[]",
    "null": b"null",
    "without the member": b"{}",
    "a null member": b'{"Tags": null}',
    "another type": b'{"Tags": "garbage"}',
    "a null inside": b'{"Tags": [null]}',
    "another type inside": b'{"Tags": [{"Key": 17, "Value": "x"}]}',
    "deep": b'{"Tags": ' + b"[" * 200_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_success_that_is_none_is_malformed(body: bytes) -> None:
    wire = Wire({**OWN, "sagemaker:ListTags": (200, {}, body)})
    answer = wire.collector().aws.call("111122223333", REGION, "sagemaker", "ListTags", ResourceArn=ARN)
    assert isinstance(answer, Failure)
    assert answer.state == "malformed"
    assert wire.asked == ["sagemaker:ListTags"] * 2


def test_the_caller_is_asked_about_once_and_again_only_after_a_failure() -> None:
    denied = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    wire = Wire({"sts:GetCallerIdentity": [(403, {}, denied), *[OWN["sts:GetCallerIdentity"]] * 5]})
    collector = wire.collector()
    assert isinstance(collector.caller(), Unknown)
    assert {collector.aws.own_account(REGION) for _ in range(3)} == {"111122223333"}
    assert wire.asked == ["sts:GetCallerIdentity"] * 2


HEAD = {
    "ETag": '"e"',
    "Last-Modified": "Thu, 15 Dec 2016 01:19:41 GMT",
    "Content-Length": "7",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": KEY,
}
REFUSED = (403, {}, b"")


def artifact(*said: Any) -> tuple[dict[str, Any], Wire]:
    container = {"Containers": [{"ModelDataUrl": "s3://example/m"}]}
    description = {"ModelPackageArn": ARN, "ModelPackageStatus": "Completed", "InferenceSpecification": container}
    wire = Wire({**OWN, "sagemaker:DescribeModelPackage": of_json(description), "s3:HeadObject": list(said)})
    evidence = wire.collector().package(ARN, ("/artifact/*/encryption/sse",))
    return {name: evidence.get(f"/artifact/0/{name}") for name in ("encryption/sse", "checksum_sha256")}, wire


def test_the_checksum_takes_the_right_to_decrypt_and_the_rest_does_not() -> None:
    facts, wire = artifact(REFUSED, (200, HEAD, b""))
    assert facts["encryption/sse"].value == "aws:kms"
    assert facts["checksum_sha256"].reason == "403"
    assert wire.asked.count("s3:HeadObject") == 2
    facts, wire = artifact((200, HEAD, b""))
    assert isinstance(facts["checksum_sha256"], Absent)
    assert wire.asked.count("s3:HeadObject") == 1
    facts, _ = artifact(REFUSED, REFUSED)
    assert {type(fact) for fact in facts.values()} == {Unknown}


@pytest.mark.parametrize("missing", ["ETag", "Last-Modified", "Content-Length"])
def test_a_head_that_lacks_what_every_head_has_was_cut(missing: str) -> None:
    cut = (200, {name: value for name, value in HEAD.items() if name != missing}, b"")
    facts, _ = artifact(cut, cut)
    assert {type(fact) for fact in facts.values()} == {Unknown}
    facts, _ = artifact(cut, (200, HEAD, b""))
    assert isinstance(facts["encryption/sse"], Present)


def test_a_bucket_of_another_region_is_followed_there() -> None:
    moved = {"x-amz-bucket-region": "us-west-2"}
    facts, wire = artifact((301, moved, b""), (200, HEAD, b""))
    assert facts["encryption/sse"].value == "aws:kms"
    assert wire.asked.count("s3:HeadObject") == 2
    assert wire.asked.count("s3:HeadBucket") == 0
    facts, _ = artifact((301, {}, b""), (301, {}, b""))
    assert facts["encryption/sse"].reason == "301"


ROUTE = Route("https://api.ecr.eu-west-1.amazonaws.com", "amazonaws.com", verify=True, timeout=(1, 1))


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://prod-starport-layer-bucket.s3.eu-west-1.amazonaws.com/a?X-Amz-Signature=b", True),
        ("https://api.ecr.eu-west-1.amazonaws.com/blob", True),
        ("https://bucket.s3.amazonaws.com:443/a", True),
        ("http://bucket.s3.amazonaws.com/a", False),
        ("https://bucket.s3.amazonaws.com:8443/a", False),
        ("https://amazonaws.com.evil.com/a", False),
        ("https://evil-amazonaws.com/a", False),
        ("https://user@bucket.s3.amazonaws.com/a", False),
        ("https://bucket.s3.amazonaws.com@evil.com/a", False),
        ("http://169.254.169.254/latest/meta-data/", False),
        ("http://127.0.0.1/a", False),
        ("http://localhost.evil.com/a", False),
        ("file:///etc/passwd", False),
        ("https:///a", False),
        ("https://[/a", False),
        ("", False),
    ],
)
def test_a_download_address_lies_below_awss_own_names(url: str, trusted: bool) -> None:
    assert is_trusted(url, ROUTE) is trusted


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = {"/moved": 302, "/gone": 404, "/refused": 403}.get(self.path, 200)
            self.send_response(status)
            self.send_header("Location", "/blob")
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789")

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_a_download_is_bounded_and_follows_no_redirect(server: http.server.HTTPServer) -> None:
    place = f"http://127.0.0.1:{server.server_port}"
    route = Route(place, "amazonaws.com", verify=True, timeout=(2, 2))
    assert fetch(f"{place}/blob", route, 10) == b"0123456789"
    with pytest.raises(MalformedBody, match="more than 9 bytes"):
        fetch(f"{place}/blob", route, 9)
    for path, code in (("moved", "302"), ("gone", "404"), ("refused", "403")):
        with pytest.raises(ClientError) as caught:
            fetch(f"{place}/{path}", route, 10)
        assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(MalformedBody, match="outside of AWS"):
        fetch("http://127.0.0.1:9/blob", route, 10)


def test_an_answer_is_never_empty() -> None:
    wire = Wire({**OWN, "sagemaker:ListTags": of_json({"Tags": []})})
    answer = wire.collector().aws.call("111122223333", REGION, "sagemaker", "ListTags", ResourceArn=ARN)
    assert isinstance(answer, Answer)
    assert answer.data == {"Tags": []}
    assert answer.source.request_id == "r-1"
