"""Every call is answered in one form, whichever server stands in front; what is wrong with it is a problem with a next step."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from jsonschema import Draft202012Validator

from modelwarden.api.answer import answer
from modelwarden.api.cursor import begin, cursor
from modelwarden.api.message import Call
from modelwarden.api.refusal import Refusal
from modelwarden.store.state import StateError
from tests.store.conftest import run_id

from .conftest import BAD, RUNS, UNREADABLE, Api, Told, other, question
from .events import event
from .test_openapi import schema

Function = Callable[[Mapping[str, Any]], Told]


def same(one: Told, two: Told) -> None:
    """What both servers say; a server adds headers of its own."""
    assert (one.status, one.body) == (two.status, two.body)
    for name in ("content-type", "cache-control", "x-content-type-options", "allow", "link", "location"):
        assert one.headers.get(name) == two.headers.get(name), name


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/controls", "", None),
        ("GET", "/openapi.json", "", None),
        ("GET", "/runs", "limit=2", None),
        ("GET", "/runs", "limit=two", None),
        ("GET", f"/packages/{BAD}", "", None),
        ("GET", f"/packages/{UNREADABLE}", "", None),
        ("GET", "/packages/churn", "", None),
        ("GET", "/decisions/none", "", None),
        ("GET", "/decisions", "", None),
        ("DELETE", "/decisions/1", "", None),
        ("GET", "/nothing", "", None),
        ("GET", "/controls", "a=1", None),
        ("POST", "/decisions", "", "{"),
        ("POST", "/decisions", "", json.dumps(question("churn"))),
        ("POST", "/decisions", "", json.dumps(question(stage="QA"))),
        ("POST", "/decisions", "", " " * 9000),
    ],
)
def test_both_servers_say_the_same_byte_for_byte(
    api: Api, lambda_: Function, method: str, path: str, query: str, body: str | None
) -> None:
    headers = {"content-type": "application/json"} if body is not None else {}
    here = api.send(method, path + (f"?{query}" if query else ""), body.encode() if body else None, headers)
    same(here, lambda_(event(method, path, body, query=query)))


def test_a_decision_of_the_function_is_read_here(api: Api, lambda_: Function) -> None:
    told = lambda_(event("POST", "/decisions", json.dumps(question(UNREADABLE))))
    assert told.status == 201
    there = urljoin(f"{api.server.address}/decisions", told.headers["location"])
    assert api.call("GET", there.removeprefix(api.server.address)).body == told.body


ENCODED = quote(BAD, safe="")


@pytest.mark.parametrize("path", [f"/packages/{BAD}", f"/packages/{ENCODED}", f"/packages/{quote(BAD)}"])
def test_an_arn_stands_in_a_path_encoded_or_as_it_is(api: Api, lambda_: Function, path: str) -> None:
    here = api.call("GET", path)
    assert (here.status, here.json["standing"]["seen"]["package"]) == (200, BAD)
    Draft202012Validator(schema("history")).validate(here.json)
    assert [change["why"] for change in here.json["changes"]] == [[], ["clock"]]
    # API Gateway hands on the path as it was sent, or decoded; a greedy route's value alike.
    same(here, lambda_(event("GET", path)))
    value = path.removeprefix("/packages/")
    greedy = event("GET", "/v1/x", route="GET /packages/{arn+}", values={"arn": value}, stage="v1")
    same(here, lambda_(greedy))
    same(here, lambda_(event("GET", f"/v1{path}", stage="v1")))
    proxy = event("GET", f"/base{path}", route="ANY /{proxy+}", values={"proxy": path[1:]})
    same(here, lambda_(proxy))


def test_pages_lead_from_the_newest_run_to_the_first(api: Api) -> None:
    found, path = [], "/runs?limit=3"
    for _ in range(RUNS):
        told = api.call("GET", path)
        Draft202012Validator(schema("runs")).validate(told.json)
        found += [one["id"] for one in told.json["runs"]]
        link = re.fullmatch(r'<(.*)>; rel="next"', told.headers.get("link", ""))
        if link is None:
            break
        path = urljoin(path, link[1])
    assert found == [run_id(number) for number in range(RUNS, 0, -1)]
    assert len(api.call("GET", f"/runs?limit={RUNS}").json["runs"]) == RUNS
    assert "link" not in api.call("GET", f"/runs?limit={RUNS}").headers


@pytest.mark.parametrize(
    "changed", ["", "x", cursor(run_id(3))[:-1], cursor(run_id(3)) + "=", "A" + cursor(run_id(3))[1:]]
)
def test_a_cursor_that_was_not_handed_out_is_refused(api: Api, changed: str) -> None:
    assert begin(cursor(run_id(3))) == run_id(3)
    assert api.call("GET", f"/runs?cursor={changed}").problem[:2] == (400, "malformed")
    with pytest.raises(Refusal):
        begin(cursor(run_id(3)).swapcase())


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "expected"),
    [
        ("GET", "/runs?limit=0", {}, None, (400, "malformed", "`limit`: `0` is not a number from 1 to 100")),
        ("GET", "/runs?limit=1&limit=2", {}, None, (400, "malformed", "`limit` stands twice")),
        ("GET", "/runs?before=1", {}, None, (400, "malformed", "`before` is no parameter of this route")),
        ("GET", "/runs?limit", {}, None, (400, "malformed", "the query cannot be read: bad query field: 'limit'")),
        ("GET", "/runs/", {}, None, (404, "no-route", "there is no `/runs/`")),
        ("GET", "/decisions/a/b", {}, None, (404, "no-route", "there is no `/decisions/a/b`")),
        ("GET", "/decisions/..%2Fx", {}, None, (404, "no-route", "there is no `/decisions/..%2Fx`")),
        ("PUT", "/runs", {}, None, (405, "no-method", "`PUT` is not one of its methods")),
        ("HEAD", "/runs", {}, None, None),
        (
            "GET",
            "/runs",
            {"accept": "text/html, application/json;q=0"},
            None,
            (406, "not-acceptable", "answers are application/json, and `accept` leaves that out"),
        ),
        (
            "POST",
            "/decisions",
            {"content-type": "text/plain"},
            b"{}",
            (415, "not-json", "the body must be application/json in UTF-8"),
        ),
        (
            "POST",
            "/decisions",
            {"content-type": "application/json; charset=latin-1"},
            b"{}",
            (415, "not-json", "the body must be application/json in UTF-8"),
        ),
        ("POST", "/decisions", {}, b"{}", (415, "not-json", "the body must be application/json in UTF-8")),
        (
            "POST",
            "/decisions",
            {"content-type": "application/json"},
            b'{"stage": 1, "stage": 2}',
            (400, "malformed", "the body: not JSON: key `stage` stands twice"),
        ),
        (
            "POST",
            "/decisions",
            {"content-type": "application/json"},
            b"\xff",
            (400, "malformed", "the body: not UTF-8 at byte 0"),
        ),
        (
            "POST",
            "/decisions",
            {"content-type": "application/json"},
            b"[]",
            (422, "invalid", "expected `object`, got `array`"),
        ),
        (
            "POST",
            "/decisions",
            {"content-type": "application/json"},
            b"[" * 4000,
            (400, "malformed", "the body: nested too deeply"),
        ),
        (
            "POST",
            "/decisions",
            {"content-type": "application/json"},
            b'{"package": ' + b"[" * 500 + b"]" * 500 + b"}",
            (422, "invalid", "expected `str`, got `array` - at `$.package`"),
        ),
    ],
)
def test_what_is_wrong_is_a_problem(
    api: Api, method: str, path: str, headers: dict[str, str], body: bytes | None, expected: tuple[int, str, str] | None
) -> None:
    told = api.send(method, path, body, headers)
    if expected is None:
        assert (told.status, told.body) == (405, b"")
        return
    assert told.problem == expected
    assert told.json["help"]
    Draft202012Validator(schema("problem")).validate(told.json)
    if told.status == 405:
        assert told.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "text/html, */*;q=0.1", "application/*; q=0.2, */*;q=0", "", "APPLICATION/JSON"],
)
def test_whoever_takes_json_is_answered(api: Api, accept: str) -> None:
    assert api.send("GET", "/decisions/x", None, {"accept": accept}).status == 404


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"package": "/etc/passwd"}, "`package`: `/etc/passwd` is not the ARN of a model package"),
        ({"package": "-"}, "`package`: `-` is not the ARN of a model package"),
        ({"package": BAD.replace("444455556666", "٤٤٤٤٥٥٥٥٦٦٦٦")}, "is not the ARN of a model package"),
        ({"package": BAD + "\n"}, "is not the ARN of a model package"),
        ({"moment": "serve"}, "invalid enum value 'serve' - at `$.moment`"),
        ({"rollback": "yes"}, "expected `bool`, got `str` - at `$.rollback`"),
        ({"principal": "arn:aws:iam::111122223333:user/x"}, "object contains unknown field `principal`"),
        ({"as_of": "2020-01-01"}, "object contains unknown field `as_of`"),
        ({"role": "Admin"}, "object contains unknown field `role`"),
        ({"config": "/tmp/x.toml"}, "object contains unknown field `config`"),
    ],
)
def test_a_question_names_neither_files_nor_settings_nor_who_acts(
    api: Api, changes: dict[str, Any], detail: str
) -> None:
    told = api.call("POST", "/decisions", {**question(), **changes})
    assert told.problem[:2] == (422, "invalid")
    assert detail in told.problem[2]
    assert api.judged() == []


def test_a_call_that_nobody_signed_is_refused(lambda_: Function) -> None:
    """The function is open to nobody, also where its routes were deployed without authorization."""
    for unsigned in (event("GET", "/controls", who=None), event("GET", "/controls", who="")):
        told = lambda_(unsigned)
        assert told.problem == (401, "not-proven", "the route has no IAM authorization")
        assert told.headers["www-authenticate"] == "AWS4-HMAC-SHA256"


def test_a_body_may_come_in_base64(lambda_: Function) -> None:
    from base64 import b64encode

    body = b64encode(json.dumps(question(UNREADABLE)).encode()).decode()
    assert lambda_(event("POST", "/decisions", body, base64=True)).json["verdict"] == "undecided"
    assert lambda_(event("POST", "/decisions", "!", base64=True)).problem[:2] == (400, "malformed")
    assert lambda_(event("POST", "/decisions", "A" * 40_000, base64=True)).problem[:2] == (413, "too-large")


def test_a_defect_is_told_by_its_id_alone(api: Api) -> None:
    def broken() -> Any:
        raise RuntimeError("secret of the machine\nforged line")

    service = other(api.service, collector=broken)
    headers = {"content-type": "application/json"}
    reply = answer(service, Call("POST", "/decisions", "", headers, json.dumps(question()).encode()))
    told = Told(reply.status, reply.headers, reply.body)
    assert told.problem == (500, "defect", "nothing was decided by this call")
    assert b"secret" not in told.body
    Draft202012Validator(schema("problem")).validate(told.json)
    (logged,) = api.log
    assert (logged.level, logged.fields["instance"]) == ("error", told.json["instance"])
    assert "RuntimeError: secret of the machine" in str(logged.fields["traceback"])


def test_a_store_that_cannot_be_read_is_no_empty_one(api: Api, demo_sandbox: Any) -> None:
    from tests.organization import ask

    ask(
        demo_sandbox,
        "POST",
        "faults",
        [{"kind": "deny", "op": "dynamodb:Query"}, {"kind": "deny", "op": "dynamodb:GetItem"}],
    )
    for path in ("/runs", f"/packages/{BAD}"):
        told = api.call("GET", path)
        assert told.problem[:2] == (503, "unavailable")
        assert "AccessDenied" in str(api.log[-1].fields["error"])
    assert isinstance(StateError("x"), Exception)


def raw(api: Api, text: str) -> tuple[int, str]:
    """Status and body of whatever bytes; the connection must end."""
    host, port = api.server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text.encode("latin-1"))
        data = b""
        while more := connection.recv(65536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET /runs HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET /runs HTTP/1.1\r\n\r\n", 421),
        ("POST /decisions HTTP/1.1\r\nHost: HERE\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 411),
        ("POST /decisions HTTP/1.1\r\nHost: HERE\r\n\r\n", 411),
        ("POST /decisions HTTP/1.1\r\nHost: HERE\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /decisions HTTP/1.1\r\nHost: HERE\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        ("POST /decisions HTTP/1.1\r\nHost: HERE\r\nContent-Length: 999999999\r\n\r\n", 413),
        ("GET / HTTP/9.9\r\nHost: HERE\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        (f"GET /{'a' * 70_000} HTTP/1.1\r\nHost: HERE\r\n\r\n", 400),
        ("GET /runs HTTP/1.1\r\nHost: HERE\r\n" + "a: b\r\n" * 200 + "\r\n", 431),
    ],
)
def test_what_is_no_call_is_a_problem_and_ends_the_connection(api: Api, text: str, status: int) -> None:
    told, body = raw(api, text.replace("HERE", api.server.address.removeprefix("http://")))
    assert told == status
    assert json.loads(body)["status"] == status
