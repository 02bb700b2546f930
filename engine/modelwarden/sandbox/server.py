"""One process that answers like AWS, on loopback.

    with Sandbox("demo") as sandbox:
        os.environ.update(sandbox.environment())

Several sandboxes may run in one process.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from cheroot import wsgi

from modelwarden.errors import UserError
from modelwarden.sandbox.fallback import Backends
from modelwarden.sandbox.gateway import Gateway
from modelwarden.sandbox.identity import SECRET, access_key
from modelwarden.sandbox.scenario import Scenario, load
from modelwarden.sandbox.seed import seed

_THREADS: Final = 32
_CONNECTIONS: Final = 1_000
"""That wait for their next request. AWS keeps those of its clients, too."""
_REGION: Final = "eu-west-1"


class SandboxError(UserError):
    """The sandbox cannot run."""


class _Connection(wsgi.Gateway_10):
    """Lets the application end a connection without an answer."""

    version = "modelwarden"

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["modelwarden.drop"], environ["modelwarden.close"] = self._drop, self._close
        environ["modelwarden.sever"] = self._sever
        return environ

    def _close(self) -> None:
        """After this answer."""
        self.req.close_connection = True

    def _sever(self, status: int, headers: Mapping[str, str]) -> None:
        """Now, in the middle of the headers, which clients take for their end."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {one}" for name, one in headers.items())]
        block = "\r\n".join(lines).encode("latin-1")
        self.req.conn.wfile.write(block[: len(block) // 2])
        self.req.conn.wfile.flush()
        self._drop()

    def _drop(self) -> None:
        """Now, without one."""
        self.req.close_connection = True
        self.req.conn.socket.shutdown(2)


class _Server(wsgi.Server):
    """Stops quickly and says little."""

    expiration_interval = 0.05
    keep_alive_conn_limit = _CONNECTIONS

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """A defect of ours in one line; clients that hang up are no news."""
        error = sys.exc_info()[1]
        if traceback and error is not None:
            print(f"sandbox: internal error: {type(error).__name__}: {error}", file=sys.stderr)


class Sandbox:
    """A running organization: `with Sandbox(scenario) as sandbox`."""

    def __init__(self, scenario: str | Path, host: str = "127.0.0.1", port: int = 0, fault_seed: int = 0) -> None:
        """`scenario`: a built-in name, or a path. Port 0: any free one.

        Raises:
            ScenarioError: the scenario cannot be loaded.
        """
        self.scenario: Scenario = load(scenario)
        self._backends = Backends()
        with self._backends.turn():
            self.world = seed(self.scenario)
        self.gateway = Gateway(self.world, self._backends, fault_seed)
        self._server = _Server((host, port), self.gateway, numthreads=_THREADS, request_queue_size=128, timeout=60)
        self._server.gateway = _Connection
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Where AWS clients shall look, for example `http://127.0.0.1:4566`."""
        host, port = self._server.bind_addr[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def environment(self, account: str | None = None, region: str | None = None) -> dict[str, str]:
        """What an AWS client has to find in its environment to act as `account` (default: the management account).

        Raises:
            SandboxError: the scenario has no such account.
        """
        who = account or self.world.management
        if who not in self.world.accounts:
            known = ", ".join(sorted(self.world.accounts))
            raise SandboxError(f"{self.scenario.file}: no account `{who}`", f"known are {known}")
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": access_key(who),
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": region or _REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> Sandbox:
        """Listen, and serve in the background.

        Raises:
            SandboxError: the port is taken.
        """
        try:
            self._server.prepare()
        except OSError as error:
            host, port = self._server.bind_addr[:2]
            raise SandboxError(
                f"cannot listen on `{host}:{port}`: {error}", "choose another one with `--port`"
            ) from error
        self.world.endpoint = self.endpoint
        self._thread = threading.Thread(target=self._server.serve, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and forget everything."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(10)
        self._backends.discard()

    def wait(self) -> None:
        """Until somebody stops the server."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
