"""How AWS clients talk: which operation a request asks for, and how answers and refusals are written back."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, ServiceModel

from modelwarden.sandbox.moto_module import moto

QUERY: Final = {"sts": "Action", "ec2": "Action", "iam": "Action", "cloudformation": "Action", "sns": "Action"}
"""Services that name the operation in a form field."""


class Refusal(Exception):
    """An error answer. `code` and `message` are AWS's own words."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class NotSimulated(Refusal):
    """The operation exists at AWS and not here: HTTP 501, which no retry mode repeats."""

    def __init__(self, operation: str) -> None:
        super().__init__("NotImplemented", f"the sandbox does not simulate {operation}", 501)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read as far as every operation needs it."""

    service: str
    """Signing name, which is how AWS clients scope their credentials: `sagemaker`, `ecr`, `s3` ..."""
    operation: str
    region: str
    access_key: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """`service:Operation`, the way faults, denials and counters name it."""
        return f"{self.service}:{self.operation}"

    @property
    def parameters(self) -> dict[str, Any]:
        """Members of the request: the JSON body, or the flat form fields of the query protocol."""
        if self.service in QUERY:
            return {key: values[-1] for key, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}
        if not self.body:
            return {}
        try:
            loaded = json.loads(self.body)
        except ValueError as error:
            raise Refusal("SerializationException", "the request body is not JSON") from error
        if not isinstance(loaded, dict):
            raise Refusal("SerializationException", "the request body is not a JSON object")
        return loaded


@dataclass(slots=True)
class Answer:
    """One HTTP response, as whole bytes."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


def read(environ: Mapping[str, Any], body: bytes) -> Request:
    """The request behind a WSGI environment; an unsigned one has the empty access key."""
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    query = {k: v[-1] for k, v in parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).items()}
    headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    key, region, service = _scope(headers.get("authorization", ""), query)
    method = environ["REQUEST_METHOD"]
    partial = Request(service, "", region, key, method, path, query, headers, body)
    operation = _operation(partial)
    return Request(service, operation, region, key, method, path, query, headers, body)


def _scope(authorization: str, query: Mapping[str, str]) -> tuple[str, str, str]:
    """(access key, region, signing name) out of a signature version 4, in the header or in a presigned URL."""
    text = query.get("X-Amz-Credential", "")
    if "Credential=" in authorization:
        text = authorization.partition("Credential=")[2].split(",")[0]
    parts = unquote(text).strip().split("/")
    if len(parts) != 5:
        return "", "us-east-1", "s3" if not authorization else "unknown"
    name = parts[3].lower()
    return parts[0], parts[2], _SIGNED_AS.get(name, name)


_SIGNED_AS: Final = {"monitoring": "cloudwatch"}
"""Signing name -> what IAM calls the service, where the two differ."""
_CBOR: Final = "rpc-v2-cbor"


def _operation(request: Request) -> str:
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if request.service == "s3":
        return _s3_operation(request)
    if request.service in QUERY or request.headers["content-type"].startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(request.body.decode("utf-8", "replace"))
        return fields.get("Action", [request.query.get("Action", "Unknown")])[0]
    _, named, operation = request.path.rpartition("/operation/")
    if named and request.path.startswith("/service/"):
        return operation
    return _rest_routes(request.service).get((request.method, request.path), f"{request.method} {request.path}")


@cache
def _rest_routes(service: str) -> dict[tuple[str, str], str]:
    """(method, path) -> operation, for paths that name nothing; of a service that botocore does not know there are none."""
    try:
        model = service_model(service)
    except UnknownServiceError:
        return {}
    https = {name: model.operation_model(name).http for name in model.operation_names}
    return {(http["method"], http["requestUri"]): name for name, http in https.items() if "{" not in http["requestUri"]}


