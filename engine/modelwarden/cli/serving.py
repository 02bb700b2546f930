"""The API on loopback: HTTP from and to a socket. It authenticates nobody, so whoever reaches it acts as whoever runs it."""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final

from modelwarden.api.message import MAX_BODY, Call, Reply
from modelwarden.api.refusal import KINDS, Refusal
from modelwarden.errors import UserError

_SECONDS: Final = 30
"""After which a connection that says nothing is closed."""
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
_BY_STATUS: Final = {status: kind for kind, (status, _) in reversed(KINDS.items())}


class ServerError(UserError):
    """The API cannot be served."""


class Server:
    """A running server: `with Server(answer, host, port) as server`. Port 0: any free one."""

    def __init__(self, answer: Callable[[Call], Reply], host: str = "127.0.0.1", port: int = 0) -> None:
        """Raises ServerError where it cannot listen there."""
        try:
            self._http = _Http((host, port), answer)
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is no name of a host"
            raise ServerError(f"cannot listen on `{host}:{port}`: {why}", "choose another one with --port") from error
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="api", daemon=True)

    @property
    def address(self) -> str:
        """`http://127.0.0.1:4600`."""
        return f"http://{self._http.place}"

    def wait(self) -> None:
        """Until somebody stops the server."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], answer: Callable[[Call], Reply]) -> None:
        if ":" in place[0]:
            self.address_family = socket.AF_INET6
        super().__init__(place, _Connection)
        self.answer = answer
        self.turn = threading.Lock()
        """One call after the other, as in one instance of a function: what they share need not be made for threads."""
        host, port = place[0], self.server_address[1]
        self.place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        names = ("127.0.0.1", "[::1]", "localhost", self.place.rpartition(":")[0])
        self.hosts = {f"{name}:{port}" for name in names} if is_loopback(host) else None
        """What a call may call us; a page of the web that made its own name lead here calls us by that. None: anything."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news; whatever happens to a call is told by the answer to it."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"api: internal error: {type(error).__name__}: {error}", file=sys.stderr)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS
    server: _Http

    def __getattr__(self, name: str) -> Any:
        """Every method is ours to answer: http.server looks for `do_<METHOD>`."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        try:
            call = self._call()
        except Refusal as refusal:
            # What was announced is left unread, and would be taken for the next call.
            self.close_connection = True
            self._send(refusal.reply())
        else:
            with self.server.turn:
                found = self.server.answer(call)
            self._send(found)

    def _call(self) -> Call:
        if self.server.hosts is not None and self.headers.get("host", "").lower() not in self.server.hosts:
            raise Refusal("misdirected", f"this is {self.server.place}", "call it by that name")
        path, _, query = self.path.partition("?")
        headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in set(self.headers)}
        return Call(self.command, path, query, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if "transfer-encoding" in headers or (self.command == "POST" and "content-length" not in headers):
            raise Refusal("no-length", "there is no `content-length`", "send it, and the body in one piece")
        length = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(length):
            raise Refusal(
                "malformed",
                f"`content-length`: `{length[:20]}` is no length",
                "send the bytes of the body as one number",
            )
        if int(length) > MAX_BODY:
            raise Refusal("too-large", f"the body has more than {MAX_BODY} bytes", "send one question")
        return self.rfile.read(int(length))

    def _send(self, found: Reply) -> None:
        # What could not be read is taken for HTTP 0.9 by http.server, and would be answered without a status.
        self.request_version = self.protocol_version
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(found.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses by itself: a line or headers that it cannot read."""
        self.close_connection = True
        kind = _BY_STATUS.get(int(code), "malformed")
        self._send(Refusal(kind, message or KINDS[kind][1], "send HTTP/1.1").reply())

    def version_string(self) -> str:
        return "modelwarden"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Calls are logged where they are answered."""


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
