"""moto, for every operation that the sandbox does not answer itself.

moto's backends are global to the process. Each sandbox owns a set of them and takes its turn, so that several can run
in one process (in tests they do).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, ClassVar

from modelwarden.sandbox import ecr, kms, s3
from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.wire import Answer, NotSimulated, Request, session

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


class Backends:
    """The moto backends of one sandbox."""

    _lock: ClassVar[threading.RLock] = threading.RLock()
    _present: ClassVar[Backends | None] = None

    def __init__(self) -> None:
        moto("core.base_backend").AccountSpecificBackend.get_session = session
        ecr.install()
        s3.install()
        kms.install()
        self._held: list[tuple[Any, dict[Any, Any], dict[str, dict[Any, Any]]]] = []
        """(registry of a service, its accounts, its other tables), while another sandbox has its turn."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Everything that touches moto's state happens inside; one thread at a time."""
        with Backends._lock:
            if Backends._present is not self:
                if Backends._present is not None:
                    Backends._present._put_away()
                self._put_back()
                Backends._present = self
            yield

    def discard(self) -> None:
        """Forget the state."""
        with Backends._lock:
            if Backends._present is self:
                self._put_away()
                Backends._present = None
            self._held = []

    def _put_away(self) -> None:
        registries = moto("core.base_backend").BackendDict._instances
        self._held = []
        for registry in list(registries):
            tables = {name: dict(value) for name, value in vars(registry).items() if type(value) is dict}
            self._held.append((registry, dict(dict.items(registry)), tables))
            dict.clear(registry)
            for name in tables:
                getattr(registry, name).clear()
        registries.clear()

    def _put_back(self) -> None:
        registries = moto("core.base_backend").BackendDict._instances
        for registry, accounts, tables in self._held:
            dict.update(registry, accounts)
            for name, value in tables.items():
                getattr(registry, name).update(value)
            registries.append(registry)
        self._held = []


@lru_cache(maxsize=1)
def _application() -> Any:
    module = moto("moto_server.werkzeug_app")
    application = module.DomainDispatcherApplication(module.create_backend_app)
    application.get_backend_for_host = lru_cache(maxsize=1024)(application.get_backend_for_host)
    return application


def answer(environ: dict[str, Any], request: Request, account: str) -> Answer:
    """moto's answer, asked as the given account. To be called in a turn.

    Raises:
        NotSimulated: moto does not know the operation, or fails over it.
    """
    if request.service == "s3" and not s3.answers(request.operation):
        raise NotSimulated(request.name)
    asked = {**environ, "wsgi.input": io.BytesIO(request.body), "CONTENT_LENGTH": str(len(request.body))}
    asked["HTTP_X_MOTO_ACCOUNT_ID"] = account
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started[:] = [status, headers]

    try:
        body = b"".join(_application()(asked, start_response))
    except Exception as error:  # moto raises anything where it has gaps, and a gap is answered with 501
        raise NotSimulated(request.name) from error
    status, headers = int(started[0].split()[0]), {k: v for k, v in started[1] if k.lower() not in _HOP_BY_HOP}
    html = headers.get("Content-Type", "").startswith("text/html")
    if status >= 500 or (status in (404, 405) and html and request.service != "s3"):
        raise NotSimulated(request.name)
    if request.method == "HEAD":
        headers |= {k: v for k, v in started[1] if k.lower() == "content-length"}
        body = b""
    return Answer(status, headers, body)