@cache
def _s3_routes() -> dict[tuple[str, str], list[tuple[frozenset[str], str]]]:
    """(method, root|bucket|key) -> [(query markers, operation)], most specific first; from the botocore model."""
    routes: dict[tuple[str, str], list[tuple[frozenset[str], str]]] = {}
    model = service_model("s3")
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, markers = http["requestUri"].partition("?")
        place = "key" if "{Key" in path else "bucket" if "{Bucket}" in path else "root"
        needed = frozenset(marker.partition("=")[0] for marker in markers.split("&") if marker)
        if name not in ("CopyObject", "UploadPart", "UploadPartCopy", "GetBucketLifecycle", "GetBucketNotification"):
            routes.setdefault((http["method"], place), []).append((needed, name))
    for options in routes.values():
        options.sort(key=lambda option: -len(option[0]))
    return routes


def _s3_operation(request: Request) -> str:
    bucket, _, key = request.path.lstrip("/").partition("/")
    place = "key" if key else "bucket" if bucket else "root"
    if request.method == "PUT" and key and "partNumber" in request.query:
        return "UploadPart"
    if request.method == "PUT" and key and "x-amz-copy-source" in request.headers and "tagging" not in request.query:
        return "CopyObject"
    for needed, name in _s3_routes().get((request.method, place), []):
        if needed <= request.query.keys():
            return name
    return f"{request.method} {place}"


@cache
def session() -> Any:
    """Service models and region names only: it makes no call, and neither profile nor configuration of the user matter to it."""
    nothing = (None, None, None, None)
    own = {
        "profile": nothing,
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return botocore.session.Session(session_vars=own)


@cache
def service_model(service: str) -> ServiceModel:
    """The botocore model of a service.

    Raises:
        botocore.exceptions.UnknownServiceError: botocore knows no such service.
    """
    model: ServiceModel = session().get_service_model(service)
    return model


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    return service_model(service).operation_model(operation)


def succeed(request: Request, result: Mapping[str, Any]) -> Answer:
    """Write a result in the protocol of the service."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    if request.service in ("sts", "ec2"):
        serializer = moto("core.serialize").get_serializer_class(
            request.service, "ec2" if request.service == "ec2" else "query"
        )
        model = moto("core.utils").get_service_model(request.service).operation_model(request.operation)
        written = serializer(operation_model=model).serialize(dict(result))
        body = written["body"]
        return Answer(200, {**headers, "Content-Type": "text/xml"}, body.encode() if isinstance(body, str) else body)
    body = json.dumps(result, default=_plain, separators=(",", ":")).encode()
    return Answer(200, {**headers, "Content-Type": "application/x-amz-json-1.1"}, body)


def refuse(request: Request, refusal: Refusal) -> Answer:
    """Write an error in the protocol of the service, so that botocore reads code and message."""
    number, code, message = str(uuid.uuid4()), escape(refusal.code), escape(refusal.message)
    headers = {"x-amzn-RequestId": number, "Content-Type": "text/xml"}
    if request.service == "s3":
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{number}</RequestId></Error>"
        headers = {"x-amz-request-id": number, "Content-Type": "application/xml"}
        return Answer(refusal.status, headers, b"" if request.method == "HEAD" else _xml(text))
    if request.service == "ec2":
        inner = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        return Answer(refusal.status, headers, _xml(f"<Response>{inner}<RequestID>{number}</RequestID></Response>"))
    if request.service in QUERY:
        inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f"<ErrorResponse>{inner}<RequestId>{number}</RequestId></ErrorResponse>"
        return Answer(refusal.status, headers, _xml(text))
    if request.headers.get("smithy-protocol") == _CBOR:
        headers |= {"Content-Type": "application/cbor", "smithy-protocol": _CBOR}
        return Answer(refusal.status, headers, _cbor({"__type": refusal.code, "message": refusal.message}))
    headers |= {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": refusal.code}
    body = json.dumps({"__type": refusal.code, "message": refusal.message, "Message": refusal.message}).encode()
    return Answer(refusal.status, headers, body)


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _cbor(texts: Mapping[str, str]) -> bytes:
    """RFC 8949, of the few kinds of values that an error has: a map of at most 23 texts."""
    words = [word.encode() for pair in texts.items() for word in pair]
    head = bytes([0xA0 | len(texts)])
    return head + b"".join(b"\x79" + len(word).to_bytes(2, "big") + word for word in words)


def _plain(value: object) -> float:
    """Times travel as seconds since 1970 in the JSON protocols."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).timestamp()
    raise TypeError(f"{type(value).__name__} cannot be sent")
