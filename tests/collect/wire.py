"""AWS's endpoints, played back to botocore: its own parsers and our guards read what is written here."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from botocore.session import Session

from modelwarden.collect import Collector

DENIED = (400, {"x-amzn-ErrorType": "AccessDeniedException"}, b'{"__type": "AccessDeniedException", "message": "no"}')

Said = tuple[int, Mapping[str, str], bytes]


class _Raw(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Wire:
    """Answers by `service:Operation`, a list of them one after the other; what is not listed is denied.

    `asked` has every request in order.
    """

    def __init__(self, answers: Mapping[str, Said | list[Said]]) -> None:
        self.answers = {name: list(said) if isinstance(said, list) else said for name, said in answers.items()}
        self.asked: list[str] = []
        self.session = Session()
        self.session.set_credentials("AKIAEXAMPLE", "secret")
        self.session.register("before-send", self._answer)

    def collector(self) -> Collector:
        """One that acts with its own credentials only."""
        return Collector(retries=0, session=self.session)

    def _answer(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        service, operation = event_name.split(".")[1:3]
        self.asked.append(f"{service}:{operation}")
        said = self.answers.get(f"{service}:{operation}", DENIED)
        status, headers, body = (said.pop(0) if said else DENIED) if isinstance(said, list) else said
        return AWSResponse(request.url, status, dict(headers), _Raw(body))


def of_json(output: Mapping[str, Any]) -> Said:
    """An answer of the JSON protocols."""
    return 200, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "r-1"}, json.dumps(output).encode()


def of_headers(shape: Any, output: Mapping[str, Any], body: bytes = b"") -> Said:
    """An answer of S3 whose members are headers, spelled as they are given."""
    named = {member.serialization.get("name"): name for name, member in shape.members.items()}
    headers = {
        header: str(output[name])
        for header, name in named.items()
        if header and isinstance(output.get(name), str | int)
    }
    return 200, {**headers, "x-amz-request-id": "r-1"}, body


def of_xml(root: str, output: Mapping[str, Any]) -> Said:
    """An answer in XML; lists are repeated elements, as S3 writes them."""
    return 200, {"Content-Type": "application/xml"}, f"<{root}>{_elements(output)}</{root}>".encode()


def _elements(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = [
            (name, one) for name, inner in value.items() for one in (inner if isinstance(inner, list) else [inner])
        ]
        return "".join(f"<{name}>{_elements(one)}</{name}>" for name, one in pairs)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def identity(account: str, arn: str) -> Said:
    """sts:GetCallerIdentity."""
    told = {"Arn": arn, "UserId": "AIDAEXAMPLE", "Account": account}
    return of_xml(
        "GetCallerIdentityResponse", {"GetCallerIdentityResult": told, "ResponseMetadata": {"RequestId": "r-1"}}
    )
