"""Events as API Gateway sends them to a function: HTTP API, payload format 2.0, IAM authorization.

The form is that of the documentation of API Gateway (`Working with AWS Lambda proxy integrations for HTTP APIs`).
"""

from __future__ import annotations

from typing import Any

ME = "arn:aws:iam::111111111111:user/ann"


def event(
    method: str,
    path: str,
    body: str | None = None,
    *,
    query: str = "",
    route: str = "$default",
    values: dict[str, str] | None = None,
    stage: str = "$default",
    who: str | None = ME,
    base64: bool = False,
    **headers: str,
) -> dict[str, Any]:
    """`path` as `rawPath` has it; `_` in the name of a header stands for `-`."""
    sent = {"accept": "*/*", "host": "example.execute-api.eu-west-1.amazonaws.com", "x-forwarded-proto": "https"}
    sent |= {"content-type": "application/json"} if body is not None else {}
    iam = {
        "accessKey": "AKIAEXAMPLE",
        "accountId": "111111111111",
        "callerId": "AIDAEXAMPLE",
        "cognitoIdentity": None,
        "principalOrgId": "o-example",
        "userArn": who,
        "userId": "AIDAEXAMPLE",
    }
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": sent | {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {
            "accountId": "111111111111",
            "apiId": "example",
            "domainName": "example.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "example",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "aws-sdk",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": stage,
            "time": "29/Nov/2026:06:00:00 +0000",
            "timeEpoch": 1795932000000,
        },
        "isBase64Encoded": base64,
    }
    if who is not None:
        made["requestContext"]["authorizer"] = {"iam": iam}
    if values is not None:
        made["pathParameters"] = values
    if body is not None:
        made["body"] = body
    return made
