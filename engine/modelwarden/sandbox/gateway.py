"""Where every request arrives: who asks, what for, may they, and who answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from modelwarden.sandbox import (
    cards,
    cloudtrail,
    ecr,
    endpoints,
    fallback,
    groups,
    identity,
    jobs,
    kms,
    organizations,
    packages,
    s3,
    search,
    wire,
)
from modelwarden.sandbox.faults import Dropped, Faults, Severed
from modelwarden.sandbox.scenario import moment
from modelwarden.sandbox.stats import Stats
from modelwarden.sandbox.wire import Answer, Refusal, Request
from modelwarden.sandbox.world import Call, Caller, Handler, World, denied

OPERATIONS: Final[Mapping[str, Handler]] = {
    **identity.OPERATIONS,
    **packages.OPERATIONS,
    **groups.OPERATIONS,
    **search.OPERATIONS,
    **cards.OPERATIONS,
    **jobs.OPERATIONS,
    **endpoints.OPERATIONS,
    **ecr.OPERATIONS,
    **kms.OPERATIONS,
    **s3.OPERATIONS,
    **organizations.OPERATIONS,
    **cloudtrail.OPERATIONS,
}
"""`service:Operation` -> our handler; moto answers whatever is not here, and what a handler leaves to it."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Gateway:
    """The WSGI application of one sandbox."""

    def __init__(self, world: World, backends: fallback.Backends, seed: int = 0) -> None:
        self.world, self.backends = world, backends
        self.faults, self.stats = Faults(seed), Stats()
        world.faulty = self.faults.denies

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        body = _body(environ)
        path = environ.get("PATH_INFO", "/")
        try:
            answer = self._control(environ, path, body) if path.startswith("/_sandbox/") else self._serve(environ, body)
        except Severed as cut:
            environ["modelwarden.sever"](cut.answer.status, cut.answer.headers)
            answer = Answer(500, {"Connection": "close"}, b"")
        except Dropped:
            environ["modelwarden.drop"]()
            answer = Answer(500, {"Connection": "close"}, b"")
        if answer.headers.get("Connection") == "close":
            environ["modelwarden.close"]()
        length_told = any(name.lower() == "content-length" for name in answer.headers)
        headers = answer.headers if length_told else {**answer.headers, "Content-Length": str(len(answer.body))}
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(headers.items()))
        return [answer.body]

    def _serve(self, environ: dict[str, Any], body: bytes) -> Answer:
        request = wire.read(environ, body)
        with self.backends.turn():
            try:
                caller = identity.caller_of(request, self.world)
            except Refusal as refusal:
                with self.stats.call("", request.region, request.name):
                    return wire.refuse(request, refusal)
        with self.stats.call(caller.account, request.region, request.name):
            return self.faults.around(request, caller.account, lambda changed: self._answer(environ, changed, caller))

    def _blob(self, environ: Mapping[str, Any], digest: str) -> Answer:
        """An image configuration, for whoever was told its address; `ecr:DownloadLayer` to faults and counters."""
        told = {"Content-Type": "application/octet-stream"}
        request = Request("ecr", "DownloadLayer", "", "", environ["REQUEST_METHOD"], f"/{digest}", {}, {}, b"")
        with self.stats.call("", "", request.name):
            return self.faults.around(request, "", lambda _: Answer(200, told, self.world.blobs[digest]))

    def _answer(self, environ: dict[str, Any], request: Request, caller: Caller) -> Answer:
        try:
            with self.backends.turn():
                return self._dispatch(environ, request, caller)
        except Refusal as refusal:
            return wire.refuse(request, refusal)

    def _dispatch(self, environ: dict[str, Any], request: Request, caller: Caller) -> Answer:
        handler = OPERATIONS.get(request.name)
        parameters = request.parameters if handler and request.service != "s3" else {}
        call = Call(request, caller, self.world, parameters)
        if any(one.covers(request.name, caller.account, request.region) for one in self.world.denials):
            raise denied(call)
        result = handler(call) if handler else None
        return fallback.answer(environ, request, caller.account) if result is None else wire.succeed(request, result)

    def _control(self, environ: Mapping[str, Any], path: str, body: bytes) -> Answer:
        """What only the sandbox has: faults, counters, clock, image configurations."""
        method, what = environ["REQUEST_METHOD"], path.removeprefix("/_sandbox/")
        if what.startswith("blobs/") and what[6:] in self.world.blobs:
            return self._blob(environ, what[6:])
        try:
            match method, what:
                case "GET", "health":
                    return _json(
                        {"status": "ok", "operations": sorted(OPERATIONS), "now": self.world.now().isoformat()}
                    )
                case "GET", "stats":
                    return _json(self.stats.told())
                case "GET", "timeline":
                    return _json(self.stats.timeline())
                case "DELETE", "stats":
                    self.stats.clear()
                case "GET", "faults":
                    return _json(self.faults.told())
                case "POST", "faults":
                    self.faults.add(json.loads(body))
                case "DELETE", "faults":
                    self.faults.clear()
                case "POST", "clock":
                    self.world.set_clock(moment("clock", json.loads(body)["now"]))
                case _:
                    return _json({"error": f"unknown: {method} /_sandbox/{what}"}, 404)
        except (ValueError, KeyError, TypeError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        return _json({"status": "ok"})


def _body(environ: Mapping[str, Any]) -> bytes:
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return bytes(environ["wsgi.input"].read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return bytes(environ["wsgi.input"].read(length)) if length else b""


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(value).encode())
