"""Who calls AWS: the caller's own session, and one for each account whose role was assumed; clients of both."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session
from msgspec import Struct

from modelwarden.collect.answer import MalformedBody
from modelwarden.collect.blob import Route

ATTEMPTS: Final = 8
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
THREADS: Final = 16
OWN: Final = "own"
"""Holder of the caller's own credentials; every other holder is an account."""

_GUARDED: Final = ("sagemaker", "ecr", "kms", "organizations", "cloudtrail", "dynamodb")
"""Services with JSON protocols; s3 is XML and sts is the query protocol."""


class Access(Struct, frozen=True):
    """How to get at accounts."""

    role: str | None = None
    """Name of the role to assume; `{account}` stands for the account id. None: own credentials everywhere."""
    external_id: str | None = None
    attempts: int = ATTEMPTS
    timeout_seconds: int | None = None


class Sessions:
    """Clients are shared among threads; sessions are not thread-safe and make clients under a lock."""

    def __init__(self, access: Access, own: Session, above: Sessions | None = None) -> None:
        """`above` lives longer: it makes the clients by which roles are assumed, so that credentials outlive a sibling."""
        self._access = access
        self._above = above or self
        self.own = own
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": access.attempts},
            max_pool_connections=2 * THREADS,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=access.timeout_seconds or READ_SECONDS,
        )
        self._lock = threading.RLock()
        self._credentials: dict[str, Any] = {}
        """Account -> what was assumed there; it refreshes itself."""
        self._assumed: dict[str, Session] = {}
        """Account -> the session that makes its clients, made when one is needed."""
        self._clients: dict[tuple[str, str, str], Any] = {}

    def home(self, region: str) -> str:
        """The caller's own region, in which its credentials hold for certain; `region` where none is configured."""
        configured: str | None = self.own.get_config_variable("region")
        return configured or region

    def sibling(self) -> Sessions:
        """Those of the same caller, which share what is loaded of the services' models and nothing that can change."""
        with self._lock:
            credentials = self.own.get_credentials()
            found = Session(profile=self.own.profile)
            found.register_component("data_loader", self.own.get_component("data_loader"))
        if credentials is not None:
            found.register_component("credential_provider", _Held(credentials))
        return Sessions(self._access, found, self._above)

    def inherit(self, other: Sessions, account: str) -> bool:
        """Take over what another one assumed in an account, so that nobody asks twice; whether there was anything."""
        credentials = other._credentials.get(account)
        if credentials is not None:
            self._credentials[account] = credentials
        return credentials is not None

    def client(self, holder: str, region: str, service: str) -> Any:
        """The client of a service, made once."""
        with self._lock:
            key = (holder, region, service)
            if key not in self._clients:
                session = self.own if holder == OWN else self._session(holder)
                self._clients[key] = client = session.create_client(service, region_name=region, config=self._config)
                if service in _GUARDED:
                    client.meta.events.register(f"before-parse.{service}", _guard)
            return self._clients[key]

    def assume(self, account: str, region: str) -> Mapping[str, Any]:
        """Assume the role in an account, so that clients can be made for it; the credentials refresh themselves.

        Raises:
            whatever sts:AssumeRole does, here and not in the first call of another service.
        """
        role = str(self._access.role).replace("{account}", account)
        own, home = self.own.get_credentials(), self.home(region)
        if own is None:
            raise NoCredentialsError
        extra = {"RoleSessionName": "modelwarden", "DurationSeconds": 3600}
        fetcher = AssumeRoleCredentialFetcher(
            partial(self._above._create_client, region_name=home, config=self._config),
            own,
            f"arn:{self.own.get_partition_for_region(region)}:iam::{account}:role/{role}",
            extra_args=extra | ({"ExternalId": self._access.external_id} if self._access.external_id else {}),
        )
        credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
        credentials.get_frozen_credentials()
        with self._lock:
            self._credentials[account] = credentials
            self._assumed.pop(account, None)
            self._clients = {key: client for key, client in self._clients.items() if key[0] != account}
        return {"Account": account}

    def _create_client(self, *given: Any, **named: Any) -> Any:
        with self._lock:
            return self.own.create_client(*given, **named)

    def _session(self, account: str) -> Session:
        """The session of an account, which shares what is loaded of the services' models."""
        if account not in self._assumed:
            self._assumed[account] = found = Session()
            found.register_component("data_loader", self.own.get_component("data_loader"))
            found.register_component("credential_provider", _Held(self._credentials[account]))
        return self._assumed[account]

    def renew(self, holder: str, region: str, used: Any) -> None:
        """Assume the role again because a client's session expired before its time; once for all threads that meet it."""
        with self._lock:
            if used in self._clients.values():
                self.assume(holder, region)

    def route(self, client: Any) -> Route:
        """How to get at an address that a client was told."""
        return Route(
            endpoint=client.meta.endpoint_url,
            suffix=self._suffix(client.meta.partition),
            verify=self.own.get_config_variable("ca_bundle") or True,
            timeout=(CONNECT_SECONDS, self._access.timeout_seconds or READ_SECONDS),
        )

    def _suffix(self, partition: str) -> str:
        known = self.own.get_data("endpoints")["partitions"]
        return next((str(one["dnsSuffix"]) for one in known if one["partition"] == partition), "amazonaws.com")


class _Held:
    """A credential provider with one set of credentials, which refresh themselves."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        return self._credentials


def _guard(response_dict: dict[str, Any], **_: Any) -> None:
    """A success must carry a JSON object: botocore takes a cut body, an empty one or a page of HTML for an empty answer."""
    if response_dict["status_code"] >= 300:
        return
    try:
        whole = isinstance(json.loads(response_dict["body"]), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise MalformedBody(what="no JSON object")
