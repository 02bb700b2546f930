"""Who calls AWS: the caller, and the role that it assumed in each account; clients of both."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session
from msgspec import Struct

from modelwarden.collect.blob import Route
from modelwarden.collect.client import Clients
from modelwarden.collect.rates import Pace, Rates

ATTEMPTS: Final = 8
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
THREADS: Final = 16
OWN: Final = "own"
"""Holder of the caller's own credentials; every other holder is an account."""


class Access(Struct, frozen=True):
    """How to get at accounts."""

    role: str | None = None
    """Name of the role to assume; `{account}` stands for the account id. None: own credentials everywhere."""
    external_id: str | None = None
    attempts: int = ATTEMPTS
    timeout_seconds: int | None = None
    pace: Pace = Pace()


class Sessions:
    """Clients and credentials of one collector; clients are shared among its threads."""

    def __init__(self, access: Access, own: Session, above: Sessions | None = None) -> None:
        """`above` lives longer: it makes the clients, and assumes roles, so that credentials outlive a sibling."""
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
        self._makes: Clients = above._makes if above else Clients(own)
        self._credentials: dict[str, Any] = {}
        """Account -> what was assumed there; it refreshes itself."""
        self._clients: dict[tuple[str, str, str], Any] = {}
        self.rates = Rates(access.pace)

    def home(self, region: str) -> str:
        """The caller's own region, in which its credentials hold for certain; `region` where none is configured."""
        configured: str | None = self.own.get_config_variable("region")
        return configured or region

    def sibling(self) -> Sessions:
        """Those of the same caller, with clients and assumed credentials of their own."""
        return Sessions(self._access, self.own, self._above)

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
                credentials = self._above._own_credentials() if holder == OWN else self._credentials[holder]
                self._clients[key] = client = self._makes.make(credentials, service, region, self._config)
                client.meta.events.register("needs-retry", partial(_hear, self.rates, holder, region, service))
            return self._clients[key]

    def assume(self, account: str, region: str) -> Mapping[str, Any]:
        """Assume the role in an account, so that clients can be made for it; the credentials refresh themselves.

        Raises:
            whatever sts:AssumeRole does, here and not in the first call of another service.
        """
        if self._above._own_credentials() is None:
            raise NoCredentialsError
        role = str(self._access.role).replace("{account}", account)
        given = {
            "RoleArn": f"arn:{self.own.get_partition_for_region(region)}:iam::{account}:role/{role}",
            "RoleSessionName": "modelwarden",
            "DurationSeconds": 3600,
            **({"ExternalId": self._access.external_id} if self._access.external_id else {}),
        }
        credentials = DeferredRefreshableCredentials(
            method="assume-role", refresh_using=partial(_assume, self._above, self.home(region), given)
        )
        credentials.get_frozen_credentials()
        with self._lock:
            self._credentials[account] = credentials
            self._clients = {key: client for key, client in self._clients.items() if key[0] != account}
        return {"Account": account}

    def _own_credentials(self) -> Any:
        """Of the caller; None where there are none. A session is not thread-safe."""
        with self._lock:
            return self.own.get_credentials()

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


def _hear(rates: Rates, holder: str, region: str, service: str, response: Any, operation: Any, **_: Any) -> None:
    """Told of every attempt, and not of calls alone: botocore repeats what was throttled."""
    rates.heard(holder, region, service, response, operation)


def _assume(sessions: Sessions, home: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Credentials as botocore refreshes them."""
    answer = sessions.client(OWN, home, "sts").assume_role(**given)
    told = answer["Credentials"]
    return {
        "access_key": told["AccessKeyId"],
        "secret_key": told["SecretAccessKey"],
        "token": told["SessionToken"],
        "expiry_time": told["Expiration"].isoformat(),
    }
