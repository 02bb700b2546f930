"""Clients, made cheaply: a scan makes one for each account, region and service, and botocore would take 10 ms for each."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from botocore.config import Config
from botocore.hooks import EventAliaser
from botocore.loaders import JSONFileLoader
from botocore.session import Session
from botocore.utils import parse_timestamp

from modelwarden.collect.answer import MalformedBody
from modelwarden.collect.operations import NEEDED

_STRICT: Final = msgspec.json.Decoder()
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} [12]\d{3} \d{2}:\d{2}:\d{2} GMT", re.ASCII)
_GUARDED: Final = ("sagemaker", "ecr", "kms", "organizations", "cloudtrail", "dynamodb")
"""Services with JSON protocols; s3 is XML and sts is the query protocol."""


class Clients(Session):  # type: ignore[misc] # botocore has no types
    """Makes the clients of every account: one session for all of them, which keeps nothing of any.

    A session takes as long to make as a client, and holds what is the caller's, never what is an account's.
    """

    def __init__(self, own: Session) -> None:
        """As the caller's own session is configured: its handlers, and what it has loaded of the services' models."""
        loader = own.get_component("data_loader")
        loader.file_loader = _Models()
        emitter = own.get_component("event_emitter")
        # Every client gets a copy of the handlers, so that none hears of another's calls.
        super().__init__(profile=own.profile, event_hooks=emitter, include_builtin_handlers=False)
        self.register_component("event_emitter", _Events(getattr(emitter, "_emitter", emitter)))
        self.register_component("data_loader", _Lean(loader))
        self.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=timestamp)
        self._making = threading.Lock()
        self._whose: Any = None

    def make(self, credentials: Any, service: str, region: str, config: Config) -> Any:
        """A client that signs with these credentials for as long as it lives; None signs nothing."""
        with self._making:
            self._whose = credentials
            try:
                client = self.create_client(service, region_name=region, config=config)
            finally:
                self._whose = None
        if service in _GUARDED:
            client.meta.events.register(f"before-parse.{service}", _guard)
        return client

    def get_credentials(self) -> Any:
        """INVARIANT: those of the client that is being made, and never the caller's for want of others."""
        return self._whose


class _Events(EventAliaser):  # type: ignore[misc] # botocore has no types
    """Handlers of events. What an event's name is an alias of, every client would find out anew."""

    def __init__(self, emitter: Any, event_aliases: Any = None, known: dict[str, str] | None = None) -> None:
        super().__init__(emitter, event_aliases)
        self._alias_name_cache = {} if known is None else known

    def __copy__(self) -> _Events:
        return _Events(copy(self._emitter), None, self._alias_name_cache)


class _Models(JSONFileLoader):  # type: ignore[misc] # botocore has no types
    """Reads the files of botocore's models three times as fast: they are what a process reads longest before its first call."""

    def load_file(self, file_path: str) -> Any:
        for ending, opened in ((".json", open), (".json.gz", gzip.open)):
            with suppress(FileNotFoundError), opened(file_path + ending, "rb") as file:
                return msgspec.json.decode(file.read())
        return None


class _Lean:
    """A loader of service models without the operations that nobody calls: each costs every client a method."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._lean: dict[str, Mapping[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_service_model(self, service: str, kind: str, api_version: str | None = None) -> Any:
        model = self._loader.load_service_model(service, kind, api_version)
        if kind != "service-2":
            return model
        if service not in self._lean:
            kept = {name: one for name, one in model["operations"].items() if f"{service}:{name}" in NEEDED}
            self._lean[service] = {**model, "operations": kept}
        return self._lean[service]


def _guard(response_dict: dict[str, Any], **_: Any) -> None:
    """A success must carry a JSON object: botocore takes a cut body, an empty one or a page of HTML for an empty answer."""
    if response_dict["status_code"] >= 300:
        return
    if not _is_object(response_dict["body"]):
        raise MalformedBody(what="no JSON object")


def _is_object(body: bytes) -> bool:
    """As botocore reads it: what the strict reader refuses is asked of the one that botocore has."""
    try:
        return isinstance(_STRICT.decode(body), dict)
    except (ValueError, RecursionError):
        pass
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def timestamp(value: Any) -> datetime:
    """The moment that botocore reads there, without asking for the zone of this machine each time.

    Raises:
        whatever botocore does of what is no moment.
    """
    with suppress(ValueError, OverflowError, OSError):
        if type(value) in (int, float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and _HTTP_DATE.fullmatch(value):
            return parsedate_to_datetime(value)
    found: datetime = parse_timestamp(value)
    return found
